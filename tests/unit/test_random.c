/* SPDX-License-Identifier: MIT */
/* random: numbers that cannot be foreseen, and what is chosen by them. */
#include "support.h"

#include "random.h"

static void one_of_the_bits_that_are_set_is_picked(void **state)
{
    static const uint64_t maps[] = {1,
                                    UINT64_C(1) << 63,
                                    6,
                                    UINT64_C(0x8000000000000001),
                                    UINT64_C(0x00ff00ff00ff00ff),
                                    UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT(maps); i++) {
        uint64_t picked = 0;

        for (uint64_t random = 0; random < 128; random++) {
            unsigned bit = hm_random_bit(maps[i], random);

            assert_true(bit < 64 && (maps[i] >> bit & 1) != 0);
            picked |= UINT64_C(1) << bit;
        }
        assert_int_equal(picked, maps[i]); /* each of them, sooner or later */
    }
}

static void a_number_below_n_is_any_of_them(void **state)
{
    (void)state;
    for (uint32_t n = 1; n < 70; n++) {
        assert_int_equal(hm_random_below(0, n), 0);
        assert_int_equal(hm_random_below(UINT64_MAX, n), n - 1);
        for (uint64_t i = 0; i < n; i++) /* evenly */
            assert_int_equal(hm_random_below(((i << 32) / n + 1) << 32, n), i);
    }
    assert_int_equal(hm_random_below(UINT64_MAX, UINT32_MAX), UINT32_MAX - 1);
}

/* Free are 3 to 5, 60 to 70, and 127. */
static void a_run_of_free_units_is_found_anywhere(void **state)
{
    uint64_t map[2] = {0, 0}, found[2] = {0, 0};
    uint32_t at;

    (void)state;
    hm_random_init();
    hm_bits_change(map, 3, 3, true);
    hm_bits_change(map, 60, 11, true);
    hm_bits_change(map, 127, 1, true);
    for (int i = 0; i < 20000; i++) {
        if (hm_random_run(map, 128, 3, &at)) {
            assert_int_equal(hm_bits_next(map, at, at + 3, false), at + 3);
            hm_bits_change(found, at, 1, true);
        } else {
            assert_int_equal(at, 0);
        }
    }
    /* Where three fit: 3, and 60 to 68. */
    assert_int_equal(found[0], UINT64_C(1) << 3 | UINT64_C(0xf) << 60);
    assert_int_equal(found[1], 0x1f);
    assert_true(!hm_random_run(map, 128, 12, &at));
    map[0] = map[1] = 0;
    for (int i = 0; i < 200; i++)
        assert_true(!hm_random_run(map, 128, 1, &at));
}

static void numbers_are_drawn(void *fd)
{
    uint64_t numbers[4], state = 7, same = 7;

    hm_random_init();
    numbers[0] = hm_random_secret;
    numbers[1] = hm_random();
    numbers[2] = hm_random();
    state = hm_random();
    same = state;
    REQUIRE(hm_random_next(&state) == hm_random_next(&same));
    numbers[3] = hm_random_next(&state);
    REQUIRE(write(*(int *)fd, numbers, sizeof numbers) == sizeof numbers);
}

/* Of 2^64, so that no two are the same by chance. */
static void each_process_has_numbers_of_its_own(void **state)
{
    enum { PROCESSES = 8, EACH = 4 };
    uint64_t numbers[PROCESSES * EACH];
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    for (int i = 0; i < PROCESSES; i++) {
        ASSERT_CHILD(numbers_are_drawn, &fds[1]);
        assert_int_equal(read(fds[0], &numbers[i * EACH], EACH * sizeof *numbers),
                         EACH * sizeof *numbers);
    }
    for (size_t i = 0; i < COUNT(numbers); i++)
        for (size_t k = 0; k < i; k++)
            assert_true(numbers[i] != numbers[k]);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_the_bits_that_are_set_is_picked),
        cmocka_unit_test(a_number_below_n_is_any_of_them),
        cmocka_unit_test(a_run_of_free_units_is_found_anywhere),
        cmocka_unit_test(each_process_has_numbers_of_its_own),
    };

    return RUN_TESTS(tests);
}
