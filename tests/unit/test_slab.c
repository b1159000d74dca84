/* SPDX-License-Identifier: MIT */
/* slab: a slab's life, from every state. */
#include "slab_blocks.h"

/* ---- Taking and giving --------------------------------------------------------------- */

IN_CHILD(a_new_slab_has_all_blocks_of_its_class)
{
    static struct hm_slot all[HM_SLAB_BLOCKS_MAX + 1];

    layers_up("shards = 1\n" CONF);
    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        const struct hm_class *c = &hm_classes[cls];
        struct hm_slab *slab = hm_slab_adopt(0, cls, HM_HOME_NONE, false);

        REQUIRE(slab != NULL && hm_slab_take(slab, all, COUNT(all), false) == c->blocks);
        REQUIRE(live(slab) == c->blocks);
        for (unsigned i = 0; i < c->blocks; i++) {
            REQUIRE(all[i].block == slab->base + (size_t)i * c->size);
            REQUIRE(all[i].state == hm_window_state(all[i].block));
            REQUIRE(hm_slab_of(all[i].block) == slab);
            memset(all[i].block, 1, c->size);
        }
        REQUIRE(hm_slab_take(slab, all + c->blocks, 1, false) == 0);
        hm_slab_give(all, c->blocks);
        hm_slab_let_go(slab);
    }
    nothing_is_left();
}

IN_CHILD(the_lowest_blocks_are_taken_first)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = take_all(0);

    for (size_t i = BLOCKS; i-- > 0;) {
        if (i % 3 == 0)
            hm_slab_give(&slots[i], 1);
    }
    struct hm_slot again[BLOCKS];
    unsigned got = hm_slab_take(slab, again, 5, false);

    got += hm_slab_take(slab, again + got, BLOCKS, false);
    REQUIRE(got == (BLOCKS + 2) / 3);
    for (unsigned i = 0; i < got; i++)
        REQUIRE(again[i].block == slots[3 * i].block &&
                again[i].state == slots[3 * i].state);
}

static void shuffle(struct hm_slot *all, size_t n)
{
    struct rng r = rng_seed(7);

    for (size_t i = n - 1; i > 0; i--) {
        size_t k = rng_below(&r, i + 1);
        struct hm_slot swap = all[i];

        all[i] = all[k];
        all[k] = swap;
    }
}

IN_CHILD(blocks_of_several_slabs_can_be_given_at_once)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *a = take_all(0), *b = take_all(BLOCKS), *c = take_all(2 * BLOCKS);

    hm_slab_let_go(b); /* full */
    hm_slab_let_go(c);
    shuffle(slots, 3 * BLOCKS);
    hm_slab_give(slots, 3 * BLOCKS);
    REQUIRE(live(a) == 0 && flags(a) == HM_LIFE_CURRENT);
    hm_slab_let_go(a);
    nothing_is_left();
}

/* So many that a batch finds some in the same bucket. */
IN_CHILD(blocks_of_many_slabs_can_be_given_at_once)
{
    enum { SLABS = 200 };
    static struct hm_slot many[8 * SLABS];
    unsigned cls = hm_class_of(8192), got = 0;

    layers_up("shards = 1\n" CONF);
    for (unsigned i = 0; i < SLABS; i++) {
        struct hm_slab *slab = hm_slab_adopt(0, cls, HM_HOME_NONE, false);

        REQUIRE(slab != NULL);
        got += hm_slab_take(slab, many + got, 8, false);
        hm_slab_let_go(slab);
    }
    REQUIRE(got >= 2 * SLABS);
    shuffle(many, got);
    hm_slab_give(many, got);
    nothing_is_left();
}

