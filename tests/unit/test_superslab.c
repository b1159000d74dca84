/* SPDX-License-Identifier: MIT */
/* superslab: runs of units, against a model that knows what every unit holds. */
#include "layers.h"

#define SIZE (512 * HM_KIB)
#define UNITS (SIZE / HM_UNIT)
#define CONF "superslab_size = 512K\naddress_window = 1G\nempty_reserve = 0\n"
#define NEVER UINT64_MAX /* no deadline is as late: everything is due */

static struct hm_slab *take(unsigned cls, uint32_t units, size_t align, bool *zeroed)
{
    bool unused;

    return hm_run_take(&(struct hm_run_request){0, (uint8_t)cls, units, align},
                       zeroed != NULL ? zeroed : &unused);
}

static struct hm_slab *take_units(uint32_t units)
{
    struct hm_slab *run = take(HM_STATE_MEDIUM, units, HM_UNIT, NULL);

    REQUIRE(run != NULL);
    return run;
}

static size_t bytes(const struct hm_slab *run)
{
    return (size_t)run->units << HM_UNIT_SHIFT;
}

/* A deadline that everything freed so far has reached. */
static uint64_t now(void)
{
    return hm_load_relaxed(&hm_clock);
}

static uint64_t count(const _Atomic uint64_t *counter)
{
    return hm_load_relaxed(counter);
}

static uint64_t mapped(void)
{
    return count(&hm_superslab_counts.mapped) - count(&hm_superslab_counts.released);
}

/* ---- One run ------------------------------------------------------------------------------ */

IN_CHILD(a_run_is_described)
{
    layers_up("shards = 2\n" CONF);
    for (unsigned cls = 1; cls < HM_STATES; cls += cls == 1 ? HM_SMALL_CLASSES : 20) {
        struct hm_slab *run = take(cls, 3, HM_UNIT, NULL);

        REQUIRE(run->cls == cls && run->units == 3 && run->shard == 0);
        REQUIRE(run->base == run->owner->base + run->unit * HM_UNIT);
        REQUIRE(run->state == hm_window_state(run->base));
        memset(run->base, 1, bytes(run));
        for (size_t at = 0; at < bytes(run); at += HM_UNIT / 2)
            REQUIRE(hm_slab_of(run->base + at) == run);
    }
}

IN_CHILD(small_and_large_blocks_live_in_different_superslabs)
{
    layers_up("shards = 1\n" CONF);
    REQUIRE(take(1, 1, HM_UNIT, NULL)->owner != take(HM_SMALL_CLASSES + 1, 1, HM_UNIT, NULL)->owner);
    REQUIRE(mapped() == 2);
}

IN_CHILD(runs_are_aligned_as_asked)
{
    layers_up("shards = 1\n" CONF);
    for (size_t align = HM_UNIT; align <= SIZE / 2; align *= 2) {
        for (uint32_t units = 1; units <= UNITS / 2; units *= 2) {
            struct hm_slab *run = take(HM_STATE_MEDIUM, units, align, NULL);

            REQUIRE(run != NULL && is_aligned(run->base, align));
        }
    }
}

IN_CHILD(outside_the_window_too)
{
    layers_up("shards = 1\nsuperslab_size = 512K\naddress_window = 0\n");
    for (int i = 0; i < 6; i++) {
        struct hm_slab *run = take(HM_STATE_MEDIUM, UNITS / 2, SIZE / 2, NULL);

        REQUIRE(run != NULL && is_aligned(run->base, SIZE / 2));
        REQUIRE(hm_window_state(run->base) == NULL);
        REQUIRE(hm_slab_of(run->base + bytes(run) - 1) == run);
        hm_store_relaxed(run->state, 1);
        hm_store_relaxed(run->state, 0);
    }
}

