/* SPDX-License-Identifier: MIT */
/* superslab: what goes back to the system, and when; without memory; among threads. */
#include "superslab_runs.h"
#include "walk.h"

/* The least number of units that can be purged by themselves. */
#define PAGE hm_superslab_page_units

/* ---- Trimming ------------------------------------------------------------------------ */

IN_CHILD(only_what_is_old_enough_is_purged)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *young = take_units(2 * PAGE), *old = take_units(2 * PAGE);

    take_units(1);
    hm_store_relaxed(&hm_clock, 1000);
    hm_run_give(old);
    hm_store_relaxed(&hm_clock, 2000);
    hm_run_give(young);
    REQUIRE(hm_superslab_trim(999, 0) == 0);
    REQUIRE(hm_superslab_trim(1500, 0) == 2 * PAGE * HM_UNIT);
    REQUIRE(hm_superslab_trim(1999, 0) == 0);
    REQUIRE(hm_superslab_trim(2000, 0) == 2 * PAGE * HM_UNIT);
    REQUIRE(hm_superslab_purgeable() == 0);
}

/* Ages are kept as 32 bits of milliseconds: 49 days. */
IN_CHILD(ages_survive_the_wrap_of_the_clock)
{
    const uint64_t wrap = (uint64_t)1 << 32;

    layers_up("shards = 1\n" CONF);
    struct hm_slab *run = take_units(2 * PAGE);

    take_units(1);
    hm_store_relaxed(&hm_clock, wrap - 10);
    hm_run_give(run);
    REQUIRE(hm_superslab_trim(wrap - 11, 0) == 0);
    REQUIRE(hm_superslab_trim(wrap + 10, 0) == 2 * PAGE * HM_UNIT);
}

/* After 25 days up the clock's low half is in its upper half, and a unit that was never
 * used was never freed at any time. */
IN_CHILD(an_empty_superslab_is_due_at_any_uptime)
{
    static const uint64_t uptimes[] = {1000, 0x7fffff00, 0x90000000, 0xffffff00,
                                       0x190000000};

    layers_up("shards = 1\n" CONF);
    for (size_t i = 0; i < COUNT(uptimes); i++) {
        hm_store_relaxed(&hm_clock, uptimes[i]);
        hm_run_give(take_units(2));
        hm_superslab_trim(uptimes[i] + 10000, 0);
        REQUIRE(mapped() == 0);
    }
}

IN_CHILD(empty_superslabs_are_unmapped_but_for_the_reserve)
{
    struct hm_slab *runs[4];

    layers_up("shards = 1\n" CONF);
    for (size_t i = 0; i < COUNT(runs); i++)
        runs[i] = take_units(UNITS);
    REQUIRE(mapped() == 4);
    char *last = runs[3]->base;

    for (size_t i = 0; i < COUNT(runs); i++)
        hm_run_give(runs[i]);
    REQUIRE(mapped() == 4 && count(&hm_superslab_counts.empty) == 4);
    hm_superslab_trim(now(), 1);
    REQUIRE(mapped() == 1 && count(&hm_superslab_counts.empty) == 1);
    REQUIRE(count(&hm_superslab_counts.dirty_units) ==
            0); /* the reserve holds no memory */
    hm_superslab_trim(now(), 0);
    REQUIRE(mapped() == 0);
    REQUIRE(hm_region_get(last) == 0);
}

/* More than one sweep takes, and none with memory that would be given back. */
IN_CHILD(empty_superslabs_are_unmapped_however_many_and_clean)
{
    struct hm_slab *runs[40];

    layers_up("shards = 1\n" CONF "empty_reserve = 40\n");
    for (size_t i = 0; i < COUNT(runs); i++)
        runs[i] = take_units(UNITS);
    for (size_t i = 0; i < COUNT(runs); i++)
        hm_run_give(runs[i]);
    hm_superslab_trim(now(), COUNT(runs));
    REQUIRE(mapped() == COUNT(runs) && count(&hm_superslab_counts.dirty_units) == 0);
    REQUIRE(hm_superslab_trim(now(), 0) == 0 && mapped() == 0);
}

