/* SPDX-License-Identifier: MIT */
#include "slab.h"
#include "alone.h"
#include "home.h"
#include "meta.h"
#include "option.h"
#include "os.h"
#include "random.h"
#include "region.h"

struct partial {
    struct hm_lock lock;
    struct hm_slab *head[HM_CLASSES];    /* [L:lock] B3 */
    _Atomic uint32_t length[HM_CLASSES]; /* [L:lock]; [any] a hint for others */
    struct hm_slab *_Atomic pending;     /* [any] listed while fork elsewhere */
} __attribute__((aligned(HM_CACHE_LINE)));

/* So many sets of lists that threads that run at the same time seldom share one. */
#define SETS_MIN 16
#define SETS_MAX 64

static struct partial first_partial HM_COLD_DATA; /* serves when memory is out at once */
static struct partial *partials = &first_partial; /* [const] after init */
static unsigned set_count = 1;                    /* [const] after init */
static _Atomic uint64_t generations;              /* B5; the low half is used */

/* [any] Bits of the sets that ever had a slab listed. The memory of the others is not
 * touched: a process of one thread uses one as a rule. */
static _Atomic uint64_t sets_used;

HM_ONCE void hm_slab_init(unsigned shards)
{
    unsigned count = (unsigned)hm_min(hm_max(2 * shards, SETS_MIN), SETS_MAX);
    struct partial *made = hm_meta_new(count * sizeof *partials);
    if (made != NULL) {
        partials = made;
        set_count = count;
    }
    /* Zero, locks are free, and ranks are for debug builds: sets that are never used need
     * not be touched. */
    for (unsigned i = 0; HM_DEBUG && i < set_count; i++)
        hm_lock_init(&partials[i].lock, HM_RANK_PARTIAL);
}

/* A thread finds slabs of its home in one set; what has no home goes by the shard. */
static unsigned set_of(unsigned shard, unsigned home)
{
    return (home == HM_HOME_NONE ? shard : home) % set_count;
}

struct hm_slab *hm_slab_of(const void *block)
{
    hm_owner owner = hm_region_get(block);
    if (hm_owner_kind(owner) != HM_OWNER_SUPERSLAB)
        return NULL;
    return hm_superslab_slab_of(hm_owner_ptr(owner), block);
}

static bool life_change(struct hm_slab *slab, uint64_t *seen, uint64_t to)
{
    if (hm_is_alone()) {
        hm_store_relaxed(&slab->life, to); /* it still is *seen */
        return true;
    }
    /* Release publishes what was done to the slab before; acquire takes over what the
     * thread did that had it before: every change of life pairs with every other. Also
     * where it fails: what is read next must not be of before *seen. */
    return atomic_compare_exchange_weak_explicit(
        &slab->life, seen, to, memory_order_acq_rel, memory_order_acquire);
}

/* Partial lists. Callers hold the lock. */

static void count_listed(struct partial *pl, unsigned cls, int change)
{
    _Atomic uint32_t *length = &pl->length[cls];
    hm_store_relaxed(length, hm_load_relaxed(length) + (uint32_t)change);
}

static void list_push(struct partial *pl, struct hm_slab *slab)
{
    struct hm_slab **head = &pl->head[slab->cls];
    slab->prev = NULL;
    slab->next = *head;
    if (*head != NULL)
        (*head)->prev = slab;
    *head = slab;
    count_listed(pl, slab->cls, 1);
}

static void list_remove(struct partial *pl, struct hm_slab *slab)
{
    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        pl->head[slab->cls] = slab->next;
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
    count_listed(pl, slab->cls, -1);
}

/* Takes a listed slab that was left empty off its list, if its life still is `seen`. Its
 * run is given back by give_gone, without the lock: that may make a system call. */
static void list_drop_empty(struct partial *pl, struct hm_slab *slab, uint64_t seen,
                            struct hm_slab **gone)
{
    if (atomic_compare_exchange_strong_explicit(&slab->life, &seen, seen - HM_LIFE_LISTED,
                                                memory_order_acq_rel,
                                                memory_order_relaxed)) {
        list_remove(pl, slab);
        slab->next = *gone;
        *gone = slab;
    }
}

/* Units in slabs of each class. [any, relaxed] */
static _Atomic uint32_t units_of[HM_CLASSES];
/* So many waste as much by coarse blocks as finer classes would by free ones. */
#define COARSE_UNITS(cls) \
    ((hm_class_is_small(cls) ? HM_MIB / 4 : HM_MIB * 2) >> HM_UNIT_SHIFT)