IN_CHILD(the_lowest_place_is_taken)
{
    struct hm_slab *runs[UNITS / 2];

    layers_up("shards = 1\n" CONF);
    for (size_t i = 0; i < COUNT(runs); i++)
        runs[i] = take_units(2);
    REQUIRE(mapped() == 1);
    char *low = runs[3]->base, *high = runs[9]->base;

    hm_run_give(runs[9]);
    hm_run_give(runs[3]);
    REQUIRE(take_units(2)->base == low);
    REQUIRE(take_units(2)->base == high);
}

/* ---- Zero --------------------------------------------------------------------------------- */

IN_CHILD(zeroed_is_said_of_what_reads_as_zero_only)
{
    bool zeroed;

    layers_up("shards = 1\n" CONF);
    struct hm_slab *run = take(HM_STATE_MEDIUM, 4, HM_UNIT, &zeroed);
    char *base = run->base;

    REQUIRE(zeroed && all_bytes(base, bytes(run), 0));
    memset(base, 1, bytes(run));
    take_units(1); /* so that the SuperSlab stays */
    hm_run_give(run);
    run = take(HM_STATE_MEDIUM, 4, HM_UNIT, &zeroed);
    REQUIRE(run->base == base && !zeroed);
    hm_run_give(run);
    REQUIRE(hm_superslab_trim(now(), 0) == 4 * HM_UNIT);
    run = take(HM_STATE_MEDIUM, 4, HM_UNIT, &zeroed);
    REQUIRE(run->base == base && zeroed && all_bytes(base, bytes(run), 0));
    /* One dirty unit is enough. */
    base[0] = 1;
    hm_run_shrink(run, 3);
    hm_run_give(run);
    REQUIRE(count(&hm_superslab_counts.dirty_units) == 4);
    REQUIRE(!take(HM_STATE_MEDIUM, 4, HM_UNIT, &zeroed)->base[HM_UNIT] && !zeroed);
}

IN_CHILD(zeroed_is_not_inferred_from_a_purge_that_failed)
{
    static const int calls[] = {SYS_madvise};
    bool zeroed;

    layers_up("shards = 1\n" CONF);
    struct hm_slab *run = take_units(4);
    char *base = run->base;

    take_units(1);
    memset(base, 1, bytes(run));
    hm_run_give(run);
    if (!refuse_calls(calls, COUNT(calls), EAGAIN))
        return;
    REQUIRE(hm_superslab_trim(now(), 0) == 0);
    REQUIRE(count(&hm_superslab_counts.dirty_units) == 4);
    run = take(HM_STATE_MEDIUM, 4, HM_UNIT, &zeroed);
    REQUIRE(run->base == base && !zeroed);
}

/* ---- Shrinking and growing ------------------------------------------------------------------ */

IN_CHILD(a_run_grows_into_free_units_only)
{
    bool zeroed;

    layers_up("shards = 1\n" CONF);
    struct hm_slab *a = take_units(2), *b = take_units(2), *c = take_units(1);

    REQUIRE(b->unit == a->unit + 2u && c->unit == b->unit + 2u);
    REQUIRE(!hm_run_grow(a, 3, &zeroed));
    hm_run_give(b);
    REQUIRE(!hm_run_grow(a, 5, &zeroed) && a->units == 2);
    REQUIRE(hm_run_grow(a, 4, &zeroed) && a->units == 4);
    REQUIRE(hm_slab_of(a->base + bytes(a) - 1) == a);
    REQUIRE(!hm_run_grow(a, 5, &zeroed));
    REQUIRE(!hm_run_grow(c, UNITS, &zeroed)); /* beyond the SuperSlab */
    REQUIRE(hm_run_grow(c, UNITS - c->unit, &zeroed) && zeroed);
    hm_run_shrink(a, 1);
    REQUIRE(a->units == 1 && take_units(3)->unit == a->unit + 1u);
    hm_run_shrink(c, UNITS); /* not smaller: nothing */
    REQUIRE(c->units == UNITS - c->unit);
}

/* ---- The model ------------------------------------------------------------------------------ */

