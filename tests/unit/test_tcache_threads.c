/* SPDX-License-Identifier: MIT */
/* tcache_threads: caches that outlive their threads, and whose blocks they hold. */
#include "caches.h"

static pthread_barrier_t barrier;

/* ---- Caches and threads -------------------------------------------------------------- */

static void *use_and_end(void *arg)
{
    struct hm_tcache *tc = hm_tcache_start(NULL);

    REQUIRE(tc != NULL);
    *(struct hm_tcache **)arg = tc;
    void *mine[100];

    for (size_t i = 0; i < COUNT(mine); i++)
        mine[i] = hm_tcache_take(tc, 20);
    for (size_t i = 0; i < COUNT(mine); i++)
        hm_tcache_give(tc, 20, mine[i], hm_window_state(mine[i]));
    return NULL;
}

IN_CHILD(the_cache_of_an_ended_thread_serves_the_next)
{
    struct hm_tcache *first, *second;

    cache_up(CONF);
    run_threads(1, use_and_end, &first, sizeof first);
    REQUIRE(totals().caches == 1 && totals().parked == 1);
    uint64_t refills = totals().refills, cached = totals().cached_bytes;

    REQUIRE(cached > 0 && first->bins[20].current == NULL);
    REQUIRE(hm_tcache_parked_untrimmed());
    run_threads(1, use_and_end, &second, sizeof second);
    REQUIRE(first == second);
    REQUIRE(totals().refills - refills < refills); /* its blocks were there already */
    REQUIRE(totals().caches == 1 && totals().parked == 1);
}

IN_CHILD(a_parked_cache_is_trimmed_by_age)
{
    struct hm_tcache *old, *young;

    cache_up(CONF);
    hm_store_relaxed(&hm_clock, 1000);
    run_threads(1, use_and_end, &old, sizeof old);
    hm_tcache_trim_parked(999);
    REQUIRE(totals().cached_bytes > 0);
    hm_tcache_trim_parked(1000);
    REQUIRE(totals().cached_bytes == 0 && slabs() == 0);
    REQUIRE(totals().parked == 1 && !hm_tcache_parked_untrimmed());
    hm_store_relaxed(&hm_clock, 5000);
    run_threads(1, use_and_end, &young, sizeof young);
    REQUIRE(young == old && hm_tcache_parked_untrimmed());
    hm_tcache_trim_parked(2000);
    REQUIRE(totals().cached_bytes > 0);
    hm_tcache_trim_parked(UINT64_MAX - 1);
    REQUIRE(totals().cached_bytes == 0 && !hm_tcache_parked_untrimmed());
}

/* ---- Homes --------------------------------------------------------------------------- */

enum { OWNERS = 2, LIVE = 5000 };

static void *live_blocks[OWNERS][LIVE];
static struct hm_tcache *caches[OWNERS];

/* Blocks that lie in the same KiB as one of the other's: the same line of state bytes. */
static size_t mixed(size_t live)
{
    size_t n = 0;

    for (size_t i = 0; i < live; i++) {
        for (size_t k = 0; k < live; k++) {
            if ((uintptr_t)live_blocks[0][i] / HM_KIB ==
                (uintptr_t)live_blocks[1][k] / HM_KIB) {
                n++;
                break;
            }
        }
    }
    return n;
}

/* By one of any size, so that bins come to be full and empty. */
static void replace(struct hm_tcache *tc, void **block, unsigned classes, struct rng *r)
{
    hm_tcache_give(tc, hm_slab_of(*block)->cls, *block, hm_window_state(*block));
    *block = hm_tcache_take(tc, 1 + (unsigned)rng_below(r, classes));
}

static void *have_a_cache(void *arg)
{
    caches[*(size_t *)arg] = hm_tcache_start(NULL);
    REQUIRE(caches[*(size_t *)arg] != NULL);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void two_more_caches(const char *conf, size_t live, unsigned classes)
{
    static size_t me[OWNERS] = {0, 1};
    pthread_t thread;
    struct hm_tcache *tc = cache_up(conf);

    pthread_barrier_init(&barrier, NULL, OWNERS + 1);
    for (size_t i = 0; i < OWNERS; i++)
        REQUIRE(pthread_create(&thread, NULL, have_a_cache, &me[i]) == 0);
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < OWNERS * live; i++) /* dealt out in turn */
        live_blocks[i % OWNERS][i / OWNERS] =
            hm_tcache_take(tc, 1 + (unsigned)(i / OWNERS % classes));
}