IN_CHILD(beyond_the_allowance_they_are_unmapped_at_once)
{
    struct hm_slab *runs[64];

    layers_up("shards = 1\n" CONF);
    hm_store_relaxed(&hm_clock, 100000000);
    for (size_t i = 0; i < COUNT(runs); i++)
        runs[i] = take_units(UNITS);
    size_t before = resident_bytes();

    for (size_t i = 0; i < COUNT(runs); i++)
        memset(runs[i]->base, 1, bytes(runs[i]));
    for (size_t i = 0; i < COUNT(runs); i++)
        hm_run_give(runs[i]);
    REQUIRE(mapped() * SIZE <= 8 * HM_MIB);
    REQUIRE(HM_TEST_SANITIZED || resident_bytes() < before + 10 * HM_MIB);
}

IN_CHILD(a_program_that_goes_up_and_down_soon_keeps_its_superslabs)
{
    struct hm_slab *runs[64];

    layers_up("shards = 1\n" CONF);
    hm_store_relaxed(&hm_clock, 100000000);
    for (int cycle = 0; cycle < 10; cycle++) {
        for (size_t i = 0; i < COUNT(runs); i++)
            runs[i] = take_units(UNITS);
        for (size_t i = 0; i < COUNT(runs); i++)
            hm_run_give(runs[i]);
    }
    REQUIRE(mapped() == COUNT(runs));
}

/* A descriptor that comes to describe another SuperSlab brings nothing along. */
IN_CHILD(a_superslab_comes_back_clean)
{
    layers_up("shards = 1\n" CONF);
    for (int round = 0; round < 5; round++) {
        bool zeroed;
        struct hm_slab *run = take(HM_STATE_MEDIUM, UNITS, HM_UNIT, &zeroed);

        REQUIRE(zeroed && all_bytes(run->base, bytes(run), 0));
        memset(run->base, 1, bytes(run));
        hm_run_give(run);
        hm_superslab_trim(now(), 0);
        REQUIRE(mapped() == 0);
    }
}

/* Kernels with pages of 64 KiB exist. A unit is then less than a page, and what a purge
 * cannot cover may neither be called zero nor be tried for ever. */
IN_CHILD(larger_pages_than_units_end_a_forced_trim)
{
    struct hm_slab *runs[8 * UNITS / 8];

    layers_up("shards = 1\n" CONF);
    hm_superslab_page_units = 4;
    for (size_t i = 0; i < COUNT(runs); i++) {
        runs[i] = take_units(7);
        memset(runs[i]->base, 1, bytes(runs[i]));
        take_units(
            1); /* between them: each is claimed apart, more than one sweep can hold */
    }
    for (size_t i = 0; i < COUNT(runs); i++)
        hm_run_give(runs[i]);
    size_t first = hm_superslab_trim(now() + HM_CLOCK_FORCED, 0);

    REQUIRE(first > 0 && first % 65536 == 0);
    for (size_t i = 0; i < COUNT(runs); i++) {
        bool zeroed;
        struct hm_slab *run = take(HM_STATE_MEDIUM, 1 + i % 7, HM_UNIT, &zeroed);

        REQUIRE(run != NULL && (!zeroed || all_bytes(run->base, bytes(run), 0)));
    }
}

/* Then neighbours go back together, when the last of them is free and old enough; until
 * then they count as resident, and what was not purged is not called zero. */
IN_CHILD(a_page_of_several_units_goes_back_when_all_of_it_is_free)
{
    bool zeroed;

    layers_up("shards = 1\n" CONF);
    hm_superslab_page_units = 4;
    struct hm_slab *a = take_units(3), *b = take_units(3), *c = take_units(6);
    char *base = a->base;

    REQUIRE(count(&hm_superslab_counts.dirty_units) == 0);
    take_units(1);
    REQUIRE(count(&hm_superslab_counts.dirty_units) == 3);
    memset(base, 1, 12 * HM_UNIT);

    hm_store_relaxed(&hm_clock, 1000);
    hm_run_give(b);
    REQUIRE(hm_superslab_purgeable() == 0 && hm_superslab_trim(1000, 0) == 0);
    REQUIRE(count(&hm_superslab_counts.dirty_units) == 6);
    hm_store_relaxed(&hm_clock, 2000);
    hm_run_give(a);
    REQUIRE(hm_superslab_purgeable() == 4 && hm_superslab_trim(1999, 0) == 0);
    REQUIRE(hm_superslab_trim(2000, 0) == 4 * HM_UNIT);
    REQUIRE(hm_superslab_purgeable() == 0);
    REQUIRE(all_bytes(base, 4 * HM_UNIT, 0) && base[4 * HM_UNIT] == 1);
    hm_run_give(c);
    REQUIRE(hm_superslab_trim(2000, 0) == 8 * HM_UNIT);
    REQUIRE(count(&hm_superslab_counts.dirty_units) == 3);

    struct hm_slab *clean = take(HM_STATE_MEDIUM, 10, HM_UNIT, &zeroed);
    REQUIRE(clean->base == base && zeroed && all_bytes(base, bytes(clean), 0));
    take(HM_STATE_MEDIUM, 2, HM_UNIT, &zeroed); /* in a page with `clean` */
    REQUIRE(!zeroed && count(&hm_superslab_counts.stuck_units) == 3);
}

