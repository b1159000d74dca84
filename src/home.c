/* SPDX-License-Identifier: MIT */
#include "home.h"

/* [any] Released and acquired, since guests look at what the owner's bins are. */
static struct hm_settle *_Atomic owners[HM_HOMES] HM_TAIL_DATA;

struct hm_settle *hm_home_owner(unsigned home)
{
    return hm_load_acquire(&owners[home]);
}

bool hm_home_pass(unsigned home, struct hm_settle *from, struct hm_settle *to)
{
    return home != HM_HOME_NONE &&
           atomic_compare_exchange_strong_explicit(
               &owners[home], &from, to, memory_order_acq_rel, memory_order_acquire);
}

unsigned hm_home_find(struct hm_settle *to)
{
    /* In turn: of the free ones, that which was owned last is wanted by the thread that
     * goes on where its owner ended. */
    static _Atomic uint32_t last;
    for (unsigned i = 0; i < HM_HOMES; i++) {
        unsigned home = (hm_add_relaxed(&last, 1) + 1) % HM_HOMES;
        if (hm_home_owner(home) == NULL && hm_home_pass(home, NULL, to))
            return home;
    }
    return HM_HOME_NONE;
}
