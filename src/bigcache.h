/* SPDX-License-Identifier: MIT */
/* bigcache: BigCache, the freed extents that are kept, and the descriptors of all.
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
 */
#ifndef HM_BIGCACHE_H
#define HM_BIGCACHE_H

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
struct hm_lock *hm_big_lock(void);

/* The owner of an extent's granules is its descriptor, from now on. */
void hm_big_own(struct hm_big *b);
/* It is none. Returns the seams, which stay, for the case that the range is not unmapped
 * after all. */
size_t hm_big_disown(const struct hm_big *b);
/* G4, before the granule has an owner. */
void hm_big_begin_seam(char *at);

/* These take the lock. */

/* Caches an extent that is in no list, merged with its neighbours. */
void hm_bigcache_put(struct hm_big *b);
/* Takes the oldest extent of at least `least` bytes out, of the first few, and cuts it to
 * `most`. NULL: there is none. */
struct hm_big *hm_bigcache_take(size_t most, size_t least);
/* The descriptor describes nothing any more. */
void hm_bigcache_drop(struct hm_big *b);

/* For these the caller holds it. */

/* Lists what came while another thread forked: extents freed, and descriptors. */
void hm_bigcache_collect(void);
/* Makes sure of two descriptors, with which any operation can split what it must. May
 * release and acquire the lock. False: out of memory, or fork elsewhere; the lock is
 * released. */
bool hm_bigcache_ready(void);
struct hm_big *hm_bigcache_descriptor(void);
/* The smallest extent that holds `size` bytes, or nearly; or NULL. */
struct hm_big *hm_bigcache_find(size_t size);
struct hm_big *hm_bigcache_oldest(void); /* or NULL */
void hm_bigcache_remove(struct hm_big *b);
/* Cuts what is beyond `size` off an extent that is in no list, and caches it. */
void hm_bigcache_cut(struct hm_big *b, size_t size, uint64_t freed_at);
/* A live extent gets its cached right neighbour, as far as it needs it for `size` bytes.
 * False: there is none, or it is too small. */
bool hm_bigcache_absorb(struct hm_big *b, size_t size);

#endif
