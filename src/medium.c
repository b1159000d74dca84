/* SPDX-License-Identifier: MIT */
#include "medium.h"
#include "option.h"
#include "slab.h"

_Atomic uint64_t hm_medium_bytes;

size_t hm_medium_max(void)
{
    return hm_min(hm_clamp(hm_opt.medium_max), hm_opt.superslab_size / 2);
}

static unsigned units_for(size_t size)
{
    return (unsigned)((hm_max(size, 1) + HM_UNIT - 1) >> HM_UNIT_SHIFT);
}

static void *take(unsigned shard, size_t size, size_t align, bool resident, bool *zeroed)
{
    struct hm_run_request want = {(uint8_t)shard, HM_STATE_MEDIUM, units_for(size),
                                  hm_max(align, HM_UNIT), resident};
    struct hm_slab *run = hm_run_take(&want, zeroed);
    if (run == NULL)
        return NULL;
    hm_add_relaxed(&hm_medium_bytes, (size_t)run->units << HM_UNIT_SHIFT);
    hm_store_relaxed(run->state, HM_STATE_MEDIUM);
    return run->base;
}

void *hm_medium_take(unsigned shard, size_t size, size_t align, bool *zeroed)
{
    return take(shard, size, align, false, zeroed);
}

void *hm_medium_take_resident(unsigned shard, size_t size, size_t align, bool *zeroed)
{
    return take(shard, size, align, true, zeroed);
}

void hm_medium_give(void *block)
{
    struct hm_slab *run = hm_slab_of(block);
    hm_sub_relaxed(&hm_medium_bytes, (size_t)run->units << HM_UNIT_SHIFT);
    hm_run_give(run);
}

size_t hm_medium_usable(const void *block)
{
    return (size_t)hm_slab_of(block)->units << HM_UNIT_SHIFT;
}

HM_RARE bool hm_medium_resize(void *block, size_t size)
{
    struct hm_slab *run = hm_slab_of(block);
    unsigned before = run->units, after = units_for(size);
    bool zeroed;
    if (after < before)
        hm_run_shrink(run, after);
    else if (after > before && !hm_run_grow(run, after, &zeroed))
        return false;
    hm_add_relaxed(&hm_medium_bytes, ((uint64_t)run->units - (uint64_t)before)
                                         << HM_UNIT_SHIFT);
    return true;
}
