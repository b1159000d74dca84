/* SPDX-License-Identifier: MIT */
/* quarantine: freed blocks wait. The blocks here are numbers, for nobody looks into them.
 *
 * Linked with --wrap=hm_meta_alloc: what a lane is to grow by comes through this file,
 * while the lane's lock is not held, and other threads may be at it. */
#include "layers.h"

#include "quarantine.h"
#include "random.h"

#define LANE 3
#define EACH 16 /* bytes of a block */

static void (*meanwhile)(void); /* once, when a lane grows */

void *__real_hm_meta_alloc(size_t size);
void *__wrap_hm_meta_alloc(size_t size);

void *__wrap_hm_meta_alloc(size_t size)
{
    void (*now)(void) = meanwhile;
    void *p = __real_hm_meta_alloc(size);

    if (now != NULL) {
        meanwhile = NULL;
        now();
    }
    return p;
}

static void quarantine_up(const char *conf)
{
    layers_up(conf);
    hm_random_init();
    hm_quarantine_init();
}

static bool put(size_t number)
{
    struct hm_freed b = {(char *)(number * EACH), EACH, 1 + (unsigned)(number % 100)};
    return hm_quarantine_put(LANE, &b);
}

static size_t number_of(const struct hm_freed *b)
{
    size_t number = (uintptr_t)b->slot / EACH;

    REQUIRE(b->size == EACH && b->cls == 1 + number % 100);
    return number;
}

/* Empties it: 1 … count are there, each once, and nothing else. */
static void all_come_out(size_t count)
{
    struct hm_freed b;
    bool *seen = calloc(count + 1, sizeof *seen);

    REQUIRE(seen != NULL && hm_quarantine_held() == count * EACH);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(hm_quarantine_take_any(&b));
        size_t number = number_of(&b);
        REQUIRE(number >= 1 && number <= count && !seen[number]);
        seen[number] = true;
    }
    REQUIRE(!hm_quarantine_take_any(&b) && hm_quarantine_held() == 0);
    free(seen);
}

IN_CHILD(a_lane_grows_and_keeps_what_it_has)
{
    quarantine_up("quarantine_bytes = 64M\n");
    for (size_t count = 1; count < 5000; count = count * 3 + 1) {
        for (size_t i = 1; i <= count; i++)
            REQUIRE(put(i));
        all_come_out(count);
    }
}

static void two_hundred_more(void)
{
    for (size_t i = 258; i <= 457; i++)
        REQUIRE(put(i));
}

IN_CHILD(a_lane_that_another_grew_meanwhile_keeps_what_both_put)
{
    quarantine_up("quarantine_bytes = 64M\n");
    for (size_t i = 1; i <= 256; i++)
        REQUIRE(put(i));
    meanwhile = two_hundred_more; /* what they need, they make first */
    REQUIRE(put(257));
    REQUIRE(meanwhile == NULL);
    all_come_out(457);
}

static _Atomic int phase;

static void *fork_when_told(void *unused)
{
    WAIT_UNTIL(atomic_load(&phase) == 1);
    hm_lock_fork_begin();
    hm_quarantine_fork(hm_lock_fork_take);
    atomic_store(&phase, 2);
    WAIT_UNTIL(atomic_load(&phase) == 3);
    hm_quarantine_fork(hm_lock_fork_give);
    hm_lock_fork_end();
    return unused;
}

static void fork_begins(void)
{
    atomic_store(&phase, 1);
    WAIT_UNTIL(atomic_load(&phase) == 2);
}

IN_CHILD(what_a_lane_was_to_grow_by_is_not_lost_when_another_thread_forks)
{
    pthread_t thread;
    struct hm_freed b;

    quarantine_up("quarantine_bytes = 64M\n");
    REQUIRE(pthread_create(&thread, NULL, fork_when_told, NULL) == 0);
    for (size_t i = 1; i <= 256; i++)
        REQUIRE(put(i));
    size_t before = hm_meta_bytes();
    void *next = hm_meta_alloc(512 * EACH);
    hm_meta_free(next, 512 * EACH);
    meanwhile = fork_begins;
    REQUIRE(!put(257) && !put(258));
    REQUIRE(!hm_quarantine_take_any(&b));
    /* It is where it was, for whoever wants as much. */
    REQUIRE(hm_meta_alloc(512 * EACH) == next && hm_meta_bytes() == before);
    hm_meta_free(next, 512 * EACH);
    atomic_store(&phase, 3);
    REQUIRE(pthread_join(thread, NULL) == 0);
    /* A lane that could not grow gives one away first. */
    REQUIRE(hm_quarantine_take(LANE, &b));
    REQUIRE(put(number_of(&b)) && put(257));
    all_come_out(257);
}

