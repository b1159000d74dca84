/* SPDX-License-Identifier: MIT */
/* lock: a mutex of one word that knows about fork.
 *
 *   word, lowest two bits: 0 free | 1 held | 2 held, a thread sleeps | 3 by a fork
 *         the others:      the thread that holds it, or held it when it forked
 *
 * L1 A lock is never held across a system call other than a futex call of its own, nor
 *    across anything that could wait for a lock of libc.
 * L2 While a thread forks it holds every lock in state 3. Other threads that want one
 *    then get `false` at once instead of waiting: they might own a lock of libc
 *    (stdio's, the loader's) that the fork itself is about to take. Every caller has a
 *    way to go on without the lock. Only another fork waits, before it takes anything.
 * L3 The forking thread passes through the locks that it took to fork, so that atfork
 *    handlers of the program may allocate.
 * L4 Locks nest in the order of enum hm_lock_rank only; debug builds verify it.
 * L5 A signal handler may fork, out of the middle of a critical section too: the lock in
 *    question stays its thread's, which goes on in parent and child when the handler
 *    returns. Until then it is refused to all, the forking thread among them.
 */
#ifndef HM_LOCK_H
#define HM_LOCK_H

#include "base.h"

enum hm_lock_rank {
    HM_RANK_CHECK,      /* one check of the heap at a time */
    HM_RANK_THREADS,    /* registry of thread caches */
    HM_RANK_QUARANTINE, /* a lane of the quarantine */
    HM_RANK_PARTIAL,    /* a set of partial lists */
    HM_RANK_RUNS,       /* a shard's SuperSlabs */
    HM_RANK_BIG,        /* BigCache */
    HM_RANK_GUARD,      /* guarded blocks */
    HM_RANK_WINDOW,     /* address windows */
    HM_RANK_META,       /* metadata allocator */
};

struct hm_lock {
    _Atomic uintptr_t word; /* [any] see above; acquire pairs with release */
    uint32_t rank;          /* [const] */
};

/* Times a thread went to sleep for a lock. [any, relaxed] */
extern _Atomic uint64_t hm_lock_waits;

HM_INLINE void hm_lock_init(struct hm_lock *l, enum hm_lock_rank rank)
{
    hm_store_relaxed(&l->word, 0);
    l->rank = rank;
}

/* False: another thread is forking; go on without (L2). */
bool hm_lock_acquire(struct hm_lock *l);
/* As above, but also false when it would have to wait. */
bool hm_lock_try(struct hm_lock *l);
void hm_lock_release(struct hm_lock *l);

/* For process.c. Between begin and end the calling thread owns every lock passed to
 * take. */
void hm_lock_fork_begin(void);
void hm_lock_fork_take(struct hm_lock *l);
void hm_lock_fork_give(struct hm_lock *l); /* in the parent and in the child */
void hm_lock_fork_end(void);
/* Is another thread forking at this moment? */
bool hm_lock_fork_elsewhere(void);

#endif
