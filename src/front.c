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

void hm_front_mix(struct hm_front *front, bool mixed)
{
    front->small_steps = mixed ? 0 : HM_SMALL_CLASSES;
    front->small_granules = mixed ? 0 : hm_window_fast.small_granules;
    front->large_granules = mixed ? 0 : hm_window_fast.all_granules;
}

HM_COLD bool hm_front_is_sound(const struct hm_front *front)
{
    if (hm_front_is_mixed(front))
        return front->small_granules == 0 && front->large_granules == 0;
    return front->small_steps == HM_SMALL_CLASSES &&
           front->small_granules == hm_window_fast.small_granules &&
           front->large_granules == hm_window_fast.all_granules;
}
