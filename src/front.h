/* SPDX-License-Identifier: MIT */
/* front: what the fast paths see of a thread cache, the ends of its bins (tcache.h).
 *
 * F1 Of a closed bin top == limit == the shared sentinel, so that pop and push both miss.
 *    A thread starts with the front of closed bins, and ends with it; "not started",
 *    "exited", "checked" and "watched" need no test on the fast path, they miss.
 * F2 The fast paths part where they ask whether a request is for a linear class, or a
 *    block small. Where both kinds come in no order, the processor foresees the answer
 *    wrongly, time and again, which takes longer than all the rest. A front mixes them
 *    then: the answer is always no, to whether a block is large as well, and the way on
 *    from there is one for both. Closed ones that all threads share do, too.
 */
#ifndef HM_FRONT_H
#define HM_FRONT_H

#include "slab.h"

/* F2: below these something is linear, small or large; 0: mixed. Requests in steps of 16
 * bytes, the bound included; blocks in granules (window.h). */
struct hm_front_bounds {
    size_t linear_steps, small_granules, large_granules;
};

struct hm_front {
    _Atomic(struct hm_slot *) top[HM_STATES]; /* [owner]; statistics read it */
    struct hm_slot *limit[HM_STATES];         /* [owner]; hm_front_limit */
    struct hm_front_bounds below;             /* [owner] */
};

/* How anybody else reads a limit. By a builtin of gcc, since an _Atomic one would not be
 * an operand of the owner's comparison on the fast path but a load of its own. */
HM_INLINE struct hm_slot *hm_front_limit(struct hm_front *front, unsigned bin)
{
    return __atomic_load_n(&front->limit[bin], __ATOMIC_RELAXED);
}

/* The only thread-local variable. */
struct hm_thread {
    struct hm_front *front;  /* what the fast paths see: bins of the cache, or closed */
    struct hm_tcache *cache; /* or NULL, before and after it has one */
    uint8_t calls;           /* tcache_threads.c: made without */
    uint8_t shard;           /* that it takes from first */
    bool ended;
};
extern _Thread_local struct hm_thread hm_self
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* All bins closed, for any thread; never written. */
extern HM_HIDDEN struct hm_front hm_front_closed;

void hm_front_close(struct hm_front *front);
/* F2 */
void hm_front_mix(struct hm_front *front, bool requests, bool blocks);
HM_INLINE bool hm_front_mixes_requests(const struct hm_front *front)
{
    return front->below.linear_steps == 0;
}
HM_INLINE bool hm_front_mixes_blocks(const struct hm_front *front)
{
    return front->below.large_granules == 0;
}
bool hm_front_is_sound(const struct hm_front *front);

#endif
