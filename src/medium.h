/* SPDX-License-Identifier: MIT */
/* medium: blocks above the size classes, up to half a SuperSlab or
 * `medium_max`: each is a run of units.
 *
 * Whether a medium block is live is its state byte (window.h), as for the classes. */
#ifndef HM_MEDIUM_H
#define HM_MEDIUM_H

#include "superslab.h"

/* Bytes of live medium blocks. [any, relaxed] */
extern _Atomic uint64_t hm_medium_bytes;

/* Largest size that is medium. */
size_t hm_medium_max(void);

/* `align`: a power of two, at most hm_medium_max(). *zeroed: the block reads as zero.
 * NULL: out of memory, or fork elsewhere. */
void *hm_medium_take(unsigned shard, size_t size, size_t align, bool *zeroed);
/* The same, but NULL rather than a block for which more becomes resident. */
void *hm_medium_take_resident(unsigned shard, size_t size, size_t align, bool *zeroed);
/* `block` is live; its state has been set to 0. */
void hm_medium_give(void *block);
size_t hm_medium_usable(const void *block);
/* Makes a live block hold `size` medium bytes where it is. False: it cannot. */
bool hm_medium_resize(void *block, size_t size);

#endif
