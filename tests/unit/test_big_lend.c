/* SPDX-License-Identifier: MIT */
/* big: what BigCache lends to smaller blocks. */
#include "extents.h"

IN_CHILD(what_is_lent_is_cached_memory)
{
    bool zeroed = false;

    layers_up(CONF);
    REQUIRE(hm_big_lend(3 * G, &zeroed) == NULL && live() == 0);
    char *p = take(10 * G);

    memset(p, 1, 10 * G);
    give(p);
    zeroed = true;
    REQUIRE(hm_big_lend(3 * G - 1, &zeroed) == p && !zeroed && cached() == 7 * G);
    REQUIRE(live() == 3 * G && extent(p)->size == 3 * G);
    REQUIRE(hm_big_lend(8 * G, &zeroed) == NULL);
    REQUIRE(hm_big_lend(7 * G, &zeroed) == p + 3 * G && cached() == 0);
    give(p);
    give(p + 3 * G);
    REQUIRE(cached() == 10 * G);
}

IN_CHILD(what_is_lent_may_be_composed)
{
    char *whole, *wall;
    bool zeroed = false;

    layers_up("bigcache_share = 1000\n" CONF);
    whole = take(9 * G);
    give(whole);
    whole = take(4 * G);
    wall = take(G);
    REQUIRE(wall == whole + 4 * G);
    memset(whole, 1, 4 * G);
    give(whole);
    uint64_t before = hm_load_relaxed(&hm_os_counts.mremap);
    char *p = hm_big_lend(7 * G, &zeroed);

    REQUIRE(p != NULL && !zeroed && cached() == G && extent(p)->size == 7 * G);
    REQUIRE(hm_load_relaxed(&hm_os_counts.mremap) == before + 2);
    REQUIRE(all_bytes(p + 4 * G, 3 * G, 1) && extent(wall)->base == wall);
    /* Nor is there enough for more. */
    REQUIRE(hm_big_lend(2 * G, &zeroed) == NULL && cached() == G);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_lent_is_cached_memory),
        cmocka_unit_test(what_is_lent_may_be_composed),
    };

    return RUN_TESTS(tests);
}
