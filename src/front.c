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

static struct hm_front_bounds bounds(bool mixed)
{
    if (mixed)
        return (struct hm_front_bounds){0, 0, 0};
    return (struct hm_front_bounds){HM_SMALL_CLASSES, hm_window_fast.small_granules,
                                    hm_window_fast.all_granules};
}

void hm_front_mix(struct hm_front *front, bool mixed)
{
    front->below = bounds(mixed);
}

HM_COLD bool hm_front_is_sound(const struct hm_front *front)
{
    struct hm_front_bounds expected = bounds(hm_front_is_mixed(front));
    return memcmp(&front->below, &expected, sizeof expected) == 0;
}
