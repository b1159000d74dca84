/* SPDX-License-Identifier: MIT */
/* tcache: thread caches. A bin per class holds free blocks that only its thread touches.
 *
 *   bin   limit                 top                      bottom
 *          v                     v                         v
 *         | room | room | room | block | block | … | block | 0 |
 *                        push <-'-> pop                      `- sentinel: nothing left
 *
 * C1 limit <= top <= bottom == limit + capacity; *bottom is the sentinel {NULL, NULL}.
 * C2 Slots [top, bottom) hold free blocks of the bin's class: in no slab's free map, in
 *    no other slot, state byte 0. The lowest address of a refill is popped first.
 * C3 A bin that is not open has capacity 0, and both its ends are the shared sentinel
 *    (front.h).
 * C4 A cache is used by one thread, or parked: whole, with its blocks, for the next
 *    thread, if possible for one that frees blocks of the same home. Parked caches hold
 *    no current slab. Caches are type-stable.
 * C5 `busy` is set while its thread changes more than one of a bin's ends: a fork's child
 *    empties caches that were busy in threads it does not have.
 * C6 A bin that was full of blocks of other homes than the thread's (home.h), or of some,
 *    stays small and takes from slabs of its own, until it was full without them twice or
 *    the cache has spent enough on that; not small while all of it is being torn down. If
 *    most of what it looked at was others', its thread is then strict for a while
 *    (settle.h).
 * C7 Now and then a thread that misses often has a number of calls in a row come here, to
 *    be counted, and its front is mixed (front.h, F2) for blocks where a good part takes
 *    the one way and a good part the other, for requests where a good part takes the
 *    longer one.
 */
#ifndef HM_TCACHE_H
#define HM_TCACHE_H

#include "settle.h"
#include "share.h"

/* Slots of a bin at most: option.def's bound on tls_cache_max. */
#define HM_BIN_MAX 2048

struct hm_bin {
    struct hm_slab *current;   /* [owner] slab that refills come from, or NULL */
    _Atomic uint16_t capacity; /* [owner] slots; statistics read it */
    uint16_t refill;           /* [owner] blocks that the next refill wants */
    uint16_t taken; /* [owner] blocks refilled since the last flush, saturating */
    bool active;       /* [owner] missed since the cache was last aged */
    uint8_t unmix : 4; /* [owner] C6: times that it must be full of its own blocks */
    uint8_t torn : 4;  /* [owner] times in a row that it was full, and nothing taken */
};

struct hm_tcache {
    struct hm_front bin_ends;
    uint64_t watched_at;   /* [owner] hm_clock of the last call seen so */
    uint8_t watched;       /* [owner] such calls until the watch ends; 0: no watch */
    bool watch_hit;        /* [owner] this call is one */
    uint8_t sampled;       /* [owner] C7: calls until the sample is whole; 0: no sample */
    uint8_t sampled_linear; /* [owner] those of them that were about linear classes */
    uint8_t sampled_large;  /* [owner] and about large blocks */
    uint16_t unmix_left;   /* [owner] C6: what may still be spent on it */
    struct hm_bin bins[HM_CLASSES];
    struct hm_share share; /* [owner] */
    struct hm_settle settle;
    uint32_t events;     /* [owner] slow-path calls */
    uint32_t asked;      /* [owner] trim.h: hm_trim_ask_all as last heeded */
    uint64_t random;     /* [owner] harden.c: a generator */
    uint32_t sample_at;  /* [owner] harden.c: when a guarded block is due */
    uint8_t exit_rounds; /* [owner] destructor rounds seen */
    _Atomic bool busy;   /* [owner] C5 */
    _Atomic bool parked; /* [L:threads] */
    _Atomic bool
        withheld;     /* parked, being trimmed: [L:threads] set; its trimmer clears */
    uint64_t aged_at; /* [owner, or L:threads when parked] hm_clock */
    struct hm_tcache *next;                /* [const] all caches */
    struct hm_tcache *_Atomic next_parked; /* [L:threads] */
    /* Counters: [owner]; statistics read. */
    _Atomic uint64_t refills, refilled, flushes, flushed;
    _Atomic uint64_t remote;          /* flushed into slabs CURRENT for another thread */
    _Atomic uint64_t wanted, granted; /* bytes of requests that took the slow path */
};

