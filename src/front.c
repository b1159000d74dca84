/* SPDX-License-Identifier: MIT */
#include "front.h"
#include "meta.h"

static struct hm_slot nothing; /* F1: the shared sentinel; never written */

#define CLOSED [0 ... HM_STATES - 1] = &nothing
static struct hm_front not_started = {.top = {CLOSED}, .limit = {CLOSED}};
struct hm_front hm_front_exited = {.top = {CLOSED}, .limit = {CLOSED}};

_Thread_local struct hm_front *hm_tcache_self = &not_started;

void hm_front_close(struct hm_front *front)
{
    for (unsigned i = 0; i < HM_STATES; i++) {
        hm_store_relaxed(&front->top[i], &nothing);
        __atomic_store_n(&front->limit[i], &nothing, __ATOMIC_RELAXED);
    }
}

struct hm_front *hm_front_closed(struct hm_tcache *tc)
{
    struct hm_front *front = hm_meta_alloc(sizeof *front);
    if (front != NULL) {
        hm_front_close(front);
        front->cache = tc;
    }
    return front;
}