IN_CHILD(threads_that_share_a_slab_get_lines_of_their_own)
{
    struct hm_slot a[16], b[16], rest[HM_SLAB_BLOCKS_MAX];

    layers_up("shards = 1\n" CONF);
    for (unsigned cls = 1; cls <= 2; cls++) {
        unsigned line = HM_CACHE_LINE / hm_classes[cls].size;
        struct hm_slab *slab = hm_slab_adopt(0, cls, HM_HOME_NONE, false);

        REQUIRE(slab != NULL);
        REQUIRE(hm_slab_take(slab, a, 3, true) == 3);
        REQUIRE(hm_slab_take(slab, b, 3, true) == 3);
        REQUIRE(a[0].block == slab->base && b[0].state - a[0].state >= 64);
        /* No word is free as a whole: whole lines, beginning behind a's. */
        for (unsigned w = 2; w * 64 < hm_classes[cls].blocks; w++)
            REQUIRE(hm_slab_take(slab, rest + w, 1, true) == 1);
        REQUIRE(hm_slab_take(slab, b + 3, line + 1, true) == line + 1);
        REQUIRE((char *)b[3].block == (char *)a[0].block + (3 / line + 1) * HM_CACHE_LINE);
        /* No line either: what there is. */
        unsigned left = hm_classes[cls].blocks - live(slab), got = 0, n;

        while ((n = hm_slab_take(slab, rest + got, 7, true)) > 0)
            got += n;
        REQUIRE(got == left && live(slab) == hm_classes[cls].blocks);
    }
}

/* ---- A slab's life ------------------------------------------------------------------- */

IN_CHILD(an_empty_slab_that_is_let_go_is_gone)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = take_all(0);

    hm_slab_give(slots, BLOCKS);
    REQUIRE(flags(slab) == HM_LIFE_CURRENT); /* not before */
    hm_slab_let_go(slab);
    nothing_is_left();
}

IN_CHILD(a_partial_slab_that_is_let_go_is_listed_and_found)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = adopt(0);

    REQUIRE(hm_slab_take(slab, slots, 3, false) == 3);
    hm_slab_let_go(slab);
    REQUIRE(flags(slab) == HM_LIFE_LISTED && live(slab) == 3);
    REQUIRE(adopt(0) == slab && live(slab) == 3);
    REQUIRE(adopt(0) != slab); /* it was listed once */
}

IN_CHILD(a_full_slab_belongs_to_nobody_until_a_block_returns)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = take_all(0);

    hm_slab_let_go(slab);
    REQUIRE(flags(slab) == 0 && live(slab) == BLOCKS);
    struct hm_slab *other = adopt(0);

    REQUIRE(other != slab);
    hm_slab_let_go(other); /* empty: gone */
    hm_slab_give(&slots[10], 1);
    REQUIRE(flags(slab) == HM_LIFE_LISTED);
    REQUIRE(adopt(0) == slab);
    struct hm_slot again;

    REQUIRE(hm_slab_take(slab, &again, 1, false) == 1 && again.block == slots[10].block);
}

IN_CHILD(a_listed_slab_whose_last_block_returns_is_gone)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = take_all(0);

    hm_slab_let_go(slab);
    for (size_t i = 0; i < BLOCKS; i++) {
        REQUIRE(runs_in_use() == 1);
        hm_slab_give(&slots[i], 1);
    }
    nothing_is_left();
    REQUIRE(adopt(0) != NULL); /* and it is on no list any more */
    REQUIRE(runs_in_use() == 1);
}

IN_CHILD(a_full_slab_whose_blocks_all_return_at_once_is_gone)
{
    layers_up("shards = 1\n" CONF);
    hm_slab_let_go(take_all(0));
    hm_slab_give(slots, BLOCKS);
    nothing_is_left();
}

