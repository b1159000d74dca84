/* SPDX-License-Identifier: MIT */
#include "big.h"
#include "meta.h"
#include "option.h"
#include "os.h"
#include "superslab.h"

#include <string.h>

#define GRANULE HM_REGION_GRANULE
#define BINS 128
/* Extents looked at in one bin for the best fit: more finds little and costs every miss.
 */
#define FIT_LOOKS 16
/* What BigCache may always hold, within bigcache_bytes: a share of little is not worth a
 * system call. */
#define SLACK_MIN (4 * HM_MIB)
/* Memory of this size is composed of cached extents, of this size at least, each of which
 * costs a system call or more; if they have half of it; and while there are not too many
 * seams: the kernel allows a process 65,530 mappings. */
#define COMPOSE_MIN (256 * HM_KIB)
#define COMPOSE_PART 2
#define SEAMS_MAX 8192
/* Cached extents looked at for one that is large enough, the oldest first. */
#define COMPOSE_LOOKS 16
/* An extent that grows by at least such a part is moved to where it can have their pages.
 */
#define MOVE_PART 16

static struct {
    struct hm_lock lock;
    uint64_t nonempty[BINS / 64];     /* [L:lock] a bit for each bin */
    struct hm_big *oldest, *youngest; /* [L:lock] */
    struct hm_big *unused;            /* [L:lock] descriptors */
    struct hm_big *_Atomic deferred;  /* [any] freed while fork elsewhere */
    /* [any] Most live bytes since the last pass of trimming, and between the two before.
     * An update lost to a race costs a mapping at worst. */
    _Atomic size_t peak, earlier_peak;
} big;
static struct hm_big *bins[BINS] HM_COLD_DATA; /* [L:big.lock] */

struct hm_big_counts hm_big_counts;

HM_ONCE void hm_big_init(void)
{
    hm_lock_init(&big.lock, HM_RANK_BIG);
}

struct hm_lock *hm_big_lock(void)
{
    return &big.lock;
}

static unsigned bin_of(size_t size)
{
    size_t granules = size / GRANULE;
    unsigned log = hm_log2(granules);
    unsigned quarter = log < 2 ? 0 : (unsigned)(granules >> (log - 2)) & 3;
    return (unsigned)hm_min(4 * log + quarter, BINS - 1);
}

static void own(struct hm_big *b)
{
    hm_region_pass(b->base, b->size, (hm_owner)b | HM_OWNER_BIG);
}

/* G4, before its granule has an owner. */
static void begin_seam(char *at)
{
    hm_region_set(at, GRANULE, HM_OWNER_SEAM);
    hm_add_relaxed(&hm_big_counts.seams, 1);
}

/* The range is none's. Its seams stay, for the case that it is not unmapped after all. */
static size_t disown(const struct hm_big *b)
{
    return hm_region_pass(b->base, b->size, HM_OWNER_NONE);
}

/* Descriptors and lists. Callers hold the lock. */

static struct hm_big *descriptor(void)
{
    struct hm_big *b = big.unused;
    if (b != NULL)
        big.unused = b->next;
    return b;
}

static void retire(struct hm_big *b)
{
    hm_store_relaxed(&b->life, HM_BIG_UNUSED);
    b->next = big.unused;
    big.unused = b;
}

static void cache_insert(struct hm_big *b)
{
    unsigned bin = bin_of(b->size);
    b->prev = NULL;
    b->next = bins[bin];
    if (b->next != NULL)
        b->next->prev = b;
    bins[bin] = b;
    big.nonempty[bin / 64] |= (uint64_t)1 << bin % 64;
    b->younger = NULL;
    b->older = big.youngest;
    if (b->older != NULL)
        b->older->younger = b;
    else
        big.oldest = b;
    big.youngest = b;
    hm_store_relaxed(&b->life, HM_BIG_CACHED);
    hm_add_relaxed(&hm_big_counts.cached_bytes, b->size);
}

static void cache_remove(struct hm_big *b)
{
    unsigned bin = bin_of(b->size);
    if (b->prev != NULL)
        b->prev->next = b->next;
    else
        bins[bin] = b->next;
    if (b->next != NULL)
        b->next->prev = b->prev;
    if (bins[bin] == NULL)
        big.nonempty[bin / 64] &= ~((uint64_t)1 << bin % 64);
    if (b->younger != NULL)
        b->younger->older = b->older;
    else
        big.youngest = b->older;
    if (b->older != NULL)
        b->older->younger = b->younger;
    else
        big.oldest = b->younger;
    hm_store_relaxed(&b->life, HM_BIG_UNUSED);
    hm_sub_relaxed(&hm_big_counts.cached_bytes, b->size);
}

