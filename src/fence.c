/* SPDX-License-Identifier: MIT */
#include "fence.h"
#include "bits.h"
#include "option.h"
#include "os.h"

/* Those of the largest slabs: sizeclass.c. */
#define GAP_MAX 8

static _Atomic uint32_t fences; /* [any] */

uint32_t hm_fence_gap(uint32_t units, size_t align)
{
    /* A page that is larger than a unit has units on both sides in it. */
    bool possible = hm_opt.guard_pages && hm_os_page <= HM_UNIT;
    return possible && units <= GAP_MAX && align <= HM_UNIT ? units : 0;
}

HM_COLD uint32_t hm_fence_raise(char *base, uint64_t *free_map, uint32_t units,
                                uint32_t gap)
{
    uint32_t count = hm_fence_count(units, gap);
    if (count == 0)
        return 0;
    if (hm_add_relaxed(&fences, count) + count > HM_FENCES) {
        hm_sub_relaxed(&fences, count);
        return 0;
    }
    for (uint32_t u = gap; u < units; u += gap + 1) {
        hm_os_forbid(base + ((size_t)u << HM_UNIT_SHIFT), HM_UNIT);
        hm_bits_change(free_map, u, 1, false);
    }
    return gap;
}

HM_RARE void hm_fence_raze(uint32_t units, uint32_t gap)
{
    hm_sub_relaxed(&fences, hm_fence_count(units, gap));
}