/* The slab is empty, and nobody else's. */
static HM_NOINLINE void slab_unmake(struct hm_slab *slab)
{
    hm_add_relaxed(&units_of[slab->cls], 0u - slab->units);
    hm_run_give(slab);
}

static void give_gone(struct hm_slab *gone)
{
    while (gone != NULL) {
        struct hm_slab *next = gone->next;
        slab_unmake(gone);
        gone = next;
    }
}

/* Completes the listing of a slab (B3). Caller holds the lock. */
static void list_join(struct partial *pl, struct hm_slab *slab, struct hm_slab **gone)
{
    list_push(pl, slab);
    uint64_t life =
        hm_fetch_and(&slab->life, ~(uint64_t)HM_LIFE_JOINING, memory_order_acq_rel);
    if ((life & HM_LIFE_COUNT) == 0)
        list_drop_empty(pl, slab, life - HM_LIFE_JOINING, gone);
}

/* Lists what could not be listed while another thread forked. Caller holds the lock. */
static void list_pending(struct partial *pl, struct hm_slab **gone)
{
    if (HM_LIKELY(hm_load_relaxed(&pl->pending) == NULL))
        return;
    struct hm_slab *slab =
        atomic_exchange_explicit(&pl->pending, NULL, memory_order_acquire);
    while (slab != NULL) {
        struct hm_slab *next = slab->next;
        list_join(pl, slab, gone);
        slab = next;
    }
}

/* The calling thread has set LISTED and JOINING. */
static void list_add(struct hm_slab *slab)
{
    unsigned set = hm_load_relaxed(&slab->set);
    struct partial *pl = &partials[set];
    if ((hm_load_relaxed(&sets_used) >> set & 1) == 0)
        atomic_fetch_or_explicit(&sets_used, (uint64_t)1 << set, memory_order_relaxed);
    if (hm_lock_acquire(&pl->lock)) {
        struct hm_slab *gone = NULL;
        list_pending(pl, &gone);
        list_join(pl, slab, &gone);
        hm_lock_release(&pl->lock);
        give_gone(gone);
        return;
    }
    slab->next = hm_load_relaxed(&pl->pending);
    while (!atomic_compare_exchange_weak_explicit(
        &pl->pending, &slab->next, slab, memory_order_release, memory_order_relaxed))
        ;
}

/* The calling thread left a slab of that set LISTED and empty, its life being `seen`. */
static void unlist_empty(struct hm_slab *slab, unsigned set, uint64_t seen)
{
    struct partial *pl = &partials[set];
    if ((seen & HM_LIFE_JOINING) != 0 || !hm_lock_acquire(&pl->lock))
        return; /* who lists it will see; or, fork elsewhere, who adopts it */
    struct hm_slab *gone = NULL;
    list_drop_empty(pl, slab, seen, &gone);
    hm_lock_release(&pl->lock);
    give_gone(gone);
}

/* A run becomes a slab, CURRENT for the calling thread. */
static struct hm_slab *slab_make(unsigned shard, unsigned cls, unsigned home)
{
    const struct hm_class *c = &hm_classes[cls];
    bool zeroed;
    struct hm_slab *slab = hm_run_take(
        &(struct hm_run_request){(uint8_t)shard, (uint8_t)cls, c->units, HM_UNIT, false},
        &zeroed);
    if (slab == NULL)
        return NULL;
    for (unsigned w = 0; w * 64 < c->blocks; w++) {
        unsigned rest = c->blocks - w * 64u;
        uint64_t bits = rest >= 64 ? UINT64_MAX : ((uint64_t)1 << rest) - 1;
        hm_store_relaxed(&slab->free_map[w], bits);
    }
    uint32_t units = hm_add_relaxed(&units_of[cls], c->units) + c->units;
    if (HM_UNLIKELY(units == COARSE_UNITS(cls)))
        hm_class_refine(cls);
    hm_store_relaxed(&slab->home, (uint8_t)home);
    hm_store_relaxed(&slab->set, (uint8_t)set_of(shard, home));
    uint64_t generation = hm_add_relaxed(&generations, 1) + 1;
    hm_store_release(&slab->life, generation << HM_LIFE_GENERATION | HM_LIFE_CURRENT);
    return slab;
}

/* Takes a slab off its list, CURRENT for the calling thread. Caller holds the lock. */
static struct hm_slab *adopt_listed(struct partial *pl, struct hm_slab *slab)
{
    if (slab == NULL)
        return NULL;
    list_remove(pl, slab);
    uint64_t seen = hm_load_relaxed(&slab->life);
    while (!life_change(slab, &seen, seen - HM_LIFE_LISTED + HM_LIFE_CURRENT))
        ;
    return slab;
}

