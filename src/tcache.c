/* SPDX-License-Identifier: MIT */
#include "tcache.h"
#include "meta.h"
#include "option.h"

#include <string.h>

/* Bytes of blocks that a bin has room for when it is first used, of large ones two: most
 * threads use many sizes, but few of them often. */
#define OPEN_BYTES ((size_t)512)

/* C6. What unmixing may cost a cache after its thread has moved, or before it does: as a
 * rule 1 whenever a bin is full; more if hardly a block in it is the thread's own, as
 * when it always gets its blocks from others. */
#define UNMIX_COST_MOVED 800
#define UNMIX_COST_FIRST 400
#define UNMIX_COST_OTHERS 8
#define UNMIX_TIMES 2
/* A small bin is full again without a refill in between one time in four when as much is
 * taken as is given; so often in a row hardly ever. */
#define TORN_TIMES 4

/* C7. A sample is taken once in so many refills, for a hundredth of what they cost; first
 * when a program is no longer small. From this part of it on, a wrong answer costs more
 * than the longer way does. For requests that are not linear it is no longer: how many of
 * the others there are does not matter. */
#define SAMPLE 64
#define SAMPLE_REFILLS 1024
#define SAMPLE_FIRST 64
#define SAMPLE_MINOR (SAMPLE / 16 * 3)

_Atomic unsigned hm_tcache_threads;

/* Option refill_target, by class. [any, relaxed] */
static _Atomic uint16_t refill_targets[HM_CLASSES];

HM_ONCE void hm_tcache_options(void)
{
    for (unsigned cls = 1; cls < HM_CLASSES; cls++)
        hm_store_relaxed(
            &refill_targets[cls],
            (uint16_t)hm_sizemap_get(&hm_opt.refill_target, hm_classes[cls].size));
}

/* Bins. */

static struct hm_slot *top_of(struct hm_tcache *tc, unsigned cls)
{
    return hm_load_relaxed(&tc->bin_ends.top[cls]);
}

static struct hm_slot *limit_of(struct hm_tcache *tc, unsigned cls)
{
    return hm_front_limit(&tc->bin_ends, cls);
}

static unsigned capacity_of(struct hm_tcache *tc, unsigned cls)
{
    return hm_load_relaxed(&tc->bins[cls].capacity);
}

static struct hm_slot *bottom_of(struct hm_tcache *tc, unsigned cls)
{
    return limit_of(tc, cls) + capacity_of(tc, cls);
}

static unsigned count_of(struct hm_tcache *tc, unsigned cls)
{
    return (unsigned)(bottom_of(tc, cls) - top_of(tc, cls));
}

static size_t array_size(unsigned capacity)
{
    return (capacity + 1u) * sizeof(struct hm_slot);
}

static unsigned capacity_min(unsigned cls)
{
    size_t fit = OPEN_BYTES / hm_classes[cls].size;
    return (unsigned)hm_max(2, hm_min(hm_opt.tls_cache_min, fit));
}

/* C5. A fork's child sees what its parent's other threads had done, in the order in which
 * they did it: the compiler must keep that order, the processor needs no fence. */
static void busy_begin(struct hm_tcache *tc)
{
    hm_store_relaxed(&tc->busy, true);
    atomic_signal_fence(memory_order_seq_cst);
}

static void busy_end(struct hm_tcache *tc)
{
    atomic_signal_fence(memory_order_seq_cst);
    hm_store_relaxed(&tc->busy, false);
}

/* Moves a bin's blocks to an array of another size, which must hold them. */
static bool bin_resize(struct hm_tcache *tc, unsigned cls, unsigned capacity)
{
    unsigned count = count_of(tc, cls), before = capacity_of(tc, cls);
    struct hm_slot *array = hm_meta_alloc(array_size(capacity));
    if (array == NULL)
        return false;
    struct hm_slot *old = limit_of(tc, cls);
    struct hm_slot *bottom = array + capacity;
    memcpy(bottom - count, top_of(tc, cls), count * sizeof *array);
    *bottom = (struct hm_slot){NULL, NULL};
    busy_begin(tc);
    __atomic_store_n(&tc->bin_ends.limit[cls], array, __ATOMIC_RELAXED);
    hm_store_relaxed(&tc->bins[cls].capacity, (uint16_t)capacity);
    hm_store_relaxed(&tc->bin_ends.top[cls], bottom - count);
    if (before != 0)
        hm_meta_free(old, array_size(before));
    busy_end(tc);
    return true;
}

static unsigned caches_in_use(void)
{
    return hm_load_relaxed(&hm_tcache_threads);
}