enum { RUNS = 96, SUPERSLABS_MOST = 64 };

static struct held {
    struct hm_slab *run;
    uint64_t seed;
} held[RUNS];

/* Content shows when two runs overlap; one word in each unit is enough. */
static void mark(const struct held *h)
{
    for (size_t u = 0; u < h->run->units; u++)
        fill(h->run->base + u * HM_UNIT, 64, h->seed + u);
}

static void check(const struct held *h)
{
    for (size_t u = 0; u < h->run->units; u++) {
        REQUIRE(intact(h->run->base + u * HM_UNIT, 64, h->seed + u));
        REQUIRE(hm_slab_of(h->run->base + u * HM_UNIT) == h->run);
    }
}

static void model_take(struct rng *r, struct held *h)
{
    bool zeroed;
    size_t align = HM_UNIT << rng_below(r, 5);
    uint32_t units = 1 + (uint32_t)rng_size(r, 4);

    h->run = take(rng_below(r, 2) ? HM_STATE_MEDIUM : 1, units, align, &zeroed);
    REQUIRE(h->run != NULL && h->run->units == units && is_aligned(h->run->base, align));
    for (size_t u = 0; zeroed && u < units; u++)
        REQUIRE(all_bytes(h->run->base + u * HM_UNIT, 128, 0));
    h->seed = rng_next(r);
    mark(h);
}

static void model_change(struct rng *r, struct held *h)
{
    unsigned before = h->run->units, units = 1 + (unsigned)rng_size(r, 4);
    bool zeroed = false;

    if (units < before) {
        hm_run_shrink(h->run, units);
        REQUIRE(h->run->units == units);
    } else if (units > before && hm_run_grow(h->run, units, &zeroed)) {
        REQUIRE(h->run->units == units);
        for (size_t u = before; zeroed && u < units; u++)
            REQUIRE(all_bytes(h->run->base + u * HM_UNIT, 128, 0));
        mark(h);
    }
}

static void count_visit(struct hm_slab *run, void *arg)
{
    unsigned *visits = arg;

    for (size_t i = 0; i < RUNS; i++) {
        if (held[i].run == run) {
            visits[i]++;
            return;
        }
    }
    REQUIRE(!"a run that nobody holds");
}

static void each_visits_exactly_the_runs_in_use(void)
{
    unsigned visits[RUNS] = {0};

    hm_superslab_each(count_visit, visits);
    for (size_t i = 0; i < RUNS; i++)
        REQUIRE(visits[i] == (held[i].run != NULL));
}

static void random_work(uint64_t seed, bool with_trim)
{
    struct rng r = rng_seed(seed);

    for (long step = 0; step < scaled(20000); step++) {
        struct held *h = &held[rng_below(&r, RUNS)];

        if (h->run == NULL) {
            model_take(&r, h);
        } else {
            check(h);
            if (rng_below(&r, 3) == 0) {
                model_change(&r, h);
            } else {
                hm_run_give(h->run);
                h->run = NULL;
            }
        }
        if (with_trim && step % 97 == 0)
            hm_superslab_trim(now(), rng_below(&r, 3));
        if (step % 499 == 0)
            each_visits_exactly_the_runs_in_use();
    }
}

static void give_all(void)
{
    for (size_t i = 0; i < RUNS; i++) {
        if (held[i].run != NULL) {
            check(&held[i]);
            hm_run_give(held[i].run);
            held[i].run = NULL;
        }
    }
    each_visits_exactly_the_runs_in_use();
    hm_superslab_trim(now(), 0);
    REQUIRE(mapped() == 0);
    REQUIRE(count(&hm_superslab_counts.dirty_units) == 0);
    REQUIRE(count(&hm_superslab_counts.empty) == 0);
}

IN_CHILD(runs_never_overlap_and_all_memory_returns)
{
    layers_up("shards = 2\n" CONF);
    random_work(1, false);
    give_all();
}

