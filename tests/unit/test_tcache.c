/* SPDX-License-Identifier: MIT */
/* tcache: bins that grow and age. */
#include "caches.h"

#include <limits.h>

enum { MANY = 4096 };

static void *blocks[MANY];

static void take_many(struct hm_tcache *tc, unsigned cls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        blocks[i] = hm_tcache_take(tc, cls);
        REQUIRE(blocks[i] != NULL && hm_load_relaxed(hm_window_state(blocks[i])) == cls);
    }
}

static void give_many(struct hm_tcache *tc, unsigned cls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hm_tcache_give(tc, cls, blocks[i], hm_window_state(blocks[i]));
        REQUIRE(hm_load_relaxed(hm_window_state(blocks[i])) == 0);
    }
}

/* ---- A bin --------------------------------------------------------------------------- */

IN_CHILD(a_thread_has_one_cache)
{
    struct hm_tcache *tc = cache_up(CONF);

    REQUIRE(hm_self.cache == tc && hm_tcache_front(tc) == &tc->bin_ends);
    REQUIRE(totals().caches == 1 && totals().parked == 0);
    bins_are_sound(tc);
    REQUIRE(slabs() == 0);
}

IN_CHILD(the_lowest_address_comes_first_and_the_last_freed_again)
{
    struct hm_tcache *tc = cache_up(CONF);

    take_many(tc, 1, 40);
    for (size_t i = 1; i < 40; i++)
        REQUIRE((char *)blocks[i] == (char *)blocks[i - 1] + 16);
    give_many(tc, 1, 10);
    REQUIRE(hm_tcache_take(tc, 1) == blocks[9]);
    REQUIRE(hm_tcache_take(tc, 1) == blocks[8]);
}

IN_CHILD(refills_start_small_and_double_up_to_the_target)
{
    struct hm_tcache *tc = cache_up("refill_start = 64\nrefill_target = 32K:32\n" CONF);
    static const unsigned expect[] = {4, 4, 8, 16, 32, 32, 32};
    uint64_t before = 0;

    for (size_t refill = 0; refill < COUNT(expect); refill++) {
        uint64_t refills = totals().refills;

        while (totals().refills == refills)
            REQUIRE(hm_tcache_take(tc, 1) != NULL);
        REQUIRE(totals().refilled - before == expect[refill]);
        before = totals().refilled;
    }
    bins_are_sound(tc);
}

IN_CHILD(a_bin_grows_until_an_oscillation_fits)
{
    struct hm_tcache *tc = cache_up("tls_cache_max = 1024\n" CONF);

    for (int cycle = 0; cycle < 20; cycle++) {
        take_many(tc, 4, 900);
        give_many(tc, 4, 900);
        bins_are_sound(tc);
    }
    struct hm_tcache_totals before = totals();

    for (int cycle = 0; cycle < 20; cycle++) {
        take_many(tc, 4, 900);
        give_many(tc, 4, 900);
    }
    REQUIRE(totals().flushes == before.flushes && totals().refills == before.refills);
    REQUIRE(tc->bins[4].capacity <= 1024 && tc->bins[4].capacity >= 900);
    REQUIRE(totals().cached_bytes >= 900 * 64);
}

IN_CHILD(tearing_down_leaves_a_small_bin)
{
    struct hm_tcache *tc = cache_up("tls_cache_max = 1024\n" CONF);

    for (int cycle = 0; cycle < 20; cycle++) {
        take_many(tc, 4, 900);
        give_many(tc, 4, 900);
    }
    unsigned grown = tc->bins[4].capacity;

    take_many(tc, 4, MANY);
    REQUIRE(tc->bins[4].capacity == grown && grown >= 900);
    give_many(tc, 4, MANY);
    bins_are_sound(tc);
    REQUIRE(tc->bins[4].capacity <= grown / 16);
}

IN_CHILD(no_bin_grows_beyond_its_bound)
{
    struct hm_tcache *tc = cache_up("tls_cache_max = 32\n" CONF);

    for (int cycle = 0; cycle < 20; cycle++) {
        take_many(tc, 4, 900);
        give_many(tc, 4, 900);
        bins_are_sound(tc);
        REQUIRE(tc->bins[4].capacity <= 32);
    }
    REQUIRE(totals().flushes > 20);
}