/* So many slabs of a list are looked at: each is a line of memory, with a lock held. */
#define CHOOSE_AMONG 16

/* A slab that nobody's blocks lie in, or not many: it may change its home. */
static bool is_homeless(const struct hm_slab *slab)
{
    uint64_t live = hm_load_relaxed(&slab->life) & HM_LIFE_COUNT;
    return live * 2 <= hm_classes[slab->cls].blocks &&
           hm_home_owner(hm_load_relaxed(&slab->home)) == NULL;
}

/* Callers of these hold the lock. */

static struct hm_slab *find_own(struct partial *pl, unsigned cls, unsigned home)
{
    struct hm_slab *slab = pl->head[cls];
    for (unsigned i = 0; slab != NULL && i < CHOOSE_AMONG; i++, slab = slab->next)
        if (hm_load_relaxed(&slab->home) == home)
            return slab;
    return NULL;
}

static struct hm_slab *find_other(struct partial *pl, unsigned cls, bool apart)
{
    struct hm_slab *slab = pl->head[cls];
    if (!apart)
        return slab;
    for (unsigned i = 0; slab != NULL && i < CHOOSE_AMONG; i++, slab = slab->next)
        if (is_homeless(slab))
            return slab;
    return NULL;
}

/* Of a set of lists: of its own, a thread waits for the lock, and looks for slabs of its
 * home first; others are only a way to save memory. */
static struct hm_slab *adopt_from(unsigned set, bool own, unsigned cls, unsigned home,
                                  bool apart)
{
    struct partial *pl = &partials[set];
    bool worth = hm_load_relaxed(&pl->length[cls]) > 0 ||
                 hm_load_relaxed(&pl->pending) != NULL;
    if (!worth || (own ? !hm_lock_acquire(&pl->lock) : !hm_lock_try(&pl->lock)))
        return NULL;
    struct hm_slab *gone = NULL;
    list_pending(pl, &gone);
    struct hm_slab *slab = own ? find_own(pl, cls, home) : NULL;
    slab = adopt_listed(pl, slab != NULL ? slab : find_other(pl, cls, apart));
    hm_lock_release(&pl->lock);
    give_gone(gone);
    return slab;
}

static struct hm_slab *adopt_partial(unsigned own, unsigned cls, unsigned home,
                                     bool apart)
{
    struct hm_slab *slab = adopt_from(own, true, cls, home, apart);
    uint64_t used = hm_load_relaxed(&sets_used);
    for (unsigned i = 1; i < set_count && slab == NULL; i++) {
        unsigned set = (own + i) % set_count;
        if ((used >> set & 1) != 0)
            slab = adopt_from(set, false, cls, home, apart);
    }
    return slab;
}

/* The slab is CURRENT for the calling thread, and gets another home, with that another
 * set, and first of all another generation (B5). */
static void rehome(struct hm_slab *slab, unsigned home, unsigned set)
{
    uint64_t generation = hm_add_relaxed(&generations, 1) + 1;
    uint64_t seen = hm_load_relaxed(&slab->life);
    while (!life_change(slab, &seen,
                        (seen & UINT32_MAX) | generation << HM_LIFE_GENERATION))
        ;
    hm_store_release(&slab->set, (uint8_t)set);
    hm_store_relaxed(&slab->home, (uint8_t)home);
}

struct hm_slab *hm_slab_adopt(unsigned shard, unsigned cls, unsigned home, bool apart)
{
    unsigned set = set_of(shard, home);
    struct hm_slab *slab = adopt_partial(set, cls, home, apart);
    if (slab == NULL)
        return slab_make(shard, cls, home);
    if (hm_load_relaxed(&slab->home) != home && is_homeless(slab))
        rehome(slab, home, set);
    return slab;
}

HM_COLD void hm_slab_let_go_orphan(struct hm_slab *slab)
{
    const struct hm_class *c = &hm_classes[slab->cls];
    unsigned free = 0;
    for (unsigned w = 0; w * 64 < c->blocks; w++)
        free += (unsigned)__builtin_popcountll(hm_load_relaxed(&slab->free_map[w]));
    uint64_t life = hm_load_relaxed(&slab->life);
    hm_store_relaxed(&slab->life, (life & ~(uint64_t)HM_LIFE_COUNT) | (c->blocks - free));
    hm_slab_let_go(slab);
}

