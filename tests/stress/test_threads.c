/* SPDX-License-Identifier: MIT */
/* The life and death of threads: thousands of them, blocks that outlive them, what they
 * still do in their destructors, small stacks, pthread_exit from main, cancellation. */
#include "../support.h"

#include <limits.h>
#include <sched.h>
#include <stdatomic.h>

/* Any mix of calls: small, medium, big, aligned. */
static void use_the_heap(void)
{
    for (size_t size = 1; size <= 4 * MIB; size *= 2) {
        char *p = malloc(size), *q = memalign(256, size);
        REQUIRE(p != NULL && q != NULL);
        p[0] = p[size - 1] = q[0] = q[size - 1] = 1;
        p = realloc(p, size + size / 2 + 1);
        REQUIRE(p != NULL && p[size - 1] == 1);
        free(p);
        free(q);
    }
}

/* ---- Blocks outlive threads
 * --------------------------------------------------------------- */

enum { LEGACY = 40 };

struct testament {
    uint64_t seed;
    void *block[LEGACY];
    size_t size[LEGACY];
};

static void *allocate_and_die(void *arg)
{
    struct testament *t = arg;
    struct rng r = rng_seed(t->seed);
    for (size_t i = 0; i < LEGACY; i++) {
        t->size[i] = rng_size(&r, 14);
        t->block[i] = malloc(t->size[i]);
        REQUIRE(t->block[i] != NULL);
        fill(t->block[i], t->size[i], t->seed + i);
        if (i % 3 == 0)
            free(hide(malloc(t->size[i])));
    }
    return NULL;
}

static void execute(struct testament *t)
{
    for (size_t i = 0; i < LEGACY; i++) {
        REQUIRE(intact(t->block[i], t->size[i], t->seed + i));
        free(t->block[i]);
    }
}

static void blocks_of_ten_thousand_dead_threads_live_on(void **state)
{
    (void)state;
    enum { GROUP = 40 };
    size_t groups = (size_t)(scaled(10000) + GROUP - 1) / GROUP;
    struct testament *all = calloc(groups * GROUP, sizeof *all);
    assert_non_null(all);
    for (size_t g = 0; g < groups; g++) {
        struct testament *group = &all[g * GROUP];
        for (size_t i = 0; i < GROUP; i++)
            group[i].seed = g * GROUP + i;
        run_threads(GROUP, allocate_and_die, group, sizeof *group);
        /* Half of the blocks are freed at once, by this thread, half after all. */
        for (size_t i = 0; i < GROUP; i += 2)
            execute(&group[i]);
        if (g % 25 == 0)
            assert_true(is_sound());
    }
    assert_true(is_sound());
    for (size_t i = 1; i < groups * GROUP; i += 2)
        execute(&all[i]);
    free(all);
    assert_true(is_sound());
}

static void *come_and_go(void *arg)
{
    (void)arg;
    void *blocks[200];
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = malloc(i * 20 + 1);
        REQUIRE(blocks[i] != NULL);
        memset(blocks[i], 1, i * 20 + 1);
    }
    for (size_t i = 0; i < COUNT(blocks); i++)
        free(blocks[i]);
    return NULL;
}

static void dead_threads_leave_no_memory_behind(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        run_threads(4, come_and_go, NULL, 0);
    size_t early = resident_bytes();
    for (long i = scaled(1500); i > 0; i--)
        run_threads(4, come_and_go, NULL, 0);
    assert_true(resident_bytes() < early + 16 * MIB);
    if (HAVE(hakmem_stats)) {
        struct hakmem_stats s = stats_now();
        assert_true(s.thread_caches <= 8);
        assert_true(s.parked_caches <= 64);
    }
}

static pthread_barrier_t all_there, may_leave;