IN_CHILD(no_cache_grows_beyond_its_bound)
{
    struct hm_tcache *tc = cache_up("tls_cache_bytes = 256K\nheap_cache_share = 0\n" CONF);

    for (int cycle = 0; cycle < 5; cycle++) {
        for (unsigned cls = 1; cls < HM_CLASSES; cls += 3) {
            take_many(tc, cls, 300);
            give_many(tc, cls, 300);
            REQUIRE(tc->share.bytes <= 256 * HM_KIB);
        }
    }
    bins_are_sound(tc);
    size_t sum = 0, least = 0;

    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        sum += (size_t)tc->bins[cls].capacity * hm_classes[cls].size;
        if (tc->bins[cls].capacity != 0)
            least += hm_max(2, hm_min(16, 512 / hm_classes[cls].size)) *
                     hm_classes[cls].size;
    }
    REQUIRE(sum == tc->share.bytes + least);
}

static pthread_barrier_t barrier;
static struct hm_tcache *caches[4];
static _Atomic bool grew;

static void *fill_a_cache(void *arg)
{
    size_t me = *(size_t *)arg;
    struct hm_tcache *tc = hm_tcache_start(NULL);
    void *mine[600];

    REQUIRE(tc != NULL);
    caches[me] = tc;
    for (int cycle = 0; cycle < 10; cycle++) {
        for (size_t i = 0; i < COUNT(mine); i++)
            mine[i] = hm_tcache_take(tc, 40);
        if (tc->share.bytes > 0)
            atomic_store(&grew, true);
        for (size_t i = 0; i < COUNT(mine); i++)
            hm_tcache_give(tc, 40, mine[i], hm_window_state(mine[i]));
    }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

IN_CHILD(all_caches_together_keep_the_bound_of_the_process)
{
    size_t me[4] = {0, 1, 2, 3};
    pthread_t threads[4];

    cache_up("process_cache_bytes = 512K\n" CONF);
    pthread_barrier_init(&barrier, NULL, 5);
    for (size_t i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, fill_a_cache, &me[i]) == 0);
    pthread_barrier_wait(&barrier);
    size_t sum = 0;

    for (size_t i = 0; i < 4; i++)
        sum += caches[i]->share.bytes;
    REQUIRE(grew && sum <= 512 * HM_KIB + 3 * 512 * HM_KIB / 2); /* a race's worth more */
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

IN_CHILD(what_is_flushed_are_the_oldest)
{
    struct hm_tcache *tc = cache_up("tls_cache_min = 16\ntls_cache_max = 16\n"
                                    "refill_target = 32K:16\n" CONF);

    take_many(tc, 4, 17);
    hm_tcache_flush(tc);
    struct hm_tcache_totals before = totals();

    give_many(tc, 4, 17); /* the seventeenth finds the bin full of the first sixteen */
    REQUIRE(totals().flushes == before.flushes + 1 &&
            totals().flushed == before.flushed + 8);
    for (size_t i = 17; i-- > 8;)
        REQUIRE(hm_tcache_take(tc, 4) == blocks[i]);
}

/* ---- Ageing and flushing ------------------------------------------------------------- */

IN_CHILD(an_idle_bin_ages_down_to_nothing)
{
    struct hm_tcache *tc = cache_up(CONF);

    for (int cycle = 0; cycle < 10; cycle++) {
        take_many(tc, 4, 900);
        give_many(tc, 4, 900);
    }
    uint64_t full = totals().cached_bytes;

    hm_tcache_age(tc); /* it was used since the last time: nothing */
    REQUIRE(totals().cached_bytes == full);
    hm_tcache_age(tc);
    REQUIRE(totals().cached_bytes <= full / 2 + 64 && totals().cached_bytes > full / 4);
    for (int i = 0; i < 15; i++) {
        hm_tcache_age(tc);
        bins_are_sound(tc);
    }
    REQUIRE(totals().cached_bytes == 0 && tc->share.bytes == 0);
    REQUIRE(tc->bins[4].current == NULL && slabs() == 0);
}

IN_CHILD(a_used_bin_does_not_age)
{
    struct hm_tcache *tc = cache_up("tls_cache_max = 16\n" CONF);

    for (int i = 0; i < 20; i++) {
        take_many(tc, 4, 100); /* misses */
        give_many(tc, 4, 100);
        uint64_t before = totals().cached_bytes;

        hm_tcache_age(tc);
        REQUIRE(totals().cached_bytes == before);
    }
}

IN_CHILD(a_flush_leaves_no_block_and_no_slab)
{
    struct hm_tcache *tc = cache_up(CONF);

    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        take_many(tc, cls, 100);
        give_many(tc, cls, 100);
    }
    REQUIRE(slabs() > 0 && totals().cached_bytes > 0);
    hm_tcache_flush(tc);
    REQUIRE(totals().cached_bytes == 0 && slabs() == 0);
    for (unsigned cls = 1; cls < HM_CLASSES; cls++)
        REQUIRE(tc->bins[cls].current == NULL);
    bins_are_sound(tc);
    REQUIRE(totals().refilled == totals().flushed);
    take_many(tc, 1, 10); /* and it goes on */
}

