/* SPDX-License-Identifier: MIT */
#include "big.h"
#include "option.h"
#include "os.h"
#include "sys.h"

#include <string.h>

#define GRANULE HM_REGION_GRANULE
/* What BigCache may always hold, within bigcache_bytes: a share of little is not worth a
 * system call. */
#define SLACK_MIN HM_MIB
/* Memory of this size is composed of cached extents, of this size at least, each of which
 * costs a system call or more; if they have half of it; and while there are not too many
 * seams: the kernel allows a process 65,530 mappings. */
#define COMPOSE_MIN (256 * HM_KIB)
#define COMPOSE_PART 2
#define SEAMS_MAX 8192
/* An extent that grows by at least such a part is moved to where it can have their pages.
 */
#define MOVE_PART 16

/* Most live bytes since the last pass of trimming, and between the two before. [any,
 * relaxed] An update lost to a race costs a mapping at worst. */
static _Atomic size_t peak, earlier_peak;

static void count_live(uint64_t more)
{
    size_t live = (size_t)(hm_add_relaxed(&hm_big_counts.live_bytes, more) + more);
    if (live > hm_load_relaxed(&peak))
        hm_store_relaxed(&peak, live);
}

static void set_live(struct hm_big *b)
{
    count_live(b->size);
    hm_store_release(&b->life, HM_BIG_LIVE);
}

/* Bytes that BigCache may hold now. Live and cached together are bounded by what was live
 * lately and bigcache_share on top: a program that frees and allocates the same again
 * finds it all, one whose blocks grow does not keep the outgrown. */
static HM_HOT size_t cache_bound(void)
{
    size_t live = (size_t)hm_load_relaxed(&hm_big_counts.live_bytes);
    size_t most = hm_max(hm_load_relaxed(&peak), hm_load_relaxed(&earlier_peak));
    size_t slack = hm_max(most / 100 * HM_LIVE(bigcache_share), SLACK_MIN);
    size_t bound = most + slack > live ? most + slack - live : 0;
    return hm_min(bound, hm_clamp(HM_LIVE(bigcache_bytes)));
}

/* After more has been mapped, or cached. */
static void keep_to_bound(void)
{
    size_t bound = cache_bound();
    if (hm_load_relaxed(&hm_big_counts.cached_bytes) > bound)
        hm_big_trim(0, bound);
}

/* The block is a mapping of its own, its descriptor in front. It is unmapped when
 * freed. */
HM_COLD void *hm_big_take_detour(size_t size, size_t align)
{
    if (size > PTRDIFF_MAX / 2 || align > PTRDIFF_MAX / 4)
        return NULL;
    size = hm_round_up(hm_max(size, 1), GRANULE);
    size_t front = hm_max(GRANULE, align);
    char *map = hm_os_map(size + front, front);
    if (map == NULL)
        return NULL;
    struct hm_big *b =
        (void *)(map + front - hm_round_up(sizeof *b, HM_ALIGNMENT));
    b->base = map + front;
    b->size = size;
    b->front = front;
    if (!hm_region_set(b->base, size, (hm_owner)b | HM_OWNER_DETOUR)) {
        hm_os_unmap(map, size + front);
        return NULL;
    }
    set_live(b);
    return b->base;
}

static void give_detour(struct hm_big *b)
{
    hm_region_set(b->base, b->size, HM_OWNER_NONE);
    hm_os_unmap(b->base - b->front, b->size + b->front);
}

/* Makes the region map ready for a range that nobody has, and forgets its seams. */
static bool clear(const char *base, size_t size)
{
    return hm_region_prepare(base, size) && hm_region_set(base, size, HM_OWNER_NONE);
}

/* Makes an extent of a range whose seams are known. */
static void describe(struct hm_big *b, char *base, size_t size, bool zeroed)
{
    b->base = base;
    b->size = size;
    b->zeroed = zeroed;
    b->front = 0;
    hm_big_own(b);
}

/* Maps a new extent. Its descriptor is the caller's. */
static bool map_extent(struct hm_big *b, size_t size, size_t align)
{
    char *base = hm_os_map(size, hm_max(align, GRANULE));
    if (base == NULL)
        return false;
    if (!clear(base, size)) {
        hm_os_unmap(base, size);
        return false;
    }
    hm_big_begin_seam(base);
    describe(b, base, size, true);
    return true;
}

