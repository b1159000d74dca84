/* SPDX-License-Identifier: MIT */
/* process: fork among threads. What must hold is that a child can allocate, whichever
 * thread forked and whatever the others were doing. */
#include "support.h"

#include "big.h"
#include "check.h"
#include "meta.h"
#include "process.h"
#include "tcache.h"

#include <sched.h>
#include <stdatomic.h>

void *hm_test_malloc(size_t size);
void hm_test_free(void *block);

#define take hm_test_malloc
#define give hm_test_free

static _Atomic bool stop;

/* Blocks of every kind: every lock there is gets used. */
static void use_the_heap(void)
{
    static const size_t sizes[] = {16, 700, 5000, 40000, 300000, 2000000};
    char *blocks[COUNT(sizes)];

    for (size_t i = 0; i < COUNT(sizes); i++) {
        blocks[i] = take(sizes[i]);
        REQUIRE(blocks[i] != NULL);
        blocks[i][0] = blocks[i][sizes[i] - 1] = 1;
    }
    for (size_t i = 0; i < COUNT(sizes); i++)
        give(blocks[i]);
}

static void *use_the_heap_all_the_time(void *unused)
{
    while (!atomic_load(&stop))
        use_the_heap();
    return unused;
}

/* The child's alarm is the one that ends a deadlock. */
static void fork_and_use_the_heap_in_the_child(void)
{
    pid_t pid = fork();
    int status;

    REQUIRE(pid >= 0);
    if (pid == 0) {
        become_plain_child(20);
        for (int i = 0; i < 3; i++)
            use_the_heap();
        _exit(0);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    if (status != 0)
        dprintf(2, "# the child's status is %#x\n", (unsigned)status);
    REQUIRE(status == 0);
}

static void *fork_often(void *before)
{
    if (*(bool *)before)
        use_the_heap();
    for (long i = 0; i < scaled(300); i++)
        fork_and_use_the_heap_in_the_child();
    return NULL;
}

/* Forks from threads that have allocated before, or have not. */
static void forks(size_t count, bool before)
{
    bool arguments[3] = {before, before, before};
    pthread_t busy;

    REQUIRE(pthread_create(&busy, NULL, use_the_heap_all_the_time, NULL) == 0);
    run_threads(count, fork_often, arguments, sizeof arguments[0]);
    atomic_store(&stop, true);
    pthread_join(busy, NULL);
}

IN_CHILD(threads_may_fork_at_the_same_time)
{
    forks(3, true);
}

IN_CHILD(a_thread_that_never_allocated_may_fork)
{
    forks(1, false);
}

static void *first_calls(void *unused)
{
    for (int i = 0; i < 20; i++)
        use_the_heap();
    return unused;
}

IN_CHILD(a_fork_may_meet_the_first_malloc_of_a_thread)
{
    use_the_heap();
    for (long i = 0; i < scaled(500); i++) {
        pthread_t thread;

        REQUIRE(pthread_create(&thread, NULL, first_calls, NULL) == 0);
        for (long k = 0; k < i % 50; k++)
            sched_yield();
        fork_and_use_the_heap_in_the_child();
        pthread_join(thread, NULL);
    }
}

static void *short_life(void *unused)
{
    use_the_heap();
    return unused;
}

IN_CHILD(a_fork_may_meet_the_end_of_a_thread)
{
    for (long i = 0; i < scaled(500); i++) {
        pthread_t thread;

        REQUIRE(pthread_create(&thread, NULL, short_life, NULL) == 0);
        fork_and_use_the_heap_in_the_child();
        fork_and_use_the_heap_in_the_child();
        pthread_join(thread, NULL);
    }
}

/* A signal handler's fork may come in the middle of any critical section, while another
 * thread, the helper for one, makes the locks necessary. Here it comes inside each. */
static struct hm_lock *interrupted;
static unsigned to_interrupt, lock_number;

static void choose(struct hm_lock *l)
{
    if (lock_number++ == to_interrupt)
        interrupted = l;
}

static void each_lock(void (*each)(struct hm_lock *))
{
    lock_number = 0;
    each(hm_check_lock());
    hm_tcache_fork(each);
    hm_slab_fork(each);
    hm_superslab_fork(each);
    each(hm_big_lock());
    hm_window_fork(each);
    each(hm_meta_lock());
}

/* What follows is not the heap's use in the handler, which nobody may make there, but
 * what the interrupted code does when the handler has returned. */
static void fork_inside_a_critical_section(void)
{
    REQUIRE(hm_lock_acquire(interrupted));
    pid_t pid = fork();
    int status;

    REQUIRE(pid >= 0);
    if (pid == 0)
        become_plain_child(60);
    hm_lock_release(interrupted);
    for (int i = 0; i < 3; i++)
        use_the_heap();
    REQUIRE(hm_check_heap() == 0);
    if (pid == 0)
        _exit(0);
    REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
}

IN_CHILD(a_signal_handler_may_fork_inside_any_critical_section)
{
    pthread_t busy;

    use_the_heap();
    REQUIRE(pthread_create(&busy, NULL, use_the_heap_all_the_time, NULL) == 0);
    for (int round = 0; round < 10; round++)
        for (to_interrupt = 0;; to_interrupt++) {
            interrupted = NULL;
            each_lock(choose);
            if (interrupted == NULL)
                break;
            fork_inside_a_critical_section();
        }
    atomic_store(&stop, true);
    pthread_join(busy, NULL);
}

int main(void)
{
    SKIP_ALL_UNDER_TSAN("forks of a process with threads");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_may_fork_at_the_same_time),
        cmocka_unit_test(a_thread_that_never_allocated_may_fork),
        cmocka_unit_test(a_fork_may_meet_the_first_malloc_of_a_thread),
        cmocka_unit_test(a_fork_may_meet_the_end_of_a_thread),
        cmocka_unit_test(a_signal_handler_may_fork_inside_any_critical_section),
    };

    return RUN_TESTS(tests);
}