static void replace_many(size_t live, unsigned classes, int steps)
{
    struct rng r = rng_seed(3);

    for (int i = 0; i < steps; i++) {
        for (size_t o = 0; o < OWNERS; o++)
            replace(caches[o], &live_blocks[o][rng_below(&r, (unsigned)live)], classes,
                    &r);
    }
    REQUIRE(caches[0]->settle.home != caches[1]->settle.home);
    bins_are_sound(caches[0]);
    bins_are_sound(caches[1]);
}

/* Each in turn stands for its thread, which waits: the steps are always the same ones. */
IN_CHILD(blocks_of_two_threads_that_lay_mixed_come_apart)
{
    two_more_caches(CONF, 500, 4);
    REQUIRE(mixed(500) > 500 * 9 / 10);
    replace_many(500, 4, 20000);
    REQUIRE(mixed(500) < 500 / 5);
}

/* Sorting full bins alone is given up too soon. */
IN_CHILD(a_great_many_come_apart_as_well)
{
    two_more_caches(CONF, LIVE, HM_SMALL_CLASSES);
    replace_many(LIVE, HM_SMALL_CLASSES, 80000);
    for (size_t o = 0; o < OWNERS; o++) {
        size_t others = 0;

        for (size_t i = 0; i < LIVE; i++)
            others += hm_slab_of(live_blocks[o][i])->home != caches[o]->settle.home;
        REQUIRE(others < LIVE / 4);
    }
    /* What they sent home counts as flushed. Of each class the first free of all is not
     * counted, as it opens no bin. */
    uint64_t cached = 0, in_bins[HM_CLASSES] = {0};

    for (struct hm_tcache *tc = hm_tcache_first(); tc != NULL; tc = tc->next)
        hm_tcache_cached(tc, in_bins);
    for (unsigned cls = 1; cls < HM_CLASSES; cls++)
        cached += in_bins[cls];
    REQUIRE(totals().refilled - totals().flushed - OWNERS * LIVE - cached <=
            OWNERS * HM_SMALL_CLASSES);
}

/* What it frees is always the other's: that is how it is, and no reason to go on with
 * small bins. */
IN_CHILD(a_thread_that_lives_on_others_blocks_stops_to_sort_them_out)
{
    two_more_caches(CONF, 500, 4);
    struct hm_tcache *a = caches[0], *b = caches[1];

    for (size_t o = 0; o < OWNERS; o++) { /* a slab each */
        for (unsigned i = 0; i < 8; i++)
            REQUIRE(hm_tcache_take(caches[o], 4) != NULL);
    }
    const struct hm_bin *bin = &b->bins[4];
    for (int round = 0; round < 10000 && (bin->capacity < 64 || bin->unmix != 0); round++) {
        void *from_a[300], *from_b[300];

        for (size_t i = 0; i < COUNT(from_a); i++) {
            from_a[i] = hm_tcache_take(a, 4);
            from_b[i] = hm_tcache_take(b, 4);
        }
        for (size_t i = 0; i < COUNT(from_a); i++) {
            hm_tcache_give(b, 4, from_a[i], hm_window_state(from_a[i]));
            hm_tcache_give(a, 4, from_b[i], hm_window_state(from_b[i]));
        }
    }
    REQUIRE(bin->capacity >= 64 && bin->unmix == 0);
}

/* Whatever they are, when all blocks go there is nothing to be kept apart. */
IN_CHILD(what_is_torn_down_goes_back_by_the_refill_though_it_lay_mixed)
{
    two_more_caches(CONF, 500, 4);
    struct hm_tcache *tc = caches[0];

    replace_many(500, 4, 1000);
    REQUIRE(tc->bins[4].unmix != 0 && tc->bins[4].capacity < 64);
    for (size_t i = 0; i < 500; i++) {
        void *block = live_blocks[0][i];

        hm_tcache_give(tc, hm_slab_of(block)->cls, block, hm_window_state(block));
    }
    REQUIRE(tc->bins[4].capacity == 64);
}