static void *hold_16_kib(void *arg)
{
    (void)arg;
    void *blocks[16];
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = malloc(KIB);
        REQUIRE(blocks[i] != NULL);
        memset(blocks[i], 1, KIB);
    }
    pthread_barrier_wait(&all_there);
    pthread_barrier_wait(&may_leave);
    for (size_t i = 0; i < COUNT(blocks); i++)
        free(blocks[i]);
    return NULL;
}

/* The profiles that trade memory for time may take more. */
static size_t bound_of_a_thread(void)
{
    bool generous =
        HAVE(hakmem_profile) && (strcmp(hakmem_profile(), "throughput") == 0 ||
                                 strcmp(hakmem_profile(), "high-contention") == 0);
    return generous ? 128 * KIB : 48 * KIB;
}

/* glibc needs 25 kB for a thread that holds 16 KiB, other allocators up to half a MB.
 * Here with the pages of stack and TLS that the thread touches. */
static void a_thousand_threads_at_once_cost_little_more_than_they_hold(void **state)
{
    (void)state;
    NEED(LIBC_IS_OURS, "threads whose other memory is small");
    enum { AT_ONCE = 1000 };
    static pthread_t ids[AT_ONCE];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * KIB);
    pthread_barrier_init(&all_there, NULL, AT_ONCE + 1);
    pthread_barrier_init(&may_leave, NULL, AT_ONCE + 1);
    malloc_trim(0);
    size_t before = resident_bytes();
    for (size_t i = 0; i < AT_ONCE; i++)
        assert_int_equal(pthread_create(&ids[i], &attributes, hold_16_kib, NULL), 0);
    pthread_barrier_wait(&all_there);
    size_t during = resident_bytes();
    pthread_barrier_wait(&may_leave);
    for (size_t i = 0; i < AT_ONCE; i++)
        assert_int_equal(pthread_join(ids[i], NULL), 0);
    pthread_attr_destroy(&attributes);
    if (during - before > (size_t)AT_ONCE * bound_of_a_thread())
        fail_msg("%zu bytes a thread", (during - before) / AT_ONCE);
}

/* ---- Destructors of thread-specific data
 * ------------------------------------------------- */

static pthread_key_t key;
static _Atomic long destructor_calls;
static void *_Atomic last_words[64];

/* Frees what the thread held, allocates again and stays armed until the rounds are over:
 * the allocator's own destructor has run in the middle of this. */
static void rearm(void *held)
{
    long call = ++destructor_calls;
    REQUIRE(intact(held, 500, 9));
    free(held);
    use_the_heap();
    void *next = malloc(500);
    REQUIRE(next != NULL);
    fill(next, 500, 9);
    /* In the last round nobody will call again: main frees what is left. */
    free(atomic_exchange(&last_words[(size_t)call % COUNT(last_words)], malloc(100)));
    if (pthread_setspecific(key, next) != 0 ||
        call % PTHREAD_DESTRUCTOR_ITERATIONS == 0) {
        pthread_setspecific(key, NULL);
        free(next);
    }
}

static void *hold_something(void *arg)
{
    (void)arg;
    void *held = malloc(500);
    REQUIRE(held != NULL);
    fill(held, 500, 9);
    REQUIRE(pthread_setspecific(key, held) == 0);
    return NULL;
}

static void destructors_may_free_and_allocate_in_every_round(void **state)
{
    (void)state;
    NEED(!UNDER_TSAN, "destructors that run to the end");
    assert_int_equal(pthread_key_create(&key, rearm), 0);
    for (long i = scaled(300); i > 0; i--) {
        /* One at a time: the count of calls tells the rounds apart. */
        run_threads(1, hold_something, NULL, 0);
    }
    assert_int_equal(destructor_calls % PTHREAD_DESTRUCTOR_ITERATIONS, 0);
    assert_int_equal(destructor_calls, scaled(300) * PTHREAD_DESTRUCTOR_ITERATIONS);
    for (size_t i = 0; i < COUNT(last_words); i++)
        free(atomic_exchange(&last_words[i], NULL));
    pthread_key_delete(key);
}