IN_CHILD(the_same_with_trimming_in_between)
{
    layers_up("shards = 2\n" CONF);
    random_work(2, true);
    give_all();
}

IN_CHILD(the_same_outside_the_window)
{
    layers_up("shards = 2\nsuperslab_size = 512K\naddress_window = 0\nempty_reserve = 0\n");
    random_work(3, true);
    give_all();
}

/* ---- Trimming ---------------------------------------------------------------------------- */

IN_CHILD(only_what_is_old_enough_is_purged)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *young = take_units(2), *old = take_units(2);

    take_units(1);
    hm_store_relaxed(&hm_clock, 1000);
    hm_run_give(old);
    hm_store_relaxed(&hm_clock, 2000);
    hm_run_give(young);
    REQUIRE(hm_superslab_trim(999, 0) == 0);
    REQUIRE(hm_superslab_trim(1500, 0) == 2 * HM_UNIT);
    REQUIRE(hm_superslab_trim(1999, 0) == 0);
    REQUIRE(hm_superslab_trim(2000, 0) == 2 * HM_UNIT);
    REQUIRE(count(&hm_superslab_counts.dirty_units) == 0);
}

/* Ages are kept as 32 bits of milliseconds: 49 days. */
IN_CHILD(ages_survive_the_wrap_of_the_clock)
{
    const uint64_t wrap = (uint64_t)1 << 32;

    layers_up("shards = 1\n" CONF);
    struct hm_slab *run = take_units(2);

    take_units(1);
    hm_store_relaxed(&hm_clock, wrap - 10);
    hm_run_give(run);
    REQUIRE(hm_superslab_trim(wrap - 11, 0) == 0);
    REQUIRE(hm_superslab_trim(wrap + 10, 0) == 2 * HM_UNIT);
}

/* After 25 days up the clock's low half is in its upper half, and a unit that was never used
 * was never freed at any time. */