/* What the bin holds, and what it is refilled with. */
static size_t take_all(struct hm_tcache *tc, void **out)
{
    size_t n = 0;

    do
        out[n++] = hm_tcache_take(tc, 4);
    while (tc->bins[4].taken == 0 ||
           hm_load_relaxed(&tc->bin_ends.top[4])->block != NULL);
    return n;
}

/* Nor does a home do any good if it never sees blocks of its own again. */
IN_CHILD(a_thread_that_lives_on_others_blocks_gives_its_home_up)
{
    two_more_caches(CONF, 500, 4);
    struct hm_tcache *a = caches[0], *b = caches[1];
    unsigned home = b->settle.home;

    for (unsigned i = 0; i < 8; i++)
        REQUIRE(hm_tcache_take(a, 4) != NULL && hm_tcache_take(b, 4) != NULL);
    for (int round = 0; round < 1000 && b->settle.home == home; round++) {
        void *from_b[HM_BIN_MAX];
        size_t n = take_all(b, from_b);

        for (size_t i = 0; i < 100; i++) {
            void *from_a = hm_tcache_take(a, 4);

            hm_tcache_give(b, 4, from_a, hm_window_state(from_a));
        }
        for (size_t i = 0; i < n; i++) /* without a's cache: a has but its own */
            hm_tcache_give(NULL, 4, from_b[i], hm_window_state(from_b[i]));
    }
    REQUIRE(b->unmix_left == 0 && b->settle.home == HM_HOME_NONE);
    REQUIRE(hm_home_owner(home) == NULL);
}

#define CLASS_OF(thread) (4U + (unsigned)(thread))

/* What the threads leave behind: blocks of their homes, live, and their caches, parked. */
static void *leave_a_block(void *arg)
{
    size_t me = *(size_t *)arg;
    struct hm_tcache *tc = caches[me] = hm_tcache_start(NULL);

    REQUIRE(tc != NULL);
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < 2; i++) /* of classes, and so slabs, of their own */
        live_blocks[me][i] = hm_tcache_take(tc, CLASS_OF(me));
    hm_tcache_give(tc, CLASS_OF(me), live_blocks[me][1],
                   hm_window_state(live_blocks[me][1]));
    return NULL;
}

static void two_parked_caches(void)
{
    static size_t me[OWNERS] = {0, 1};

    pthread_barrier_init(&barrier, NULL, OWNERS);
    run_threads(OWNERS, leave_a_block, me, sizeof *me);
    REQUIRE(totals().parked == OWNERS);
    for (size_t o = 0; o < OWNERS; o++)
        REQUIRE(hm_slab_of(live_blocks[o][0])->home == caches[o]->settle.home);
}

static void *start_by_a_free(void *arg)
{
    size_t of = *(size_t *)arg;

    REQUIRE(hm_tcache_start(live_blocks[of][0]) == caches[of]);
    return NULL;
}

IN_CHILD(a_thread_whose_first_call_frees_a_dead_ones_block_gets_its_cache)
{
    static size_t of[] = {0, 1, 1, 0, 0};

    cache_up(CONF);
    two_parked_caches();
    for (size_t i = 0; i < COUNT(of); i++)
        run_threads(1, start_by_a_free, &of[i], sizeof *of);
    REQUIRE(totals().parked == OWNERS);
}

static void *start_with_one_that_is_in_use(void *arg)
{
    REQUIRE(hm_tcache_start(arg) != NULL);
    return NULL;
}

IN_CHILD(the_cache_of_a_living_thread_is_its_own)
{
    struct hm_tcache *self = cache_up(CONF);
    void *block = hm_tcache_take(self, CLASS_OF(OWNERS));
    pthread_t thread;

    two_parked_caches();
    REQUIRE(pthread_create(&thread, NULL, start_with_one_that_is_in_use, block) == 0);
    pthread_join(thread, NULL);
    REQUIRE(totals().parked == OWNERS && totals().caches == 1);
}

