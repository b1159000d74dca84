/* SPDX-License-Identifier: MIT */
#include "bigcache.h"
#include "meta.h"

#define GRANULE HM_REGION_GRANULE
#define BINS 128
/* Extents looked at in one bin for the best fit: more finds little and costs every miss.
 */
#define FIT_LOOKS 16
/* Those looked at, the oldest first, for one of some size. */
#define AGE_LOOKS 16

static struct {
    struct hm_lock lock;
    uint64_t nonempty[BINS / 64];     /* [L:lock] a bit for each bin */
    struct hm_big *oldest, *youngest; /* [L:lock] */
    struct hm_big *unused;            /* [L:lock] descriptors */
    struct hm_big *_Atomic deferred;  /* [any] freed while fork elsewhere */
} cache;
static struct hm_big *bins[BINS] HM_COLD_DATA; /* [L:cache.lock] */

struct hm_big_counts hm_big_counts;

HM_ONCE void hm_big_init(void)
{
    hm_lock_init(&cache.lock, HM_RANK_BIG);
}

HM_HOT struct hm_lock *hm_big_lock(void)
{
    return &cache.lock;
}

static unsigned bin_of(size_t size)
{
    size_t granules = size / GRANULE;
    unsigned log = hm_log2(granules);
    unsigned quarter = log < 2 ? 0 : (unsigned)(granules >> (log - 2)) & 3;
    return (unsigned)hm_min(4 * log + quarter, BINS - 1);
}

void hm_big_own(struct hm_big *b)
{
    hm_region_pass(b->base, b->size, (hm_owner)b | HM_OWNER_BIG);
}

void hm_big_begin_seam(char *at)
{
    hm_region_set(at, GRANULE, HM_OWNER_SEAM);
    hm_add_relaxed(&hm_big_counts.seams, 1);
}

size_t hm_big_disown(const struct hm_big *b)
{
    return hm_region_pass(b->base, b->size, HM_OWNER_NONE);
}

HM_HOT struct hm_big *hm_bigcache_oldest(void)
{
    return cache.oldest;
}

/* Descriptors and lists. Callers hold the lock. */

struct hm_big *hm_bigcache_descriptor(void)
{
    struct hm_big *b = cache.unused;
    if (b != NULL)
        cache.unused = b->next;
    return b;
}

static void retire(struct hm_big *b)
{
    hm_store_relaxed(&b->life, HM_BIG_UNUSED);
    b->next = cache.unused;
    cache.unused = b;
}

static void insert(struct hm_big *b)
{
    unsigned bin = bin_of(b->size);
    b->prev = NULL;
    b->next = bins[bin];
    if (b->next != NULL)
        b->next->prev = b;
    bins[bin] = b;
    cache.nonempty[bin / 64] |= (uint64_t)1 << bin % 64;
    b->younger = NULL;
    b->older = cache.youngest;
    if (b->older != NULL)
        b->older->younger = b;
    else
        cache.oldest = b;
    cache.youngest = b;
    hm_store_relaxed(&b->life, HM_BIG_CACHED);
    hm_add_relaxed(&hm_big_counts.cached_bytes, b->size);
}

