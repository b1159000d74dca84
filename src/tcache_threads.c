/* SPDX-License-Identifier: MIT */
/* The caches of the process: which thread has which, and what becomes of them when it
 * ends. Apart from tcache.c, whose bins know nothing of threads. */
#include "meta.h"
#include "tcache.h"

#include <limits.h>
#include <pthread.h>

/* Destructors of thread-specific data run in up to PTHREAD_DESTRUCTOR_ITERATIONS (4)
 * rounds; others may free in each, so a cache is parked in the last. In that,
 * ThreadSanitizer takes its own view of the thread down: one less. */
#define EXIT_ROUNDS (HM_TSAN ? 2 : 3)

/* Parked caches looked at for one of a home. */
#define PARKED_LOOKS 32

/* Calls that a thread makes before a new cache is made for it, of some 5 KiB. Many
 * threads never make so many, and most of the first ones would miss in any case. */
#define CALLS_WITHOUT 64

static struct {
    struct hm_lock lock;
    struct hm_tcache *_Atomic all;     /* [L:lock] pushed; [any] walked */
    struct hm_tcache *_Atomic parked;  /* [L:lock] last parked first: its memory is warm;
                                         [any] is there one? */
    struct hm_tcache *_Atomic orphans; /* [any] exited while fork elsewhere */
    _Atomic unsigned untrimmed;        /* parked caches that may hold blocks */
    _Atomic unsigned next_shard;
    pthread_key_t key;
    bool key_valid;
} threads;

static void cache_exit(void *arg);
static bool every_call_slow; /* [const after init] */

HM_ONCE void hm_tcache_init(bool slow)
{
    every_call_slow = slow;
    hm_tcache_options();
    hm_lock_init(&threads.lock, HM_RANK_THREADS);
    /* In glibc this is a compare-and-swap in a static table; it neither allocates nor
     * locks. Without a key, caches of ended threads are lost until the process ends. */
    threads.key_valid = pthread_key_create(&threads.key, cache_exit) == 0;
}

struct hm_front *hm_tcache_front(struct hm_tcache *tc)
{
    return every_call_slow ? &hm_front_closed : &tc->bin_ends;
}

/* With more, meta.c's next size would cost each thread another half KiB. */
_Static_assert(sizeof(struct hm_tcache) <= 2576, "a size that objects have");

static struct hm_tcache *cache_make(void)
{
    struct hm_tcache *tc = hm_meta_new(sizeof *tc);
    if (tc == NULL)
        return NULL;
    hm_tcache_close_bins(tc);
    tc->settle.front = &tc->bin_ends;
    hm_front_mix(&tc->bin_ends, false, false);
    tc->aged_at = hm_load_relaxed(&hm_clock);
    tc->next = hm_load_relaxed(&threads.all);
    while (!atomic_compare_exchange_weak_explicit(
        &threads.all, &tc->next, tc, memory_order_release, memory_order_relaxed))
        ;
    return tc;
}

/* Caller holds the lock. */
static void park(struct hm_tcache *tc)
{
    tc->aged_at = hm_load_relaxed(&hm_clock);
    hm_store_relaxed(&tc->parked, true);
    hm_store_relaxed(&tc->next_parked, hm_load_relaxed(&threads.parked));
    hm_store_relaxed(&threads.parked, tc);
    hm_add_relaxed(&threads.untrimmed, 1);
}

/* Parks caches whose threads exited during a fork. Caller holds the lock. */
static void park_orphans(void)
{
    if (HM_LIKELY(hm_load_relaxed(&threads.orphans) == NULL))
        return;
    struct hm_tcache *tc =
        atomic_exchange_explicit(&threads.orphans, NULL, memory_order_acquire);
    while (tc != NULL) {
        struct hm_tcache *next = hm_load_relaxed(&tc->next_parked);
        park(tc);
        tc = next;
    }
}