static bool holds(struct hm_tcache *tc, unsigned cls, const void *block)
{
    struct hm_slot *top = hm_load_relaxed(&tc->bin_ends.top[cls]);

    while (top->block != NULL && top->block != block)
        top++;
    return top->block != NULL;
}

/* Started by a malloc, a thread gets the cache that was parked last, and finds out. */
static void *go_on_where_another_ended(void *arg)
{
    size_t of = *(size_t *)arg;
    struct hm_tcache *tc = hm_tcache_start(NULL), *first = tc;
    struct hm_tcache *expected = caches[of], *other = caches[1 - of];

    for (int i = 0; i < HM_SETTLE_FREES && hm_settle_is_looking(&tc->settle); i++)
        tc = hm_tcache_look(tc, live_blocks[of][0]);
    REQUIRE(tc == expected && tc == hm_self.cache);
    REQUIRE(hm_self.front == hm_tcache_front(tc) &&
            hm_home_owner(tc->settle.home) == &tc->settle);
    REQUIRE(totals().parked == OWNERS - 1);
    if (first != expected) {
        REQUIRE(first == other && hm_load_relaxed(&other->parked));
        REQUIRE(hm_home_owner(other->settle.home) == NULL);
    }
    /* Neither was emptied for that. */
    for (size_t o = 0; o < OWNERS; o++)
        REQUIRE(holds(caches[o], CLASS_OF(o), live_blocks[o][1]));
    return NULL;
}

IN_CHILD(a_thread_that_goes_on_where_another_ended_swaps_caches)
{
    static size_t of[] = {0, 1, 0, 0, 1, 1, 0};

    cache_up(CONF);
    two_parked_caches();
    for (size_t i = 0; i < COUNT(of); i++)
        run_threads(1, go_on_where_another_ended, &of[i], sizeof *of);
    REQUIRE(totals().parked == OWNERS && totals().caches == 1);
}

static _Atomic bool stop;

static void *trim_all_the_time(void *unused)
{
    while (!atomic_load(&stop))
        hm_tcache_trim_parked(UINT64_MAX - 1);
    return unused;
}

static void *start_threads(void *arg)
{
    for (long i = 0; i < scaled(200); i++)
        run_threads(2, use_and_end, arg, sizeof(struct hm_tcache *));
    return NULL;
}

IN_CHILD(threads_come_and_go_while_parked_caches_are_trimmed)
{
    struct hm_tcache *used[3][2];
    pthread_t trimmer;

    cache_up(CONF);
    REQUIRE(pthread_create(&trimmer, NULL, trim_all_the_time, NULL) == 0);
    run_threads(3, start_threads, used, sizeof used[0]);
    atomic_store(&stop, true);
    pthread_join(trimmer, NULL);
    hm_tcache_trim_parked(UINT64_MAX - 1);
    REQUIRE(totals().cached_bytes == 0 && slabs() == 0);
    REQUIRE(!hm_tcache_parked_untrimmed());
    REQUIRE(totals().parked <= 8); /* never more caches than there were threads at once */
}

static void *use_and_wait(void *arg)
{
    struct hm_tcache *tc = hm_tcache_start(NULL);

    (void)arg;
    REQUIRE(hm_tcache_take(tc, 20) != NULL && hm_tcache_take(tc, 1) != NULL);
    for (int i = 0; i < 3000; i++)
        REQUIRE(hm_tcache_take(tc, 1) != NULL); /* enough for a slab of its own */
    pthread_barrier_wait(&barrier);
    pause();
    return NULL;
}