/* Unmaps an extent that is in no list, or at least takes its memory. Returns the bytes
 * that this brought: none for an extent that had no memory and cannot be unmapped
 * again. */
static size_t unmap_extent(struct hm_big *b)
{
    size_t size = b->size;
    bool purged = b->zeroed;
    size_t seams = hm_big_disown(b);
    if (hm_os_unmap(b->base, size)) {
        hm_sub_relaxed(&hm_big_counts.seams, seams);
        hm_bigcache_drop(b);
        return size;
    }
    hm_big_own(b);
    b->zeroed = purged || hm_os_purge(b->base, size);
    size_t bytes = b->zeroed > purged ? size : 0;
    hm_bigcache_put(b);
    return bytes;
}

/* Shall memory of this size be made of what is cached? */
static bool can_compose(size_t size)
{
    return size >= COMPOSE_MIN &&
           hm_load_relaxed(&hm_big_counts.cached_bytes) >= size / COMPOSE_PART &&
           hm_load_relaxed(&hm_big_counts.seams) <= SEAMS_MAX;
}

/* Space that is being filled with memory: first `old` bytes of pages that were in use
 * before. Behind what is filled, a call that failed may have left a gap. */
struct space {
    char *base;
    size_t size, filled, old, gap;
};

/* Space for an extent, without owners or seams. */
static bool space_reserve(struct space *s, size_t size)
{
    *s = (struct space){.base = hm_os_reserve(size, GRANULE), .size = size};
    if (s->base == NULL)
        return false;
    if (clear(s->base, size))
        return true;
    hm_os_unmap(s->base, size);
    return false;
}

/* Gives all of it up but for the gap, in which another thread may have mapped something.
 * What the system does not take back is address space. */
static void space_abandon(struct space *s)
{
    size_t rest = s->filled + s->gap;
    if (s->filled > 0) {
        size_t seams = hm_region_pass(s->base, s->filled, HM_OWNER_NONE);
        hm_sub_relaxed(&hm_big_counts.seams, seams);
        if (!hm_os_unmap(s->base, s->filled))
            hm_os_purge(s->base, s->filled);
    }
    if (rest < s->size)
        hm_os_unmap(s->base + rest, s->size - rest);
}

/* Moves the pages of a cached extent that is in no list. */
static bool space_move(struct space *s, struct hm_big *b)
{
    hm_big_disown(b); /* G1 */
    while (b->size > 0) {
        size_t run = hm_region_run(b->base, b->size);
        bool seam = (hm_region_get(b->base) & HM_OWNER_SEAM) != 0;
        if (!hm_os_move(b->base, run, s->base + s->filled, run)) {
            s->gap = run;
            return false;
        }
        hm_sub_relaxed(&hm_big_counts.seams, seam);
        hm_big_begin_seam(s->base + s->filled);
        s->filled += run;
        b->base += run;
        b->size -= run;
    }
    return true;
}

/* Fills space with the pages of cached extents, the oldest first, as far as there are
 * some, and with new memory. */
static bool space_fill(struct space *s)
{
    struct hm_big *b;
    while (s->filled < s->size &&
           (b = hm_bigcache_take(s->size - s->filled, COMPOSE_MIN)) != NULL) {
        if (!space_move(s, b)) {
            unmap_extent(b); /* nor would it be moved the next time */
            return false;
        }
        hm_bigcache_drop(b);
    }
    s->old = s->filled;
    if (s->filled == s->size)
        return true;
    if (!hm_os_commit(s->base + s->filled, s->size - s->filled))
        return false;
    hm_big_begin_seam(s->base + s->filled);
    s->filled = s->size;
    return true;
}

/* Makes an extent of cached ones, none of which is large enough. With `zero` it reads as
 * zero: what is new in it does without being touched. */
static bool compose(struct hm_big *b, size_t size, bool zero)
{
    struct space s;
    if (!can_compose(size) || !space_reserve(&s, size))
        return false;
    if (space_fill(&s)) {
        if (zero)
            memset(s.base, 0, s.old);
        describe(b, s.base, size, zero);
        return true;
    }
    space_abandon(&s);
    return false;
}

