/* SPDX-License-Identifier: MIT */
/* medium: blocks that are runs of units. */
#include "layers.h"

#include "medium.h"

#define CONF "shards = 2\nsuperslab_size = 1M\naddress_window = 1G\n"

static char *take(size_t size, size_t align)
{
    bool zeroed;
    char *p = hm_medium_take(0, size, align, &zeroed);

    REQUIRE(p != NULL && is_aligned(p, align) && is_aligned(p, HM_UNIT));
    REQUIRE(hm_medium_usable(p) >= size &&
            hm_medium_usable(p) < size + HM_UNIT + (size == 0));
    REQUIRE(!zeroed || all_bytes(p, hm_medium_usable(p), 0));
    return p;
}

/* Sets the state first, as heap.c does. */
static void give(char *p)
{
    REQUIRE(atomic_exchange(hm_window_state(p), 0) == HM_STATE_MEDIUM);
    hm_medium_give(p);
}

static size_t live(void)
{
    return hm_load_relaxed(&hm_medium_bytes);
}

IN_CHILD(every_medium_size_is_served_at_every_alignment)
{
    layers_up(CONF);
    REQUIRE(hm_medium_max() == 512 * HM_KIB);
    for (size_t size = 0; size <= hm_medium_max(); size += 8191) {
        for (size_t align = 16; align <= hm_medium_max(); align *= 2) {
            char *p = take(size, align);

            memset(p, 1, hm_medium_usable(p));
            give(p);
        }
    }
    REQUIRE(take(hm_medium_max(), hm_medium_max()) != NULL);
}

IN_CHILD(what_is_medium_is_an_option_within_half_a_superslab)
{
    layers_up(CONF "medium_max = 96K\n");
    REQUIRE(hm_medium_max() == 96 * HM_KIB);
    hm_opt.medium_max = 16 * HM_MIB;
    REQUIRE(hm_medium_max() == 512 * HM_KIB);
}

IN_CHILD(a_live_block_has_its_state_and_counts)
{
    layers_up(CONF);
    char *p = take(100000, 16), *q = take(16384, 16);

    REQUIRE(hm_load_relaxed(hm_window_state(p)) == HM_STATE_MEDIUM);
    REQUIRE(hm_load_relaxed(hm_window_state(p + HM_UNIT)) == 0);
    REQUIRE(live() == 7 * HM_UNIT + HM_UNIT);
    give(p);
    REQUIRE(hm_load_relaxed(hm_window_state(p)) == 0);
    REQUIRE(live() == HM_UNIT);
    give(q);
    REQUIRE(live() == 0);
}

IN_CHILD(a_block_shrinks_where_it_is)
{
    layers_up(CONF);
    char *p = take(200000, 16);

    fill(p, 200000, 1);
    REQUIRE(hm_medium_resize(p, 50000));
    REQUIRE(hm_medium_usable(p) == 4 * HM_UNIT && live() == 4 * HM_UNIT);
    REQUIRE(intact(p, 50000, 1));
    REQUIRE(take(100000, 16) == p + 4 * HM_UNIT); /* what is beyond is free at once */
}

IN_CHILD(a_block_grows_into_what_is_free_behind_it)
{
    layers_up(CONF);
    char *p = take(50000, 16), *q = take(50000, 16);

    fill(p, 50000, 1);
    REQUIRE(q == p + 4 * HM_UNIT);
    REQUIRE(!hm_medium_resize(p, 100000));
    REQUIRE(hm_medium_usable(p) == 4 * HM_UNIT);
    give(q);
    REQUIRE(hm_medium_resize(p, 131072));
    REQUIRE(hm_medium_usable(p) == 131072 && live() == 131072);
    REQUIRE(intact(p, 50000, 1));
    memset(p, 1, 131072);
    give(p);
    REQUIRE(live() == 0);
}

IN_CHILD(a_used_block_is_not_called_zero)
{
    bool zeroed;

    layers_up(CONF);
    char *p = take(100000, 16);

    memset(p, 1, 100000);
    give(p);
    REQUIRE(hm_medium_take(0, 100000, 16, &zeroed) == p && !zeroed);
}

IN_CHILD(resident_memory_serves_or_nothing)
{
    bool zeroed = true;

    layers_up(CONF);
    REQUIRE(hm_medium_take_resident(0, 100000, 16, &zeroed) == NULL);
    REQUIRE(hm_superslab_mapped() == 0);
    char *p = take(200000, 16), *behind = take(16384, 16);

    give(p);
    REQUIRE(hm_medium_take_resident(0, 100000, 16, &zeroed) == p && !zeroed);
    REQUIRE(live() == 7 * HM_UNIT + HM_UNIT);
    /* Behind it six units were in use before; behind those, none. */
    REQUIRE(hm_medium_take_resident(0, 7 * HM_UNIT, 16, &zeroed) == NULL);
    REQUIRE(take(7 * HM_UNIT, 16) == behind + HM_UNIT);
    REQUIRE(hm_superslab_trim(hm_load_relaxed(&hm_clock), 0) == 6 * HM_UNIT);
    REQUIRE(hm_medium_take_resident(0, 6 * HM_UNIT, 16, &zeroed) == NULL);
    REQUIRE(take(6 * HM_UNIT, 16) == p + 7 * HM_UNIT);
}

static void *work(void *arg)
{
    uint64_t mine = *(uint64_t *)arg;
    struct rng r = rng_seed(mine);
    char *held[12] = {NULL};
    size_t sizes[12] = {0};

    for (long step = 0; step < scaled(4000); step++) {
        size_t k = rng_below(&r, COUNT(held)), size = 1 + rng_below(&r, 300000);

        if (held[k] == NULL) {
            held[k] = take(size, (size_t)16 << rng_below(&r, 13));
        } else {
            REQUIRE(intact(held[k], sizes[k], mine + k));
            if (rng_below(&r, 2) == 0) {
                give(held[k]);
                held[k] = NULL;
                continue;
            }
            if (!hm_medium_resize(held[k], size))
                size = sizes[k];
        }
        sizes[k] = hm_min(size, 3000);
        fill(held[k], sizes[k], mine + k);
    }
    for (size_t k = 0; k < COUNT(held); k++) {
        if (held[k] != NULL)
            give(held[k]);
    }
    return NULL;
}

IN_CHILD(threads_never_share_a_block)
{
    uint64_t mine[3] = {1000, 2000, 3000};

    layers_up(CONF);
    run_threads(COUNT(mine), work, mine, sizeof mine[0]);
    REQUIRE(live() == 0);
    hm_superslab_trim(hm_load_relaxed(&hm_clock), 0);
    REQUIRE(hm_load_relaxed(&hm_superslab_counts.mapped) ==
            hm_load_relaxed(&hm_superslab_counts.released));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_medium_size_is_served_at_every_alignment),
        cmocka_unit_test(what_is_medium_is_an_option_within_half_a_superslab),
        cmocka_unit_test(a_live_block_has_its_state_and_counts),
        cmocka_unit_test(a_block_shrinks_where_it_is),
        cmocka_unit_test(a_block_grows_into_what_is_free_behind_it),
        cmocka_unit_test(a_used_block_is_not_called_zero),
        cmocka_unit_test(resident_memory_serves_or_nothing),
        cmocka_unit_test(threads_never_share_a_block),
    };

    return RUN_TESTS(tests);
}
