/* SPDX-License-Identifier: MIT */
/* window: places for SuperSlabs, and finding the state byte of an address. */
#include "layers.h"

#include "window.h"

#define SIZE HM_MIB /* of a SuperSlab */
#define PLACES 64   /* for each kind */

static void window_up(size_t wanted)
{
    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    hm_meta_init();
    hm_window_init(SIZE, wanted);
}

static char *take(enum hm_kind kind, hm_state **state)
{
    char *base = hm_window_take(kind, state);

    REQUIRE(base != NULL && *state != NULL);
    return base;
}

static bool in_window(const char *p)
{
    return (uintptr_t)p - hm_window_fast.base < hm_window_fast.all_granules
                                                    << HM_LARGE_SHIFT;
}

IN_CHILD(a_place_is_memory_that_reads_as_zero)
{
    hm_state *state;

    window_up(2 * PLACES * SIZE);
    for (int kind = 0; kind < HM_KINDS; kind++) {
        char *base = take(kind, &state);

        REQUIRE(in_window(base) && is_aligned(base, SIZE));
        REQUIRE(all_bytes(base, SIZE, 0));
        memset(base, 1, SIZE);
        hm_window_give(kind, base, state);
        REQUIRE(take(kind, &state) == base);
        REQUIRE(all_bytes(base, SIZE, 0));
    }
}

IN_CHILD(every_block_has_a_state_of_its_own)
{
    static const unsigned shifts[HM_KINDS] = {HM_SMALL_SHIFT, HM_LARGE_SHIFT};

    window_up(2 * PLACES * SIZE);
    for (int kind = 0; kind < HM_KINDS; kind++) {
        for (int n = 0; n < 2; n++) {
            hm_state *state;
            char *base = take(kind, &state);
            size_t step = (size_t)1 << shifts[kind];

            for (size_t offset = 0; offset < SIZE; offset += step)
                REQUIRE(hm_window_state(base + offset) == state + offset / step);
            memset((void *)state, 7, SIZE / step); /* all of them can be written */
        }
    }
}

IN_CHILD(a_pointer_between_granules_has_none)
{
    hm_state *state;

    window_up(2 * PLACES * SIZE);
    char *small = take(HM_KIND_SMALL, &state), *large = take(HM_KIND_LARGE, &state);

    for (size_t offset = 1; offset < 4096; offset++) {
        if (offset % (1u << HM_SMALL_SHIFT) != 0)
            REQUIRE(hm_window_state(small + offset) == NULL);
        if (offset % (1u << HM_LARGE_SHIFT) != 0)
            REQUIRE(hm_window_state(large + offset) == NULL);
    }
}

static void foreign_pointers_have_none(void)
{
    static char data[256];
    char local[256];
    char *heap = malloc(64);

    for (size_t i = 0; i < sizeof data; i++) {
        REQUIRE(hm_window_state(&data[i]) == NULL);
        REQUIRE(hm_window_state(&local[i]) == NULL);
    }
    REQUIRE(hm_window_state(NULL) == NULL);
    REQUIRE(hm_window_state(heap) == NULL);
    for (unsigned bit = 0; bit < 64; bit++) {
        const void *p = (const void *)((uintptr_t)1 << bit);

        if (!in_window(p))
            REQUIRE(hm_window_state(p) == NULL);
    }
    REQUIRE(hm_window_state((const void *)(UINTPTR_MAX & ~(uintptr_t)127)) == NULL);
    free(heap);
}

static hm_state *found_either_way(uintptr_t p)
{
    size_t coarse = hm_window_coarse(hm_window_granule((const void *)p));
    return hm_window_either_state(coarse);
}

/* Both ways to a state byte agree: at every offset around the ends of the windows, and
 * anywhere. */
