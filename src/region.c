/* SPDX-License-Identifier: MIT */
#include "region.h"
#include "option.h"
#include "os.h"

#define GRANULE_BITS 16
/* A leaf spans 16 GiB: a program's SuperSlabs share one or two of them, and its 2 MiB of
 * entries fit under the smallest limits on address space that programs survive. With 32
 * bits there is one leaf for everything. */
#define LEAF_BITS (SIZE_MAX > UINT32_MAX ? 18 : 16)
#define LEAF_ENTRIES ((size_t)1 << LEAF_BITS)
/* User addresses without hints stay below 2^47 (x86-64) or 2^48 (arm64). */
#define ROOT_BITS (SIZE_MAX > UINT32_MAX ? 14 : 0)
#define ROOT_ENTRIES ((size_t)1 << ROOT_BITS)

typedef _Atomic(hm_owner) entry;

/* [any] set once, release; get acquires */
static _Atomic(entry *) root[ROOT_ENTRIES] HM_COLD_DATA;
static _Atomic size_t bytes;

/* The range of places. [const after hm_region_places] */
static struct {
    uintptr_t base;
    size_t size; /* 0: there is none */
    unsigned shift;
    size_t half; /* places in its first half */
    entry *entries;
    void *map;
    size_t mapped;
} places;

/* The entry of the place in which an address lies, or NULL. */
static entry *place_of(uintptr_t addr)
{
    uintptr_t offset = addr - places.base;
    if (offset >= places.size)
        return NULL;
    size_t i = offset >> places.shift;
    return &places.entries[2 * i - (i < places.half ? 0 : 2 * places.half - 1)];
}

HM_ONCE void *hm_region_places(const void *base, size_t size, size_t place, size_t room)
{
    size_t count = size / place, page = hm_os_page;
    size_t front = hm_round_up(room, page) + page / 2;
    size_t mapped = hm_round_up(front + count * sizeof(entry), page);
    char *map = HM_UNLIKELY(hm_opt.guard_pages) ? hm_os_map_guarded(mapped)
                                                : hm_os_map(mapped, page);
    if (map == NULL)
        return NULL;
    places.base = (uintptr_t)base;
    places.shift = hm_log2(place);
    places.half = count / 2;
    places.entries = (entry *)(void *)(map + front);
    hm_store_relaxed(&places.entries[0], HM_OWNER_NONE); /* reading is a fault more */
    places.map = map;
    places.mapped = mapped;
    places.size = size;
    hm_add_relaxed(&bytes, mapped);
    return places.entries;
}

static entry *leaf_of(uintptr_t granule)
{
    size_t r = granule >> LEAF_BITS;
    return r < ROOT_ENTRIES ? hm_load_acquire(&root[r]) : NULL;
}

static bool grow(uintptr_t granule)
{
    size_t r = granule >> LEAF_BITS;
    if (r >= ROOT_ENTRIES)
        return false;
    size_t size = LEAF_ENTRIES * sizeof(entry);
    entry *leaf = hm_os_map(size, hm_os_page);
    if (leaf == NULL)
        return false;
    entry *expected = NULL;
    if (atomic_compare_exchange_strong_explicit(
            &root[r], &expected, leaf, memory_order_release, memory_order_relaxed))
        hm_add_relaxed(&bytes, size);
    else
        hm_os_unmap(leaf, size); /* another thread was first */
    return true;
}

HM_RARE bool hm_region_prepare(const void *addr, size_t size)
{
    if (place_of((uintptr_t)addr) != NULL)
        return true;
    uintptr_t first = (uintptr_t)addr >> GRANULE_BITS;
    uintptr_t last = ((uintptr_t)addr + size - 1) >> GRANULE_BITS;
    for (uintptr_t r = first >> LEAF_BITS; r <= last >> LEAF_BITS; r++)
        if (leaf_of(r << LEAF_BITS) == NULL && !grow(r << LEAF_BITS))
            return false;
    return true;
}

/* The granules of a range outside of the places. */
static size_t store(const void *addr, size_t size, hm_owner owner, hm_owner keep)
{
    uintptr_t first = (uintptr_t)addr >> GRANULE_BITS;
    uintptr_t last = ((uintptr_t)addr + size - 1) >> GRANULE_BITS;
    size_t kept = 0;
    for (uintptr_t g = first; g <= last; g++) {
        entry *leaf = leaf_of(g), *e;
        if (leaf == NULL)
            continue;
        e = &leaf[g & (LEAF_ENTRIES - 1)];
        hm_owner had = hm_load_relaxed(e) & keep;
        kept += had != 0;
        hm_store_release(e, owner | had);
    }
    return kept;
}

bool hm_region_set(const void *addr, size_t size, hm_owner owner)
{
    if (place_of((uintptr_t)addr) != NULL) {
        for (size_t at = 0; at < size; at += (size_t)1 << places.shift)
            hm_store_release(place_of((uintptr_t)addr + at), owner);
        return true;
    }
    if (owner != HM_OWNER_NONE && !hm_region_prepare(addr, size))
        return false;
    store(addr, size, owner, 0);
    return true;
}

HM_RARE size_t hm_region_pass(const void *addr, size_t size, hm_owner owner)
{
    return store(addr, size, owner, HM_OWNER_SEAM);
}

HM_RARE size_t hm_region_run(const char *addr, size_t size)
{
    size_t run = HM_REGION_GRANULE;
    while (run < size && (hm_region_get(addr + run) & HM_OWNER_SEAM) == 0)
        run += HM_REGION_GRANULE;
    return run;
}

hm_owner hm_region_get(const void *addr)
{
    entry *place = place_of((uintptr_t)addr);
    if (HM_LIKELY(place != NULL))
        return hm_load_acquire(place);
    uintptr_t granule = (uintptr_t)addr >> GRANULE_BITS;
    entry *leaf = leaf_of(granule);
    return leaf == NULL ? 0 : hm_load_acquire(&leaf[granule & (LEAF_ENTRIES - 1)]);
}

HM_COLD void hm_region_each(void (*visit)(char *granule, hm_owner owner, void *arg),
                            void *arg)
{
    for (uintptr_t at = 0; at < places.size; at += HM_REGION_GRANULE) {
        hm_owner owner = hm_load_acquire(place_of(places.base + at));
        if (owner != HM_OWNER_NONE)
            visit((char *)(places.base + at), owner, arg);
        else
            at = (at | (((uintptr_t)1 << places.shift) - 1)) + 1 - HM_REGION_GRANULE;
    }
    for (size_t r = 0; r < ROOT_ENTRIES; r++) {
        entry *leaf = hm_load_acquire(&root[r]);
        for (size_t i = 0; leaf != NULL && i < LEAF_ENTRIES; i++) {
            hm_owner owner = hm_load_acquire(&leaf[i]);
            if (hm_owner_kind(owner) != HM_OWNER_NONE)
                visit((char *)((r << LEAF_BITS | i) << GRANULE_BITS), owner, arg);
        }
    }
}

size_t hm_region_bytes(void)
{
    return hm_load_relaxed(&bytes);
}

HM_COLD void hm_region_leaves(void (*visit)(void *base, size_t size, void *arg),
                              void *arg)
{
    if (places.size != 0)
        visit(places.map, places.mapped, arg);
    for (size_t r = 0; r < ROOT_ENTRIES; r++) {
        entry *leaf = hm_load_acquire(&root[r]);
        if (leaf != NULL)
            visit((void *)leaf, LEAF_ENTRIES * sizeof *leaf, arg);
    }
}