uint64_t hm_tcache_cached(struct hm_tcache *tc, uint64_t blocks[HM_CLASSES])
{
    uint64_t bytes = 0;
    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        struct hm_slot *bottom = hm_front_limit(&tc->bin_ends, cls) +
                                 hm_load_relaxed(&tc->bins[cls].capacity);
        /* While the bin moves to another array the two may not belong together. */
        ptrdiff_t count = bottom - hm_load_relaxed(&tc->bin_ends.top[cls]);
        if (count <= 0 || count > HM_BIN_MAX)
            continue;
        bytes += (uint64_t)count * hm_classes[cls].size;
        if (blocks != NULL)
            blocks[cls] += (uint64_t)count;
    }
    return bytes;
}

void hm_tcache_note_live(struct hm_tcache *tc)
{
    hm_share_note(&tc->share, hm_tcache_cached(tc, NULL));
}

bool hm_tcache_may_be_over(const struct hm_tcache *tc)
{
    return hm_share_may_be_over(&tc->share, caches_in_use());
}

/* Bytes were taken from slabs or given back. */
static void moved(struct hm_tcache *tc, int64_t bytes)
{
    if (hm_share_moved(&tc->share, bytes))
        hm_tcache_note_live(tc);
}

/* Doubles a bin, within the bounds of thread and process. */
static bool bin_grow(struct hm_tcache *tc, unsigned cls)
{
    unsigned before = capacity_of(tc, cls), capacity = before * 2;
    size_t more = (size_t)before * hm_classes[cls].size;
    if (capacity > hm_min(HM_LIVE(tls_cache_max), HM_BIN_MAX) ||
        !hm_share_allows(&tc->share, more, caches_in_use()) ||
        !bin_resize(tc, cls, capacity))
        return false;
    hm_share_charge(&tc->share, more);
    return true;
}

/* Halves a bin that holds few enough blocks. */
static void bin_shrink(struct hm_tcache *tc, unsigned cls)
{
    unsigned capacity = capacity_of(tc, cls) / 2;
    if (capacity < capacity_min(cls) || count_of(tc, cls) > capacity ||
        !bin_resize(tc, cls, capacity))
        return;
    hm_share_charge(&tc->share, 0 - (size_t)capacity * hm_classes[cls].size);
}

/* Blocks that the first refill wants. */
static uint16_t refill_first(unsigned cls)
{
    return (uint16_t)hm_max(hm_clamp(HM_LIVE(refill_start)) / hm_classes[cls].size, 1);
}

static bool bin_open(struct hm_tcache *tc, unsigned cls)
{
    tc->bins[cls].refill = refill_first(cls);
    return bin_resize(tc, cls, capacity_min(cls));
}

/* The same for a block that comes before any was wanted: it was another thread's, which
 * may be using its neighbours in the cache line. The first such goes back to its slab,
 * from which whole lines will be taken. */
static bool bin_open_by_free(struct hm_tcache *tc, unsigned cls)
{
    struct hm_bin *bin = &tc->bins[cls];
    bool first = !bin->active;
    bin->active = true;
    return !first && bin_open(tc, cls);
}

static void count_event(_Atomic uint64_t *events, _Atomic uint64_t *blocks, unsigned n)
{
    hm_tcache_count(events, 1);
    hm_tcache_count(blocks, n);
}

/* Of `n` blocks that were given back `remote` went to other threads' current slabs. */
static void gave_back(struct hm_tcache *tc, unsigned cls, unsigned n, unsigned remote)
{
    count_event(&tc->flushes, &tc->flushed, n);
    hm_tcache_count(&tc->remote, remote);
    moved(tc, -(int64_t)(n * (size_t)hm_classes[cls].size));
}

/* Gives the oldest `n` blocks of a bin back to their slabs. */
static void bin_flush(struct hm_tcache *tc, unsigned cls, unsigned n)
{
    if (n == 0)
        return;
    struct hm_slot *top = top_of(tc, cls), *bottom = bottom_of(tc, cls);
    busy_begin(tc);
    unsigned remote = hm_slab_give_counted(bottom - n, n, tc->bins[cls].current);
    memmove(top + n, top, (size_t)(bottom - top - n) * sizeof *top);
    hm_store_relaxed(&tc->bin_ends.top[cls], top + n);
    busy_end(tc);
    gave_back(tc, cls, n, remote);
}

static void bin_let_go(struct hm_bin *bin)
{
    struct hm_slab *slab = bin->current;
    /* First, for a fork's child that finds the bin in between: better a slab current for
     * nobody than one let go twice. The release in letting go keeps the order. */
    bin->current = NULL;
    if (slab != NULL)
        hm_slab_let_go(slab);
}