IN_CHILD(prewarmed_superslabs_are_resident_and_survive_ordinary_trims)
{
    layers_up("shards = 1\n" CONF);
    /* The pages that an emulator shows may be larger than those it has. */
    size_t least = resident_bytes() + (EMULATED ? 0 : 4 * SIZE);

    hm_superslab_prewarm(4);
    REQUIRE(mapped() == 4 && resident_bytes() >= least);
    hm_superslab_trim(now() + 3600 * 1000, 0);
    REQUIRE(mapped() == 4 && resident_bytes() >= least);
    bool zeroed;

    REQUIRE(take(1, 1, HM_UNIT, &zeroed) != NULL && !zeroed);
    REQUIRE(mapped() == 4);
    hm_superslab_trim(now() + HM_CLOCK_FORCED, 0);
    REQUIRE(mapped() == 1);
}

/* ---- Without memory, and while another thread forks ---------------------------------- */

IN_CHILD(without_memory_the_answer_is_null_and_nothing_is_lost)
{
    static const int calls[] = {SYS_mprotect};

    layers_up("shards = 1\n" CONF);
    struct hm_slab *run = take_units(UNITS);

    if (!refuse_calls(calls, COUNT(calls), ENOMEM))
        return;
    for (int i = 0; i < 100; i++)
        REQUIRE(take(HM_STATE_MEDIUM, 1, HM_UNIT, NULL) == NULL);
    REQUIRE(mapped() == 1);
    hm_run_shrink(run, UNITS - 1);
    REQUIRE(take(HM_STATE_MEDIUM, 1, HM_UNIT, NULL) != NULL);
}

static void no_run(struct hm_slab *run, void *arg)
{
    (void)run;
    (void)arg;
    REQUIRE(!"there is a run");
}

/* The very first mapping may fail already. */
IN_CHILD(without_any_memory_the_answer_is_null)
{
    static const int calls[] = {CALL_MMAP};

    if (!refuse_calls(calls, COUNT(calls), ENOMEM))
        return;
    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    hm_meta_init();
    hm_option_defaults(&hm_opt);
    hm_window_init(hm_opt.superslab_size, hm_opt.address_window);
    hm_superslab_init(4);
    REQUIRE(hm_superslab_shards() >= 1);
    REQUIRE(take(1, 1, HM_UNIT, NULL) == NULL);
    hm_superslab_trim(UINT64_MAX, 0);
    hm_walk_runs(no_run, NULL);
}

static _Atomic int phase;

static void *hold_all_as_a_fork_does(void *unused)
{
    hm_lock_fork_begin();
    hm_superslab_fork(hm_lock_fork_take);
    atomic_store(&phase, 1);
    WAIT_UNTIL(atomic_load(&phase) == 2);
    hm_superslab_fork(hm_lock_fork_give);
    hm_lock_fork_end();
    return unused;
}