IN_CHILD(lists_survive_removals_in_any_order)
{
    struct rng r = rng_seed(9);
    struct hm_slab *slabs[8];

    layers_up("shards = 1\n" CONF);
    for (int round = 0; round < 200; round++) {
        bool gone[8] = {false};

        for (size_t i = 0; i < 8; i++)
            slabs[i] = take_all(i * BLOCKS);
        for (size_t i = 0; i < 8; i++)
            hm_slab_let_go(slabs[i]);
        for (size_t i = 0; i < 8; i++)
            hm_slab_give(&slots[i * BLOCKS], 1); /* listed */
        for (size_t left = 8; left > 3; left--) {
            size_t i = rng_below(&r, 8);

            while (gone[i])
                i = (i + 1) % 8;
            gone[i] = true;
            hm_slab_give(&slots[i * BLOCKS + 1], BLOCKS - 1);
        }
        REQUIRE(runs_in_use() == 3);
        for (size_t n = 0; n < 3; n++) {
            struct hm_slab *slab = adopt(0);
            size_t i = 0;

            while (i < 8 && (gone[i] || slabs[i] != slab))
                i++;
            REQUIRE(i < 8); /* one of the three, each once */
            gone[i] = true;
            hm_slab_give(&slots[i * BLOCKS + 1], BLOCKS - 1);
            hm_slab_let_go(slab);
        }
        REQUIRE(runs_in_use() == 0);
    }
    nothing_is_left();
}

IN_CHILD(every_life_of_a_run_has_another_generation)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *first = adopt(0);
    uint64_t generation = life(first) >> HM_LIFE_GENERATION;

    for (int i = 0; i < 100; i++) {
        hm_slab_let_go(first);
        REQUIRE(adopt(0) == first);
        REQUIRE(life(first) >> HM_LIFE_GENERATION != generation);
        generation = life(first) >> HM_LIFE_GENERATION;
    }
}

IN_CHILD(slabs_of_other_shards_are_adopted_before_a_new_one_is_made)
{
    layers_up("shards = 4\n" CONF);
    struct hm_slab *slab = hm_slab_adopt(2, CLS, HM_HOME_NONE, false);

    REQUIRE(slab->owner->shard == 2 && hm_slab_take(slab, slots, 1, false) == 1);
    hm_slab_let_go(slab);
    unsigned set = hm_load_relaxed(&slab->set);

    REQUIRE(adopt(0) == slab);
    hm_slab_let_go(slab);
    REQUIRE(hm_load_relaxed(&slab->set) == set); /* it stays where it is */
    REQUIRE(hm_slab_adopt(2, CLS, HM_HOME_NONE, false) == slab);
}

static struct hm_slab *partial_of_home(unsigned home, unsigned live)
{
    struct hm_slab *slab = hm_slab_adopt(0, CLS, home, true);

    REQUIRE(slab != NULL && hm_load_relaxed(&slab->home) == home && flags(slab) != 0);
    REQUIRE(hm_slab_take(slab, slots, live, false) == live);
    return slab;
}

IN_CHILD(slabs_of_ones_own_home_come_first)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *mine = partial_of_home(1, 3), *other = partial_of_home(2, 3);

    hm_slab_let_go(mine);
    hm_slab_let_go(other); /* the list's first */
    REQUIRE(hm_slab_adopt(0, CLS, 1, false) == mine);
    REQUIRE(hm_slab_adopt(0, CLS, 1, false) == other); /* better than a new one */
    REQUIRE(hm_load_relaxed(&other->home) == 1);       /* nobody's, and half free */
}

IN_CHILD(apart_one_takes_no_slab_of_anothers_home)
{
    struct hm_settle *const owner = (struct hm_settle *)slots; /* whoever that is */

    layers_up("shards = 1\n" CONF);
    struct hm_slab *owned = partial_of_home(2, 3), *full = partial_of_home(3, BLOCKS - 3);

    hm_slab_let_go(owned);
    hm_slab_let_go(full);
    REQUIRE(hm_home_pass(2, NULL, owner));
    struct hm_slab *made = hm_slab_adopt(0, CLS, 1, true);

    REQUIRE(made != owned && made != full);
    REQUIRE(hm_slab_adopt(0, CLS, 1, false) == owned); /* if it need not be apart */
    REQUIRE(hm_slab_adopt(0, CLS, 1, false) == full);
    REQUIRE(hm_load_relaxed(&owned->home) == 2 && hm_load_relaxed(&full->home) == 3);
    hm_slab_let_go(owned);
    REQUIRE(hm_home_pass(2, owner, NULL));
    REQUIRE(hm_slab_adopt(0, CLS, 1, true) == owned && hm_load_relaxed(&owned->home) == 1);
}

