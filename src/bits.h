/* SPDX-License-Identifier: MIT */
/* bits: runs of bits in a map, an array of 64-bit words. No locks, no atomics: whoever
 * guards the map calls these. */
#ifndef HM_BITS_H
#define HM_BITS_H

#include "base.h"

/* The first bit of the given value in [from, limit), or limit. */
uint32_t hm_bits_next(const uint64_t *map, uint32_t from, uint32_t limit, bool set);
/* Gives `count` bits the same value. */
void hm_bits_change(uint64_t *map, uint32_t from, uint32_t count, bool set);
/* Set bits among `count`. */
uint32_t hm_bits_count(const uint64_t *map, uint32_t from, uint32_t count);
/* Set bits of groups of which not all are set. The groups have `group` bits each, from a
 * multiple of that on. */
uint32_t hm_bits_partial(const uint64_t *map, uint32_t from, uint32_t count,
                         uint32_t group);

#endif