/* A count of more than there are: somebody between the two steps of give will list it. A
 * fork's child, which does not have that somebody, would adopt it for ever. */
void hm_slab_let_go(struct hm_slab *slab)
{
    unsigned blocks = hm_classes[slab->cls].blocks;
    uint64_t seen = hm_load_relaxed(&slab->life), count, to;
    do {
        count = seen & HM_LIFE_COUNT;
        to = seen - HM_LIFE_CURRENT;
        if (count != 0 && count < blocks)
            to += HM_LIFE_LISTED + HM_LIFE_JOINING;
    } while (!life_change(slab, &seen, to));
    if (count == 0)
        slab_unmake(slab);
    else if (count < blocks)
        list_add(slab);
}

/* Of a word of the free map, the blocks of 16 or 32 bytes in whole free cache lines; with
 * `states`, all if all are free, since a cache line of their states is a word or less. */
static uint64_t whole_lines(unsigned cls, uint64_t bits, bool states)
{
    if (states)
        return bits == UINT64_MAX ? bits : 0;
    bits &= bits >> 1;
    if (cls == 2)
        return (bits & UINT64_C(0x5555555555555555)) * 3;
    return (bits & bits >> 2 & UINT64_C(0x1111111111111111)) * 15;
}

/* Which blocks of a slab may be taken. */
enum pick { ANY, LINES, STATE_LINES };

static unsigned take_blocks(struct hm_slab *slab, struct hm_slot *out, unsigned want,
                            enum pick pick)
{
    unsigned shift = hm_class_is_small(slab->cls) ? HM_SMALL_SHIFT : HM_LARGE_SHIFT;
    unsigned blocks = hm_classes[slab->cls].blocks, got = 0;
    size_t size = hm_classes[slab->cls].size;
    /* The compiler cannot know that `out` is not in the slab. */
    char *base = slab->base;
    hm_state *state = slab->state;
    for (unsigned w = 0; w * 64 < blocks && got < want; w++) {
        uint64_t bits = hm_load_relaxed(&slab->free_map[w]), rest;
        if (pick != ANY)
            bits = whole_lines(slab->cls, bits, pick == STATE_LINES);
        for (rest = bits; rest != 0 && got < want; rest &= rest - 1) {
            size_t offset = (w * 64 + (unsigned)__builtin_ctzll(rest)) * size;
            out[got++] = (struct hm_slot){base + offset, state + (offset >> shift)};
        }
        /* Only this thread clears bits (B2), so all of these are still set. Acquire pairs
         * with the release of the thread that freed the blocks. */
        if (bits != 0)
            hm_fetch_and(&slab->free_map[w], ~(bits & ~rest), memory_order_acquire);
    }
    return got;
}

/* Takes any blocks, in any order (option randomize). May overlook some. */
static HM_COLD unsigned take_scattered(struct hm_slab *slab, struct hm_slot *out,
                                       unsigned want)
{
    const struct hm_class *c = &hm_classes[slab->cls];
    unsigned shift = hm_class_is_small(slab->cls) ? HM_SMALL_SHIFT : HM_LARGE_SHIFT;
    unsigned words = (c->blocks + 63u) / 64, missed = 0, got = 0;
    while (got < want && missed < words) {
        uint64_t random = hm_random();
        unsigned w = hm_random_below(random, words);
        uint64_t bits = hm_load_relaxed(&slab->free_map[w]);
        if (bits == 0) {
            missed++;
            continue;
        }
        unsigned bit = hm_random_bit(bits, random);
        /* As in take_blocks. */
        hm_fetch_and(&slab->free_map[w], ~((uint64_t)1 << bit), memory_order_acquire);
        size_t offset = (w * 64 + bit) * (size_t)c->size;
        out[got++] =
            (struct hm_slot){slab->base + offset, slab->state + (offset >> shift)};
    }
    return got;
}

unsigned hm_slab_take(struct hm_slab *slab, struct hm_slot *out, unsigned want,
                      bool apart)
{
    unsigned got = HM_UNLIKELY(hm_opt.randomize) ? take_scattered(slab, out, want) : 0;
    for (int pick = apart && slab->cls <= 2 ? STATE_LINES : ANY; got == 0 && pick >= ANY;
         pick--)
        got = take_blocks(slab, out, want, (enum pick)pick);
    if (got > 0)
        hm_fetch_add(&slab->life, got, memory_order_relaxed);
    return got;
}

