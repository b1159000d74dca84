/* SPDX-License-Identifier: MIT */
/* random: numbers that the program and its input cannot foresee. */
#ifndef HM_RANDOM_H
#define HM_RANDOM_H

#include "bits.h"

/* What all of them derive from; 0 until hm_random_init, which only processes call that
 * need any. [const after init] */
extern HM_HIDDEN uint64_t hm_random_secret;
void hm_random_init(void);

/* A generator of one thread: splitmix64. Its seed comes from hm_random. */
HM_INLINE uint64_t hm_random_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return hm_mix(*state);
}

/* One generator for everybody, for what is rare. */
uint64_t hm_random(void);

/* One of the bits that are set in `bits`, which is not 0. */
HM_INLINE unsigned hm_random_bit(uint64_t bits, uint64_t random)
{
    unsigned turn = random & 63; /* the first one from there on */
    bits = bits >> turn | bits << (-turn & 63);
    return ((unsigned)__builtin_ctzll(bits) + turn) & 63;
}

/* One look for `count` adjacent bits that are set among the first `size` of a map. False:
 * there may be some all the same; *at is 0. */
bool hm_random_run(const uint64_t *map, uint32_t size, uint32_t count, uint32_t *at);

/* A random number below n, from 64 random bits. n < 2^32. */
HM_INLINE uint32_t hm_random_below(uint64_t bits, uint32_t n)
{
    return (uint32_t)((bits >> 32) * n >> 32);
}

#endif