IN_CHILD(a_forks_child_parks_the_caches_of_threads_that_it_does_not_have)
{
    pthread_t thread;

    cache_up(CONF);
    pthread_barrier_init(&barrier, NULL, 2);
    REQUIRE(pthread_create(&thread, NULL, use_and_wait, NULL) == 0);
    pthread_barrier_wait(&barrier);
    pid_t pid = fork();

    REQUIRE(pid >= 0);
    if (pid == 0) {
        alarm(60);
        hm_tcache_fork_child();
        REQUIRE(totals().caches == 1 && totals().parked == 1);
        for (struct hm_tcache *tc = hm_self.cache; tc != NULL; tc = tc->next)
            REQUIRE(tc->bins[1].current == NULL);
        hm_tcache_trim_parked(UINT64_MAX - 1);
        REQUIRE(totals().cached_bytes == 0);
        _exit(0);
    }
    int status;

    REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
}

static void *call_often_enough(void *unused)
{
    for (int i = 0; i < 64; i++)
        REQUIRE(hm_tcache_await(NULL) == NULL && hm_self.cache == NULL);
    struct hm_tcache *tc = hm_tcache_await(NULL);

    REQUIRE(tc != NULL && tc == hm_self.cache);
    return unused;
}

static void *call_once(void *unused)
{
    REQUIRE(hm_tcache_await(NULL) != NULL);
    return unused;
}

IN_CHILD(a_thread_has_no_cache_until_it_called_often_or_one_is_parked)
{
    int none = 0;

    layers_up(CONF);
    hm_tcache_init(false);
    REQUIRE(hm_tcache_await(NULL) != NULL); /* no other thread has one */
    run_threads(1, call_often_enough, &none, sizeof none);
    REQUIRE(totals().caches == 1 && totals().parked == 1);
    run_threads(1, call_once, &none, sizeof none);
    REQUIRE(totals().caches == 1 && totals().parked == 1);
}

IN_CHILD(a_thread_has_a_cache_at_once_when_every_call_is_checked)
{
    int none = 0;

    cache_up(CONF "check = full\n");
    run_threads(1, call_once, &none, sizeof none);
    REQUIRE(totals().parked == 1);
}

static void *start_in_vain(void *unused)
{
    REQUIRE(hm_tcache_start(NULL) == NULL);
    return unused;
}

/* It cannot look for a parked one, and a new one would be one too many for ever. */
IN_CHILD(while_another_thread_forks_a_thread_does_without_a_cache)
{
    struct hm_tcache *parked = NULL, *used = NULL;

    cache_up(CONF);
    run_threads(1, use_and_end, &parked, sizeof parked);
    hm_lock_fork_begin();
    hm_tcache_fork(hm_lock_fork_take);
    run_threads(1, start_in_vain, &used, sizeof used);
    hm_tcache_fork(hm_lock_fork_give);
    hm_lock_fork_end();
    REQUIRE(totals().caches == 1 && totals().parked == 1);
    run_threads(1, use_and_end, &used, sizeof used);
    REQUIRE(used == parked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_of_an_ended_thread_serves_the_next),
        cmocka_unit_test(a_thread_has_no_cache_until_it_called_often_or_one_is_parked),
        cmocka_unit_test(a_thread_has_a_cache_at_once_when_every_call_is_checked),
        cmocka_unit_test(a_parked_cache_is_trimmed_by_age),
        cmocka_unit_test(blocks_of_two_threads_that_lay_mixed_come_apart),
        cmocka_unit_test(a_great_many_come_apart_as_well),
        cmocka_unit_test(a_thread_that_lives_on_others_blocks_stops_to_sort_them_out),
        cmocka_unit_test(what_is_torn_down_goes_back_by_the_refill_though_it_lay_mixed),
        cmocka_unit_test(a_thread_that_lives_on_others_blocks_gives_its_home_up),
        cmocka_unit_test(
            a_thread_whose_first_call_frees_a_dead_ones_block_gets_its_cache),
        cmocka_unit_test(the_cache_of_a_living_thread_is_its_own),
        cmocka_unit_test(a_thread_that_goes_on_where_another_ended_swaps_caches),
        cmocka_unit_test(threads_come_and_go_while_parked_caches_are_trimmed),
        cmocka_unit_test(a_forks_child_parks_the_caches_of_threads_that_it_does_not_have),
        cmocka_unit_test(while_another_thread_forks_a_thread_does_without_a_cache),
    };

    return RUN_TESTS(tests);
}
