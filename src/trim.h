/* SPDX-License-Identifier: MIT */
/* trim: when free memory goes back to the system.
 *
 * Every 64th slow-path call of a thread looks at the clock. Once per trim_interval the
 * thread ages its own cache, and one thread of the process gives back what has been free
 * for that long: BigCache entries, parked caches, empty runs, empty SuperSlabs.
 *
 * With trim_thread a helper thread does the latter, also when nobody calls malloc. It
 * starts at the end of a slow path, without locks, when the library has been loaded and
 * something is retained; sleeps without a timeout while nothing is; blocks all signals;
 * and is started anew, when needed, in a fork's child. */
#ifndef HM_TRIM_H
#define HM_TRIM_H

#include "tcache.h"

struct hm_trim_counts {
    _Atomic uint64_t passes, bytes;
};
extern struct hm_trim_counts hm_trim_counts; /* [any, relaxed] */

/* To be called at the end of every slow path, without locks. tc may be NULL. */
void hm_trim_tick_slow(struct hm_tcache *tc);
HM_INLINE void hm_trim_tick(struct hm_tcache *tc)
{
    if (tc != NULL && HM_UNLIKELY((++tc->events & 63) == 0))
        hm_trim_tick_slow(tc);
}

/* From now on the helper thread may start. */
void hm_trim_loaded(void);
/* Is there a helper thread? Then the process is not single-threaded. */
bool hm_trim_has_thread(void);
/* In a fork's child: there is none. */
void hm_trim_fork_child(void);

/* Gives everything back that is free now. Returns bytes. */
size_t hm_trim_now(struct hm_tcache *tc);

#endif