/* Where bytes would allow more than there may be entries. */
IN_CHILD(a_lane_that_is_full_gives_one_for_one)
{
    enum { MOST = 1 << 17 };
    struct hm_freed b;

    quarantine_up("quarantine_bytes = 1G\n");
    for (size_t i = 1; i <= MOST; i++)
        REQUIRE(put(i) && !hm_quarantine_take(LANE, &b));
    REQUIRE(!put(MOST + 1));
    REQUIRE(hm_quarantine_take(LANE, &b));
    REQUIRE(!hm_quarantine_take(LANE, &b));
    REQUIRE(put(number_of(&b)));
    all_come_out(MOST);
}

/* Q2 and Q3 */
IN_CHILD(what_leaves_was_there_for_half_of_the_length_at_least)
{
    enum { LENGTH = 1000, ALL = 20000 };
    static size_t out[ALL + 1];
    struct hm_freed b;
    size_t in_order = 0, last = 0, left = 0;

    quarantine_up("quarantine_bytes = 16000\n");
    for (size_t i = 1; i <= ALL; i++) {
        REQUIRE(put(i));
        while (hm_quarantine_take(LANE, &b)) {
            size_t number = number_of(&b);
            REQUIRE(out[number] == 0);
            out[number] = i;
            REQUIRE(i - number >= LENGTH / 2 - 1);
            in_order += number == last + 1;
            last = number;
            left++;
        }
        REQUIRE(hm_quarantine_held() <= LENGTH * EACH);
    }
    REQUIRE(left == ALL - LENGTH);
    REQUIRE(in_order < left / 10); /* one in some hundreds, by chance */
}

IN_CHILD(a_block_that_would_drive_out_all_others_is_not_taken_in)
{
    struct hm_freed b = {(char *)(uintptr_t)EACH, 2001, 1};

    quarantine_up("quarantine_bytes = 16000\n");
    REQUIRE(!hm_quarantine_put(LANE, &b) && hm_quarantine_held() == 0);
    b.size = 2000;
    REQUIRE(hm_quarantine_put(LANE, &b) && hm_quarantine_held() == 2000);
}

/* Whoever has little takes from the lane that has most. */
IN_CHILD(a_thread_that_frees_much_does_not_drive_out_what_others_freed)
{
    struct hm_freed few = {(char *)(uintptr_t)EACH, EACH, 1}, b;

    quarantine_up("quarantine_bytes = 16000\n");
    REQUIRE(hm_quarantine_put(LANE + 1, &few));
    for (size_t i = 2; i <= 5000; i++) {
        REQUIRE(put(i));
        while (hm_quarantine_take(i % 2 == 0 ? LANE : LANE + 1, &b))
            REQUIRE(b.slot != few.slot);
    }
}

static size_t visited;

static void visit(const struct hm_freed *b, void *arg)
{
    number_of(b);
    REQUIRE(arg == &visited);
    visited++;
}

static void *put_many(void *arg)
{
    size_t first = *(size_t *)arg;

    for (size_t i = first; i < first + 20000; i++)
        REQUIRE(put(i));
    return NULL;
}

IN_CHILD(threads_put_into_one_lane_at_once)
{
    size_t first[] = {1, 20001, 40001, 60001};

    quarantine_up("quarantine_bytes = 64M\n");
    run_threads(COUNT(first), put_many, first, sizeof first[0]);
    hm_quarantine_each(visit, &visited);
    REQUIRE(visited == 80000);
    all_come_out(80000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_grows_and_keeps_what_it_has),
        cmocka_unit_test(a_lane_that_another_grew_meanwhile_keeps_what_both_put),
        cmocka_unit_test(
            what_a_lane_was_to_grow_by_is_not_lost_when_another_thread_forks),
        cmocka_unit_test(a_lane_that_is_full_gives_one_for_one),
        cmocka_unit_test(what_leaves_was_there_for_half_of_the_length_at_least),
        cmocka_unit_test(a_block_that_would_drive_out_all_others_is_not_taken_in),
        cmocka_unit_test(a_thread_that_frees_much_does_not_drive_out_what_others_freed),
        cmocka_unit_test(threads_put_into_one_lane_at_once),
    };

    return RUN_TESTS(tests);
}