/* Takes up to `want` blocks of the class into `out`. A bin that has taken less than a
 * slab since it last flushed keeps none for itself: it lets the slab go, to serve the
 * next thread that wants a few blocks. Else each thread would have a slab, mostly free,
 * for each of its classes. */
static unsigned take_blocks(struct hm_tcache *tc, unsigned cls, struct hm_slot *out,
                            unsigned want)
{
    struct hm_bin *bin = &tc->bins[cls];
    bool keep = bin->taken + want >= hm_classes[cls].blocks;
    bool own = bin->unmix != 0 || hm_settle_wants_own(&tc->settle);
    unsigned got = 0;
    /* Half of what was wanted is enough not to touch another slab for the rest. */
    while (got == 0 || got < want / 2) {
        if (bin->current == NULL)
            bin->current = hm_slab_adopt(hm_self.shard, cls, tc->settle.home, own);
        if (bin->current == NULL)
            break;
        bool apart = caches_in_use() > 1;
        unsigned n = hm_slab_take(bin->current, out + got, want - got, apart);
        got += n;
        if (n == 0 || !keep)
            bin_let_go(bin);
    }
    return got;
}

/* What the bins hold belongs to another home than the thread now has. */
static void move_home(struct hm_tcache *tc)
{
    hm_tcache_flush(tc);
    tc->unmix_left = UNMIX_COST_MOVED;
    hm_settle_be_lax(&tc->settle);
}

/* Lets the thread see its bins again once nobody looks at its calls any more. */
static void end_look(struct hm_tcache *tc)
{
    if (tc->watched == 0 && tc->sampled == 0 && !hm_settle_is_looking(&tc->settle) &&
        !hm_settle_is_strict(&tc->settle))
        hm_self.front = hm_tcache_front(tc);
}

struct hm_tcache *hm_tcache_look(struct hm_tcache *tc, const void *freed)
{
    unsigned before = tc->settle.home;
    if (hm_settle_look(&tc->settle, freed)) {
        struct hm_tcache *other = hm_tcache_swap(tc, before);
        if (other != NULL)
            return other;
        move_home(tc);
    }
    end_look(tc);
    return tc;
}

/* To be called before a bin gets more blocks or room. */
static void wait_for_home(struct hm_tcache *tc)
{
    if (HM_UNLIKELY(hm_settle_is_guest(&tc->settle)) && hm_settle_wait(&tc->settle)) {
        move_home(tc);
        end_look(tc);
    }
}

/* C7 */
static void sample_begin(struct hm_tcache *tc)
{
    tc->sampled = SAMPLE;
    tc->sampled_linear = tc->sampled_large = 0;
    hm_self.front = &hm_front_closed;
}

static void sample(struct hm_tcache *tc, unsigned cls)
{
    if (HM_LIKELY(tc->sampled == 0))
        return;
    tc->sampled_linear = (uint8_t)(tc->sampled_linear + (cls <= HM_LINEAR_CLASSES));
    tc->sampled_large = (uint8_t)(tc->sampled_large + !hm_class_is_small(cls));
    if (--tc->sampled == 0) {
        unsigned linear = tc->sampled_linear, large = tc->sampled_large;
        hm_front_mix(&tc->bin_ends, SAMPLE - linear >= SAMPLE_MINOR,
                     large >= SAMPLE_MINOR && SAMPLE - large >= SAMPLE_MINOR);
        end_look(tc);
    }
}

/* Fills an empty bin. The number of blocks starts small, so that a small program touches
 * few pages, and doubles up to the class's target once as many were taken before. */
static bool bin_refill(struct hm_tcache *tc, unsigned cls)
{
    struct hm_bin *bin = &tc->bins[cls];
    unsigned target = hm_load_relaxed(&refill_targets[cls]);
    wait_for_home(tc);
    unsigned want = (unsigned)hm_min(bin->refill, target);
    while (want > capacity_of(tc, cls) && bin->unmix == 0 && bin_grow(tc, cls))
        ;
    want = (unsigned)hm_min(want, capacity_of(tc, cls));
    if (bin->taken >= bin->refill)
        bin->refill = (uint16_t)hm_min((size_t)bin->refill * 2, target);
    struct hm_slot *from = bottom_of(tc, cls) - want;
    unsigned got = take_blocks(tc, cls, from, want);
    if (got == 0)
        return false;
    struct hm_slot *top = from + want - got;
    if (got < want)
        memmove(top, from, got * sizeof *from);
    hm_store_relaxed(&tc->bin_ends.top[cls], top);
    bin->active = true;
    bin->taken = (uint16_t)hm_min(bin->taken + got, UINT16_MAX);
    count_event(&tc->refills, &tc->refilled, got);
    if (hm_load_relaxed(&tc->refills) % SAMPLE_REFILLS == SAMPLE_FIRST)
        sample_begin(tc);
    moved(tc, (int64_t)(got * (size_t)hm_classes[cls].size));
    return true;
}

