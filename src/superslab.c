/* SPDX-License-Identifier: MIT */
#include "superslab.h"
#include "bits.h"
#include "meta.h"
#include "option.h"
#include "os.h"
#include "random.h"
#include "region.h"

/* [L:lock] everything but the lock */
struct shard {
    struct hm_lock lock;
    struct hm_superslab *available[HM_KINDS]; /* S3 */
    struct hm_superslab *full[HM_KINDS];      /* the others, in no order */
    /* Descriptors of unmapped SuperSlabs: [any] pushed, so that none is lost while fork
     * elsewhere; [L:lock] popped, so that what is on top stays until it is popped. */
    struct hm_superslab *_Atomic spare;
    struct hm_slab *_Atomic deferred;         /* [any] runs given while fork elsewhere */
} __attribute__((aligned(HM_CACHE_LINE)));

/* Serves when memory is out from the very start. */
static struct shard first_shard HM_COLD_DATA;
static struct shard *shards = &first_shard; /* [const] after init */
static unsigned shard_count = 1;
static uint32_t units_per_superslab; /* [const] after init */

/* Empty SuperSlabs beyond this many are unmapped at once instead of after trim_interval,
 * so that a spike's memory goes back although nothing may happen afterwards. A program
 * that maps new ones soon after is going up and down: each time the allowance doubles.
 * [any] */
#define ALLOWANCE_BYTES (2 * HM_MIB)
static _Atomic uint32_t allowance;
static _Atomic uint64_t released_at; /* hm_clock of the last release at once */

struct hm_superslab_counts hm_superslab_counts;

HM_ONCE void hm_superslab_init(unsigned count)
{
    units_per_superslab = (uint32_t)(hm_opt.superslab_size >> HM_UNIT_SHIFT);
    hm_superslab_page_units = (uint32_t)hm_max(hm_os_page >> HM_UNIT_SHIFT, 1);
    hm_store_relaxed(&allowance, (uint32_t)(ALLOWANCE_BYTES / hm_opt.superslab_size));
    struct shard *made = hm_meta_new(count * sizeof *shards);
    if (made != NULL) {
        shards = made;
        shard_count = count;
    }
    for (unsigned i = 0; i < shard_count; i++)
        hm_lock_init(&shards[i].lock, HM_RANK_RUNS);
}

unsigned hm_superslab_shards(void)
{
    return shard_count;
}

/* Lists. Caller holds the shard's lock. */

static void list_remove(struct hm_superslab **list, struct hm_superslab *ss)
{
    if (ss->prev != NULL)
        ss->prev->next = ss->next;
    else
        *list = ss->next;
    if (ss->next != NULL)
        ss->next->prev = ss->prev;
}

static void list_insert(struct hm_superslab **list, struct hm_superslab *ss, bool ordered)
{
    struct hm_superslab *prev = NULL, *next = *list;
    while (ordered && next != NULL && next->base < ss->base) {
        prev = next;
        next = next->next;
    }
    ss->prev = prev;
    ss->next = next;
    if (next != NULL)
        next->prev = ss;
    if (prev != NULL)
        prev->next = ss;
    else
        *list = ss;
}

/* Takes units of a SuperSlab out of the free map; returns how many were dirty. */
static uint32_t take_units(struct shard *sh, struct hm_superslab *ss, uint32_t at,
                           uint32_t count)
{
    uint32_t dirty = ss->dirty_units == 0 ? 0 : hm_bits_count(ss->dirty_map, at, count);
    HM_ASSERT(hm_bits_count(ss->free_map, at, count) == count);
    hm_superslab_settle(ss, at, count, false);
    hm_bits_change(ss->free_map, at, count, false);
    if (dirty != 0)
        hm_bits_change(ss->dirty_map, at, count, false);
    if (ss->free_units == ss->whole)
        hm_sub_relaxed(&hm_superslab_counts.empty, 1);
    ss->dirty_units -= dirty;
    hm_sub_relaxed(&hm_superslab_counts.dirty_units, dirty);
    hm_add_relaxed(&hm_superslab_counts.used_units, count);
    hm_superslab_settle(ss, at, count, true);
    ss->free_units -= count;
    if (ss->free_units == 0) {
        list_remove(&sh->available[ss->kind], ss);
        list_insert(&sh->full[ss->kind], ss, false);
    }
    return dirty;
}

