/* SPDX-License-Identifier: MIT */
/* share: how many free blocks thread caches may hold.
 *
 *   bytes taken from slabs - bytes given back = out        out - in bins = live
 *
 * A full cache makes the heap larger: a bound by the heap's size would grow with what it
 * bounds. So caches may hold a part of what is live. Each thread notes now and then what
 * it has out and not in its bins; that may be less than nothing where it frees what
 * others allocate, but the sum is right. What counts is the most that there was lately: a
 * program that frees a megabyte and allocates it again has nothing live in between.
 */
#ifndef HM_SHARE_H
#define HM_SHARE_H

#include "base.h"

/* A cache's part of it. [owner] */
struct hm_share {
    uint64_t out;     /* may be below zero, which wraps */
    uint64_t noted;   /* `out` when it was last noted */
    uint64_t net;     /* what it has in the sum; may be below zero */
    uint64_t traffic; /* bytes taken and given since the cache was last aged */
    size_t bytes;     /* what its bins have room for beyond their minimum */
};

/* Bytes of blocks were taken from slabs or, below zero, given back. True: as many that
 * they should be noted. */
bool hm_share_moved(struct hm_share *s, int64_t bytes);
/* The same for a block that is in no cache in between. */
void hm_share_moved_single(int64_t bytes);
/* Notes what is live, `cached` bytes being in bins. */
void hm_share_note(struct hm_share *s, uint64_t cached);
/* Has so much moved that bins without a part in it should be smaller? */
bool hm_share_is_old(const struct hm_share *s);

/* "Lately" is since the last call but one. */
void hm_share_rotate(void);
/* Bytes in blocks of slabs, the most there were lately. */
size_t hm_share_live(void);

/* May a cache, of so many, have room for `more` bytes? */
bool hm_share_allows(const struct hm_share *s, size_t more, unsigned caches);
/* Has so much less become live that it has far too much? */
bool hm_share_is_over(const struct hm_share *s, unsigned caches);
/* Would it have, if what is live now were all that there was lately? */
bool hm_share_may_be_over(const struct hm_share *s, unsigned caches);
/* It has more room, or less. */
void hm_share_charge(struct hm_share *s, size_t bytes);

#endif
