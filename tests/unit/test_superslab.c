/* SPDX-License-Identifier: MIT */
/* superslab: runs of units, against a model that knows what every unit holds. */
#include "superslab_runs.h"
#include "walk.h"

/* ---- One run ------------------------------------------------------------------------- */

IN_CHILD(a_run_is_described)
{
    layers_up("shards = 2\n" CONF);
    for (unsigned cls = 1; cls < HM_STATES; cls += cls == 1 ? HM_SMALL_CLASSES : 20) {
        struct hm_slab *run = take(cls, 3, HM_UNIT, NULL);

        REQUIRE(run->cls == cls && run->units == 3 && run->owner->shard == 0);
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
    REQUIRE(take(1, 1, HM_UNIT, NULL)->owner !=
            take(HM_SMALL_CLASSES + 1, 1, HM_UNIT, NULL)->owner);
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

/* ---- Zero ---------------------------------------------------------------------------- */

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
    REQUIRE(hm_superslab_purgeable() == 4);
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
    REQUIRE(hm_superslab_purgeable() == 4);
    run = take(HM_STATE_MEDIUM, 4, HM_UNIT, &zeroed);
    REQUIRE(run->base == base && !zeroed);
}

/* ---- Shrinking and growing ----------------------------------------------------------- */

IN_CHILD(a_run_grows_into_free_units_only)
{
    bool zeroed;

    layers_up("shards = 1\n" CONF);
    struct hm_slab *a = take_units(2), *b = take_units(2);
    struct hm_slab *c = take_units(hm_superslab_page_units); /* what follows is clean */

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

/* ---- The model ----------------------------------------------------------------------- */

enum { RUNS = 96 };

static struct held held[RUNS];

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

    hm_walk_runs(count_visit, visits);
    for (size_t i = 0; i < RUNS; i++)
        REQUIRE(visits[i] == (held[i].run != NULL));
}

/* S2, by looking at every unit. */
static void count_stuck(struct hm_superslab *ss, void *stuck)
{
    uint32_t page = hm_superslab_page_units;

    for (uint32_t at = 0; at < ss->units; at += page) {
        uint32_t free = 0, dirty = 0;

        for (uint32_t u = at; u < at + page; u++) {
            free += ss->free_map[u / 64] >> u % 64 & 1;
            dirty += ss->dirty_map[u / 64] >> u % 64 & 1;
        }
        REQUIRE(dirty == free || (dirty == 0 && free == page));
        *(uint64_t *)stuck += free < page ? dirty : 0;
    }
}

static void pages_are_resident_as_a_whole(void)
{
    uint64_t stuck = 0;

    for (unsigned shard = 0; shard < hm_superslab_shards(); shard++)
        REQUIRE(hm_superslab_each(shard, count_stuck, &stuck));
    REQUIRE(count(&hm_superslab_counts.stuck_units) == stuck);
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
        if (hm_superslab_page_units > 1)
            pages_are_resident_as_a_whole();
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
    REQUIRE(count(&hm_superslab_counts.stuck_units) == 0);
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
    layers_up(
        "shards = 2\nsuperslab_size = 512K\naddress_window = 0\nempty_reserve = 0\n");
    random_work(3, true);
    give_all();
}

/* What is purged are whole pages then: the kernel here would purge less, too. */
IN_CHILD(the_same_with_pages_of_several_units)
{
    layers_up("shards = 2\n" CONF);
    hm_superslab_page_units = 4;
    random_work(4, true);
    give_all();
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
        cmocka_unit_test(the_same_with_pages_of_several_units),
    };

    return RUN_TESTS(tests);
}