/* Many keys, so that some run before the allocator's and some after, whatever its number.
 */
static void *hold_much(void *arg)
{
    pthread_key_t *keys = arg;
    for (size_t i = 0; i < 60; i++)
        REQUIRE(pthread_setspecific(keys[i], malloc(i * 100)) == 0);
    return NULL;
}

static void free_and_allocate(void *held)
{
    free(held);
    free(hide(malloc(300)));
}

static void sixty_keys_with_blocks_are_freed_in_any_order(void **state)
{
    (void)state;
    NEED(!UNDER_TSAN, "destructors that run to the end");
    static pthread_key_t keys[60];
    for (size_t i = 0; i < COUNT(keys); i++)
        assert_int_equal(pthread_key_create(&keys[i], i % 2 ? free : free_and_allocate),
                         0);
    for (long i = scaled(100); i > 0; i--)
        run_threads(4, hold_much, keys, 0);
    for (size_t i = 0; i < COUNT(keys); i++)
        pthread_key_delete(keys[i]);
}

/* What C++ uses for thread_local objects with destructors. */
extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *dso)
    __attribute__((weak)); /* glibc's */
extern void *__dso_handle;

static void *hold_a_thread_local(void *arg)
{
    (void)arg;
    void *object = malloc(200);
    REQUIRE(object != NULL);
    REQUIRE(__cxa_thread_atexit_impl(free_and_allocate, object, &__dso_handle) == 0);
    return NULL;
}

static void thread_local_destructors_may_free_and_allocate(void **state)
{
    (void)state;
    NEED(!UNDER_TSAN, "destructors that run to the end");
    NEED(__cxa_thread_atexit_impl != NULL, "a libc that has them");
    for (long i = scaled(200); i > 0; i--)
        run_threads(2, hold_a_thread_local, NULL, 0);
}

/* ---- Unusual threads
 * ----------------------------------------------------------------------- */

static void *use_the_heap_in_a_thread(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        use_the_heap();
    malloc_trim(0);
    return NULL;
}

static void the_smallest_stack_suffices(void **state)
{
    (void)state;
    NEED(!UNDER_TSAN, "destructors that run to the end");
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN),
                     0);
    for (int i = 0; i < 20; i++) {
        pthread_t id;
        assert_int_equal(pthread_create(&id, &attributes, use_the_heap_in_a_thread, NULL),
                         0);
        assert_int_equal(pthread_join(id, NULL), 0);
    }
    pthread_attr_destroy(&attributes);
}

/* ---- Signals, which interrupt system calls and waiting for locks: no call restarts by
 * itself, and none may be seen to have failed. */

static _Atomic long signals_taken;
static _Atomic bool signals_end;

static void count_signal(int signal)
{
    (void)signal;
    signals_taken++;
}

static void *keep_errno(void *arg)
{
    struct rng r = rng_seed((uintptr_t)&r);
    while (!signals_end) {
        size_t size = rng_size(&r, rng_below(&r, 50) == 0 ? 21 : 13);
        errno = 4321;
        char *p = malloc(size), *q = memalign(64, size);
        REQUIRE(p != NULL && q != NULL);
        fill(p, size, 5);
        p = realloc(p, 2 * size + 1);
        REQUIRE(p != NULL && intact(p, size, 5));
        free(p);
        free(q);
        if (rng_below(&r, 200) == 0)
            malloc_trim(0);
        REQUIRE(errno == 4321);
    }
    return arg;
}

static void signals_during_any_call_change_nothing_and_leave_errno(void **state)
{
    (void)state;
    enum { INTERRUPTED = 4 };
    pthread_t ids[INTERRUPTED];
    struct sigaction counts = {.sa_handler = count_signal}, before;
    assert_int_equal(sigaction(SIGUSR1, &counts, &before), 0);
    for (size_t i = 0; i < INTERRUPTED; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, keep_errno, NULL), 0);
    for (long sent = 0, least = scaled(5000); signals_taken < least; sent++) {
        assert_int_equal(pthread_kill(ids[sent % INTERRUPTED], SIGUSR1), 0);
        sched_yield();
    }
    signals_end = true;
    for (size_t i = 0; i < INTERRUPTED; i++)
        assert_int_equal(pthread_join(ids[i], NULL), 0);
    sigaction(SIGUSR1, &before, NULL);
    assert_true(is_sound());
}

