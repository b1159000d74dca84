/* SPDX-License-Identifier: MIT */
/* big: extents composed of the pages of cached ones. */
#include "extents.h"

static void count_seam(char *granule, hm_owner owner, void *arg)
{
    size_t *n = arg;

    (void)granule;
    *n += hm_owner_kind(owner) == HM_OWNER_BIG && (owner & HM_OWNER_SEAM) != 0;
}

/* G4 */
static bool seams_are_known(void)
{
    size_t n = 0;

    hm_region_each(count_seam, &n);
    return n == hm_load_relaxed(&hm_big_counts.seams);
}

static uint64_t moves(void)
{
    return hm_load_relaxed(&hm_os_counts.mremap);
}

#define KEEPS_ALL "bigcache_share = 1000\n" CONF

enum { PARTS = 3, PART = 64 };

static char *walls[PARTS];

/* Cached extents, each filled with its number, that have no neighbours. */
static void cache_parts(void)
{
    char *parts[PARTS], *whole = take(PARTS * (PART + 1) * G);

    give(whole);
    for (int i = 0; i < PARTS; i++) {
        parts[i] = take(PART * G);
        memset(parts[i], i + 1, PART * G);
        walls[i] = take(G);
        memset(walls[i], 99, G);
    }
    for (int i = 0; i < PARTS; i++) {
        hm_store_relaxed(&hm_clock, 1000 + (uint64_t)i);
        give(parts[i]);
    }
    REQUIRE(cached() == PARTS * PART * G);
}

static void walls_stand(void)
{
    for (int i = 0; i < PARTS; i++)
        REQUIRE(all_bytes(walls[i], G, 99) && extent(walls[i])->base == walls[i]);
}

IN_CHILD(an_extent_is_composed_of_cached_ones)
{
    bool zeroed = false;

    layers_up(KEEPS_ALL);
    cache_parts();
    size_t resident = resident_bytes();
    uint64_t before = moves();
    /* Of all three, and some new memory. */
    char *p = hm_big_take((PARTS * PART + 1) * G, 16, &zeroed);

    REQUIRE(p != NULL && !zeroed && cached() == 0 && moves() == before + PARTS);
    for (int i = 0; i < PARTS; i++)
        REQUIRE(all_bytes(p + i * PART * G, PART * G, i + 1)); /* the same pages */
    REQUIRE(all_bytes(p + PARTS * PART * G, G, 0));
    REQUIRE(HM_TEST_SANITIZED || resident_bytes() < resident + PART * G / 2);
    REQUIRE(extent(p)->base == p && extent(p)->size == (PARTS * PART + 1) * G);
    for (size_t at = 0; at < extent(p)->size; at += G)
        REQUIRE(extent(p + at) == extent(p));
    walls_stand();
    REQUIRE(seams_are_known());
    give(p);
    /* It is one now, and may be split and moved like others. */
    before = moves();
    char *q = take(PART * G / 2), *r = take(PARTS * PART * G - PART * G / 2);

    REQUIRE(q == p && r == p + PART * G / 2 && cached() == G && moves() == before);
    give(r);
    char *s = take((PARTS * PART + 9) * G);

    /* Half of the first, both others, and what was new: mappings of their own. */
    REQUIRE(moves() == before + 4 && cached() == 0);
    fill(s, (PARTS * PART + 9) * G, 7);
    REQUIRE(intact(s, (PARTS * PART + 9) * G, 7) && seams_are_known());
    walls_stand();
}

IN_CHILD(what_shall_read_as_zero_does_and_its_new_part_is_not_touched)
{
    bool zeroed = true;

    layers_up(KEEPS_ALL);
    cache_parts();
    size_t resident = resident_bytes();
    uint64_t before = moves();
    char *p = hm_big_take(2 * PARTS * PART * G, 16, &zeroed);

    REQUIRE(p != NULL && zeroed && moves() == before + PARTS && cached() == 0);
    REQUIRE(HM_TEST_SANITIZED || resident_bytes() < resident + PART * G);
    REQUIRE(all_bytes(p, 2 * PARTS * PART * G, 0));
    walls_stand();
}

IN_CHILD(only_as_much_as_is_needed_is_moved)
{
    layers_up(KEEPS_ALL);
    cache_parts();
    char *p = take((PART + 3) * G);

    REQUIRE(all_bytes(p, PART * G, 1) && all_bytes(p + PART * G, 3 * G, 2));
    REQUIRE(cached() == (2 * PART - 3) * G && seams_are_known());
    walls_stand();
}

IN_CHILD(little_that_is_cached_stays_where_it_is)
{
    bool zeroed = false;

    layers_up(KEEPS_ALL);
    cache_parts();
    uint64_t before = moves();
    char *p = hm_big_take((2 * PARTS * PART + 1) * G, 16, &zeroed);

    REQUIRE(p != NULL && zeroed && moves() == before && cached() == PARTS * PART * G);
}

