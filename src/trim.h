/* SPDX-License-Identifier: MIT */
/* trim: when free memory goes back to the system.
 *
 * Every 64th slow-path call of a thread looks at the clock. Once per trim_interval the
 * thread ages its own cache, and one thread of the process gives back what has been free
 * for that long: BigCache entries, parked caches, empty runs, empty SuperSlabs. When a
 * SuperSlab was mapped or unmapped, the process is growing or shrinking, and runs and
 * BigCache entries go back that have been free for a small part of that time: they were
 * of no use, or will not be.
 *
 * A process that has freed much may go on with calls that its caches can serve, and never
 * come to a slow path again. While much is free and resident, a thread is watched: its
 * bins look closed, so that its calls come here, up to 64 of them in a millisecond. A
 * busy thread loses some microseconds by that; one with little to do is seen until the
 * time has come, and what has been free for an interval goes back.
 */
#ifndef HM_TRIM_H
#define HM_TRIM_H

#include "tcache.h"

struct hm_trim_counts {
    _Atomic uint64_t passes, bytes;
    _Atomic uint64_t seen;  /* hm_trim_superslab_events when last looked at */
    _Atomic uint32_t asked; /* hm_trim_ask_all */
};
extern struct hm_trim_counts hm_trim_counts; /* [any, relaxed] */

HM_INLINE uint64_t hm_trim_superslab_events(void)
{
    return hm_load_relaxed(&hm_superslab_counts.mapped) +
           hm_load_relaxed(&hm_superslab_counts.released);
}

/* Reads the clock. What there is to give back is old enough half an interval from now. */
void hm_trim_init(void);

/* To be called at the end of every slow path, without locks. tc may be NULL. True: this
 * was the one call in 64 that does something. */
void hm_trim_tick_slow(struct hm_tcache *tc);
HM_INLINE bool hm_trim_tick(struct hm_tcache *tc)
{
    bool news = hm_trim_superslab_events() != hm_load_relaxed(&hm_trim_counts.seen);
    if (tc == NULL || HM_LIKELY((++tc->events & 63) != 0 && !news && tc->watched == 0))
        return false;
    hm_trim_tick_slow(tc);
    return true;
}

/* One pass over what has been free for a trim interval. Returns bytes given back. */
size_t hm_trim_pass(void);
/* Is there memory that a later pass may give back? */
bool hm_trim_anything_left(void);

/* Gives everything back that is free now. Returns bytes. */
size_t hm_trim_now(struct hm_tcache *tc);
/* Has every thread empty its cache when it looks at the clock next. */
void hm_trim_ask_all(void);

#endif