IN_CHILD(what_is_given_while_another_thread_forks_comes_back_later)
{
    struct hm_slab *runs[8];
    pthread_t thread;

    layers_up("shards = 2\n" CONF);
    for (size_t i = 0; i < COUNT(runs); i++)
        runs[i] = take_units(UNITS / 4);
    REQUIRE(pthread_create(&thread, NULL, hold_all_as_a_fork_does, NULL) == 0);
    WAIT_UNTIL(atomic_load(&phase) == 1);
    REQUIRE(take(1, 1, HM_UNIT, NULL) == NULL);
    REQUIRE(take(HM_STATE_MEDIUM, 1, HM_UNIT, NULL) == NULL);
    hm_run_shrink(runs[0], 1);
    for (size_t i = 0; i < COUNT(runs); i++)
        hm_run_give(runs[i]);
    REQUIRE(hm_superslab_trim(now(), 0) == 0);
    atomic_store(&phase, 2);
    pthread_join(thread, NULL);
    hm_superslab_trim(now(), 0);
    REQUIRE(mapped() == 0 && count(&hm_superslab_counts.dirty_units) == 0);
}

static void *fork_when_told(void *unused)
{
    for (;;) {
        WAIT_UNTIL(atomic_load(&phase) != 0);
        if (atomic_load(&phase) == 4)
            return unused;
        hm_lock_fork_begin();
        hm_superslab_fork(hm_lock_fork_take);
        hm_window_fork(hm_lock_fork_take);
        atomic_store(&phase, 2);
        WAIT_UNTIL(atomic_load(&phase) == 3);
        hm_superslab_fork(hm_lock_fork_give);
        hm_window_fork(hm_lock_fork_give);
        hm_lock_fork_end();
        atomic_store(&phase, 0);
    }
}

static void fork_in_the_middle(int signal)
{
    (void)signal;
    if (atomic_load(&phase) != 0)
        return;
    atomic_store(&phase, 1);
    WAIT_UNTIL(atomic_load(&phase) == 2);
}

/* The signal comes from the system call that purges an empty SuperSlab's states: from then
 * on there is no lock to be had for its descriptor and its place. */
IN_CHILD(unmapping_while_another_thread_forks_loses_neither_descriptor_nor_place)
{
    static const int calls[] = {SYS_madvise};
    pthread_t thread;

    layers_up("shards = 1\n" CONF);
    signal(SIGSYS, fork_in_the_middle);
    struct hm_slab *run = take(1, 1, HM_UNIT, NULL);
    char *first = run->base;
    size_t metadata = hm_meta_bytes();

    REQUIRE(pthread_create(&thread, NULL, fork_when_told, NULL) == 0);
    if (!trap_calls(calls, COUNT(calls)))
        return;
    for (int i = 0; i < 100; i++) {
        hm_run_give(run);
        hm_superslab_trim(now(), 0);
        REQUIRE(mapped() == 0 && atomic_load(&phase) == 2);
        REQUIRE(take(1, 1, HM_UNIT, NULL) == NULL);
        atomic_store(&phase, 3);
        WAIT_UNTIL(atomic_load(&phase) == 0);
        run = take(1, 1, HM_UNIT, NULL);
        REQUIRE(run != NULL && run->base == first);
    }
    REQUIRE(hm_meta_bytes() == metadata);
    atomic_store(&phase, 4);
    pthread_join(thread, NULL);
}

/* ---- Threads ------------------------------------------------------------------------- */

static _Atomic bool stop;

static void *trim_all_the_time(void *unused)
{
    while (!atomic_load(&stop))
        hm_superslab_trim(now(), 1);
    return unused;
}

static unsigned visits;

static void count_visit(struct hm_slab *run, void *arg)
{
    REQUIRE(run == arg);
    visits++;
}

static struct hm_slab *only;

static void visit_in_the_middle(int signal)
{
    (void)signal;
    hm_walk_runs(count_visit, only);
}

/* While units are on their way back to the system they are neither free nor a run: a visit
 * may not take them for the rest of a run that begins where theirs once began. The signal
 * comes from the system call that purges them. */
IN_CHILD(each_visits_no_run_twice_in_the_middle_of_a_trim)
{
    static const int calls[] = {SYS_madvise};

    layers_up("shards = 1\n" CONF);
    hm_run_give(take_units(UNITS));
    only = take_units(1);
    signal(SIGSYS, visit_in_the_middle);
    if (!trap_calls(calls, COUNT(calls)))
        return;
    hm_superslab_trim(now(), 0);
    REQUIRE(visits == 1);
}