/* A block without a cache: for threads that have none yet or no more, and when memory is
 * short. */
static struct hm_slot take_single(unsigned cls)
{
    struct hm_slot slot = {NULL, NULL};
    struct hm_slab *slab;
    while (slot.block == NULL &&
           (slab = hm_slab_adopt(hm_self.shard, cls, HM_HOME_NONE, false)) != NULL) {
        hm_slab_take(slab, &slot, 1, true);
        hm_slab_let_go(slab);
    }
    hm_share_moved_single(slot.block == NULL ? 0 : hm_classes[cls].size);
    return slot;
}

/* A call that would not have missed without the watch. */
static void count_watched(struct hm_tcache *tc)
{
    if (HM_LIKELY(tc->watched == 0))
        return;
    tc->watch_hit = true;
    tc->watched--;
    end_look(tc);
}

void *hm_tcache_take(struct hm_tcache *tc, unsigned cls)
{
    struct hm_slot slot;
    bool cached = tc != NULL && (capacity_of(tc, cls) != 0 || bin_open(tc, cls));
    if (cached && count_of(tc, cls) != 0)
        count_watched(tc);
    else
        cached = cached && bin_refill(tc, cls);
    if (cached) {
        sample(tc, cls);
        struct hm_slot *top = top_of(tc, cls);
        slot = *top;
        hm_store_relaxed(&tc->bin_ends.top[cls], top + 1);
    } else {
        slot = take_single(cls);
        if (slot.block == NULL)
            return NULL;
    }
    hm_store_relaxed(slot.state, (uint8_t)cls);
    return slot.block;
}

/* Moves a bin's blocks of other homes to its bottom; returns how many. */
static unsigned sort_out(struct hm_tcache *tc, unsigned cls)
{
    struct hm_slot *top = top_of(tc, cls), *bottom = bottom_of(tc, cls), *to = bottom;
    busy_begin(tc);
    for (struct hm_slot *at = bottom; at-- > top;) {
        struct hm_slot slot = *at;
        if (hm_load_relaxed(&hm_slab_of(slot.block)->home) == tc->settle.home)
            continue;
        *at = *--to;
        *to = slot;
    }
    busy_end(tc);
    return (unsigned)(bottom - to);
}

/* C6, for a full bin; returns how many of its oldest blocks belong elsewhere. */
static unsigned find_mixed(struct hm_tcache *tc, unsigned cls)
{
    struct hm_bin *bin = &tc->bins[cls];
    if (tc->unmix_left == 0 || tc->settle.home == HM_HOME_NONE)
        bin->unmix = 0;
    else if (bin->taken > 0) {
        unsigned capacity = capacity_of(tc, cls), others = sort_out(tc, cls);
        unsigned cost = others > capacity / 4 * 3 ? UNMIX_COST_OTHERS : others > 0;
        tc->unmix_left -= (uint16_t)hm_min(tc->unmix_left, cost);
        tc->settle.strange += 2 * (int32_t)others - (int32_t)capacity;
        if (tc->unmix_left == 0 && tc->settle.strange > 0) {
            hm_settle_be_strict(&tc->settle);
            hm_self.front = &hm_front_closed;
        }
        if (others > 0)
            bin->unmix = UNMIX_TIMES;
        else if (bin->unmix > 0)
            bin->unmix = (bin->unmix - 1u) & 15;
        return others;
    }
    return 0;
}

/* Makes room in a full bin. It grows until it holds what a refill brings; and further
 * while more blocks come and go than it holds, but not so many that no bin would hold
 * them or that the flushes do not count. Else its older half goes back to the slabs. If
 * nothing was taken since it last did, something is being torn down: what stays behind in
 * the end keeps a slab for each block, so the bin halves as well, down to a refill. So
 * does one that is being unmixed, down to what it began with: the sooner it is full. But
 * not while something is certainly being torn down: its blocks go back anyway. */