/* ---- Without a cache ----------------------------------------------------------------- */

IN_CHILD(without_a_cache_blocks_come_one_by_one)
{
    cache_up(CONF);
    take_many(NULL, 30, 100);
    for (size_t i = 1; i < 100; i++)
        REQUIRE(blocks[i] != blocks[i - 1]);
    REQUIRE(totals().refills == 0);
    give_many(NULL, 30, 100);
    REQUIRE(slabs() == 0);
}

IN_CHILD(every_call_is_checked_when_asked_for)
{
    struct hm_tcache *tc = cache_up("check = full\n" CONF);

    REQUIRE(hm_self.front != &tc->bin_ends && hm_self.cache == tc);
    take_many(tc, 7, 50);
    give_many(tc, 7, 50);
    for (unsigned i = 0; i < HM_STATES; i++) { /* the fast paths never see the blocks */
        REQUIRE(hm_load_relaxed(&hm_self.front->top[i])->block == NULL);
        REQUIRE(hm_load_relaxed(&hm_self.front->top[i]) == hm_self.front->limit[i]);
    }
}

/* ---- Samples ------------------------------------------------------------------------- */

/* Calls until a sample is whole, every n-th of them about a block of the other class. */
static void calls_for_a_sample(struct hm_tcache *tc, unsigned other, unsigned n)
{
    unsigned call = 0;

    while (tc->sampled == 0)
        REQUIRE(hm_tcache_take(tc, ++call % n == 0 ? other : 1) != NULL);
    while (tc->sampled != 0) {
        unsigned cls = ++call % n == 0 ? other : 1;
        void *block = hm_tcache_take(tc, cls);

        REQUIRE(block != NULL);
        if (tc->sampled != 0)
            hm_tcache_give(tc, cls, block, hm_window_state(block));
    }
    REQUIRE(hm_front_is_sound(&tc->bin_ends));
}

static bool mixes(struct hm_tcache *tc, bool requests, bool blocks)
{
    return hm_front_mixes_requests(&tc->bin_ends) == requests &&
           hm_front_mixes_blocks(&tc->bin_ends) == blocks;
}

IN_CHILD(a_front_is_mixed_while_calls_about_both_kinds_are)
{
    const unsigned large = HM_SMALL_CLASSES + 1, small = HM_SMALL_CLASSES;
    struct hm_tcache *tc = cache_up(CONF);

    REQUIRE(mixes(tc, false, false));
    calls_for_a_sample(tc, large, 2);
    REQUIRE(mixes(tc, true, true));
    calls_for_a_sample(tc, large, UINT_MAX);
    REQUIRE(mixes(tc, false, false));
    calls_for_a_sample(tc, large, 3);
    REQUIRE(mixes(tc, true, true));
    calls_for_a_sample(tc, large, 16);
    REQUIRE(mixes(tc, false, false));
    calls_for_a_sample(tc, large, 1);
    REQUIRE(mixes(tc, true, false));
    /* Small blocks, but the class of some requests has to be looked up. */
    calls_for_a_sample(tc, small, 2);
    REQUIRE(mixes(tc, true, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_has_one_cache),
        cmocka_unit_test(the_lowest_address_comes_first_and_the_last_freed_again),
        cmocka_unit_test(refills_start_small_and_double_up_to_the_target),
        cmocka_unit_test(a_bin_grows_until_an_oscillation_fits),
        cmocka_unit_test(tearing_down_leaves_a_small_bin),
        cmocka_unit_test(no_bin_grows_beyond_its_bound),
        cmocka_unit_test(no_cache_grows_beyond_its_bound),
        cmocka_unit_test(all_caches_together_keep_the_bound_of_the_process),
        cmocka_unit_test(what_is_flushed_are_the_oldest),
        cmocka_unit_test(an_idle_bin_ages_down_to_nothing),
        cmocka_unit_test(a_used_bin_does_not_age),
        cmocka_unit_test(a_flush_leaves_no_block_and_no_slab),
        cmocka_unit_test(without_a_cache_blocks_come_one_by_one),
        cmocka_unit_test(every_call_is_checked_when_asked_for),
        cmocka_unit_test(a_front_is_mixed_while_calls_about_both_kinds_are),
    };

    return RUN_TESTS(tests);
}
