/* SPDX-License-Identifier: MIT */
/* slab: a slab's life, from every state, and threads that take and give at random while a
 * table outside of the allocator knows which blocks are out. */
#include "layers.h"

#define CONF "superslab_size = 512K\naddress_window = 1G\nempty_reserve = 0\n"

enum { CLS = 64 }; /* 1 KiB blocks: 64 in a slab, one word of its map */
enum { BLOCKS = 64 };

static struct hm_slot slots[8 * BLOCKS];

static uint64_t life(struct hm_slab *slab)
{
    return hm_load_relaxed(&slab->life);
}

static unsigned live(struct hm_slab *slab)
{
    return (unsigned)(life(slab) & HM_LIFE_COUNT);
}

static unsigned flags(struct hm_slab *slab)
{
    return (unsigned)(life(slab) & (HM_LIFE_CURRENT | HM_LIFE_LISTED | HM_LIFE_JOINING));
}

static struct hm_slab *adopt(unsigned shard)
{
    struct hm_slab *slab = hm_slab_adopt(shard, CLS);

    REQUIRE(slab != NULL && flags(slab) == HM_LIFE_CURRENT && slab->cls == CLS);
    return slab;
}

/* Takes all of a new slab's blocks into `slots`, from `at` on. */
static struct hm_slab *take_all(size_t at)
{
    struct hm_slab *slab = adopt(0);

    REQUIRE(hm_slab_take(slab, slots + at, BLOCKS) == BLOCKS);
    return slab;
}

static void count_run(struct hm_slab *run, void *arg)
{
    (void)run;
    ++*(size_t *)arg;
}

static size_t runs_in_use(void)
{
    size_t n = 0;

    hm_superslab_each(count_run, &n);
    return n;
}

static void nothing_is_left(void)
{
    REQUIRE(runs_in_use() == 0);
    hm_superslab_trim(hm_load_relaxed(&hm_clock), 0);
    REQUIRE(hm_load_relaxed(&hm_superslab_counts.mapped) ==
            hm_load_relaxed(&hm_superslab_counts.released));
}

/* ---- Taking and giving ------------------------------------------------------------------ */

IN_CHILD(a_new_slab_has_all_blocks_of_its_class)
{
    static struct hm_slot all[HM_SLAB_BLOCKS_MAX + 1];

    layers_up("shards = 1\n" CONF);
    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        const struct hm_class *c = &hm_classes[cls];
        struct hm_slab *slab = hm_slab_adopt(0, cls);

        REQUIRE(slab != NULL && hm_slab_take(slab, all, COUNT(all)) == c->blocks);
        REQUIRE(live(slab) == c->blocks);
        for (unsigned i = 0; i < c->blocks; i++) {
            REQUIRE(all[i].block == slab->base + (size_t)i * c->size);
            REQUIRE(all[i].state == hm_window_state(all[i].block));
            REQUIRE(hm_slab_of(all[i].block) == slab);
            memset(all[i].block, 1, c->size);
        }
        REQUIRE(hm_slab_take(slab, all + c->blocks, 1) == 0);
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
    unsigned got = hm_slab_take(slab, again, 5);

    got += hm_slab_take(slab, again + got, BLOCKS);
    REQUIRE(got == (BLOCKS + 2) / 3);
    for (unsigned i = 0; i < got; i++)
        REQUIRE(again[i].block == slots[3 * i].block && again[i].state == slots[3 * i].state);
}

IN_CHILD(blocks_of_several_slabs_can_be_given_at_once)
{
    struct rng r = rng_seed(7);

    layers_up("shards = 1\n" CONF);
    struct hm_slab *a = take_all(0), *b = take_all(BLOCKS), *c = take_all(2 * BLOCKS);

    hm_slab_let_go(b); /* full */
    hm_slab_let_go(c);
    for (size_t i = 3 * BLOCKS - 1; i > 0; i--) {
        size_t k = rng_below(&r, i + 1);
        struct hm_slot swap = slots[i];

        slots[i] = slots[k];
        slots[k] = swap;
    }
    hm_slab_give(slots, 3 * BLOCKS);
    REQUIRE(live(a) == 0 && flags(a) == HM_LIFE_CURRENT);
    hm_slab_let_go(a);
    nothing_is_left();
}

/* ---- A slab's life ------------------------------------------------------------------------ */

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

    REQUIRE(hm_slab_take(slab, slots, 3) == 3);
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

    REQUIRE(hm_slab_take(slab, &again, 1) == 1 && again.block == slots[10].block);
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
    struct hm_slab *slab = hm_slab_adopt(2, CLS);

    REQUIRE(slab->shard == 2 && hm_slab_take(slab, slots, 1) == 1);
    hm_slab_let_go(slab);
    REQUIRE(adopt(0) == slab);
    hm_slab_let_go(slab);
    REQUIRE(slab->shard == 2); /* it stays where it is */
    REQUIRE(hm_slab_adopt(2, CLS) == slab);
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

/* ---- Pages inside slabs ------------------------------------------------------------------- */

