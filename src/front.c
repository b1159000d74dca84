/* SPDX-License-Identifier: MIT */
#include "front.h"

#include <string.h>

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

static struct hm_front_bounds bounds(bool requests, bool blocks)
{
    return (struct hm_front_bounds){requests ? 0 : HM_LINEAR_CLASSES,
                                    blocks ? 0 : hm_window_fast.small_granules,
                                    blocks ? 0 : hm_window_fast.all_granules};
}

void hm_front_mix(struct hm_front *front, bool requests, bool blocks)
{
    front->below = bounds(requests, blocks);
}

HM_COLD bool hm_front_is_sound(const struct hm_front *front)
{
    struct hm_front_bounds expected =
        bounds(hm_front_mixes_requests(front), hm_front_mixes_blocks(front));
    return memcmp(&front->below, &expected, sizeof expected) == 0;
}
