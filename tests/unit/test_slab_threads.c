/* SPDX-License-Identifier: MIT */
/* slab: while another thread forks, and threads that take and give at random while the
 * blocks themselves tell who has them. */
#include "slab_blocks.h"

/* ---- While another thread forks ------------------------------------------------------ */

static _Atomic int phase;

static void *hold_all_as_a_fork_does(void *unused)
{
    hm_lock_fork_begin();
    hm_slab_fork(hm_lock_fork_take);
    hm_superslab_fork(hm_lock_fork_take);
    atomic_store(&phase, 1);
    WAIT_UNTIL(atomic_load(&phase) == 2);
    hm_slab_fork(hm_lock_fork_give);
    hm_superslab_fork(hm_lock_fork_give);
    hm_lock_fork_end();
    return unused;
}

IN_CHILD(what_happens_while_another_thread_forks_is_made_up_for)
{
    pthread_t thread;

    layers_up("shards = 1\n" CONF);
    struct hm_slab *full = take_all(0), *listed = take_all(BLOCKS),
                   *last = take_all(2 * BLOCKS);
    struct hm_slab *current = take_all(3 * BLOCKS);

    hm_slab_let_go(full);
    hm_slab_let_go(listed);
    hm_slab_let_go(last);
    hm_slab_give(&slots[BLOCKS], 1);
    hm_slab_give(&slots[2 * BLOCKS], BLOCKS - 1);
    REQUIRE(pthread_create(&thread, NULL, hold_all_as_a_fork_does, NULL) == 0);
    WAIT_UNTIL(atomic_load(&phase) == 1);
    REQUIRE(hm_slab_adopt(0, CLS, HM_HOME_NONE, false) == NULL);
    hm_slab_give(&slots[0], 1);                       /* full: to be listed */
    hm_slab_give(&slots[3 * BLOCKS - 1], 1);          /* listed: empty */
    hm_slab_give(&slots[3 * BLOCKS], 5);              /* current */
    hm_slab_let_go(current);                          /* to be listed */
    hm_slab_give(&slots[3 * BLOCKS + 5], BLOCKS - 5); /* and empty before it is */
    atomic_store(&phase, 2);
    pthread_join(thread, NULL);
    /* What is partial is found again; what is empty goes as soon as its list is looked
     * at, or is found. */
    for (int i = 0; i < 3; i++) {
        struct hm_slab *slab = adopt(0);

        REQUIRE(slab == full || slab == listed || slab == last);
        struct hm_slot taken[BLOCKS];
        unsigned n = hm_slab_take(slab, taken, BLOCKS, false);

        REQUIRE(n > 0);
        hm_slab_give(taken, n);
        if (slab == full)
            hm_slab_give(&slots[1], BLOCKS - 1);
        if (slab == listed)
            hm_slab_give(&slots[BLOCKS + 1], BLOCKS - 1);
        hm_slab_let_go(slab);
    }
    nothing_is_left();
}

IN_CHILD(an_orphan_is_counted_by_its_map)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = adopt(0);

    REQUIRE(hm_slab_take(slab, slots, 10, false) == 10);
    /* As if a thread had been between the two steps of taking five more. */
    uint64_t before = life(slab);

    REQUIRE(hm_slab_take(slab, slots + 10, 5, false) == 5);
    hm_store_relaxed(&slab->life, before);
    hm_slab_let_go_orphan(slab);
    REQUIRE(live(slab) == 15 && flags(slab) == HM_LIFE_LISTED);
}

/* Else a fork's child would find it on its list, with nothing in it, for ever. */
IN_CHILD(a_slab_that_another_thread_was_giving_to_is_not_adopted_without_a_block)
{
    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = take_all(0);

    /* As if a thread that the child does not have had set a bit, which was taken since,
     * but not lowered the count. */
    hm_store_relaxed(&slab->life, life(slab) + 1);
    hm_slab_let_go(slab);
    REQUIRE(flags(slab) == 0 && live(slab) == BLOCKS + 1);
    REQUIRE(adopt(0) != slab);
    /* That it comes to it after all: with a block to be had, it is listed again. */
    hm_slab_give(&slots[0], 1);
    REQUIRE(flags(slab) == HM_LIFE_LISTED && live(slab) == BLOCKS);
}

/* ---- Threads: no block is ever in two hands ------------------------------------------ */

enum { THREADS = 4, HELD = 200, EXCHANGE = 64 };

static const unsigned mix[] = {1, 17, HM_SMALL_CLASSES, 40, HM_CLASSES - 1}; /* classes */
static _Atomic(struct hm_slot *)
    exchange[EXCHANGE]; /* blocks on their way to another thread */

/* A block that is out holds its owner's mark; whoever takes one finds it unmarked, since
 * giving wipes it. The first word of a block is the table. */
static void mark(const struct hm_slot *s)
{
    _Atomic uint64_t *word = s->block;

    REQUIRE(atomic_exchange_explicit(word, UINT64_C(0x600d600d600d600d),
                                     memory_order_relaxed) == 0);
    REQUIRE(hm_load_relaxed(s->state) == 0);
    hm_store_relaxed(s->state, 1);
}

static void wipe(const struct hm_slot *s)
{
    _Atomic uint64_t *word = s->block;

    REQUIRE(atomic_exchange_explicit(word, 0, memory_order_relaxed) ==
            UINT64_C(0x600d600d600d600d));
    hm_store_relaxed(s->state, 0);
}

struct worker {
    uint64_t seed;
    struct hm_slab *current[COUNT(mix)];
    struct hm_slot held[HELD];
    size_t count;
};