IN_CHILD(free_pages_of_partial_slabs_are_purged_and_live_blocks_stay)
{
    enum { SMALL = 4, COUNT_OF_SMALL = 256 }; /* 64 bytes, 256 in a slab, 64 in a page */
    static struct hm_slot small[COUNT_OF_SMALL];

    layers_up("shards = 1\n" CONF);
    struct hm_slab *slab = hm_slab_adopt(0, SMALL);

    REQUIRE(hm_slab_take(slab, small, COUNT_OF_SMALL) == COUNT_OF_SMALL);
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

/* ---- While another thread forks ------------------------------------------------------------ */

static _Atomic int phase;

static void take_lock(struct hm_lock *lock)
{
    hm_lock_fork_take(lock);
}

static void *hold_all_as_a_fork_does(void *unused)
{
    hm_lock_fork_begin();
    hm_slab_fork(take_lock);
    hm_superslab_fork(take_lock);
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
    struct hm_slab *full = take_all(0), *listed = take_all(BLOCKS), *last = take_all(2 * BLOCKS);
    struct hm_slab *current = take_all(3 * BLOCKS);

    hm_slab_let_go(full);
    hm_slab_let_go(listed);
    hm_slab_let_go(last);
    hm_slab_give(&slots[BLOCKS], 1);
    hm_slab_give(&slots[2 * BLOCKS], BLOCKS - 1);
    REQUIRE(pthread_create(&thread, NULL, hold_all_as_a_fork_does, NULL) == 0);
    WAIT_UNTIL(atomic_load(&phase) == 1);
    REQUIRE(hm_slab_adopt(0, CLS) == NULL);
    hm_slab_give(&slots[0], 1);                 /* full: to be listed */
    hm_slab_give(&slots[3 * BLOCKS - 1], 1);    /* listed: empty */
    hm_slab_give(&slots[3 * BLOCKS], 5);        /* current */
    hm_slab_let_go(current);                    /* to be listed */
    hm_slab_give(&slots[3 * BLOCKS + 5], BLOCKS - 5); /* and empty before it is */
    atomic_store(&phase, 2);
    pthread_join(thread, NULL);
    /* What is partial is found again; what is empty goes as soon as its list is looked at, or
     * is found. */
    for (int i = 0; i < 3; i++) {
        struct hm_slab *slab = adopt(0);

        REQUIRE(slab == full || slab == listed || slab == last);
        struct hm_slot taken[BLOCKS];
        unsigned n = hm_slab_take(slab, taken, BLOCKS);

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

    REQUIRE(hm_slab_take(slab, slots, 10) == 10);
    /* As if a thread had been between the two steps of taking five more. */
    uint64_t before = life(slab);

    REQUIRE(hm_slab_take(slab, slots + 10, 5) == 5);
    hm_store_relaxed(&slab->life, before);
    hm_slab_let_go_orphan(slab);
    REQUIRE(live(slab) == 15 && flags(slab) == HM_LIFE_LISTED);
}

/* ---- Threads: no block is ever in two hands -------------------------------------------------- */

enum { THREADS = 4, HELD = 200, EXCHANGE = 64 };

static const unsigned mix[] = {1, 17, 64, 72, 104}; /* classes */
static _Atomic(struct hm_slot *) exchange[EXCHANGE]; /* blocks on their way to another thread */

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
        w->current[k] = hm_slab_adopt(w->seed % 2, mix[k]);
    REQUIRE(w->current[k] != NULL);
    unsigned got = hm_slab_take(w->current[k], w->held + w->count, want);

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
        hm_slab_fork(take_lock);
        hm_superslab_fork(take_lock);
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
        struct hm_slab *slab = hm_slab_adopt(0, CLS);

        if (slab == NULL)
            continue; /* fork elsewhere */
        unsigned n = hm_slab_take(slab, mine, 1 + (unsigned)step % BLOCKS);

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
        cmocka_unit_test(a_new_slab_has_all_blocks_of_its_class),
        cmocka_unit_test(the_lowest_blocks_are_taken_first),
        cmocka_unit_test(blocks_of_several_slabs_can_be_given_at_once),
        cmocka_unit_test(an_empty_slab_that_is_let_go_is_gone),
        cmocka_unit_test(a_partial_slab_that_is_let_go_is_listed_and_found),
        cmocka_unit_test(a_full_slab_belongs_to_nobody_until_a_block_returns),
        cmocka_unit_test(a_listed_slab_whose_last_block_returns_is_gone),
        cmocka_unit_test(a_full_slab_whose_blocks_all_return_at_once_is_gone),
        cmocka_unit_test(lists_survive_removals_in_any_order),
        cmocka_unit_test(every_life_of_a_run_has_another_generation),
        cmocka_unit_test(slabs_of_other_shards_are_adopted_before_a_new_one_is_made),
        cmocka_unit_test(a_block_given_twice_is_found_out),
        cmocka_unit_test(free_pages_of_partial_slabs_are_purged_and_live_blocks_stay),
        cmocka_unit_test(what_happens_while_another_thread_forks_is_made_up_for),
        cmocka_unit_test(an_orphan_is_counted_by_its_map),
        cmocka_unit_test(no_block_is_ever_in_two_hands_and_every_slab_returns),
        cmocka_unit_test(the_same_outside_the_window),
        cmocka_unit_test(a_thread_that_forks_all_the_time_makes_nobody_lose_a_slab),
    };

    return RUN_TESTS(tests);
}