/* Puts units back into the free map. */
static void give_units(struct shard *sh, struct hm_superslab *ss, uint32_t at,
                       uint32_t count, bool dirty)
{
    HM_ASSERT(hm_bits_count(ss->free_map, at, count) == 0);
    hm_superslab_settle(ss, at, count, false);
    hm_bits_change(ss->free_map, at, count, true);
    if (dirty) {
        hm_bits_change(ss->dirty_map, at, count, true);
        uint32_t now = (uint32_t)hm_load_relaxed(&hm_clock);
        for (uint32_t u = at; u < at + count; u++)
            ss->freed_at[u] = now;
        ss->dirty_units += count;
        hm_add_relaxed(&hm_superslab_counts.dirty_units, count);
    }
    hm_superslab_settle(ss, at, count, true);
    if (ss->free_units == 0) {
        list_remove(&sh->full[ss->kind], ss);
        list_insert(&sh->available[ss->kind], ss, true);
    }
    hm_sub_relaxed(&hm_superslab_counts.used_units, count);
    ss->free_units += count;
    ss->longest = ss->units;
    if (ss->free_units == ss->whole)
        hm_add_relaxed(&hm_superslab_counts.empty, 1);
}

/* Takes a wholly free SuperSlab out of circulation, to be unmapped. */
static HM_RARE void withdraw(struct shard *sh, struct hm_superslab *ss)
{
    list_remove(&sh->available[ss->kind], ss);
    hm_bits_change(ss->free_map, 0, ss->units, false);
    hm_sub_relaxed(&hm_superslab_counts.empty, 1);
    hm_sub_relaxed(&hm_superslab_counts.dirty_units, ss->dirty_units);
}

/* Where the run fits: the lowest place, or any. ss->units: nowhere. */
static uint32_t find_units(struct hm_superslab *ss, const struct hm_run_request *want)
{
    const uint64_t *map = want->resident ? ss->dirty_map : ss->free_map;
    uint32_t at = 0, longest = 0;
    if (HM_UNLIKELY(hm_opt.randomize) && want->align == HM_UNIT &&
        hm_random_run(map, ss->units, want->units, &at))
        return at;
    while ((at = hm_bits_next(map, at, ss->units, true)) < ss->units) {
        uint32_t end = hm_bits_next(map, at, ss->units, false);
        uintptr_t addr = (uintptr_t)ss->base + ((size_t)at << HM_UNIT_SHIFT);
        size_t skip = (hm_round_up(addr, want->align) - addr) >> HM_UNIT_SHIFT;
        if (skip + want->units <= end - at)
            return at + (uint32_t)skip;
        longest = (uint32_t)hm_max(longest, end - at);
        at = end;
    }
    ss->longest = want->resident ? ss->longest : longest;
    return ss->units;
}

/* Describes units [at, at + want->units) as one run. */
static struct hm_slab *make_run(struct hm_superslab *ss, uint32_t at,
                                const struct hm_run_request *want)
{
    struct hm_slab *run = &ss->slabs[at];
    size_t offset = (size_t)at << HM_UNIT_SHIFT;
    run->owner = ss;
    run->base = ss->base + offset;
    run->state = ss->state + (offset >> ss->shift);
    run->units = (uint16_t)want->units;
    run->unit = (uint16_t)at;
    run->cls = want->cls;
    for (uint32_t u = at; u < at + want->units; u++)
        ss->head[u] = (uint16_t)at;
    return run;
}

/* Caller holds the lock. */
static struct hm_slab *take_from(struct shard *sh, const struct hm_run_request *want,
                                 bool *zeroed)
{
    struct hm_superslab *ss = sh->available[hm_kind_of(want->cls)];
    for (; ss != NULL; ss = ss->next) {
        if (want->units > (want->resident ? ss->dirty_units : ss->longest))
            continue;
        uint32_t at = find_units(ss, want);
        if (at < ss->units) {
            *zeroed = take_units(sh, ss, at, want->units) == 0;
            return make_run(ss, at, want);
        }
    }
    return NULL;
}

