/* SPDX-License-Identifier: MIT */
/* bits: against a naive model, an array of bools. Every map of ten bits is tried at every
 * place around the boundary between two words. */
#include "support.h"

#include "bits.h"

enum { BITS = 192, SMALL = 10 };

static bool model[BITS];

static void load(uint64_t *map)
{
    memset(map, 0, BITS / 8);
    for (uint32_t i = 0; i < BITS; i++)
        map[i / 64] |= (uint64_t)model[i] << i % 64;
}

static bool same(const uint64_t *map)
{
    for (uint32_t i = 0; i < BITS; i++) {
        if ((map[i / 64] >> i % 64 & 1) != model[i])
            return false;
    }
    return true;
}

static uint32_t naive_next(uint32_t from, uint32_t limit, bool set)
{
    while (from < limit && model[from] != set)
        from++;
    return from;
}

static uint32_t naive_count(uint32_t from, uint32_t count)
{
    uint32_t n = 0;

    for (uint32_t i = from; i < from + count; i++)
        n += model[i];
    return n;
}

/* What the small map says at `place`, and the opposite around it, so that a step beyond
 * the limit is seen. */
static void place_small(uint32_t pattern, uint32_t place, bool around)
{
    for (uint32_t i = 0; i < BITS; i++)
        model[i] = around;
    for (uint32_t i = 0; i < SMALL; i++)
        model[place + i] = pattern >> i & 1;
}

static void every_small_map(void (*check)(uint64_t *map, uint32_t place))
{
    for (uint32_t place = 64 - SMALL; place <= 65; place++) {
        for (uint32_t pattern = 0; pattern < 1u << SMALL; pattern++) {
            for (int around = 0; around < 2; around++) {
                uint64_t map[BITS / 64];

                place_small(pattern, place, around);
                load(map);
                check(map, place);
            }
        }
    }
}

static void check_reading(uint64_t *map, uint32_t place)
{
    for (uint32_t from = place; from <= place + SMALL; from++) {
        for (uint32_t limit = from; limit <= place + SMALL; limit++) {
            bool right =
                hm_bits_next(map, from, limit, true) == naive_next(from, limit, true) &&
                hm_bits_next(map, from, limit, false) == naive_next(from, limit, false) &&
                hm_bits_count(map, from, limit - from) == naive_count(from, limit - from);

            if (!right)
                fail_msg("bits %u to %u of %016lx %016lx", from, limit,
                         (unsigned long)map[0], (unsigned long)map[1]);
        }
    }
}

static void next_and_count_agree_with_the_model(void **state)
{
    (void)state;
    every_small_map(check_reading);
}

static void an_empty_range_has_no_bit(void **state)
{
    uint64_t map[BITS / 64];

    (void)state;
    place_small(0, 60, true);
    load(map);
    for (uint32_t at = 0; at < BITS; at++) {
        assert_int_equal(hm_bits_next(map, at, at, true), at);
        assert_int_equal(hm_bits_next(map, at, at, false), at);
        assert_int_equal(hm_bits_count(map, at, 0), 0);
        hm_bits_change(map, at, 0, true);
        hm_bits_change(map, at, 0, false);
        assert_true(same(map));
    }
}

/* Every range of the map, whole words and several of them too, on three backgrounds. */
static void change_changes_the_range_and_nothing_else(void **state)
{
    (void)state;
    for (uint32_t from = 0; from < BITS; from++) {
        for (uint32_t count = 0; from + count <= BITS; count++) {
            for (int mode = 0; mode < 6; mode++) {
                uint64_t map[BITS / 64];
                bool set = mode % 2 != 0;

                for (uint32_t i = 0; i < BITS; i++)
                    model[i] = mode / 2 == 2 ? i * 7 % 3 == 0 : mode / 2;
                load(map);
                hm_bits_change(map, from, count, set);
                for (uint32_t i = from; i < from + count; i++)
                    model[i] = set;
                if (!same(map))
                    fail_msg("change of %u bits from %u to %d", count, from, set);
            }
        }
    }
}

static void check_groups(uint64_t *map, uint32_t place)
{
    (void)place;
    for (uint32_t group = 1; group <= 32; group *= 2) {
        uint32_t expected = 0;

        for (uint32_t at = 0; at < BITS; at += group) {
            uint32_t set = naive_count(at, group), partial = set < group ? set : 0;

            assert_int_equal(hm_bits_partial(map, at, group, group), partial);
            expected += partial;
        }
        assert_int_equal(hm_bits_partial(map, 0, BITS, group), expected);
    }
}

static void bits_of_partial_groups_are_counted(void **state)
{
    (void)state;
    every_small_map(check_groups);
}

static void ranges_of_several_words_are_read_right(void **state)
{
    struct rng r = rng_seed(1);

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint64_t map[BITS / 64];
        size_t density = 1 + rng_below(&r, 60);

        for (uint32_t i = 0; i < BITS; i++)
            model[i] = rng_below(&r, density) == 0;
        load(map);
        uint32_t from = (uint32_t)rng_below(&r, BITS);
        uint32_t limit = from + (uint32_t)rng_below(&r, BITS - from + 1);

        assert_int_equal(hm_bits_next(map, from, limit, true),
                         naive_next(from, limit, true));
        assert_int_equal(hm_bits_next(map, from, limit, false),
                         naive_next(from, limit, false));
        assert_int_equal(hm_bits_count(map, from, limit - from),
                         naive_count(from, limit - from));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_and_count_agree_with_the_model),
        cmocka_unit_test(an_empty_range_has_no_bit),
        cmocka_unit_test(change_changes_the_range_and_nothing_else),
        cmocka_unit_test(bits_of_partial_groups_are_counted),
        cmocka_unit_test(ranges_of_several_words_are_read_right),
    };

    return RUN_TESTS(tests);
}
