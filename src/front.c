/* SPDX-License-Identifier: MIT */
#include "front.h"

static struct hm_slot nothing; /* F1: the shared sentinel; never written */

#define CLOSED [0 ... HM_STATES - 1] = &nothing
struct hm_front hm_front_closed = {.top = {CLOSED}, .limit = {CLOSED}};

_Thread_local struct hm_thread hm_self = {.front = &hm_front_closed};

void hm_front_close(struct hm_front *front)
{
    for (unsigned i = 0; i < HM_STATES; i++) {
        hm_store_relaxed(&front->top[i], &nothing);
        __atomic_store_n(&front->limit[i], &nothing, __ATOMIC_RELAXED);
    }
}