IN_CHILD(ones_own_slab_is_found_whatever_others_there_are)
{
    enum { MANY = 100 }; /* more than there are sets of lists */
    struct hm_settle *const owner = (struct hm_settle *)slots; /* whoever that is */
    struct hm_slab *of[MANY + 1];

    layers_up("shards = 1\n" CONF);
    for (unsigned home = 1; home <= MANY; home++) {
        of[home] = partial_of_home(home, 3);
        REQUIRE(hm_home_pass(home, NULL, owner));
    }
    for (unsigned home = 1; home <= MANY; home++)
        hm_slab_let_go(of[home]);
    for (unsigned home = 1; home <= MANY; home++)
        REQUIRE(hm_slab_adopt(0, CLS, home, home % 2 == 0) == of[home]);
}

IN_CHILD(who_moves_into_a_slab_finds_it_again)
{
    struct hm_settle *const owner = (struct hm_settle *)slots; /* whoever that is */

    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = partial_of_home(2, 3);
    uint64_t generation = life(slab) >> HM_LIFE_GENERATION;
    unsigned set = hm_load_relaxed(&slab->set);

    hm_slab_let_go(slab);
    REQUIRE(hm_home_pass(1, NULL, owner));
    REQUIRE(hm_slab_adopt(0, CLS, 1, true) == slab);
    REQUIRE(hm_load_relaxed(&slab->set) != set && live(slab) == 3);
    REQUIRE(life(slab) >> HM_LIFE_GENERATION != generation);
    generation = life(slab) >> HM_LIFE_GENERATION;
    hm_slab_let_go(slab);
    struct hm_slab *made = hm_slab_adopt(0, CLS, 2, true);

    REQUIRE(made != slab);
    hm_slab_let_go(made);
    REQUIRE(hm_slab_adopt(0, CLS, 1, true) == slab);
    REQUIRE(life(slab) >> HM_LIFE_GENERATION == generation); /* it stays */
    REQUIRE(hm_slab_take(slab, slots + 3, BLOCKS, false) == BLOCKS - 3);
    hm_slab_let_go(slab); /* full */
    hm_slab_give(slots + 3, 1);
    REQUIRE(hm_slab_adopt(0, CLS, 1, true) == slab);
    hm_slab_let_go(slab);
    hm_slab_give(slots + 4, BLOCKS - 4);
    hm_slab_give(slots, 3);
    nothing_is_left();
}

IN_CHILD(a_block_given_twice_is_found_out)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = take_all(0);

    hm_slab_give(&slots[5], 1);
    fflush(stdout);
    pid_t pid = fork();

    REQUIRE(pid >= 0);
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), 2);
        hm_slab_give(&slots[5], 1);
        _exit(0);
    }
    int status;

    REQUIRE(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
            WTERMSIG(status) == SIGABRT);
    REQUIRE(live(slab) == BLOCKS - 1);
}

/* ---- Pages inside slabs -------------------------------------------------------------- */