/* Parks a cache, now or, if the lock is a fork's, later. */
static void retire(struct hm_tcache *tc)
{
    struct hm_tcache *first = hm_load_relaxed(&threads.orphans);
    if (hm_lock_acquire(&threads.lock)) {
        park(tc);
        hm_lock_release(&threads.lock);
        return;
    }
    do /* release pairs with the acquire in park_orphans */
        hm_store_relaxed(&tc->next_parked, first);
    while (!atomic_compare_exchange_weak_explicit(
        &threads.orphans, &first, tc, memory_order_release, memory_order_relaxed));
}

static bool suits(const struct hm_tcache *tc, unsigned home)
{
    return !hm_load_acquire(&tc->withheld) &&
           (home == HM_HOME_NONE || tc->settle.home == home);
}

/* False: fork elsewhere. *unparked NULL: none is parked, or none of this home among those
 * parked last. */
static bool unpark(struct hm_tcache **unparked, unsigned home)
{
    if (!hm_lock_acquire(&threads.lock))
        return false;
    park_orphans();
    struct hm_tcache *_Atomic *link = &threads.parked, *tc;
    unsigned looks = home == HM_HOME_NONE ? UINT_MAX : PARKED_LOOKS;
    while ((tc = hm_load_relaxed(link)) != NULL && !suits(tc, home)) {
        link = &tc->next_parked;
        if (--looks == 0) {
            tc = NULL;
            break;
        }
    }
    if (tc != NULL) {
        hm_store_relaxed(link, hm_load_relaxed(&tc->next_parked));
        hm_store_relaxed(&tc->parked, false);
        if (tc->aged_at != UINT64_MAX)
            hm_sub_relaxed(&threads.untrimmed, 1);
        tc->aged_at = hm_load_relaxed(&hm_clock);
    }
    hm_lock_release(&threads.lock);
    *unparked = tc;
    return true;
}

/* A thread's shard is picked in turn, when it makes its first call. */
static void pick_shard(void)
{
    if (hm_self.calls == 0)
        hm_self.shard =
            (uint8_t)(hm_add_relaxed(&threads.next_shard, 1) % hm_superslab_shards());
}

struct hm_tcache *hm_tcache_start(const void *freed)
{
    if (hm_self.ended)
        return NULL;
    /* First: blocks that others take from now on shall lie in lines of their own. */
    hm_add_relaxed(&hm_tcache_threads, 1);
    unsigned home = HM_HOME_NONE;
    if (freed != NULL)
        home = hm_load_relaxed(&hm_slab_of(freed)->home);
    struct hm_tcache *tc = NULL;
    bool held = !unpark(&tc, home);
    if (!held && tc == NULL && home != HM_HOME_NONE)
        held = !unpark(&tc, HM_HOME_NONE);
    /* While another thread forks a new one might be one too many, for ever. */
    if (!held && tc == NULL)
        tc = cache_make();
    if (tc == NULL) {
        hm_sub_relaxed(&hm_tcache_threads, 1);
        return NULL;
    }
    tc->exit_rounds = 0;
    pick_shard();
    bool look = hm_settle_begin(&tc->settle);
    /* First, since pthread_setspecific may call calloc. */
    tc->watched = tc->sampled = 0;
    hm_self.cache = tc;
    hm_self.front = hm_tcache_front(tc);
    if (look)
        hm_tcache_watch(tc, 0);
    if (threads.key_valid)
        pthread_setspecific(threads.key, tc);
    return tc;
}

struct hm_tcache *hm_tcache_await(const void *freed)
{
    bool only = hm_load_relaxed(&hm_tcache_threads) == 0;
    bool is_parked = hm_load_relaxed(&threads.parked) != NULL;
    if (only || is_parked || every_call_slow || hm_self.calls == CALLS_WITHOUT)
        return hm_tcache_start(freed);
    pick_shard();
    hm_self.calls++;
    return NULL;
}