IN_CHILD(nothing_is_composed_with_too_many_seams)
{
    layers_up(KEEPS_ALL);
    cache_parts();
    size_t seams = hm_load_relaxed(&hm_big_counts.seams);
    uint64_t before = moves();

    hm_store_relaxed(&hm_big_counts.seams, 100000);
    char *p = take((PART + 1) * G);

    REQUIRE(moves() == before && cached() > 0);
    hm_store_relaxed(&hm_big_counts.seams, seams + 1);
    give(p);
    REQUIRE(seams_are_known());
}

IN_CHILD(growing_takes_the_pages_of_cached_extents)
{
    layers_up(KEEPS_ALL);
    char *p = take(PART * G);

    fill(p, PART * G, 7);
    cache_parts();
    size_t resident = resident_bytes();
    uint64_t before = moves();

    p = hm_big_resize(extent(p), 3 * PART * G); /* two of the three */
    REQUIRE(p != NULL && intact(p, PART * G, 7) && moves() == before + 3);
    REQUIRE(all_bytes(p + PART * G, PART * G, 1));
    REQUIRE(all_bytes(p + 2 * PART * G, PART * G, 2));
    REQUIRE(cached() == PART * G && extent(p)->size == 3 * PART * G);
    fill(p, 3 * PART * G, 8);
    /* It is three mappings now; before Linux 5.7 that has it copied. */
    p = resize(p, (4 * PART + 9) * G);
    REQUIRE(intact(p, 3 * PART * G, 8) && seams_are_known());
    fill(p, (4 * PART + 9) * G, 9);
    p = resize(p, 9 * PART * G); /* nothing is cached for that */
    REQUIRE(intact(p, (4 * PART + 9) * G, 9) && seams_are_known());
    for (size_t at = 0; at < extent(p)->size; at += G)
        REQUIRE(extent(p + at) == extent(p));
    REQUIRE(HM_TEST_SANITIZED || resident_bytes() < resident + PART * G);
    walls_stand();
}

/* Nor is it tried again: the program may have made several mappings of it. */
IN_CHILD(what_the_kernel_does_not_move_goes_back)
{
    static const int calls[] = {SYS_mremap};

    layers_up(KEEPS_ALL);
    cache_parts();
    if (!refuse_calls(calls, COUNT(calls), EFAULT))
        return;
    uint64_t before = moves();
    char *p = take((PART + 1) * G);

    REQUIRE(moves() == before + 1 && cached() <= 2 * PART * G);
    fill(p, (PART + 1) * G, 7);
    REQUIRE(intact(p, (PART + 1) * G, 7) && seams_are_known());
    walls_stand();
}

IN_CHILD(random_composing_loses_nothing)
{
    enum { BLOCKS = 12 };
    static struct {
        char *p;
        size_t size;
        uint64_t seed;
    } held[BLOCKS];
    struct rng r = rng_seed(11);

    layers_up(CONF);
    uint64_t before = moves();

    for (long step = 0; step < scaled(2000); step++) {
        size_t k = rng_below(&r, BLOCKS);

        size_t size = G * (1 + rng_below(&r, 40));

        if (held[k].p != NULL)
            REQUIRE(intact(held[k].p, held[k].size, held[k].seed));
        if (held[k].p != NULL && rng_below(&r, 2)) {
            held[k].p = resize(held[k].p, size);
            REQUIRE(intact(held[k].p, hm_min(size, held[k].size), held[k].seed));
        } else {
            if (held[k].p != NULL)
                give(held[k].p);
            held[k].p = take(size);
        }
        held[k].size = size;
        held[k].seed = rng_next(&r);
        fill(held[k].p, held[k].size, held[k].seed);
        if (step % 64 == 0)
            REQUIRE(seams_are_known());
        if (step % 500 == 0)
            hm_big_trim(0, cached() / 2);
    }
    REQUIRE(moves() > before + 20);
    for (size_t k = 0; k < BLOCKS; k++) {
        if (held[k].p == NULL)
            continue;
        REQUIRE(intact(held[k].p, held[k].size, held[k].seed));
        give(held[k].p);
    }
    REQUIRE(live() == 0 && seams_are_known());
    hm_big_trim(UINT64_MAX, 0);
    REQUIRE(cached() == 0 && hm_load_relaxed(&hm_big_counts.seams) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_extent_is_composed_of_cached_ones),
        cmocka_unit_test(what_shall_read_as_zero_does_and_its_new_part_is_not_touched),
        cmocka_unit_test(only_as_much_as_is_needed_is_moved),
        cmocka_unit_test(little_that_is_cached_stays_where_it_is),
        cmocka_unit_test(nothing_is_composed_with_too_many_seams),
        cmocka_unit_test(growing_takes_the_pages_of_cached_extents),
        cmocka_unit_test(what_the_kernel_does_not_move_goes_back),
        cmocka_unit_test(random_composing_loses_nothing),
    };

    return RUN_TESTS(tests);
}
