/* SPDX-License-Identifier: MIT */
/* extents: big blocks, and what BigCache keeps of them, for the tests of big. */
#ifndef HM_TEST_EXTENTS_H
#define HM_TEST_EXTENTS_H

#include "layers.h"

#define G HM_REGION_GRANULE
#define CONF "shards = 1\nsuperslab_size = 512K\naddress_window = 0\n"

static UNUSED char *take(size_t size)
{
    bool zeroed = false;
    char *p = hm_big_take(size, HM_ALIGNMENT, &zeroed);

    REQUIRE(p != NULL && (!zeroed || all_bytes(p, size, 0)));
    return p;
}

static UNUSED struct hm_big *extent(const void *p)
{
    hm_owner owner = hm_region_get(p);

    REQUIRE(hm_owner_kind(owner) == HM_OWNER_BIG ||
            hm_owner_kind(owner) == HM_OWNER_DETOUR);
    return hm_owner_ptr(owner);
}

static UNUSED void give(const void *p)
{
    REQUIRE(extent(p)->base == p);
    REQUIRE(hm_big_give(extent(p)));
}

/* As realloc does it: an extent that is several mappings for the kernel cannot be moved.
 */
static UNUSED char *resize(char *p, size_t size)
{
    char *q = hm_big_resize(extent(p), size);

    if (q != NULL)
        return q;
    q = take(size);
    memcpy(q, p, hm_min(size, extent(p)->size));
    give(p);
    return q;
}

static UNUSED size_t cached(void)
{
    return hm_load_relaxed(&hm_big_counts.cached_bytes);
}

static UNUSED size_t live(void)
{
    return hm_load_relaxed(&hm_big_counts.live_bytes);
}

#endif