IN_CHILD(an_empty_superslab_is_due_at_any_uptime)
{
    static const uint64_t uptimes[] = {1000, 0x7fffff00, 0x90000000, 0xffffff00, 0x190000000};

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
    REQUIRE(count(&hm_superslab_counts.dirty_units) == 0); /* the reserve holds no memory */
    hm_superslab_trim(now(), 0);
    REQUIRE(mapped() == 0);
    REQUIRE(hm_region_get(last) == 0);
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
    hm_os_init(65536);
    for (size_t i = 0; i < COUNT(runs); i++) {
        runs[i] = take_units(7);
        memset(runs[i]->base, 1, bytes(runs[i]));
        take_units(1); /* between them: each is claimed apart, more than one sweep can hold */
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

IN_CHILD(prewarmed_superslabs_are_resident_and_survive_ordinary_trims)
{
    layers_up("shards = 1\n" CONF);
    size_t before = resident_bytes();

    hm_superslab_prewarm(4);
    REQUIRE(mapped() == 4 && resident_bytes() >= before + 4 * SIZE);
    hm_superslab_trim(now() + 3600 * 1000, 0);
    REQUIRE(mapped() == 4 && resident_bytes() >= before + 4 * SIZE);
    bool zeroed;

    REQUIRE(take(1, 1, HM_UNIT, &zeroed) != NULL && !zeroed);
    REQUIRE(mapped() == 4);
    hm_superslab_trim(now() + HM_CLOCK_FORCED, 0);
    REQUIRE(mapped() == 1);
}

/* ---- Without memory, and while another thread forks ---------------------------------------- */

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

/* The very first mapping may fail already. */
IN_CHILD(without_any_memory_the_answer_is_null)
{
    static const int calls[] = {SYS_mmap};

    if (!refuse_calls(calls, COUNT(calls), ENOMEM))
        return;
    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    hm_meta_init();
    hm_option_defaults(&hm_opt);
    hm_window_init(hm_opt.superslab_size, hm_opt.address_window);
    hm_superslab_init(4);
    REQUIRE(hm_superslab_shards() >= 1);
    REQUIRE(take(1, 1, HM_UNIT, NULL) == NULL);
    hm_superslab_trim(NEVER, 0);
    hm_superslab_each(count_visit, NULL);
}

static _Atomic int phase;

static void take_lock(struct hm_lock *lock)
{
    hm_lock_fork_take(lock);
}

static void *hold_all_as_a_fork_does(void *unused)
{
    hm_lock_fork_begin();
    hm_superslab_fork(take_lock);
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

/* ---- Threads ---------------------------------------------------------------------------- */

static _Atomic bool stop;

static void *trim_all_the_time(void *unused)
{
    while (!atomic_load(&stop))
        hm_superslab_trim(now(), 0);
    return unused;
}

struct tally {
    uint64_t seen[UNITS];
};

static void visit_once(struct hm_slab *run, void *arg)
{
    struct tally *t = arg;

    REQUIRE(run->unit < UNITS && t->seen[run->unit] == 0);
    t->seen[run->unit] = 1;
}

/* While units are on their way back to the system, they are neither free nor a run: a visit
 * may not take them for the run that they once were a part of. */
IN_CHILD(each_visits_no_run_twice_while_another_thread_trims)
{
    pthread_t thread;

    layers_up("shards = 1\n" CONF);
    REQUIRE(pthread_create(&thread, NULL, trim_all_the_time, NULL) == 0);
    for (long i = 0; i < scaled(3000); i++) {
        struct hm_slab *large = take_units(UNITS);

        memset(large->base + HM_UNIT, 1, HM_UNIT);
        hm_run_shrink(large, 1);
        for (int k = 0; k < 5; k++) {
            struct tally t = {{0}};

            hm_superslab_each(visit_once, &t);
            REQUIRE(t.seen[0] == 1);
        }
        hm_run_give(large);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
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
                                                          1 + (uint32_t)rng_size(&r, 4), HM_UNIT},
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
        cmocka_unit_test(a_run_is_described),
        cmocka_unit_test(small_and_large_blocks_live_in_different_superslabs),
        cmocka_unit_test(runs_are_aligned_as_asked),
        cmocka_unit_test(outside_the_window_too),
        cmocka_unit_test(the_lowest_place_is_taken),
        cmocka_unit_test(zeroed_is_said_of_what_reads_as_zero_only),
        cmocka_unit_test(zeroed_is_not_inferred_from_a_purge_that_failed),
        cmocka_unit_test(a_run_grows_into_free_units_only),
        cmocka_unit_test(runs_never_overlap_and_all_memory_returns),
        cmocka_unit_test(the_same_with_trimming_in_between),
        cmocka_unit_test(the_same_outside_the_window),
        cmocka_unit_test(only_what_is_old_enough_is_purged),
        cmocka_unit_test(ages_survive_the_wrap_of_the_clock),
        cmocka_unit_test(an_empty_superslab_is_due_at_any_uptime),
        cmocka_unit_test(empty_superslabs_are_unmapped_but_for_the_reserve),
        cmocka_unit_test(beyond_the_allowance_they_are_unmapped_at_once),
        cmocka_unit_test(a_program_that_goes_up_and_down_soon_keeps_its_superslabs),
        cmocka_unit_test(a_superslab_comes_back_clean),
        cmocka_unit_test(larger_pages_than_units_end_a_forced_trim),
        cmocka_unit_test(prewarmed_superslabs_are_resident_and_survive_ordinary_trims),
        cmocka_unit_test(without_memory_the_answer_is_null_and_nothing_is_lost),
        cmocka_unit_test(without_any_memory_the_answer_is_null),
        cmocka_unit_test(what_is_given_while_another_thread_forks_comes_back_later),
        cmocka_unit_test(each_visits_no_run_twice_while_another_thread_trims),
        cmocka_unit_test(threads_share_shards_and_everything_returns),
    };

    return RUN_TESTS(tests);
}