static struct hm_big *cached_at(const char *addr)
{
    hm_owner o = hm_region_get(addr);
    struct hm_big *b = hm_owner_ptr(o);
    bool cached =
        hm_owner_kind(o) == HM_OWNER_BIG && hm_load_relaxed(&b->life) == HM_BIG_CACHED;
    return cached ? b : NULL;
}

/* Caches an extent, merged with its neighbours. */
static void cache_merge(struct hm_big *b)
{
    struct hm_big *left = cached_at(b->base - 1), *right = cached_at(b->base + b->size);
    if (left != NULL && left->base + left->size == b->base) {
        cache_remove(left);
        b->base = left->base;
        b->size += left->size;
        b->zeroed = b->zeroed && left->zeroed;
        retire(left);
        own(b);
    }
    if (right != NULL && b->base + b->size == right->base) {
        cache_remove(right);
        b->size += right->size;
        b->zeroed = b->zeroed && right->zeroed;
        retire(right);
        own(b);
    }
    cache_insert(b);
}

/* What came while another thread forked: extents freed, and descriptors of none. */
static HM_HOT void deferred_give(void)
{
    if (HM_LIKELY(hm_load_relaxed(&big.deferred) == NULL))
        return;
    struct hm_big *b =
        atomic_exchange_explicit(&big.deferred, NULL, memory_order_acquire);
    while (b != NULL) {
        struct hm_big *next = b->next;
        if (b->size != 0)
            cache_merge(b);
        else
            retire(b);
        b = next;
    }
}

/* The smallest cached extent that holds `size`, or nearly. */
static struct hm_big *cache_find(size_t size)
{
    struct hm_big *best = NULL;
    unsigned bin = bin_of(size), looks = 0;
    for (struct hm_big *b = bins[bin]; b != NULL && looks < FIT_LOOKS; b = b->next) {
        if (b->size >= size && (best == NULL || b->size < best->size))
            best = b;
        looks++;
    }
    if (best != NULL)
        return best;
    for (bin++; bin < BINS; bin = (bin / 64 + 1) * 64) {
        uint64_t word = big.nonempty[bin / 64] >> bin % 64;
        if (word != 0)
            return bins[bin + (unsigned)__builtin_ctzll(word)];
    }
    return NULL;
}

/* Cuts what is beyond `size` off an extent that is in no list, and caches it. */
static void cut(struct hm_big *b, size_t size, uint64_t freed_at)
{
    struct hm_big *rest = b->size > size ? descriptor() : NULL;
    if (rest == NULL)
        return;
    rest->base = b->base + size;
    rest->size = b->size - size;
    rest->zeroed = b->zeroed;
    rest->front = 0;
    rest->freed_at = freed_at;
    b->size = size;
    own(rest);
    cache_merge(rest);
}

static void count_live(uint64_t more)
{
    size_t live = (size_t)(hm_add_relaxed(&hm_big_counts.live_bytes, more) + more);
    if (live > hm_load_relaxed(&big.peak))
        hm_store_relaxed(&big.peak, live);
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
    size_t peak = hm_max(hm_load_relaxed(&big.peak), hm_load_relaxed(&big.earlier_peak));
    size_t slack = hm_max(peak / 100 * HM_LIVE(bigcache_share), SLACK_MIN);
    size_t bound = peak + slack > live ? peak + slack - live : 0;
    return hm_min(bound, hm_clamp(HM_LIVE(bigcache_bytes)));
}

/* After more has been mapped, or cached. */
static void keep_to_bound(void)
{
    size_t bound = cache_bound();
    if (hm_load_relaxed(&hm_big_counts.cached_bytes) > bound)
        hm_big_trim(0, bound);
}

static void defer(struct hm_big *b)
{
    b->next = hm_load_relaxed(&big.deferred);
    /* Release pairs with the acquire in deferred_give. */
    while (!atomic_compare_exchange_weak_explicit(
        &big.deferred, &b->next, b, memory_order_release, memory_order_relaxed))
        ;
}

