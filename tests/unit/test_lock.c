/* SPDX-License-Identifier: MIT */
/* lock: mutual exclusion, and what happens while a thread forks. No thread really forks
 * here: begin, take, give and end are called as process.c calls them. */
#include "layers.h"

#include "lock.h"

static struct hm_lock lock, second;

static int set_up(void **state)
{
    (void)state;
    hm_lock_init(&lock, HM_RANK_RUNS);
    hm_lock_init(&second, HM_RANK_META);
    return 0;
}

/* ---- Without fork -------------------------------------------------------------------- */

static size_t shared; /* not atomic: what the lock guards */

static void *count_up(void *arg)
{
    long rounds = *(long *)arg;

    for (long i = 0; i < rounds; i++) {
        REQUIRE(hm_lock_acquire(&lock));
        size_t seen = shared;

        if (i % 64 == 0)
            sched_yield(); /* while holding it: the others have to sleep */
        shared = seen + 1;
        hm_lock_release(&lock);
    }
    return NULL;
}

static void one_thread_at_a_time(void **state)
{
    long rounds[8];

    (void)state;
    for (size_t i = 0; i < COUNT(rounds); i++)
        rounds[i] = scaled(20000);
    shared = 0;
    run_threads(COUNT(rounds), count_up, rounds, sizeof rounds[0]);
    assert_int_equal(shared, COUNT(rounds) * (size_t)rounds[0]);
    assert_int_equal(hm_load_relaxed(&lock.word), 0);
}

static void *try_once(void *result)
{
    *(bool *)result = hm_lock_try(&lock);
    if (*(bool *)result)
        hm_lock_release(&lock);
    return NULL;
}

static bool other_thread_can_try(void)
{
    bool result;

    run_threads(1, try_once, &result, sizeof result);
    return result;
}

static void try_does_not_wait(void **state)
{
    (void)state;
    assert_true(hm_lock_acquire(&lock));
    assert_false(other_thread_can_try());
    hm_lock_release(&lock);
    assert_true(other_thread_can_try());
}

static _Atomic bool done;

static void *acquire_and_tell(void *result)
{
    *(bool *)result = hm_lock_acquire(&lock);
    if (*(bool *)result)
        hm_lock_release(&lock);
    atomic_store(&done, true);
    return NULL;
}

static void wait_for_a_sleeper(uint64_t waits_before)
{
    WAIT_UNTIL(hm_load_relaxed(&hm_lock_waits) > waits_before);
}

static void a_sleeper_is_woken_by_the_release(void **state)
{
    uint64_t waits = hm_load_relaxed(&hm_lock_waits);
    bool got = false;
    pthread_t thread;

    (void)state;
    atomic_store(&done, false);
    assert_true(hm_lock_acquire(&lock));
    assert_int_equal(pthread_create(&thread, NULL, acquire_and_tell, &got), 0);
    wait_for_a_sleeper(waits);
    assert_false(atomic_load(&done));
    hm_lock_release(&lock);
    pthread_join(thread, NULL);
    assert_true(got);
}

/* ---- While a thread forks ------------------------------------------------------------ */

static void fork_takes_both(void)
{
    hm_lock_fork_begin();
    hm_lock_fork_take(&lock);
    hm_lock_fork_take(&second);
}

static void fork_is_over(void)
{
    hm_lock_fork_give(&lock);
    hm_lock_fork_give(&second);
    hm_lock_fork_end();
}

static bool other_thread_can_acquire(void)
{
    bool result;

    run_threads(1, acquire_and_tell, &result, sizeof result);
    return result;
}

static void *try_second(void *result)
{
    *(bool *)result = hm_lock_try(&second);
    if (*(bool *)result)
        hm_lock_release(&second);
    return NULL;
}

static bool other_thread_can_take_second(void)
{
    bool result;

    run_threads(1, try_second, &result, sizeof result);
    return result;
}

static void other_threads_get_false_at_once(void **state)
{
    (void)state;
    fork_takes_both();
    assert_false(other_thread_can_acquire());
    assert_false(other_thread_can_try());
    fork_is_over();
    assert_true(other_thread_can_acquire());
    assert_true(other_thread_can_try());
}

static void the_forking_thread_passes_through_its_locks(void **state)
{
    (void)state;
    fork_takes_both();
    for (int i = 0; i < 3; i++) {
        assert_true(hm_lock_acquire(&lock));
        assert_true(hm_lock_try(&second));
        hm_lock_release(&second);
        hm_lock_release(&lock);
        assert_false(
            other_thread_can_acquire()); /* the release did not end the fork's hold */
    }
    fork_is_over();
}

static void *hold_until_told(void *arg)
{
    (void)arg;
    REQUIRE(hm_lock_acquire(&lock));
    atomic_store(&done, true);
    WAIT_UNTIL(!atomic_load(&done));
    hm_lock_release(&lock);
    return NULL;
}

static void *acquire_as_a_waiter(void *result)
{
    *(bool *)result = hm_lock_acquire(&lock);
    if (*(bool *)result)
        hm_lock_release(&lock);
    return NULL;
}

/* A holds, B sleeps, this thread forks: it gets the lock from A, and B goes on without,
 * or had it in between. Nobody is left asleep. */
static void a_fork_waits_for_the_holder_and_sends_sleepers_on(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        uint64_t waits = hm_load_relaxed(&hm_lock_waits);
        pthread_t holder, sleeper;
        bool got;

        atomic_store(&done, false);
        assert_int_equal(pthread_create(&holder, NULL, hold_until_told, NULL), 0);
        WAIT_UNTIL(atomic_load(&done));
        assert_int_equal(pthread_create(&sleeper, NULL, acquire_as_a_waiter, &got), 0);
        wait_for_a_sleeper(waits);
        atomic_store(&done, false);
        fork_takes_both();
        pthread_join(sleeper, NULL);
        pthread_join(holder, NULL);
        fork_is_over();
    }
}