static pthread_t main_thread;

static void *outlive_main(void *arg)
{
    REQUIRE(pthread_join(main_thread, NULL) == 0);
    REQUIRE(intact(arg, 1000, 3));
    free(arg);
    use_the_heap();
    exit(0);
}

static void leave_main_by_pthread_exit(void *arg)
{
    (void)arg;
    void *block = malloc(1000);
    REQUIRE(block != NULL);
    fill(block, 1000, 3);
    main_thread = pthread_self();
    pthread_t id;
    REQUIRE(pthread_create(&id, NULL, outlive_main, block) == 0);
    pthread_exit(NULL);
}

static void a_thread_may_outlive_main(void **state)
{
    (void)state;
    NEED(!UNDER_TSAN, "destructors that run to the end");
    for (int i = 0; i < 10; i++)
        ASSERT_CHILD(leave_main_by_pthread_exit, NULL);
}

static _Atomic long got_through;

/* With a cancellation pending, the first cancellation point is the end of the thread. */
static void *allocate_with_a_cancellation_pending(void *arg)
{
    (void)arg;
    REQUIRE(pthread_cancel(pthread_self()) == 0);
    use_the_heap();
    malloc_trim(0);
    got_through++;
    pthread_testcancel();
    got_through = -1000000;
    return NULL;
}

static void no_call_is_a_cancellation_point(void **state)
{
    (void)state;
    NEED(!UNDER_TSAN, "destructors that run to the end");
    got_through = 0;
    for (int i = 0; i < 20; i++)
        run_threads(2, allocate_with_a_cancellation_pending, NULL, 0);
    assert_int_equal(got_through, 40);
}

static void *allocate_until_cancelled(void *arg)
{
    _Atomic bool *begun = arg;
    for (;;) {
        void *block = malloc(700);
        pthread_cleanup_push(free, block);
        *begun = true;
        REQUIRE(block != NULL);
        pthread_testcancel();
        pthread_cleanup_pop(1);
    }
    return NULL;
}

static void cancelled_threads_free_in_their_cleanup(void **state)
{
    (void)state;
    NEED(!UNDER_TSAN, "destructors that run to the end");
    for (long i = scaled(200); i > 0; i--) {
        _Atomic bool begun = false;
        pthread_t id;
        void *result;
        assert_int_equal(pthread_create(&id, NULL, allocate_until_cancelled, &begun), 0);
        while (!begun)
            sched_yield();
        assert_int_equal(pthread_cancel(id), 0);
        assert_int_equal(pthread_join(id, &result), 0);
        assert_ptr_equal(result, PTHREAD_CANCELED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_ten_thousand_dead_threads_live_on),
        cmocka_unit_test(dead_threads_leave_no_memory_behind),
        cmocka_unit_test(a_thousand_threads_at_once_cost_little_more_than_they_hold),
        cmocka_unit_test(destructors_may_free_and_allocate_in_every_round),
        cmocka_unit_test(sixty_keys_with_blocks_are_freed_in_any_order),
        cmocka_unit_test(thread_local_destructors_may_free_and_allocate),
        cmocka_unit_test(the_smallest_stack_suffices),
        cmocka_unit_test(signals_during_any_call_change_nothing_and_leave_errno),
        cmocka_unit_test(a_thread_may_outlive_main),
        cmocka_unit_test(no_call_is_a_cancellation_point),
        cmocka_unit_test(cancelled_threads_free_in_their_cleanup),
    };
    return RUN_TESTS(tests);
}