static void either_way_is_the_same(void)
{
    uintptr_t base = hm_window_fast.base;
    size_t size = hm_window_fast.all_granules << HM_LARGE_SHIFT;
    const uintptr_t around[] = {0, base, base + size / 2, base + size, base + 2 * size};
    struct rng r = rng_seed(17);

    for (size_t i = 0; i < COUNT(around); i++)
        for (uintptr_t p = around[i] - 4096; p != around[i] + 4096; p++)
            REQUIRE(found_either_way(p) == hm_window_state((const void *)p));
    for (long i = 0; i < scaled(1000000); i++) {
        uintptr_t inside = base + rng_below(&r, hm_max(size, 1));
        uintptr_t anywhere = (uintptr_t)rng_next(&r) >> rng_below(&r, 32);
        uintptr_t below = base - rng_below(&r, hm_max(8 * size, 1));

        REQUIRE(found_either_way(inside) == hm_window_state((const void *)inside));
        REQUIRE(found_either_way(inside & ~(uintptr_t)15) ==
                hm_window_state((const void *)(inside & ~(uintptr_t)15)));
        REQUIRE(found_either_way(anywhere) == hm_window_state((const void *)anywhere));
        REQUIRE(found_either_way(below) == hm_window_state((const void *)below));
    }
}

IN_CHILD(a_state_is_found_either_way)
{
    window_up(2 * PLACES * SIZE);
    either_way_is_the_same();
}

IN_CHILD(without_a_window_none_is_found_either_way)
{
    window_up(0);
    either_way_is_the_same();
}

IN_CHILD(a_foreign_pointer_has_none)
{
    window_up(2 * PLACES * SIZE);
    foreign_pointers_have_none();

    const char *base = (const char *)hm_window_fast.base;
    size_t size = hm_window_fast.all_granules << HM_LARGE_SHIFT;

    REQUIRE(hm_window_state(base - 128) == NULL);
    REQUIRE(hm_window_state(base) != NULL);
    REQUIRE(hm_window_state(base + size - 128) != NULL);
    REQUIRE(hm_window_state(base + size) == NULL);
}

/* W3: also where no SuperSlab ever was. */
IN_CHILD(states_are_readable_everywhere)
{
    window_up(2 * PLACES * SIZE);

    const char *base = (const char *)hm_window_fast.base;
    size_t size = hm_window_fast.all_granules << HM_LARGE_SHIFT;

    for (size_t offset = 0; offset < size; offset += 4096)
        REQUIRE(hm_load_relaxed(hm_window_state(base + offset)) == 0);
}

IN_CHILD(the_lowest_free_place_is_taken_first)
{
    char *bases[PLACES];
    hm_state *states[PLACES], *state;

    window_up(2 * PLACES * SIZE);
    for (size_t i = 0; i < PLACES; i++) {
        bases[i] = take(HM_KIND_SMALL, &states[i]);
        REQUIRE(bases[i] == bases[0] + i * SIZE);
    }
    static const size_t given[] = {40, 3, 63, 17};

    for (size_t i = 0; i < COUNT(given); i++)
        hm_window_give(HM_KIND_SMALL, bases[given[i]], states[given[i]]);
    REQUIRE(take(HM_KIND_SMALL, &state) == bases[3]);
    REQUIRE(take(HM_KIND_SMALL, &state) == bases[17]);
    hm_window_give(HM_KIND_SMALL, bases[0], states[0]);
    REQUIRE(take(HM_KIND_SMALL, &state) == bases[0]);
    REQUIRE(take(HM_KIND_SMALL, &state) == bases[40]);
    REQUIRE(take(HM_KIND_SMALL, &state) == bases[63]);
}

static void take_elsewhere(void)
{
    static const unsigned shifts[HM_KINDS] = {HM_SMALL_SHIFT, HM_LARGE_SHIFT};

    for (int kind = 0; kind < HM_KINDS; kind++) {
        hm_state *state;
        char *base = take(kind, &state);

        REQUIRE(!in_window(base));
        REQUIRE(is_aligned(base, HM_REGION_GRANULE));
        REQUIRE(hm_window_state(base) == NULL);
        REQUIRE(all_bytes(base, SIZE, 0));
        for (size_t i = 0; i < SIZE >> shifts[kind]; i++)
            REQUIRE(hm_load_relaxed(&state[i]) == 0);
        memset(base, 1, SIZE);
        memset((void *)state, 1, SIZE >> shifts[kind]);
        uint64_t unmapped = hm_load_relaxed(&hm_os_counts.munmap);
        hm_window_give(kind, base, state);
        REQUIRE(hm_load_relaxed(&hm_os_counts.munmap) == unmapped + 2);
    }
}