/* A descriptor for a SuperSlab; its hm_slabs keep what is left of earlier lives. */
static struct hm_superslab *descriptor_take(struct shard *sh)
{
    if (!hm_lock_acquire(&sh->lock))
        return NULL;
    struct hm_superslab *ss = hm_load_acquire(&sh->spare);
    while (ss != NULL &&
           !atomic_compare_exchange_weak_explicit(
               &sh->spare, &ss, ss->next, memory_order_acquire, memory_order_acquire))
        ;
    hm_lock_release(&sh->lock);
    if (ss != NULL)
        return ss;
    uint32_t units = units_per_superslab;
    size_t map = hm_round_up(units, 64) / 8;
    size_t size = sizeof *ss + 2 * map + units * (sizeof(uint32_t) + sizeof(uint16_t));
    char *p =
        hm_meta_new(hm_round_up(size, HM_CACHE_LINE) + units * sizeof(struct hm_slab));
    if (p == NULL)
        return NULL;
    ss = (void *)p;
    ss->units = units;
    ss->slabs = (void *)(p + hm_round_up(size, HM_CACHE_LINE));
    ss->free_map = (void *)(ss + 1);
    ss->dirty_map = ss->free_map + map / sizeof *ss->free_map;
    ss->freed_at = (uint32_t *)(ss->dirty_map + map / sizeof *ss->dirty_map);
    ss->head = (uint16_t *)(ss->freed_at + units);
    return ss;
}

static void descriptor_give(struct shard *sh, struct hm_superslab *ss)
{
    ss->next = hm_load_relaxed(&sh->spare);
    /* Release pairs with the acquire in descriptor_take. */
    while (!atomic_compare_exchange_weak_explicit(
        &sh->spare, &ss->next, ss, memory_order_release, memory_order_relaxed))
        ;
}

static void note_mapped(void)
{
    uint64_t since = hm_load_relaxed(&hm_clock) - hm_load_relaxed(&released_at);
    uint32_t allowed = hm_load_relaxed(&allowance);
    if (since < HM_LIVE(trim_interval) && allowed < UINT32_MAX / 2)
        hm_store_relaxed(&allowance, 2 * allowed + 1);
    hm_add_relaxed(&hm_superslab_counts.mapped, 1);
    uint64_t mapped = hm_superslab_mapped();
    uint64_t peak = hm_load_relaxed(&hm_superslab_counts.peak);
    while (mapped > peak && !atomic_compare_exchange_weak_explicit(
                                &hm_superslab_counts.peak, &peak, mapped,
                                memory_order_relaxed, memory_order_relaxed))
        ;
}

/* Maps a SuperSlab that nobody else knows yet. */
static struct hm_superslab *superslab_map(unsigned shard, enum hm_kind kind, uint32_t gap)
{
    struct shard *sh = &shards[shard];
    struct hm_superslab *ss = descriptor_take(sh);
    if (ss == NULL)
        return NULL;
    if (ss->has_place && !hm_window_give_place(ss->kind, ss->base)) {
        descriptor_give(sh, ss);
        return NULL;
    }
    ss->has_place = false;
    ss->kind = (uint8_t)kind;
    ss->shift = kind == HM_KIND_SMALL ? HM_SMALL_SHIFT : HM_LARGE_SHIFT;
    ss->shard = (uint8_t)shard;
    ss->base = hm_window_take(kind, &ss->state);
    if (ss->base == NULL) {
        descriptor_give(sh, ss);
        return NULL;
    }
    size_t size = (size_t)ss->units << HM_UNIT_SHIFT;
    if (!hm_region_set(ss->base, size, (hm_owner)ss | HM_OWNER_SUPERSLAB)) {
        ss->has_place = !hm_window_give(kind, ss->base, ss->state);
        descriptor_give(sh, ss);
        return NULL;
    }
    bool huge = hm_opt.thp == HM_THP_ADVISE &&
                hm_superslab_mapped() * size >= hm_opt.thp_after;
    if (huge || hm_opt.thp == HM_THP_NEVER)
        hm_os_advise_huge(ss->base, size, huge);
    hm_bits_change(ss->free_map, 0, ss->units, true);
    if (gap != 0)
        gap = hm_fence_raise(ss->base, ss->free_map, ss->units, gap);
    ss->gap = (uint8_t)gap;
    ss->whole = ss->units - hm_fence_count(ss->units, ss->gap);
    ss->free_units = ss->longest = ss->whole;
    ss->dirty_units = 0;
    note_mapped();
    return ss;
}