IN_CHILD(free_pages_of_partial_slabs_are_purged_and_live_blocks_stay)
{
    enum { SMALL = 4, COUNT_OF_SMALL = 256 }; /* 64 bytes, 256 in a slab, 64 in a page */
    static struct hm_slot small[COUNT_OF_SMALL];

    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = hm_slab_adopt(0, SMALL, HM_HOME_NONE, false);

    REQUIRE(hm_slab_take(slab, small, COUNT_OF_SMALL, false) == COUNT_OF_SMALL);
    for (size_t i = 0; i < COUNT_OF_SMALL; i++)
        fill(small[i].block, 64, i);
    hm_slab_let_go(slab);
    hm_slab_give(small, 130); /* two pages and a little */
    size_t whole = 130 * 64 / hm_os_page * hm_os_page;

    REQUIRE(hm_slab_purge_pages() == whole);
    REQUIRE(flags(slab) == HM_LIFE_LISTED && live(slab) == COUNT_OF_SMALL - 130);
    for (size_t i = 0; i < whole / 64; i++)
        REQUIRE(all_bytes(small[i].block, 64, 0));
    for (size_t i = 130; i < COUNT_OF_SMALL; i++)
        REQUIRE(intact(small[i].block, 64, i));
    REQUIRE(hm_slab_purge_pages() == 0); /* nothing new */
    hm_slab_give(&small[130], 126);
    nothing_is_left();
}

/* What lies at the ends of a slab shares a page with others, then, and stays. */
IN_CHILD(pages_of_several_units_are_purged_if_they_are_all_within_a_slab)
{
    enum { LARGE = HM_CLASSES - 1, PAGE = 4 * HM_UNIT }; /* four blocks in two pages */
    static struct hm_slot large[4];
    bool zeroed;

    layers_up("shards = 1\n" CONF);
    REQUIRE(hm_run_take(&(struct hm_run_request){0, LARGE, 1, HM_UNIT, false}, &zeroed) !=
            NULL);
    struct hm_slab *slab = hm_slab_adopt(0, LARGE, HM_HOME_NONE, false);
    char *base = slab->base, *page = (char *)hm_round_up((uintptr_t)base, PAGE);

    REQUIRE(hm_slab_take(slab, large, COUNT(large), false) == COUNT(large));
    memset(base, 1, COUNT(large) * 2 * HM_UNIT);
    hm_slab_let_go(slab);
    hm_slab_give(&large[1], 3);
    hm_os_init(PAGE); /* to purge, not to map, where that would not be right */
    REQUIRE(page == base + 3 * HM_UNIT && hm_slab_purge_pages() == PAGE);
    REQUIRE(all_bytes(page, PAGE, 0));
    REQUIRE(all_bytes(base, 3 * HM_UNIT, 1) && all_bytes(page + PAGE, HM_UNIT, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_slab_has_all_blocks_of_its_class),
        cmocka_unit_test(the_lowest_blocks_are_taken_first),
        cmocka_unit_test(threads_that_share_a_slab_get_lines_of_their_own),
        cmocka_unit_test(blocks_of_several_slabs_can_be_given_at_once),
        cmocka_unit_test(blocks_of_many_slabs_can_be_given_at_once),
        cmocka_unit_test(an_empty_slab_that_is_let_go_is_gone),
        cmocka_unit_test(a_partial_slab_that_is_let_go_is_listed_and_found),
        cmocka_unit_test(a_full_slab_belongs_to_nobody_until_a_block_returns),
        cmocka_unit_test(a_listed_slab_whose_last_block_returns_is_gone),
        cmocka_unit_test(a_full_slab_whose_blocks_all_return_at_once_is_gone),
        cmocka_unit_test(lists_survive_removals_in_any_order),
        cmocka_unit_test(every_life_of_a_run_has_another_generation),
        cmocka_unit_test(slabs_of_other_shards_are_adopted_before_a_new_one_is_made),
        cmocka_unit_test(slabs_of_ones_own_home_come_first),
        cmocka_unit_test(apart_one_takes_no_slab_of_anothers_home),
        cmocka_unit_test(ones_own_slab_is_found_whatever_others_there_are),
        cmocka_unit_test(who_moves_into_a_slab_finds_it_again),
        cmocka_unit_test(a_block_given_twice_is_found_out),
        cmocka_unit_test(free_pages_of_partial_slabs_are_purged_and_live_blocks_stay),
        cmocka_unit_test(pages_of_several_units_are_purged_if_they_are_all_within_a_slab),
    };

    return RUN_TESTS(tests);
}