/* How many threads have a cache. [any, relaxed] */
extern _Atomic unsigned hm_tcache_threads;

/* Adds to a counter, which only the calling thread writes. */
HM_INLINE void hm_tcache_count(_Atomic uint64_t *counter, uint64_t n)
{
    hm_store_relaxed(counter, hm_load_relaxed(counter) + n);
}

/* With `slow` every call of malloc and free shall take the slow path. */
void hm_tcache_init(bool slow);
/* What the thread of the cache shall see, unless its calls are looked at: its bins, or,
 * if every call is slow, closed ones. */
struct hm_front *hm_tcache_front(struct hm_tcache *tc);
/* To be called after options have changed. */
void hm_tcache_options(void);

/* The calling thread's first cache: one that is parked, of the home of `freed` if there
 * is one, or a new one. `freed` is a block of a slab, or NULL. NULL: the thread has
 * exited, or memory is short; then blocks are taken and given one by one. */
struct hm_tcache *hm_tcache_start(const void *freed);
/* The same if one is parked, if no other thread has one, or if this thread has called for
 * the 65th time; else NULL. */
struct hm_tcache *hm_tcache_await(const void *freed);
/* One of the first calls, which settle.h wants to see. Returns the cache that the thread
 * has from now on. */
struct hm_tcache *hm_tcache_look(struct hm_tcache *tc, const void *freed);
/* The cache's home is another than `before`, when its bins were filled. If one of that
 * home is parked, the thread takes it and parks its own; else NULL. */
struct hm_tcache *hm_tcache_swap(struct hm_tcache *tc, unsigned before);

/* One block of `class` with its state set: from the bin, after a refill if it is empty.
 * tc may be NULL. NULL: out of memory, or fork elsewhere. */
void *hm_tcache_take(struct hm_tcache *tc, unsigned cls);
/* Puts a block into its bin, its state set to 0; makes room if need be. tc may be NULL.
 */
void hm_tcache_give(struct hm_tcache *tc, unsigned cls, void *block, hm_state *state);

/* Lets the thread's next calls miss although its bins could serve them, so that trim.h
 * gets to see the clock: `calls` of them, at most 255, or until the watch is ended; and
 * as long as settle.h looks at them, or they are counted (C7). */
void hm_tcache_watch(struct hm_tcache *tc, unsigned calls);
void hm_tcache_watch_end(struct hm_tcache *tc);

/* What the cache's thread has live is what it took and does not have in bins now. */
void hm_tcache_note_live(struct hm_tcache *tc);
/* Has the heap become so much smaller that the cache is too large for it, unless the heap
 * soon grows again? */
bool hm_tcache_may_be_over(const struct hm_tcache *tc);
/* Halves what bins hold that were not missed since the last call; empties a cache that is
 * too large. */
void hm_tcache_age(struct hm_tcache *tc);
/* Empties all bins into the slabs. */
void hm_tcache_flush(struct hm_tcache *tc);
/* Forgets all bins, and the blocks in them. */
void hm_tcache_close_bins(struct hm_tcache *tc);
/* Lets all current slabs go. */
void hm_tcache_let_go(struct hm_tcache *tc);
/* The same for caches parked at `deadline` or before. */
void hm_tcache_trim_parked(uint64_t deadline);
/* Is there one that it may yet find something in? */
bool hm_tcache_parked_untrimmed(void);

struct hm_tcache_totals {
    uint64_t caches, parked, refills, refilled, flushes, flushed, remote;
    uint64_t wanted, granted, cached_bytes;
};
void hm_tcache_totals(struct hm_tcache_totals *out);
/* All caches there are, used or parked, by their `next`. */
struct hm_tcache *hm_tcache_first(void);
/* Bytes of the blocks that a cache holds; adds the blocks up by bin, unless `blocks` is
 * NULL. What its thread changes meanwhile may be counted before or after. */
uint64_t hm_tcache_cached(struct hm_tcache *tc, uint64_t blocks[HM_CLASSES]);

void hm_tcache_fork(void (*each)(struct hm_lock *)); /* for process.c */
/* In the child: parks the caches of the threads it does not have. */
void hm_tcache_fork_child(void);

#endif