/* The memory of an unmapped SuperSlab's hm_slabs goes back as well: they read as zero
 * then, and whoever still holds one finds a life that no slab has (S4). */
static HM_RARE void descriptor_purge(struct hm_superslab *ss)
{
    char *from = (char *)hm_round_up((uintptr_t)ss->slabs, hm_os_page);
    char *to = (char *)hm_round_down((uintptr_t)(ss->slabs + ss->units), hm_os_page);
    if (from < to)
        hm_os_purge(from, (size_t)(to - from));
}

/* Nobody else knows it any more. */
static HM_RARE void superslab_unmap(struct shard *sh, struct hm_superslab *ss)
{
    hm_region_set(ss->base, (size_t)ss->units << HM_UNIT_SHIFT, HM_OWNER_NONE);
    ss->has_place = !hm_window_give(ss->kind, ss->base, ss->state);
    hm_fence_raze(ss->units, ss->gap);
    hm_bits_change(ss->dirty_map, 0, ss->units, false);
    hm_add_relaxed(&hm_superslab_counts.released, 1);
    descriptor_purge(ss);
    descriptor_give(sh, ss);
}

/* Runs given while another thread forks wait for the next to hold the lock. */
static HM_COLD void defer(struct shard *sh, struct hm_slab *run)
{
    run->next = hm_load_relaxed(&sh->deferred);
    /* Release pairs with the acquire in deferred_give. */
    while (!atomic_compare_exchange_weak_explicit(
        &sh->deferred, &run->next, run, memory_order_release, memory_order_relaxed))
        ;
}

/* Caller holds the lock. */
static void deferred_give(struct shard *sh)
{
    if (HM_LIKELY(hm_load_relaxed(&sh->deferred) == NULL))
        return;
    struct hm_slab *run =
        atomic_exchange_explicit(&sh->deferred, NULL, memory_order_acquire);
    for (struct hm_slab *next; run != NULL; run = next) {
        next = run->next;
        run->cls = 0;
        give_units(sh, run->owner, run->unit, run->units, true);
    }
}

struct hm_slab *hm_run_take(const struct hm_run_request *want, bool *zeroed)
{
    struct hm_slab *run = NULL;
    for (unsigned i = 0; i < shard_count && run == NULL; i++) {
        struct shard *sh = &shards[(want->shard + i) % shard_count];
        /* Own shard: wait. Others are only a way to save memory. */
        if (i == 0 ? !hm_lock_acquire(&sh->lock) : !hm_lock_try(&sh->lock))
            continue;
        deferred_give(sh);
        run = take_from(sh, want, zeroed);
        hm_lock_release(&sh->lock);
    }
    if (run != NULL || want->resident)
        return run;
    struct shard *sh = &shards[want->shard];
    struct hm_superslab *ss = superslab_map(want->shard, hm_kind_of(want->cls),
                                            hm_fence_gap(want->units, want->align));
    if (ss == NULL)
        return NULL;
    if (!hm_lock_acquire(&sh->lock)) {
        superslab_unmap(sh, ss);
        return NULL;
    }
    list_insert(&sh->available[ss->kind], ss, true);
    hm_add_relaxed(&hm_superslab_counts.empty, 1);
    run = take_from(sh, want, zeroed);
    hm_lock_release(&sh->lock);
    return run;
}

/* Is the SuperSlab one empty one too many? Then it is taken off the list. Caller holds
 * the lock. */
static bool is_surplus(struct shard *sh, struct hm_superslab *ss)
{
    uint64_t empty = hm_load_relaxed(&hm_superslab_counts.empty);
    if (ss->free_units != ss->whole ||
        empty <= hm_max(hm_load_relaxed(&allowance), HM_LIVE(empty_reserve)))
        return false;
    withdraw(sh, ss);
    hm_store_relaxed(&released_at, hm_load_relaxed(&hm_clock));
    return true;
}