IN_CHILD(a_full_window_goes_on_elsewhere)
{
    hm_state *state;

    window_up(2 * PLACES * SIZE);
    for (int kind = 0; kind < HM_KINDS; kind++) {
        for (size_t i = 0; i < PLACES; i++)
            REQUIRE(in_window(take(kind, &state)));
    }
    take_elsewhere();
}

IN_CHILD(without_a_window_everything_is_elsewhere)
{
    window_up(0);
    REQUIRE(hm_window_fast.small_granules == 0 && hm_window_fast.all_granules == 0);
    foreign_pointers_have_none();
    take_elsewhere();
}

IN_CHILD(a_limit_on_address_space_makes_the_window_smaller)
{
    struct rlimit limit = {8 * HM_GIB, 8 * HM_GIB};

    NEED_NO_EMULATOR("limits");
    setrlimit(RLIMIT_AS,
              &limit); /* a sanitizer has more than that already: then no window */
    window_up(256 * HM_GIB);
    REQUIRE(hm_window_fast.all_granules << HM_LARGE_SHIFT <= 8 * HM_GIB);
}

/* What was given back is neither resident nor charged: the system call that says so is
 * the one that would make it writable again. */
IN_CHILD(what_is_given_back_costs_no_memory)
{
    hm_state *state;

    window_up(2 * PLACES * SIZE);
    char *base = take(HM_KIND_LARGE, &state);

    memset(base, 1, SIZE);
    size_t before = resident_bytes();

    hm_window_give(HM_KIND_LARGE, base, state);
    REQUIRE(resident_bytes() + SIZE / 2 < before);
}

static void *take_and_give(void *arg)
{
    hm_state *states[PLACES / 8];
    char *bases[PLACES / 8];

    for (long round = 0; round < scaled(200); round++) {
        for (size_t i = 0; i < COUNT(bases); i++) {
            bases[i] = take(HM_KIND_SMALL, &states[i]);
            REQUIRE(bases[i][0] == 0 && hm_load_relaxed(states[i]) == 0);
            bases[i][0] = *(char *)arg;
            hm_store_relaxed(states[i], 1);
        }
        for (size_t i = 0; i < COUNT(bases); i++) {
            REQUIRE(bases[i][0] == *(char *)arg);
            hm_store_relaxed(states[i], 0);
            hm_window_give(HM_KIND_SMALL, bases[i], states[i]);
        }
    }
    return NULL;
}

IN_CHILD(threads_never_share_a_place)
{
    char names[4] = "abc";
    hm_state *state;

    window_up(2 * PLACES * SIZE);
    run_threads(3, take_and_give, names, 1);
    REQUIRE((uintptr_t)take(HM_KIND_SMALL, &state) == hm_window_fast.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_memory_that_reads_as_zero),
        cmocka_unit_test(every_block_has_a_state_of_its_own),
        cmocka_unit_test(a_pointer_between_granules_has_none),
        cmocka_unit_test(a_foreign_pointer_has_none),
        cmocka_unit_test(a_state_is_found_either_way),
        cmocka_unit_test(without_a_window_none_is_found_either_way),
        cmocka_unit_test(states_are_readable_everywhere),
        cmocka_unit_test(the_lowest_free_place_is_taken_first),
        cmocka_unit_test(a_full_window_goes_on_elsewhere),
        cmocka_unit_test(without_a_window_everything_is_elsewhere),
        cmocka_unit_test(a_limit_on_address_space_makes_the_window_smaller),
        cmocka_unit_test(what_is_given_back_costs_no_memory),
        cmocka_unit_test(threads_never_share_a_place),
    };

    return RUN_TESTS(tests);
}