/* A descriptor that describes nothing any more. */
static void drop_descriptor(struct hm_big *b)
{
    b->size = 0;
    if (!hm_lock_acquire(&big.lock)) {
        defer(b);
        return;
    }
    retire(b);
    hm_lock_release(&big.lock);
}

/* Two descriptors in reserve let every operation under the lock split what it must. */
static bool descriptors_ready(void)
{
    while (big.unused == NULL || big.unused->next == NULL) {
        hm_lock_release(&big.lock);
        struct hm_big *b = hm_meta_new(sizeof *b);
        if (b == NULL)
            return false;
        if (!hm_lock_acquire(&big.lock)) {
            defer(b);
            return false;
        }
        retire(b);
    }
    return true;
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
    b->freed_at = hm_load_relaxed(&hm_clock);
    own(b);
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
    begin_seam(base);
    describe(b, base, size, true);
    return true;
}

/* Takes an extent out of the cache whose pages shall be moved, cut to `most`. */
static struct hm_big *take_for_pages(size_t most)
{
    if (!hm_lock_acquire(&big.lock) || !descriptors_ready())
        return NULL;
    struct hm_big *b = big.oldest;
    for (int looks = 1; b != NULL && b->size < COMPOSE_MIN; looks++)
        b = looks < COMPOSE_LOOKS ? b->younger : NULL;
    if (b != NULL) {
        cache_remove(b);
        cut(b, most, b->freed_at);
    }
    hm_lock_release(&big.lock);
    return b;
}

/* Puts an extent that is in no list into the cache. */
static void cache_again(struct hm_big *b)
{
    if (!hm_lock_acquire(&big.lock)) {
        defer(b);
        return;
    }
    cache_merge(b);
    hm_lock_release(&big.lock);
}

/* Unmaps an extent that is in no list, or at least takes its memory. Returns the bytes
 * that this brought: none for an extent that had no memory and cannot be unmapped
 * again. */
static size_t unmap_extent(struct hm_big *b)
{
    size_t size = b->size;
    bool purged = b->zeroed;
    size_t seams = disown(b);
    if (hm_os_unmap(b->base, size)) {
        hm_sub_relaxed(&hm_big_counts.seams, seams);
        drop_descriptor(b);
        return size;
    }
    own(b);
    b->zeroed = purged || hm_os_purge(b->base, size);
    size_t bytes = b->zeroed > purged ? size : 0;
    cache_again(b);
    return bytes;
}

/* Shall memory of this size be made of what is cached? */
static bool can_compose(size_t size)
{
    return size >= COMPOSE_MIN &&
           hm_load_relaxed(&hm_big_counts.cached_bytes) >= size / COMPOSE_PART &&
           hm_load_relaxed(&hm_big_counts.seams) <= SEAMS_MAX;
}

/* Space that is being filled with memory. Behind what is, a call that failed may have
 * left a gap. */
struct space {
    char *base;
    size_t size, filled, gap;
};