void hm_run_give(struct hm_slab *run)
{
    struct hm_superslab *ss = run->owner;
    struct shard *sh = &shards[ss->shard];
    if (hm_lock_acquire(&sh->lock)) {
        deferred_give(sh);
        run->cls = 0;
        give_units(sh, ss, run->unit, run->units, true);
        bool surplus = is_surplus(sh, ss);
        hm_lock_release(&sh->lock);
        if (surplus)
            superslab_unmap(sh, ss);
        return;
    }
    defer(sh, run);
}

HM_RARE void hm_run_shrink(struct hm_slab *run, unsigned keep)
{
    struct hm_superslab *ss = run->owner;
    struct shard *sh = &shards[ss->shard];
    if (keep >= run->units || !hm_lock_acquire(&sh->lock))
        return;
    uint32_t at = run->unit + keep, rest = run->units - keep;
    ss->slabs[at].cls = 0;
    for (uint32_t u = at; u < at + rest; u++)
        ss->head[u] = (uint16_t)at;
    run->units = (uint16_t)keep;
    give_units(sh, ss, at, rest, true);
    hm_lock_release(&sh->lock);
}

HM_RARE bool hm_run_grow(struct hm_slab *run, unsigned units, bool *zeroed)
{
    struct hm_superslab *ss = run->owner;
    struct shard *sh = &shards[ss->shard];
    uint32_t at = run->unit + run->units, more = units - run->units;
    if (at + more > ss->units || !hm_lock_acquire(&sh->lock))
        return false;
    bool fits = hm_bits_next(ss->free_map, at, at + more, false) == at + more;
    if (fits) {
        *zeroed = take_units(sh, ss, at, more) == 0;
        for (uint32_t u = at; u < at + more; u++)
            ss->head[u] = run->unit;
        run->units = (uint16_t)units;
    }
    hm_lock_release(&sh->lock);
    return fits;
}

/* Trimming. What is to be given back is first taken out of the maps, so that it can be
 * given back without the lock. */

struct claim {
    struct hm_superslab *ss;
    uint32_t at, count; /* count 0: the whole SuperSlab, already off the list */
};

struct sweep {
    uint32_t deadline; /* hm_clock value: free since then or earlier */
    size_t reserve;
    struct claim claims[16];
    unsigned count;
    size_t bytes; /* given back so far */
};

static bool is_due(uint32_t freed_at, uint32_t deadline)
{
    return (int32_t)(deadline - freed_at) >= 0; /* the clock's low half may wrap */
}

/* Claims dirty runs of one SuperSlab that are due, as far as they are whole pages,
 * which may be larger than units. Caller holds the lock. */
static void claim_runs(struct sweep *sw, struct shard *sh, struct hm_superslab *ss)
{
    uint32_t at = 0, page = hm_superslab_page_units;
    while (sw->count < HM_ARRAY_LEN(sw->claims) && ss->dirty_units > 0 &&
           (at = hm_bits_next(ss->dirty_map, at, ss->units, true)) < ss->units) {
        uint32_t end = hm_bits_next(ss->dirty_map, at, ss->units, false), stop = at;
        while (stop < end && is_due(ss->freed_at[stop], sw->deadline))
            stop++;
        uint32_t first = (uint32_t)hm_round_up(at, page);
        uint32_t last = (uint32_t)hm_round_down(stop, page);
        if (last > first) {
            sw->claims[sw->count++] = (struct claim){ss, first, last - first};
            take_units(sh, ss, first, last - first);
        }
        at = stop > at ? stop : at + 1;
    }
}

/* Is a wholly free SuperSlab due? Its youngest dirty unit decides. */
static bool all_due(const struct hm_superslab *ss, uint32_t deadline)
{
    uint32_t u = 0;
    for (; (u = hm_bits_next(ss->dirty_map, u, ss->units, true)) < ss->units; u++)
        if (!is_due(ss->freed_at[u], deadline))
            return false;
    return true;
}

