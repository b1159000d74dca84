/* SPDX-License-Identifier: MIT */
/* fence: units of a SuperSlab that nobody may touch (option guard_pages).
 *
 *   gap 1   | unit | #### | unit | #### | unit | #### …     slabs of one unit
 *   gap 4   | unit | unit | unit | unit | #### | unit …     of four
 *
 * They are decided upon once, for the run that a SuperSlab is mapped for, and stay for
 * as long as it is mapped: in no run, and not free. So nothing has to be done for a run
 * that comes or goes, and who looks at what is in front of one cannot be overtaken.
 *
 * E1 A fence is one mapping to the kernel, what is behind it another; there are at most
 *    HM_FENCES of them. SuperSlabs beyond have none.
 * E2 Where the system refused it, a fence has access and is nobody's all the same.
 */
#ifndef HM_FENCE_H
#define HM_FENCE_H

#include "sizeclass.h"

#define HM_FENCES 6144

/* Units between two fences, for a SuperSlab that is mapped for a run of so many at such
 * an address; 0: there are none. Runs that are larger than any slab would not find a
 * place, nor would, at every address, those that want a certain one. */
uint32_t hm_fence_gap(uint32_t units, size_t align);

HM_INLINE uint32_t hm_fence_count(uint32_t units, uint32_t gap)
{
    return gap == 0 ? 0 : units / (gap + 1);
}

HM_INLINE bool hm_fence_is(uint32_t unit, uint32_t gap)
{
    return gap != 0 && unit % (gap + 1) == gap;
}

/* Puts up the fences of a SuperSlab that nobody else knows yet, and takes them out of its
 * map of free units. Returns the gap, or 0 where that would be too many. */
uint32_t hm_fence_raise(char *base, uint64_t *free_map, uint32_t units, uint32_t gap);
/* It is about to be unmapped. */
void hm_fence_raze(uint32_t units, uint32_t gap);

#endif