/* Space for an extent, without owners or seams. */
static bool space_reserve(struct space *s, size_t size)
{
    *s = (struct space){hm_os_reserve(size, GRANULE), size, 0, 0};
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
    disown(b); /* G1 */
    while (b->size > 0) {
        size_t run = hm_region_run(b->base, b->size);
        bool seam = (hm_region_get(b->base) & HM_OWNER_SEAM) != 0;
        if (!hm_os_move(b->base, run, s->base + s->filled, run)) {
            s->gap = run;
            return false;
        }
        hm_sub_relaxed(&hm_big_counts.seams, seam);
        begin_seam(s->base + s->filled);
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
    while (s->filled < s->size && (b = take_for_pages(s->size - s->filled)) != NULL) {
        if (!space_move(s, b)) {
            unmap_extent(b); /* nor would it be moved the next time */
            return false;
        }
        drop_descriptor(b);
    }
    if (s->filled == s->size)
        return true;
    if (!hm_os_commit(s->base + s->filled, s->size - s->filled))
        return false;
    begin_seam(s->base + s->filled);
    s->filled = s->size;
    return true;
}

/* Makes an extent of cached ones, none of which is large enough. */
static bool compose(struct hm_big *b, size_t size)
{
    struct space s;
    if (!can_compose(size) || !space_reserve(&s, size))
        return false;
    if (space_fill(&s)) {
        describe(b, s.base, size, false);
        return true;
    }
    space_abandon(&s);
    return false;
}

static void *take_new(struct hm_big *b, size_t size, size_t align, bool *zeroed)
{
    hm_add_relaxed(&hm_big_counts.misses, 1);
    bool ok = (align <= GRANULE && compose(b, size)) || map_extent(b, size, align);
    if (!ok && hm_big_trim(UINT64_MAX, 0) > 0) /* what is cached may be what is lacking */
        ok = map_extent(b, size, align);
    if (ok) {
        *zeroed = b->zeroed;
        set_live(b);
        keep_to_bound();
        return b->base;
    }
    drop_descriptor(b);
    return NULL;
}

void *hm_big_take(size_t size, size_t align, bool *zeroed)
{
    if (size > PTRDIFF_MAX - GRANULE || align > PTRDIFF_MAX / 2)
        return NULL;
    size = hm_round_up(hm_max(size, 1), GRANULE);
    *zeroed = true;
    if (!hm_lock_acquire(&big.lock))
        return hm_big_take_detour(size, align);
    if (!descriptors_ready())
        return hm_big_take_detour(size, align);
    deferred_give();
    struct hm_big *b = align > GRANULE ? NULL : cache_find(size);
    if (b == NULL) {
        b = descriptor();
        hm_lock_release(&big.lock);
        return take_new(b, size, align, zeroed);
    }
    cache_remove(b);
    cut(b, size, b->freed_at);
    *zeroed = b->zeroed;
    hm_lock_release(&big.lock);
    hm_add_relaxed(&hm_big_counts.hits, 1);
    set_live(b);
    return b->base;
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
    if (!hm_lock_acquire(&big.lock)) {
        defer(b);
        return true;
    }
    deferred_give();
    cache_merge(b);
    hm_lock_release(&big.lock);
    keep_to_bound();
    return true;
}

HM_HOT size_t hm_big_trim_due(uint64_t deadline)
{
    size_t live = (size_t)hm_load_relaxed(&hm_big_counts.live_bytes);
    hm_store_relaxed(&big.earlier_peak, hm_load_relaxed(&big.peak));
    hm_store_relaxed(&big.peak, live);
    return hm_big_trim(deadline, cache_bound());
}

HM_HOT size_t hm_big_trim(uint64_t deadline, size_t keep)
{
    size_t bytes = 0;
    for (;;) {
        if (!hm_lock_acquire(&big.lock))
            return bytes;
        deferred_give();
        struct hm_big *b = big.oldest;
        bool due = b != NULL && (b->freed_at <= deadline ||
                                 hm_load_relaxed(&hm_big_counts.cached_bytes) > keep);
        if (due)
            cache_remove(b);
        hm_lock_release(&big.lock);
        size_t done = due ? unmap_extent(b) : 0;
        if (done == 0) /* nothing due, or the system refuses */
            return bytes;
        bytes += done;
    }
}

/* Absorbs a cached right neighbour, as far as needed. Caller holds the lock. */
static bool absorb(struct hm_big *b, size_t size)
{
    struct hm_big *right = cached_at(b->base + b->size);
    if (right == NULL || right->base != b->base + b->size || b->size + right->size < size)
        return false;
    uint64_t freed_at = right->freed_at;
    cache_remove(right);
    cut(right, size - b->size, freed_at);
    b->size += right->size;
    retire(right);
    own(b);
    return true;
}

static bool grow_into_neighbour(struct hm_big *b, size_t size)
{
    if (!hm_lock_acquire(&big.lock) || !descriptors_ready())
        return false;
    bool done = absorb(b, size);
    hm_lock_release(&big.lock);
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
        begin_seam(to);
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
        seams = disown(b); /* G1 */
        if (!hm_os_move(b->base, before, all.base, size)) {
            own(b);
            return false;
        }
        begin_seam(all.base);
    } else {
        struct space front = {all.base, before, 0, 0};
        struct space rest = {all.base + before, more, 0, 0};
        bool ok = space_fill(&rest);
        seams = ok ? disown(b) : 0;
        if (!ok || !move_live(&front, b->base)) {
            if (ok)
                own(b);
            space_abandon(&front);
            space_abandon(&rest);
            return false;
        }
    }
    hm_sub_relaxed(&hm_big_counts.seams, seams);
    b->base = all.base;
    b->size = size;
    own(b);
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
    if (!hm_lock_acquire(&big.lock))
        return;
    if (!descriptors_ready())
        return;
    b->zeroed = false;
    cut(b, size, hm_load_relaxed(&hm_clock));
    hm_lock_release(&big.lock);
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