static void *fork_elsewhere(void *result)
{
    *(bool *)result = hm_lock_fork_elsewhere();
    return NULL;
}

static void elsewhere_is_true_for_the_others_only(void **state)
{
    bool there;

    (void)state;
    assert_false(hm_lock_fork_elsewhere());
    fork_takes_both();
    assert_false(hm_lock_fork_elsewhere());
    run_threads(1, fork_elsewhere, &there, sizeof there);
    assert_true(there);
    fork_is_over();
    run_threads(1, fork_elsewhere, &there, sizeof there);
    assert_false(there);
}

IN_CHILD(the_child_of_a_fork_has_free_locks)
{
    fork_takes_both();
    pid_t pid = fork();

    REQUIRE(pid >= 0);
    if (pid == 0) {
        alarm(60);
        hm_lock_fork_give(&lock);
        hm_lock_fork_give(&second);
        hm_lock_fork_end();
        REQUIRE(!hm_lock_fork_elsewhere());
        REQUIRE(hm_lock_acquire(&lock) && hm_lock_try(&second));
        hm_lock_release(&second);
        hm_lock_release(&lock);
        _exit(0);
    }
    fork_is_over();
    int status;

    REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
}

/* A signal handler that forks may have interrupted whoever holds the lock. */
static void a_lock_that_the_forking_thread_held_is_refused_to_all(void **state)
{
    (void)state;
    for (int waited = 0; waited < 2; waited++) {
        uint64_t waits = hm_load_relaxed(&hm_lock_waits);
        pthread_t sleeper;
        bool got = true;

        assert_true(hm_lock_acquire(&lock));
        if (waited) {
            assert_int_equal(
                pthread_create(&sleeper, NULL, acquire_as_a_waiter, &got), 0);
            wait_for_a_sleeper(waits);
        }
        fork_takes_both();
        if (waited) { /* it might own what the fork is about to wait for */
            pthread_join(sleeper, NULL);
            assert_false(got);
        }
        assert_false(hm_lock_acquire(&lock));
        assert_false(hm_lock_try(&lock));
        assert_false(other_thread_can_acquire());
        assert_true(hm_lock_try(&second));
        hm_lock_release(&second);
        fork_is_over();
        assert_false(other_thread_can_try()); /* it is held as before */
        assert_true(other_thread_can_take_second());
        hm_lock_release(&lock);
        assert_true(other_thread_can_try());
    }
}

IN_CHILD(a_lock_held_before_the_fork_is_held_in_its_child)
{
    REQUIRE(hm_lock_acquire(&lock));
    fork_takes_both();
    pid_t pid = fork();

    REQUIRE(pid >= 0);
    if (pid == 0)
        alarm(60);
    REQUIRE(!hm_lock_fork_elsewhere() && !hm_lock_try(&lock) && hm_lock_try(&second));
    hm_lock_release(&second);
    fork_is_over();
    REQUIRE(!hm_lock_try(&lock) && hm_lock_try(&second));
    hm_lock_release(&second);
    hm_lock_release(&lock);
    REQUIRE(hm_lock_try(&lock));
    if (pid == 0)
        _exit(0);
    int status;

    REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Threads that lock all the time, and one that takes and gives as a fork does: what the
 * lock guards is never in two hands, and the others never wait for the fork's end. */
static _Atomic bool stop;
static _Atomic uint64_t passed, refused;

static void *lock_all_the_time(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        if (!hm_lock_acquire(&lock)) {
            atomic_fetch_add(&refused, 1);
            continue;
        }
        shared++;
        REQUIRE(shared % 2 == 1);
        shared++;
        hm_lock_release(&lock);
        atomic_fetch_add(&passed, 1);
    }
    return NULL;
}

static void forks_and_holders_exclude_each_other(void **state)
{
    pthread_t threads[3];

    (void)state;
    shared = 0;
    atomic_store(&stop, false);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, lock_all_the_time, NULL), 0);
    for (long i = 0; i < scaled(2000); i++) {
        uint64_t before = atomic_load(&refused);

        fork_takes_both();
        size_t seen = shared;

        assert_int_equal(seen % 2, 0);
        if (i % 16 == 0)
            WAIT_UNTIL(atomic_load(&refused) >
                       before); /* while it is held: nobody waits */
        assert_int_equal(shared, seen);
        before = atomic_load(&passed);
        fork_is_over();
        if (i % 16 == 0)
            WAIT_UNTIL(atomic_load(&passed) > before);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_at_a_time),
        cmocka_unit_test(try_does_not_wait),
        cmocka_unit_test(a_sleeper_is_woken_by_the_release),
        cmocka_unit_test(other_threads_get_false_at_once),
        cmocka_unit_test(the_forking_thread_passes_through_its_locks),
        cmocka_unit_test(a_fork_waits_for_the_holder_and_sends_sleepers_on),
        cmocka_unit_test(elsewhere_is_true_for_the_others_only),
        cmocka_unit_test(the_child_of_a_fork_has_free_locks),
        cmocka_unit_test(a_lock_that_the_forking_thread_held_is_refused_to_all),
        cmocka_unit_test(a_lock_held_before_the_fork_is_held_in_its_child),
        cmocka_unit_test(forks_and_holders_exclude_each_other),
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, NULL);
}