/* A block of what is cached and, unless it is `lent`, of new memory. */
static void *take_new(struct hm_big *b, size_t size, size_t align, bool lent,
                      bool *zeroed)
{
    bool ok = align <= GRANULE && compose(b, size, *zeroed);
    if (!ok && !lent) /* what is cached may be what is lacking */
        ok = map_extent(b, size, align) ||
             (hm_big_trim(UINT64_MAX, 0) > 0 && map_extent(b, size, align));
    if (!ok) {
        hm_bigcache_drop(b);
        return NULL;
    }
    hm_add_relaxed(&hm_big_counts.misses, 1);
    *zeroed = b->zeroed;
    set_live(b);
    keep_to_bound();
    return b->base;
}

/* The caller holds the lock, and BigCache is ready; releases it. */
static void *take(size_t size, size_t align, bool lent, bool *zeroed)
{
    hm_bigcache_collect();
    struct hm_big *b = align > GRANULE ? NULL : hm_bigcache_find(size);
    if (b == NULL) {
        b = hm_bigcache_descriptor();
        hm_lock_release(hm_big_lock());
        return take_new(b, size, align, lent, zeroed);
    }
    hm_bigcache_remove(b);
    hm_bigcache_cut(b, size, b->freed_at);
    *zeroed = b->zeroed;
    hm_lock_release(hm_big_lock());
    hm_add_relaxed(&hm_big_counts.hits, 1);
    set_live(b);
    return b->base;
}

void *hm_big_take(size_t size, size_t align, bool *zeroed)
{
    if (size > PTRDIFF_MAX - GRANULE || align > PTRDIFF_MAX / 2)
        return NULL;
    size = hm_round_up(hm_max(size, 1), GRANULE);
    if (!hm_lock_acquire(hm_big_lock()) || !hm_bigcache_ready()) {
        *zeroed = true;
        return hm_big_take_detour(size, align);
    }
    return take(size, align, false, zeroed);
}

void *hm_big_lend(size_t size, bool *zeroed)
{
    size = hm_round_up(size, GRANULE);
    if (!hm_big_can_lend(size, GRANULE) || !hm_lock_acquire(hm_big_lock()) ||
        !hm_bigcache_ready())
        return NULL;
    return take(size, GRANULE, true, zeroed);
}

bool hm_big_give(struct hm_big *b)
{
    uint32_t live = HM_BIG_LIVE;
    if (!atomic_compare_exchange_strong_explicit(
            &b->life, &live, HM_BIG_UNUSED, memory_order_acq_rel, memory_order_relaxed))
        return false;
    hm_sub_relaxed(&hm_big_counts.live_bytes, b->size);
    if (b->front != 0) {
        give_detour(b);
        return true;
    }
    b->zeroed = false;
    b->freed_at = hm_load_relaxed(&hm_clock);
    if (b->size > cache_bound()) {
        unmap_extent(b);
        return true;
    }
    hm_bigcache_put(b);
    keep_to_bound();
    return true;
}

HM_HOT size_t hm_big_trim_due(uint64_t deadline)
{
    size_t live = (size_t)hm_load_relaxed(&hm_big_counts.live_bytes);
    hm_store_relaxed(&earlier_peak, hm_load_relaxed(&peak));
    hm_store_relaxed(&peak, live);
    return hm_big_trim(deadline, cache_bound());
}

HM_HOT size_t hm_big_trim(uint64_t deadline, size_t keep)
{
    size_t bytes = 0;
    for (;;) {
        if (!hm_lock_acquire(hm_big_lock()))
            return bytes;
        hm_bigcache_collect();
        struct hm_big *b = hm_bigcache_oldest();
        bool due = b != NULL && (b->freed_at <= deadline ||
                                 hm_load_relaxed(&hm_big_counts.cached_bytes) > keep);
        if (due)
            hm_bigcache_remove(b);
        hm_lock_release(hm_big_lock());
        size_t done = due ? unmap_extent(b) : 0;
        if (done == 0) /* nothing due, or the system refuses */
            return bytes;
        bytes += done;
    }
}

static bool grow_into_neighbour(struct hm_big *b, size_t size)
{
    if (!hm_lock_acquire(hm_big_lock()) || !hm_bigcache_ready())
        return false;
    bool done = hm_bigcache_absorb(b, size);
    hm_lock_release(hm_big_lock());
    return done;
}