static void bin_make_room(struct hm_tcache *tc, unsigned cls)
{
    wait_for_home(tc);
    if (top_of(tc, cls) != limit_of(tc, cls))
        return;
    struct hm_bin *bin = &tc->bins[cls];
    unsigned capacity = capacity_of(tc, cls);
    unsigned target = hm_load_relaxed(&refill_targets[cls]);
    bool small = capacity < target;
    bin->active = true;
    unsigned others = find_mixed(tc, cls);
    bool worth = bin->taken >= capacity && bin->taken <= HM_LIVE(tls_cache_max);
    bin->torn = bin->taken != 0 ? 0 : hm_min(bin->torn + 1u, TORN_TIMES) & 15;
    bool unmixing = bin->unmix != 0 && bin->torn < TORN_TIMES;
    if (!unmixing && (worth || small) && bin_grow(tc, cls))
        return;
    bool torn = bin->torn != 0 && capacity / 2 >= target;
    bool halve = (torn || unmixing) && capacity / 2 >= capacity_min(cls);
    unsigned n = halve ? capacity - capacity / 4 : (capacity + 1) / 2;
    bin_flush(tc, cls, (unsigned)hm_max(others, n));
    if (halve)
        bin_shrink(tc, cls);
    bin->taken = 0;
}

/* C6, a free by a strict thread. True: the block has gone home. */
static HM_RARE bool send_home(struct hm_tcache *tc, unsigned cls,
                              const struct hm_slot *slot)
{
    bool others = hm_settle_sends_home(&tc->settle, slot->block);
    if (!hm_settle_is_strict(&tc->settle)) {
        if (hm_settle_is_sorted(&tc->settle))
            tc->unmix_left = UNMIX_COST_FIRST;
        end_look(tc);
    }
    if (others)
        gave_back(tc, cls, 1, hm_slab_give_counted(slot, 1, tc->bins[cls].current));
    return others;
}

void hm_tcache_give(struct hm_tcache *tc, unsigned cls, void *block, hm_state *state)
{
    struct hm_slot slot = {block, state};
    hm_store_relaxed(state, 0);
    if (tc == NULL || (capacity_of(tc, cls) == 0 && !bin_open_by_free(tc, cls))) {
        hm_slab_give(&slot, 1);
        hm_share_moved_single(-(int64_t)hm_classes[cls].size);
        return;
    }
    if (HM_UNLIKELY(hm_settle_is_strict(&tc->settle)) && send_home(tc, cls, &slot))
        return;
    if (top_of(tc, cls) == limit_of(tc, cls))
        bin_make_room(tc, cls);
    else
        count_watched(tc);
    sample(tc, cls);
    struct hm_slot *top = top_of(tc, cls) - 1;
    *top = slot;
    hm_store_relaxed(&tc->bin_ends.top[cls], top);
}

/* Whole caches. */

void hm_tcache_close_bins(struct hm_tcache *tc)
{
    tc->unmix_left = UNMIX_COST_FIRST;
    hm_settle_be_lax(&tc->settle);
    hm_front_close(&tc->bin_ends);
    for (unsigned cls = 0; cls < HM_CLASSES; cls++)
        hm_store_relaxed(&tc->bins[cls].capacity, 0);
}

void hm_tcache_let_go(struct hm_tcache *tc)
{
    for (unsigned cls = 1; cls < HM_CLASSES; cls++)
        bin_let_go(&tc->bins[cls]);
}

void hm_tcache_flush(struct hm_tcache *tc)
{
    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        bin_flush(tc, cls, count_of(tc, cls));
        bin_shrink(tc, cls);
    }
    hm_tcache_let_go(tc);
}

void hm_tcache_age(struct hm_tcache *tc)
{
    tc->share.traffic = 0;
    hm_tcache_note_live(tc);
    if (hm_share_is_over(&tc->share, caches_in_use())) {
        hm_tcache_flush(tc);
        return;
    }
    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        struct hm_bin *bin = &tc->bins[cls];
        if (capacity_of(tc, cls) == 0)
            continue;
        if (!bin->active) {
            bin_flush(tc, cls, (count_of(tc, cls) + 1u) / 2);
            bin_shrink(tc, cls);
            bin->refill = (uint16_t)hm_max(bin->refill / 2u, refill_first(cls));
            if (count_of(tc, cls) == 0)
                bin_let_go(bin);
        }
        bin->active = false;
    }
}

void hm_tcache_watch(struct hm_tcache *tc, unsigned calls)
{
    tc->watched = (uint8_t)calls;
    hm_self.front = &hm_front_closed;
}

void hm_tcache_watch_end(struct hm_tcache *tc)
{
    tc->watched = 0;
    end_look(tc);
}
