/* SPDX-License-Identifier: MIT */
/* front: what the fast paths see of a thread cache, the ends of its bins (tcache.h).
 *
 * F1 Of a closed bin top == limit == the shared sentinel, so that pop and push both miss.
 *    A thread starts with a front of closed bins, and ends with one; "not started",
 *    "exited", "checked" and "watched" need no test on the fast path, they miss.
 */
#ifndef HM_FRONT_H
#define HM_FRONT_H

#include "slab.h"

struct hm_front {
    _Atomic(struct hm_slot *) top[HM_STATES]; /* [owner]; statistics read it */
    struct hm_slot *limit[HM_STATES]; /* [owner]; hm_front_limit */
    struct hm_tcache *cache; /* [const] the cache behind it, or NULL (F1) */
};

/* How anybody else reads a limit. By a builtin of gcc, since an _Atomic one would not be
 * an operand of the owner's comparison on the fast path but a load of its own. */
HM_INLINE struct hm_slot *hm_front_limit(struct hm_front *front, unsigned bin)
{
    return __atomic_load_n(&front->limit[bin], __ATOMIC_RELAXED);
}

/* The only thread-local variable. */
extern _Thread_local struct hm_front *hm_tcache_self
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* What it is for a thread that has ended. */
extern struct hm_front hm_front_exited;

void hm_front_close(struct hm_front *front);
/* A front of closed bins for a cache that has bins of its own. NULL: out of memory. */
struct hm_front *hm_front_closed(struct hm_tcache *tc);

#endif