/* As far as the kernel knows, it is the last mapping of the extent that grows. */
static bool grow_in_place(struct hm_big *b, size_t size, bool *movable)
{
    size_t last = 0, run;
    while ((run = hm_region_run(b->base + last, b->size - last)) < b->size - last)
        last += run;
    if (!hm_os_grow(b->base + last, run, size - last, movable))
        return false;
    if (!hm_region_prepare(b->base, size)) {
        hm_os_unmap(b->base + b->size, size - b->size);
        return false;
    }
    hm_region_set(b->base + b->size, size - b->size, (hm_owner)b | HM_OWNER_BIG);
    b->size = size;
    return true;
}

/* Could so much more be mapped? */
static bool can_map(size_t more)
{
    void *probe = hm_os_map(more, hm_os_page);
    if (probe != NULL)
        hm_os_unmap(probe, more);
    return probe != NULL;
}

/* Moves the pages of a live extent to space of its size. Of several mappings, those that
 * were moved come back if another cannot be. */
static bool move_live(struct space *s, char *from)
{
    size_t run = hm_region_run(from, s->size);
    bool whole = run == s->size;
    for (; s->filled < s->size; s->filled += run) {
        char *part = from + s->filled, *to = s->base + s->filled;
        run = hm_region_run(part, s->size - s->filled);
        if (!(whole ? hm_os_move(part, run, to, run) : hm_os_move_pages(part, run, to))) {
            memcpy(from, s->base, s->filled);
            s->gap = run;
            return false;
        }
        hm_big_begin_seam(to);
    }
    if (!whole)
        hm_os_unmap(from, s->size);
    return true;
}

/* Moves an extent to where it has room to grow, by pages of cached ones or by new memory.
 * What a move that fails leaves of the space depends on the kernel: so it is not tried
 * without hope, and costs address space at most. */
static bool move(struct hm_big *b, size_t size)
{
    size_t before = b->size, more = size - before, seams;
    struct space all;
    if (!can_map(more) || !space_reserve(&all, size))
        return false;
    if (!can_compose(more) && hm_region_run(b->base, before) == before) {
        /* By one call, so that it stays one mapping. */
        seams = hm_big_disown(b); /* G1 */
        if (!hm_os_move(b->base, before, all.base, size)) {
            hm_big_own(b);
            return false;
        }
        hm_big_begin_seam(all.base);
    } else {
        struct space front = {.base = all.base, .size = before};
        struct space rest = {.base = all.base + before, .size = more};
        bool ok = space_fill(&rest);
        seams = ok ? hm_big_disown(b) : 0;
        if (!ok || !move_live(&front, b->base)) {
            if (ok)
                hm_big_own(b);
            space_abandon(&front);
            space_abandon(&rest);
            return false;
        }
    }
    hm_sub_relaxed(&hm_big_counts.seams, seams);
    b->base = all.base;
    b->size = size;
    hm_big_own(b);
    return true;
}

static bool grow(struct hm_big *b, size_t size)
{
    bool movable;
    size_t more = size - b->size;
    /* To have pages moved takes a small part of the time that new ones take. */
    if (more >= b->size / MOVE_PART && can_compose(more) && move(b, size))
        return true;
    return grow_in_place(b, size, &movable) || (movable && move(b, size));
}

static void shrink(struct hm_big *b, size_t size)
{
    if (!hm_lock_acquire(hm_big_lock()))
        return;
    if (!hm_bigcache_ready())
        return;
    b->zeroed = false;
    hm_bigcache_cut(b, size, hm_load_relaxed(&hm_clock));
    hm_lock_release(hm_big_lock());
}

void *hm_big_resize(struct hm_big *b, size_t size)
{
    if (size > PTRDIFF_MAX - GRANULE || b->front != 0)
        return size <= b->size ? b->base : NULL;
    size = hm_round_up(size, GRANULE);
    size_t before = b->size;
    if (size < before)
        shrink(b, size);
    else if (size > before && !grow_into_neighbour(b, size) && !grow(b, size))
        return NULL;
    count_live((uint64_t)b->size - before);
    if (size > before)
        keep_to_bound();
    return b->base;
}
