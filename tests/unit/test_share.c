/* SPDX-License-Identifier: MIT */
/* share: what is live is found without counting, and bounds what caches hold. */
#include "layers.h"

#include "share.h"
#include "tcache.h"

#define CONF "shards = 1\nsuperslab_size = 512K\naddress_window = 1G\n"

IN_CHILD(what_waits_in_bins_is_not_live)
{
    struct hm_share s = {0};

    layers_up(CONF);
    REQUIRE(hm_share_moved(&s, 300 * HM_KIB));
    hm_share_note(&s, 200 * HM_KIB);
    REQUIRE(hm_share_live() == 100 * HM_KIB);
    REQUIRE(!hm_share_moved(&s, 4 * HM_KIB));
}

IN_CHILD(a_thread_that_frees_what_another_allocates_takes_from_the_sum)
{
    struct hm_share producer = {0}, consumer = {0};

    layers_up(CONF);
    for (int i = 0; i < 100; i++) {
        hm_share_moved(&producer, HM_MIB);
        hm_share_note(&producer, 0);
        hm_share_moved(&consumer, -(int64_t)HM_MIB);
        hm_share_note(&consumer, 0);
    }
    REQUIRE(hm_share_live() == HM_MIB);
    hm_share_moved_single(-(int64_t)HM_MIB); /* less than nothing */
    hm_share_rotate();
    hm_share_rotate();
    REQUIRE(hm_share_live() == 0);
    hm_share_moved_single(3 * HM_MIB);
    REQUIRE(hm_share_live() == 2 * HM_MIB);
}

IN_CHILD(the_most_there_was_counts_until_the_second_rotation)
{
    struct hm_share s = {0};

    layers_up(CONF);
    hm_share_moved(&s, 4 * HM_MIB);
    hm_share_note(&s, 0);
    hm_share_moved(&s, -(int64_t)(3 * HM_MIB));
    hm_share_note(&s, 0);
    REQUIRE(hm_share_live() == 4 * HM_MIB);
    hm_share_rotate();
    REQUIRE(hm_share_live() == 4 * HM_MIB);
    hm_share_rotate();
    REQUIRE(hm_share_live() == HM_MIB);
}

IN_CHILD(caches_divide_their_share_of_what_is_live)
{
    struct hm_share s = {0};

    layers_up(CONF "tls_cache_bytes = 64K\nheap_cache_share = 50\n"
                   "process_cache_bytes = 4M\n");
    REQUIRE(hm_share_allows(&s, 64 * HM_KIB, 1));
    REQUIRE(!hm_share_allows(&s, 65 * HM_KIB, 1));
    hm_share_moved_single(4 * HM_MIB);
    REQUIRE(hm_share_allows(&s, 2 * HM_MIB, 1));
    REQUIRE(!hm_share_allows(&s, 3 * HM_MIB, 1));
    REQUIRE(hm_share_allows(&s, HM_MIB, 2));
    REQUIRE(!hm_share_allows(&s, 2 * HM_MIB, 2));
    hm_share_moved_single(60 * HM_MIB);
    REQUIRE(hm_share_allows(&s, 4 * HM_MIB, 1));
    REQUIRE(!hm_share_allows(&s, 5 * HM_MIB, 1)); /* the process's */
}

IN_CHILD(a_cache_is_over_when_what_was_live_is_gone)
{
    struct hm_share s = {0};

    layers_up(CONF "tls_cache_bytes = 0\nheap_cache_share = 100\n");
    hm_share_moved(&s, 32 * HM_MIB);
    hm_share_note(&s, 0);
    hm_share_charge(&s, 16 * HM_MIB);
    hm_share_moved(&s, -(int64_t)(32 * HM_MIB));
    hm_share_note(&s, 0);
    REQUIRE(!hm_share_is_over(&s, 1) && hm_share_may_be_over(&s, 1));
    hm_share_rotate();
    hm_share_rotate();
    REQUIRE(hm_share_is_over(&s, 1) && hm_share_may_be_over(&s, 1));
}

IN_CHILD(a_cache_is_old_once_it_has_turned_over_what_it_holds)
{
    struct hm_share s = {0};

    layers_up(CONF);
    hm_share_charge(&s, HM_MIB);
    for (int i = 0; i < 2; i++) {
        REQUIRE(!hm_share_is_old(&s));
        hm_share_moved(&s, HM_MIB); /* either way counts */
        hm_share_moved(&s, -(int64_t)HM_MIB);
    }
    REQUIRE(hm_share_is_old(&s));
}

/* Each class in turn is used by a burst. If the caches' own blocks counted as heap, they
 * could hold them all. */
IN_CHILD(a_cache_does_not_grow_by_what_it_holds)
{
    static void *blocks[200];

    layers_up(CONF "tls_cache_bytes = 0\nheap_cache_share = 100\n");
    hm_tcache_init(false);
    struct hm_tcache *tc = hm_tcache_start(NULL);

    REQUIRE(tc != NULL);
    for (unsigned cls = 4; cls <= HM_SMALL_CLASSES; cls++)
        for (int turn = 0; turn < 8; turn++) {
            for (size_t i = 0; i < 200; i++)
                REQUIRE((blocks[i] = hm_tcache_take(tc, cls)) != NULL);
            for (size_t i = 0; i < 200; i++)
                hm_tcache_give(tc, cls, blocks[i], hm_window_state(blocks[i]));
            REQUIRE(hm_share_live() <= 200 * hm_classes[HM_SMALL_CLASSES].size);
        }
    REQUIRE(tc->share.bytes <= 200 * hm_classes[HM_SMALL_CLASSES].size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_in_bins_is_not_live),
        cmocka_unit_test(a_thread_that_frees_what_another_allocates_takes_from_the_sum),
        cmocka_unit_test(the_most_there_was_counts_until_the_second_rotation),
        cmocka_unit_test(caches_divide_their_share_of_what_is_live),
        cmocka_unit_test(a_cache_is_over_when_what_was_live_is_gone),
        cmocka_unit_test(a_cache_is_old_once_it_has_turned_over_what_it_holds),
        cmocka_unit_test(a_cache_does_not_grow_by_what_it_holds),
    };

    return RUN_TESTS(tests);
}