static void work_take(struct worker *w, struct rng *r)
{
    size_t k = rng_below(r, COUNT(mix));
    unsigned want = 1 + (unsigned)rng_below(r, 40);

    if (w->count + want > HELD)
        return;
    if (w->current[k] == NULL)
        w->current[k] = hm_slab_adopt(w->seed % 2, mix[k], HM_HOME_NONE, false);
    REQUIRE(w->current[k] != NULL);
    unsigned got = hm_slab_take(w->current[k], w->held + w->count, want, false);

    for (unsigned i = 0; i < got; i++)
        mark(&w->held[w->count + i]);
    w->count += got;
    if (got == 0 || rng_below(r, 8) == 0) {
        hm_slab_let_go(w->current[k]);
        w->current[k] = NULL;
    }
}

static void work_give(struct worker *w, size_t n)
{
    n = n < w->count ? n : w->count;
    w->count -= n;
    for (size_t i = 0; i < n; i++)
        wipe(&w->held[w->count + i]);
    if (n > 0)
        hm_slab_give(w->held + w->count, (unsigned)n);
}

/* Swaps a held block for one that another thread held: frees come from anywhere. */
static void work_exchange(struct worker *w, struct rng *r)
{
    if (w->count == 0)
        return;
    struct hm_slot *mine = malloc(sizeof *mine);

    REQUIRE(mine != NULL);
    *mine = w->held[w->count - 1];
    struct hm_slot *other = atomic_exchange(&exchange[rng_below(r, EXCHANGE)], mine);

    w->count--;
    if (other != NULL)
        w->held[w->count++] = *other;
    free(other);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct rng r = rng_seed(w->seed);

    for (long step = 0; step < scaled(30000); step++) {
        size_t what = rng_below(&r, 16);

        if (what < 7)
            work_take(w, &r);
        else if (what < 12)
            work_exchange(w, &r);
        else if (what < 15)
            work_give(w, 1 + rng_below(&r, 40));
        else if (step % 64 == 0)
            work_give(w, HELD);
        else if (step % 64 == 1)
            hm_slab_purge_pages();
    }
    work_give(w, HELD);
    for (size_t k = 0; k < COUNT(mix); k++) {
        if (w->current[k] != NULL)
            hm_slab_let_go(w->current[k]);
    }
    return NULL;
}

static void work_with_threads(void)
{
    static struct worker workers[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        workers[i] = (struct worker){.seed = i};
    run_threads(THREADS, work, workers, sizeof workers[0]);
    for (size_t i = 0; i < EXCHANGE; i++) {
        struct hm_slot *s = atomic_exchange(&exchange[i], NULL);

        if (s == NULL)
            continue;
        wipe(s);
        hm_slab_give(s, 1);
        free(s);
    }
    nothing_is_left();
}

IN_CHILD(no_block_is_ever_in_two_hands_and_every_slab_returns)
{
    layers_up("shards = 2\n" CONF);
    work_with_threads();
}

IN_CHILD(the_same_outside_the_window)
{
    layers_up("shards = 2\nsuperslab_size = 512K\naddress_window = 0\n");
    work_with_threads();
}

static _Atomic bool stop;

static void *fork_all_the_time(void *unused)
{
    while (!atomic_load(&stop)) {
        hm_lock_fork_begin();
        hm_slab_fork(hm_lock_fork_take);
        hm_superslab_fork(hm_lock_fork_take);
        sched_yield();
        hm_slab_fork(hm_lock_fork_give);
        hm_superslab_fork(hm_lock_fork_give);
        hm_lock_fork_end();
    }
    return unused;
}

static void *give_while_forking(void *arg)
{
    struct hm_slot mine[BLOCKS];
    (void)arg;

    for (long step = 0; step < scaled(5000); step++) {
        struct hm_slab *slab = hm_slab_adopt(0, CLS, HM_HOME_NONE, false);

        if (slab == NULL)
            continue; /* fork elsewhere */
        unsigned n = hm_slab_take(slab, mine, 1 + (unsigned)step % BLOCKS, false);

        for (unsigned i = 0; i < n; i++)
            mark(&mine[i]);
        hm_slab_let_go(slab);
        for (unsigned i = 0; i < n; i++) {
            wipe(&mine[i]);
            hm_slab_give(&mine[i], 1);
        }
    }
    return NULL;
}

/* Whatever could not be listed or given back at the time is found when its lists are next
 * looked at. */
IN_CHILD(a_thread_that_forks_all_the_time_makes_nobody_lose_a_slab)
{
    pthread_t thread;
    int arguments[3];

    layers_up("shards = 1\n" CONF);
    REQUIRE(pthread_create(&thread, NULL, fork_all_the_time, NULL) == 0);
    run_threads(COUNT(arguments), give_while_forking, arguments, sizeof arguments[0]);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    /* Left empty in a list: whoever adopts it finds it. */
    for (size_t n = runs_in_use(); n > 0; n--) {
        struct hm_slab *slabs[64];
        size_t k = n < COUNT(slabs) ? n : COUNT(slabs);

        for (size_t i = 0; i < k; i++)
            slabs[i] = adopt(0);
        for (size_t i = 0; i < k; i++)
            hm_slab_let_go(slabs[i]);
    }
    nothing_is_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happens_while_another_thread_forks_is_made_up_for),
        cmocka_unit_test(an_orphan_is_counted_by_its_map),
        cmocka_unit_test(
            a_slab_that_another_thread_was_giving_to_is_not_adopted_without_a_block),
        cmocka_unit_test(no_block_is_ever_in_two_hands_and_every_slab_returns),
        cmocka_unit_test(the_same_outside_the_window),
        cmocka_unit_test(a_thread_that_forks_all_the_time_makes_nobody_lose_a_slab),
    };

    return RUN_TESTS(tests);
}