static void *fork_all_the_time(void *unused)
{
    while (!atomic_load(&stop)) {
        hm_lock_fork_begin();
        hm_superslab_fork(hm_lock_fork_take);
        sched_yield();
        hm_superslab_fork(hm_lock_fork_give);
        hm_lock_fork_end();
        sched_yield();
    }
    return unused;
}

/* Its locks are gone when the purged units are to come back. */
IN_CHILD(trimming_while_another_thread_forks_loses_no_unit)
{
    pthread_t thread;

    layers_up("shards = 1\n" CONF);
    REQUIRE(pthread_create(&thread, NULL, fork_all_the_time, NULL) == 0);
    for (long i = 0; i < scaled(30000); i++) {
        struct hm_slab *run = hm_run_take(
            &(struct hm_run_request){0, 1, 8, HM_UNIT, false}, &(bool){false});

        if (run == NULL)
            continue; /* fork elsewhere */
        memset(run->base, 1, bytes(run));
        hm_run_shrink(run, 1);
        hm_superslab_trim(now(), 0);
        hm_run_give(run);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    hm_superslab_trim(now(), 0);
    REQUIRE(mapped() == 0);
}

static void *runs_of_a_thread(void *arg)
{
    uint64_t mine = *(uint64_t *)arg;
    struct rng r = rng_seed(mine);
    struct held my[16] = {{NULL, 0}};

    for (long step = 0; step < scaled(10000); step++) {
        struct held *h = &my[rng_below(&r, COUNT(my))];

        if (h->run != NULL) {
            check(h);
            hm_run_give(h->run);
            h->run = NULL;
        } else {
            bool zeroed;

            h->run = hm_run_take(&(struct hm_run_request){mine % 2, HM_STATE_MEDIUM,
                                                          1 + (uint32_t)rng_size(&r, 4),
                                                          HM_UNIT, false},
                                 &zeroed);
            REQUIRE(h->run != NULL);
            h->seed = rng_next(&r);
            mark(h);
        }
    }
    for (size_t i = 0; i < COUNT(my); i++) {
        if (my[i].run != NULL)
            hm_run_give(my[i].run);
    }
    return NULL;
}

IN_CHILD(threads_share_shards_and_everything_returns)
{
    uint64_t mine[3] = {1, 2, 3};
    pthread_t thread;

    layers_up("shards = 2\n" CONF);
    REQUIRE(pthread_create(&thread, NULL, trim_all_the_time, NULL) == 0);
    run_threads(COUNT(mine), runs_of_a_thread, mine, sizeof mine[0]);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    hm_superslab_trim(now(), 0);
    REQUIRE(mapped() == 0 && count(&hm_superslab_counts.dirty_units) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_old_enough_is_purged),
        cmocka_unit_test(ages_survive_the_wrap_of_the_clock),
        cmocka_unit_test(an_empty_superslab_is_due_at_any_uptime),
        cmocka_unit_test(empty_superslabs_are_unmapped_but_for_the_reserve),
        cmocka_unit_test(empty_superslabs_are_unmapped_however_many_and_clean),
        cmocka_unit_test(beyond_the_allowance_they_are_unmapped_at_once),
        cmocka_unit_test(a_program_that_goes_up_and_down_soon_keeps_its_superslabs),
        cmocka_unit_test(a_superslab_comes_back_clean),
        cmocka_unit_test(larger_pages_than_units_end_a_forced_trim),
        cmocka_unit_test(a_page_of_several_units_goes_back_when_all_of_it_is_free),
        cmocka_unit_test(prewarmed_superslabs_are_resident_and_survive_ordinary_trims),
        cmocka_unit_test(without_memory_the_answer_is_null_and_nothing_is_lost),
        cmocka_unit_test(without_any_memory_the_answer_is_null),
        cmocka_unit_test(what_is_given_while_another_thread_forks_comes_back_later),
        cmocka_unit_test(
            unmapping_while_another_thread_forks_loses_neither_descriptor_nor_place),
        cmocka_unit_test(each_visits_no_run_twice_in_the_middle_of_a_trim),
        cmocka_unit_test(trimming_while_another_thread_forks_loses_no_unit),
        cmocka_unit_test(threads_share_shards_and_everything_returns),
    };

    return RUN_TESTS(tests);
}
