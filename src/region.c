/* SPDX-License-Identifier: MIT */
#include "region.h"
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

bool hm_region_prepare(const void *addr, size_t size)
{
    uintptr_t first = (uintptr_t)addr >> GRANULE_BITS;
    uintptr_t last = ((uintptr_t)addr + size - 1) >> GRANULE_BITS;
    for (uintptr_t r = first >> LEAF_BITS; r <= last >> LEAF_BITS; r++)
        if (leaf_of(r << LEAF_BITS) == NULL && !grow(r << LEAF_BITS))
            return false;
    return true;
}

bool hm_region_set(const void *addr, size_t size, hm_owner owner)
{
    if (owner != HM_OWNER_NONE && !hm_region_prepare(addr, size))
        return false;
    uintptr_t first = (uintptr_t)addr >> GRANULE_BITS;
    uintptr_t last = ((uintptr_t)addr + size - 1) >> GRANULE_BITS;
    for (uintptr_t g = first; g <= last; g++) {
        entry *leaf = leaf_of(g);
        if (leaf != NULL)
            hm_store_release(&leaf[g & (LEAF_ENTRIES - 1)], owner);
    }
    return true;
}

hm_owner hm_region_get(const void *addr)
{
    uintptr_t granule = (uintptr_t)addr >> GRANULE_BITS;
    entry *leaf = leaf_of(granule);
    return leaf == NULL ? 0 : hm_load_acquire(&leaf[granule & (LEAF_ENTRIES - 1)]);
}

HM_COLD void hm_region_each(void (*visit)(char *granule, hm_owner owner, void *arg),
                            void *arg)
{
    for (size_t r = 0; r < ROOT_ENTRIES; r++) {
        entry *leaf = hm_load_acquire(&root[r]);
        for (size_t i = 0; leaf != NULL && i < LEAF_ENTRIES; i++) {
            hm_owner owner = hm_load_acquire(&leaf[i]);
            if (owner != HM_OWNER_NONE)
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
    for (size_t r = 0; r < ROOT_ENTRIES; r++) {
        entry *leaf = hm_load_acquire(&root[r]);
        if (leaf != NULL)
            visit((void *)leaf, LEAF_ENTRIES * sizeof *leaf, arg);
    }
}