struct hm_tcache *hm_tcache_swap(struct hm_tcache *tc, unsigned before)
{
    struct hm_tcache *other = NULL;
    if (tc->settle.home == HM_HOME_NONE || !threads.key_valid ||
        !unpark(&other, tc->settle.home) || other == NULL)
        return NULL;
    other->exit_rounds = tc->exit_rounds;
    other->watched = other->sampled = 0;
    hm_settle_swap(&tc->settle, &other->settle, before);
    hm_self.cache = other;
    hm_self.front = hm_tcache_front(other);
    pthread_setspecific(threads.key, other);
    hm_tcache_let_go(tc);
    retire(tc);
    return other;
}

/* Destructor of the thread-specific key. */
static void cache_exit(void *arg)
{
    struct hm_tcache *tc = arg;
    if (tc->exit_rounds++ < EXIT_ROUNDS && pthread_setspecific(threads.key, tc) == 0)
        return;
    hm_self = (struct hm_thread){.front = &hm_front_closed, .ended = true};
    hm_tcache_let_go(tc);
    hm_settle_end(&tc->settle);
    retire(tc);
    hm_sub_relaxed(&hm_tcache_threads, 1);
}

/* The next cache parked at `deadline` or before, withheld from new threads. The acquire
 * of withheld pairs with the release of the thread that trimmed the cache before. */
static struct hm_tcache *withhold(uint64_t deadline)
{
    if (!hm_lock_acquire(&threads.lock))
        return NULL;
    park_orphans();
    struct hm_tcache *tc = hm_load_relaxed(&threads.parked);
    while (tc != NULL && (hm_load_acquire(&tc->withheld) || tc->aged_at > deadline))
        tc = hm_load_relaxed(&tc->next_parked);
    if (tc != NULL)
        hm_store_relaxed(&tc->withheld, true);
    hm_lock_release(&threads.lock);
    return tc;
}

void hm_tcache_trim_parked(uint64_t deadline)
{
    struct hm_tcache *tc;
    while ((tc = withhold(deadline)) != NULL) {
        hm_tcache_flush(tc);
        tc->aged_at = UINT64_MAX; /* nothing left to trim */
        hm_sub_relaxed(&threads.untrimmed, 1);
        hm_store_release(&tc->withheld, false);
    }
}

bool hm_tcache_parked_untrimmed(void)
{
    return hm_load_relaxed(&threads.untrimmed) > 0;
}

struct hm_tcache *hm_tcache_first(void)
{
    return hm_load_acquire(&threads.all);
}

HM_RARE void hm_tcache_fork(void (*each)(struct hm_lock *))
{
    each(&threads.lock);
}

HM_COLD void hm_tcache_fork_child(void)
{
    struct hm_tcache *self = hm_self.cache;
    hm_store_relaxed(&threads.orphans, NULL); /* parked below, as all others */
    for (struct hm_tcache *tc = hm_tcache_first(); tc != NULL; tc = tc->next) {
        hm_store_relaxed(&tc->withheld, false);
        if (tc == self) /* which goes on where it was, and may be busy: lock.h, L5 */
            continue;
        if (hm_load_relaxed(&tc->busy))
            hm_tcache_close_bins(tc);
        hm_store_relaxed(&tc->busy, false);
        if (hm_load_relaxed(&tc->parked))
            continue;
        for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
            /* Its thread may have been about to take this block, with the state set. */
            struct hm_slot *top = hm_load_relaxed(&tc->bin_ends.top[cls]);
            if (top->state != NULL)
                hm_store_relaxed(top->state, 0);
            if (tc->bins[cls].current != NULL)
                hm_slab_let_go_orphan(tc->bins[cls].current);
            tc->bins[cls].current = NULL;
        }
        hm_settle_end(&tc->settle);
        retire(tc);
    }
    hm_store_relaxed(&hm_tcache_threads, self != NULL);
}
