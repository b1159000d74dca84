/* SPDX-License-Identifier: MIT */
/* trim, without a helper: memory goes back with calls that the caches could serve. What
 * is waited for is polled; there is no fixed time in which it must happen, but the
 * child's alarm. */
#include "rerun.h"

#include "tcache.h"

void *hm_test_malloc(size_t size);
void hm_test_free(void *block);

#define take hm_test_malloc
#define give hm_test_free

enum { SMALL = 60000, LARGE = 4000, MEDIUM = 200 };

static void *hold(size_t size)
{
    void *block = take(size);

    REQUIRE(block != NULL);
    memset(block, 1, size);
    return block;
}

/* Some dozens of calls in a second. */
static void do_little(void)
{
    for (size_t size = 16; size <= 1024; size *= 2)
        give(hold(size));
    usleep(10000);
}

/* Frees most of what it holds: one medium block of five keeps its SuperSlab. */
static void tear_down(size_t small)
{
    static void *held[SMALL + MEDIUM];

    for (size_t i = 0; i < small; i++)
        held[i] = hold(500);
    for (size_t i = 0; i < MEDIUM; i++)
        held[small + i] = hold(200000);
    for (size_t i = 0; i < small + MEDIUM; i++)
        if (i < small || i % 5 != 0)
            give(held[i]);
}

IN_CHILD(memory_falls_with_little_activity)
{
    do_little(); /* from now on the bins serve it */
    REQUIRE(hakmem_option_set("trim_interval", "1h") == 0);
    tear_down(0);
    REQUIRE(stats_now().retained_bytes > 10 * MIB);
    REQUIRE(hakmem_option_set("trim_interval", "20ms") == 0);
    /* The rest shares pages of the kernel with blocks in use. */
    while (hm_superslab_purgeable() << HM_UNIT_SHIFT > MIB)
        do_little();
}

IN_CHILD(a_cache_shrinks_with_the_heap)
{
    tear_down(SMALL);
    while (stats_now().cached_bytes > MIB)
        do_little();
}

/* Nothing is left of the peak but a cache, which serves every call. */
IN_CHILD(a_cache_of_all_sizes_shrinks_with_the_heap)
{
    static void *held[LARGE];

    REQUIRE(hakmem_option_set("trim_interval", "1h") == 0);
    for (size_t i = 0; i < COUNT(held); i++)
        held[i] = hold(16 + i * 48 % 32000);
    for (size_t i = 0; i < COUNT(held); i++)
        give(held[i]);
    hm_superslab_trim(hm_clock_update() + HM_CLOCK_FORCED, 0);
    REQUIRE(hm_superslab_purgeable() == 0 && stats_now().cached_bytes > 10 * MIB);
    usleep(20000);
    for (size_t i = 0; i < MEDIUM; i++) /* calls that look at the clock */
        give(hold(40000));
    REQUIRE(hakmem_option_set("trim_interval", "20ms") == 0);
    while (stats_now().cached_bytes > MIB)
        do_little();
}

/* What was freed in one phase and is of no use in the next goes back before trim_interval
 * is over, and before as much went through the cache as has it aged (hm_share_is_old). */
IN_CHILD(what_one_phase_left_makes_room_for_the_next)
{
    void *held[300];
    size_t grown = 0;

    REQUIRE(hakmem_option_set("trim_interval", "1h") == 0);
    for (int i = 0; i < 4; i++)
        give(hold(4 * MIB));
    for (size_t i = 0; i < COUNT(held); i++)
        held[i] = hold(16000);
    for (size_t i = 0; i < COUNT(held); i++)
        give(held[i]);
    uint64_t cached = stats_now().cached_bytes;

    REQUIRE(stats_now().bigcache_bytes >= 4 * MIB && cached >= 2 * MIB);
    REQUIRE(hakmem_option_set("trim_interval", "50s") == 0);
    do {
        for (int i = 0; i < 3000; i++, grown += 500)
            hold(500);
        usleep(500000);
    } while (stats_now().bigcache_bytes > 0 || stats_now().cached_bytes > cached * 3 / 4);
    REQUIRE(grown < 4 * cached);
}

/* Calls that the watch has to see are few: it ends. */
IN_CHILD(a_busy_thread_is_not_watched_for_long)
{
    REQUIRE(hakmem_option_set("trim_interval", "1h") == 0);
    tear_down(0);
    struct hm_front *watched = hm_self.front;

    REQUIRE(watched == &hm_front_closed);
    for (int i = 0; i < 10000 && hm_self.front == watched; i++)
        give(take(100));
    REQUIRE(hm_self.front == &hm_self.cache->bin_ends);
}

static void *tear_down_and_end(void *cache)
{
    tear_down(0);
    *(struct hm_tcache **)cache = hm_self.cache;
    REQUIRE(hm_self.cache->watched != 0);
    return NULL;
}

static void *start_anew(void *cache)
{
    for (unsigned i = 0; i < HM_SETTLE_CALLS; i++) /* which are looked at */
        give(take(100));
    REQUIRE(hm_self.cache == cache);
    REQUIRE(hm_self.front == &hm_self.cache->bin_ends);
    return NULL;
}

IN_CHILD(a_new_thread_is_not_watched)
{
    pthread_t thread;
    struct hm_tcache *cache;

    REQUIRE(hakmem_option_set("trim_interval", "1h") == 0);
    take(100); /* this thread has another */
    REQUIRE(pthread_create(&thread, NULL, tear_down_and_end, &cache) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    hakmem_trim();
    REQUIRE(pthread_create(&thread, NULL, start_anew, cache) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_falls_with_little_activity),
        cmocka_unit_test(a_cache_shrinks_with_the_heap),
        cmocka_unit_test(a_cache_of_all_sizes_shrinks_with_the_heap),
        cmocka_unit_test(what_one_phase_left_makes_room_for_the_next),
        cmocka_unit_test(a_busy_thread_is_not_watched_for_long),
        cmocka_unit_test(a_new_thread_is_not_watched),
    };

    if (!is_rerun()) { /* this option, for all of them */
        setenv("HAKMEM_OPTIONS", "trim_interval=20ms", 1);
        start_again(NULL);
    }
    return RUN_TESTS(tests);
}