/* Fills sw->claims. Caller holds the lock. */
static void claim(struct sweep *sw, struct shard *sh)
{
    sw->count = 0;
    for (int kind = 0; kind < HM_KINDS; kind++) {
        struct hm_superslab *ss = sh->available[kind], *next;
        for (; ss != NULL && sw->count < HM_ARRAY_LEN(sw->claims); ss = next) {
            next = ss->next;
            if (ss->free_units == ss->whole &&
                hm_load_relaxed(&hm_superslab_counts.empty) > sw->reserve &&
                all_due(ss, sw->deadline)) {
                withdraw(sh, ss);
                sw->claims[sw->count++] = (struct claim){ss, 0, 0};
            } else {
                claim_runs(sw, sh, ss);
            }
        }
    }
}

/* Serves the claims without the lock, then puts purged runs back. False: the same would
 * be claimed again. */
static bool serve(struct sweep *sw, struct shard *sh)
{
    bool progress = false;
    for (unsigned i = 0; i < sw->count; i++) {
        struct claim *c = &sw->claims[i];
        struct hm_superslab *ss = c->ss;
        if (c->count == 0) {
            sw->bytes += (size_t)ss->dirty_units << HM_UNIT_SHIFT;
            superslab_unmap(sh, ss);
            progress = true;
            continue;
        }
        size_t size = (size_t)c->count << HM_UNIT_SHIFT;
        bool purged = hm_os_purge(ss->base + ((size_t)c->at << HM_UNIT_SHIFT), size);
        sw->bytes += purged ? size : 0;
        progress |= purged;
        if (hm_lock_acquire(&sh->lock)) {
            give_units(sh, ss, c->at, c->count, !purged);
            hm_lock_release(&sh->lock);
        } else { /* they come back as a run that nobody sees */
            struct hm_slab *run = &ss->slabs[c->at];
            run->owner = ss;
            run->unit = (uint16_t)c->at;
            run->units = (uint16_t)c->count;
            defer(sh, run);
        }
    }
    return progress;
}

size_t hm_superslab_trim(uint64_t deadline, size_t reserve)
{
    struct sweep sw = {.deadline = (uint32_t)deadline, .reserve = reserve};
    for (unsigned i = 0; i < shard_count; i++) {
        struct shard *sh = &shards[i];
        bool progress;
        do {
            if (!hm_lock_acquire(&sh->lock))
                return sw.bytes;
            deferred_give(sh);
            claim(&sw, sh);
            hm_lock_release(&sh->lock);
            progress = serve(&sw, sh);
        } while (sw.count == HM_ARRAY_LEN(sw.claims) && progress);
    }
    return sw.bytes;
}

HM_COLD bool hm_superslab_each(unsigned shard,
                               void (*visit)(struct hm_superslab *, void *),
                               void *arg)
{
    struct shard *sh = &shards[shard];
    if (!hm_lock_acquire(&sh->lock))
        return false;
    for (int k = 0; k < HM_KINDS; k++) {
        for (struct hm_superslab *ss = sh->available[k]; ss != NULL; ss = ss->next)
            visit(ss, arg);
        for (struct hm_superslab *ss = sh->full[k]; ss != NULL; ss = ss->next)
            visit(ss, arg);
    }
    hm_lock_release(&sh->lock);
    return true;
}

HM_COLD void hm_superslab_prewarm(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct hm_superslab *ss =
            superslab_map(i % shard_count, i % 2 == 0 ? HM_KIND_SMALL : HM_KIND_LARGE, 0);
        if (ss == NULL)
            return;
        for (size_t at = 0; at < (size_t)ss->units << HM_UNIT_SHIFT; at += hm_os_page)
            *(volatile char *)(ss->base + at) = 0;
        struct shard *sh = &shards[ss->shard];
        if (!hm_lock_acquire(&sh->lock))
            return;
        hm_bits_change(ss->free_map, 0, ss->units, false);
        hm_add_relaxed(&hm_superslab_counts.used_units, ss->units);
        ss->free_units = 0;
        list_insert(&sh->full[ss->kind], ss, false);
        give_units(sh, ss, 0, ss->units, true);
        for (uint32_t u = 0; u < ss->units; u++)
            ss->freed_at[u] += HM_CLOCK_PREWARMED;
        hm_lock_release(&sh->lock);
    }
}

HM_COLD void hm_superslab_fork(void (*each)(struct hm_lock *))
{
    for (unsigned i = 0; i < shard_count; i++)
        each(&shards[i].lock);
}