void hm_bigcache_remove(struct hm_big *b)
{
    unsigned bin = bin_of(b->size);
    if (b->prev != NULL)
        b->prev->next = b->next;
    else
        bins[bin] = b->next;
    if (b->next != NULL)
        b->next->prev = b->prev;
    if (bins[bin] == NULL)
        cache.nonempty[bin / 64] &= ~((uint64_t)1 << bin % 64);
    if (b->younger != NULL)
        b->younger->older = b->older;
    else
        cache.youngest = b->older;
    if (b->older != NULL)
        b->older->younger = b->younger;
    else
        cache.oldest = b->younger;
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
static void merge(struct hm_big *b)
{
    struct hm_big *left = cached_at(b->base - 1), *right = cached_at(b->base + b->size);
    if (left != NULL && left->base + left->size == b->base) {
        hm_bigcache_remove(left);
        b->base = left->base;
        b->size += left->size;
        b->zeroed = b->zeroed && left->zeroed;
        retire(left);
        hm_big_own(b);
    }
    if (right != NULL && b->base + b->size == right->base) {
        hm_bigcache_remove(right);
        b->size += right->size;
        b->zeroed = b->zeroed && right->zeroed;
        retire(right);
        hm_big_own(b);
    }
    insert(b);
}

HM_HOT void hm_bigcache_collect(void)
{
    if (HM_LIKELY(hm_load_relaxed(&cache.deferred) == NULL))
        return;
    struct hm_big *b =
        atomic_exchange_explicit(&cache.deferred, NULL, memory_order_acquire);
    while (b != NULL) {
        struct hm_big *next = b->next;
        if (b->size != 0)
            merge(b);
        else
            retire(b);
        b = next;
    }
}

struct hm_big *hm_bigcache_find(size_t size)
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
        uint64_t word = cache.nonempty[bin / 64] >> bin % 64;
        if (word != 0)
            return bins[bin + (unsigned)__builtin_ctzll(word)];
    }
    return NULL;
}

void hm_bigcache_cut(struct hm_big *b, size_t size, uint64_t freed_at)
{
    struct hm_big *rest = b->size > size ? hm_bigcache_descriptor() : NULL;
    if (rest == NULL)
        return;
    rest->base = b->base + size;
    rest->size = b->size - size;
    rest->zeroed = b->zeroed;
    rest->front = 0;
    rest->freed_at = freed_at;
    b->size = size;
    hm_big_own(rest);
    merge(rest);
}

static void defer(struct hm_big *b)
{
    b->next = hm_load_relaxed(&cache.deferred);
    /* Release pairs with the acquire in hm_bigcache_collect. */
    while (!atomic_compare_exchange_weak_explicit(
        &cache.deferred, &b->next, b, memory_order_release, memory_order_relaxed))
        ;
}

void hm_bigcache_drop(struct hm_big *b)
{
    b->size = 0;
    if (!hm_lock_acquire(&cache.lock)) {
        defer(b);
        return;
    }
    retire(b);
    hm_lock_release(&cache.lock);
}

bool hm_bigcache_ready(void)
{
    while (cache.unused == NULL || cache.unused->next == NULL) {
        hm_lock_release(&cache.lock);
        struct hm_big *b = hm_meta_new(sizeof *b);
        if (b == NULL)
            return false;
        if (!hm_lock_acquire(&cache.lock)) {
            defer(b);
            return false;
        }
        retire(b);
    }
    return true;
}

struct hm_big *hm_bigcache_take(size_t most, size_t least)
{
    if (!hm_lock_acquire(&cache.lock) || !hm_bigcache_ready())
        return NULL;
    struct hm_big *b = cache.oldest;
    for (int looks = 1; b != NULL && b->size < least; looks++)
        b = looks < AGE_LOOKS ? b->younger : NULL;
    if (b != NULL) {
        hm_bigcache_remove(b);
        hm_bigcache_cut(b, most, b->freed_at);
    }
    hm_lock_release(&cache.lock);
    return b;
}

void hm_bigcache_put(struct hm_big *b)
{
    if (!hm_lock_acquire(&cache.lock)) {
        defer(b);
        return;
    }
    hm_bigcache_collect();
    merge(b);
    hm_lock_release(&cache.lock);
}

bool hm_bigcache_absorb(struct hm_big *b, size_t size)
{
    struct hm_big *right = cached_at(b->base + b->size);
    if (right == NULL || right->base != b->base + b->size || b->size + right->size < size)
        return false;
    uint64_t freed_at = right->freed_at;
    hm_bigcache_remove(right);
    hm_bigcache_cut(right, size - b->size, freed_at);
    b->size += right->size;
    retire(right);
    hm_big_own(b);
    return true;
}