bool hm_slab_given(struct hm_slab *slab, unsigned count)
{
    uint64_t seen = hm_load_acquire(&slab->life), to;
    unsigned set;
    bool list;
    do {
        /* That of the generation seen, or the exchange fails. */
        set = hm_load_acquire(&slab->set);
        to = seen - count;
        list =
            (seen & (HM_LIFE_CURRENT | HM_LIFE_LISTED)) == 0 && (to & HM_LIFE_COUNT) != 0;
        if (list)
            to += HM_LIFE_LISTED + HM_LIFE_JOINING;
    } while (!life_change(slab, &seen, to));
    if (list)
        list_add(slab);
    else if ((to & HM_LIFE_COUNT) == 0 && !(to & HM_LIFE_CURRENT)) {
        if (to & HM_LIFE_LISTED)
            unlist_empty(slab, set, to);
        else
            slab_unmake(slab);
    }
    return (seen & HM_LIFE_CURRENT) != 0;
}

/* Purging pages inside slabs (option page_purge). */

/* Can the slab have free whole pages that were not purged already? `purged` is its life
 * when it was looked at last: while nothing was taken or given there is nothing new to
 * find. */
static bool purge_worth(struct hm_slab *slab)
{
    const struct hm_class *c = &hm_classes[slab->cls];
    uint64_t life = hm_load_relaxed(&slab->life);
    size_t free = c->blocks - (size_t)(life & HM_LIFE_COUNT);
    return life != slab->purged && free * c->size >= hm_os_page;
}

static bool all_free(struct hm_slab *slab, size_t from, size_t to)
{
    unsigned first = hm_class_index(slab->cls, from);
    unsigned last = hm_class_index(slab->cls, to - 1);
    if (last >= hm_classes[slab->cls].blocks)
        last = hm_classes[slab->cls].blocks - 1u;
    for (unsigned i = first; i <= last; i++)
        /* Acquire pairs with the release in lot_give. */
        if (!(hm_load_acquire(&slab->free_map[i / 64]) >> i % 64 & 1))
            return false;
    return true;
}

/* The slab is CURRENT for the calling thread: its free blocks stay free (B2). */
static size_t purge_slab(struct hm_slab *slab)
{
    /* Where pages are larger than units, the slab's ends are in pages of others, too. */
    size_t bytes = 0, size = (size_t)slab->units << HM_UNIT_SHIFT;
    size_t start = hm_round_up((uintptr_t)slab->base, hm_os_page) - (uintptr_t)slab->base;
    for (size_t at = start; at <= size; at += hm_os_page) {
        if (at + hm_os_page <= size && all_free(slab, at, at + hm_os_page))
            continue;
        if (at > start && hm_os_purge(slab->base + start, at - start))
            bytes += at - start;
        start = at + hm_os_page;
    }
    return bytes;
}

/* Adopts the first slab of a list that is worth it. */
static struct hm_slab *adopt_to_purge(struct partial *pl, unsigned cls)
{
    if (hm_load_relaxed(&pl->length[cls]) == 0 || !hm_lock_acquire(&pl->lock))
        return NULL;
    struct hm_slab *slab = pl->head[cls];
    while (slab != NULL && !purge_worth(slab))
        slab = slab->next;
    slab = adopt_listed(pl, slab);
    hm_lock_release(&pl->lock);
    return slab;
}

static size_t purge_class(struct partial *pl, unsigned cls)
{
    size_t bytes = 0;
    struct hm_slab *slab;
    /* As many as are listed now: a slab that others keep changing comes up again. */
    uint32_t left = hm_load_relaxed(&pl->length[cls]);
    for (; left > 0 && (slab = adopt_to_purge(pl, cls)) != NULL; left--) {
        bytes += purge_slab(slab);
        uint64_t life = hm_load_relaxed(&slab->life);
        slab->purged = life - HM_LIFE_CURRENT + HM_LIFE_LISTED;
        hm_slab_let_go(slab);
    }
    return bytes;
}

HM_RARE size_t hm_slab_purge_pages(void)
{
    size_t bytes = 0;
    for (uint64_t sets = hm_load_relaxed(&sets_used); sets != 0; sets &= sets - 1)
        for (unsigned cls = 1; cls < HM_CLASSES; cls++)
            bytes += purge_class(&partials[__builtin_ctzll(sets)], cls);
    return bytes;
}

HM_RARE void hm_slab_fork(void (*each)(struct hm_lock *))
{
    for (unsigned i = 0; i < set_count; i++)
        each(&partials[i].lock);
}
