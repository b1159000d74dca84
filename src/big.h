/* SPDX-License-Identifier: MIT */
/* big: blocks larger than half a SuperSlab: extents, of which freed ones are kept by
 * bigcache.h.
 *
 * An extent serves a smaller request by being split, and several serve a larger one by
 * having their pages moved, so BigCache works like a heap of its own whose pages stay
 * resident: a program that holds a window of blocks of changing sizes gets no new memory
 * in the long run.
 */
#ifndef HM_BIG_H
#define HM_BIG_H

#include "bigcache.h"

/* A block of at least `size` bytes, aligned to `align` (a power of two). *zeroed: whether
 * it should read as zero, if that touches no page that need not be; afterwards it tells
 * whether it reads as zero. NULL: out of memory. */
void *hm_big_take(size_t size, size_t align, bool *zeroed);
/* Can BigCache lend memory to a medium block? One of less than two granules would leave
 * too much of them unused. Inline: a process without big blocks needs no code of big. */
HM_INLINE bool hm_big_can_lend(size_t size, size_t align)
{
    return size >= 2 * HM_REGION_GRANULE && align <= HM_REGION_GRANULE &&
           hm_load_relaxed(&hm_big_counts.cached_bytes) >= size;
}
/* Such a block: NULL, if it no longer can, rather than a mapping for all of it, or a
 * detour. */
void *hm_big_lend(size_t size, bool *zeroed);
/* The same without any lock, for any size, at the cost of system calls: a detour. For
 * threads that find a lock held by a forking one. The block reads as zero. */
void *hm_big_take_detour(size_t size, size_t align);
/* Frees a live extent. False: it is not live (a double free). */
bool hm_big_give(struct hm_big *big);
/* Makes a live extent hold at least `size` bytes, or gives what is beyond back. Returns
 * its address, which may have changed, or NULL: nothing changed. */
void *hm_big_resize(struct hm_big *big, size_t size);

/* Unmaps what was cached at `deadline` or before, then the oldest until `keep` bytes are
 * left. Returns bytes given back. */
size_t hm_big_trim(uint64_t deadline, size_t keep);
/* A pass of trimming: the same, for as many bytes as BigCache may hold now. */
size_t hm_big_trim_due(uint64_t deadline);

#endif
