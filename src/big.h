/* SPDX-License-Identifier: MIT */
/* big: blocks larger than half a SuperSlab, and BigCache, which keeps freed ones.
 *
 *   extent   [ live | cached ]       whole granules of 64 KiB, a mapping or part of one
 *   bins     cached extents by size, four to a doubling   for finding
 *   age      cached extents, oldest first                 for trimming
 *
 * G1 Every granule of an extent, live or cached, has the extent as its owner in the
 *    region map. The entries are set after the memory is mapped and cleared before it
 *    is unmapped, since the kernel may give the addresses to another thread at once.
 * G2 Cached extents are in one bin and in the age list; no two are neighbours (they are
 *    merged); all under the lock. Live extents are in no list and belong to the program.
 * G3 Descriptors are type-stable, but for those of detours, which end with their block.
 * G4 The kernel moves memory only as far as it is one mapping to it. Where a mapping may
 *    begin the granule is a seam: what was mapped, or moved, by itself begins with one,
 *    and keeps it when it is merged or split.
 *
 * An extent serves a smaller request by being split, and several serve a larger one by
 * having their pages moved, so BigCache works like a heap of its own whose pages stay
 * resident: a program that holds a window of blocks of changing sizes gets no new memory
 * in the long run.
 */
#ifndef HM_BIG_H
#define HM_BIG_H

#include "lock.h"
#include "region.h"

enum { HM_BIG_UNUSED, HM_BIG_LIVE, HM_BIG_CACHED };

struct hm_big {
    char *base;            /* [const] while live, else [L:big] */
    size_t size;           /* the same: bytes, whole granules */
    _Atomic uint32_t life; /* [any] HM_BIG_… */
    bool zeroed;           /* [L:big] while cached: reads as zero */
    size_t front;          /* [const] while live: of a detour: bytes in front; else 0 */
    uint64_t freed_at;     /* [L:big] hm_clock */
    struct hm_big *next, *prev;     /* [L:big] in the bin; next: unused or deferred */
    struct hm_big *younger, *older; /* [L:big] in the age list */
};

struct hm_big_counts {
    _Atomic uint64_t live_bytes, cached_bytes, hits, misses;
    _Atomic uint64_t seams; /* G4: how many there are */
};
extern struct hm_big_counts hm_big_counts; /* [any, relaxed] */

void hm_big_init(void);

/* A block of at least `size` bytes, aligned to `align` (a power of two). *zeroed tells
 * whether it reads as zero. NULL: out of memory. */
void *hm_big_take(size_t size, size_t align, bool *zeroed);
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

struct hm_lock *hm_big_lock(void); /* for process.c */

#endif
