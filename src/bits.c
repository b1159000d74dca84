/* SPDX-License-Identifier: MIT */
#include "bits.h"

uint32_t hm_bits_next(const uint64_t *map, uint32_t from, uint32_t limit, bool set)
{
    while (from < limit) {
        uint64_t word = (set ? map[from / 64] : ~map[from / 64]) >> from % 64;
        if (word != 0)
            return (uint32_t)hm_min(from + (uint32_t)__builtin_ctzll(word), limit);
        from = (from / 64 + 1) * 64;
    }
    return limit;
}

void hm_bits_change(uint64_t *map, uint32_t from, uint32_t count, bool set)
{
    while (count > 0) {
        uint32_t here = (uint32_t)hm_min(64 - from % 64, count);
        uint64_t mask = (here == 64 ? ~(uint64_t)0 : ((uint64_t)1 << here) - 1)
                        << from % 64;
        map[from / 64] = set ? map[from / 64] | mask : map[from / 64] & ~mask;
        from += here;
        count -= here;
    }
}

uint32_t hm_bits_count(const uint64_t *map, uint32_t from, uint32_t count)
{
    uint32_t n = 0;
    for (uint32_t end = from + count;
         (from = hm_bits_next(map, from, end, true)) < end;) {
        uint32_t clear = hm_bits_next(map, from, end, false);
        n += clear - from;
        from = clear;
    }
    return n;
}

HM_COLD uint32_t hm_bits_partial(const uint64_t *map, uint32_t from, uint32_t count,
                         uint32_t group)
{
    uint32_t n = 0;
    for (uint32_t end = from + count; from < end; from += group) {
        uint32_t set = hm_bits_count(map, from, group);
        n += set < group ? set : 0;
    }
    return n;
}
