/* SPDX-License-Identifier: MIT */
/* fork while other threads are in the middle of malloc and free. The child has one
 * thread, all the memory, and none of the other threads' hands: it must be able to
 * allocate, to free what any thread had, to start threads and to fork again; the parent
 * must not notice.
 *
 * HM_TEST_FORKS is how often that happens in the first case. */
#include "../support.h"

#include <spawn.h>

enum { THREADS = 8, KEPT = 64 };

extern char **environ;

static _Atomic bool stop;

struct worker {
    struct rng random;
    void *block[KEPT];
    size_t size[KEPT];
};

/* Replaces random blocks, of every kind, until told to stop. */
static void *allocate_all_the_time(void *arg)
{
    struct worker *w = arg;
    while (!stop) {
        size_t i = rng_below(&w->random, KEPT);
        REQUIRE(intact(w->block[i], w->size[i], i));
        free(w->block[i]);
        w->size[i] = rng_size(&w->random, rng_below(&w->random, 200) == 0 ? 22 : 13);
        w->block[i] = malloc(w->size[i]);
        REQUIRE(w->block[i] != NULL);
        fill(w->block[i], w->size[i], i);
    }
    for (size_t i = 0; i < KEPT; i++) {
        REQUIRE(intact(w->block[i], w->size[i], i));
        free(w->block[i]);
        w->block[i] = NULL;
    }
    return NULL;
}

static struct worker workers[THREADS];
static pthread_t ids[THREADS];

static void start_workers(void)
{
    stop = false;
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].random = rng_seed(i);
        REQUIRE(pthread_create(&ids[i], NULL, allocate_all_the_time, &workers[i]) == 0);
    }
}

static void stop_workers(void)
{
    stop = true;
    for (size_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_join(ids[i], NULL) == 0);
}

/* A block of every kind and back, twice. */
static void use_the_heap(void)
{
    for (int round = 0; round < 2; round++) {
        void *blocks[22];
        for (size_t i = 0; i < COUNT(blocks); i++) {
            size_t size = (size_t)1 << i;
            blocks[i] = i % 3 ? malloc(size) : memalign(64, size);
            REQUIRE(blocks[i] != NULL);
            fill(blocks[i], size < 8192 ? size : 8192, i);
        }
        for (size_t i = 0; i < COUNT(blocks); i++) {
            size_t size = (size_t)1 << i;
            REQUIRE(intact(blocks[i], size < 8192 ? size : 8192, i));
            blocks[i] = realloc(blocks[i], size + size / 2 + 1);
            REQUIRE(blocks[i] != NULL);
            free(blocks[i]);
        }
    }
}

static void join_child(pid_t pid)
{
    int status;
    REQUIRE(pid > 0);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* In a child, with `depth` generations more to come. */
static void live_and_fork_again(int depth)
{
    use_the_heap();
    if (depth > 0) {
        pid_t pid = fork();
        if (pid == 0) {
            become_plain_child(120);
            live_and_fork_again(depth - 1);
            _exit(0);
        }
        join_child(pid);
    }
    use_the_heap();
    malloc_trim(0);
    REQUIRE(is_sound());
}

static void fork_and_join(void (*body)(int), int argument)
{
    pid_t pid = fork();
    if (pid == 0) {
        become_plain_child(120);
        body(argument);
        _exit(0);
    }
    join_child(pid);
}

static void fork_under_load(void *arg)
{
    (void)arg;
    long forks = amount("HM_TEST_FORKS", 60);
    alarm((unsigned)forks + hang_seconds());
    start_workers();
    for (long i = 0; i < forks; i++) {
        fork_and_join(live_and_fork_again, i % 10 == 0 ? 4 : 0);
        use_the_heap();
    }
    REQUIRE(is_sound());
    stop_workers();
    REQUIRE(is_sound());
}

static void children_of_eight_allocating_threads_live_and_fork_again(void **state)
{
    (void)state;
    ASSERT_CHILD(fork_under_load, NULL);
}

/* Mostly children that end at once, so that the forks of several threads overlap. */
static void end_at_once(int unused)
{
    (void)unused;
}

static void *fork_often(void *arg)
{
    long forks = *(const long *)arg;
    for (long i = 0; i < forks; i++) {
        free(hide(malloc(2 * MIB)));
        fork_and_join(i % 10 == 0 ? live_and_fork_again : end_at_once, 0);
    }
    return NULL;
}

static void fork_from_threads(void *arg)
{
    (void)arg;
    long forks = scaled(80);
    start_workers();
    run_threads(4, fork_often, &forks, 0);
    stop_workers();
}

static void threads_that_fork_at_once_do_not_wait_for_each_other_for_ever(void **state)
{
    (void)state;
    ASSERT_CHILD(fork_from_threads, NULL);
}

/* ---- What the child inherits
 * ------------------------------------------------------------- */

static void *inherited[THREADS][1000];

static void *leave_blocks(void *arg)
{
    void **blocks = arg;
    struct rng r = rng_seed((uintptr_t)arg);
    for (size_t i = 0; i < COUNT(inherited[0]); i++) {
        blocks[i] = malloc(8 + rng_size(&r, 14));
        REQUIRE(blocks[i] != NULL);
        fill(blocks[i], 8, (uintptr_t)blocks[i]);
    }
    return NULL;
}

static void free_what_was_inherited(int unused)
{
    (void)unused;
    for (size_t t = 0; t < THREADS; t++) {
        for (size_t i = 0; i < COUNT(inherited[0]); i++) {
            REQUIRE(intact(inherited[t][i], 8, (uintptr_t)inherited[t][i]));
            if (i % 2)
                free(inherited[t][i]);
            else
                free(realloc(inherited[t][i], malloc_usable_size(inherited[t][i]) * 2));
        }
    }
    malloc_trim(0);
    use_the_heap();
}

static void fork_with_blocks_of_other_threads(void *arg)
{
    (void)arg;
    run_threads(THREADS, leave_blocks, inherited, sizeof(inherited[0]));
    start_workers();
    for (long i = scaled(20); i > 0; i--)
        fork_and_join(free_what_was_inherited, 0);
    stop_workers();
    free_what_was_inherited(0);
}

static void a_child_frees_blocks_of_threads_it_does_not_have(void **state)
{
    (void)state;
    ASSERT_CHILD(fork_with_blocks_of_other_threads, NULL);
}

static void start_threads_and_stop_them(int unused)
{
    (void)unused;
    start_workers();
    use_the_heap();
    stop_workers();
}

static void fork_into_threads(void *arg)
{
    (void)arg;
    start_workers();
    for (long i = scaled(20); i > 0; i--) {
        /* The child's workers get the slots anew: the blocks in them stay with the
         * parent's threads, which the child does not have. */
        pid_t pid = fork();
        if (pid == 0) {
            become_plain_child(120);
            memset(workers, 0, sizeof(workers));
            start_threads_and_stop_them(0);
            _exit(0);
        }
        join_child(pid);
    }
    stop_workers();
}

static void a_child_starts_threads_of_its_own(void **state)
{
    (void)state;
    /* A sanitizer's own malloc, which starting a thread needs, does not survive the fork of
     * a process with threads. */
    NEED(LIBC_IS_OURS, "libc on our malloc");
    ASSERT_CHILD(fork_into_threads, NULL);
}

/* ---- Handlers of the program
 * ------------------------------------------------------------- */

static _Atomic bool handlers_on;
static _Atomic long handler_calls;
static void *from_prepare;

static void prepare(void)
{
    if (!handlers_on)
        return;
    handler_calls++;
    use_the_heap();
    from_prepare = malloc(1000);
    REQUIRE(from_prepare != NULL);
    fill(from_prepare, 1000, 1);
}

static void after(void)
{
    if (!handlers_on)
        return;
    handler_calls++;
    REQUIRE(from_prepare == NULL || intact(from_prepare, 1000, 1));
    free(from_prepare);
    from_prepare = NULL;
    use_the_heap();
}

/* Runs before the constructors of all libraries: these handlers stand outside the
 * allocator's own, whenever it registers them, and those of main() inside. */
static void register_early(void)
{
    pthread_atfork(prepare, after, after);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const first)(void) = register_early;

static void fork_with_handlers(void *arg)
{
    (void)arg;
    REQUIRE(pthread_atfork(prepare, after, after) == 0);
    start_workers();
    handlers_on = true;
    long forks = scaled(20);
    for (long i = 0; i < forks; i++)
        fork_and_join(live_and_fork_again, 0);
    handlers_on = false;
    stop_workers();
#ifdef __GLIBC__
    const int handlers = 2;
#else
    const int handlers = 1; /* musl runs no .preinit_array */
#endif
    REQUIRE(handler_calls >= forks * 2 * handlers);
}

static void atfork_handlers_may_allocate_registered_before_or_after_ours(void **state)
{
    (void)state;
    ASSERT_CHILD(fork_with_handlers, NULL);
}

/* ---- Other ways to get a process
 * ----------------------------------------------------------- */

static void spawn_under_load(void *arg)
{
    (void)arg;
    char *argv[] = {(char *)"true", NULL};
    start_workers();
    for (long i = scaled(40); i > 0; i--) {
        pid_t pid;
        REQUIRE(posix_spawnp(&pid, "true", NULL, NULL, argv, environ) == 0);
        join_child(pid);
        pid = vfork();
        if (pid == 0)
            _exit(0);
        join_child(pid);
    }
    stop_workers();
}

static void posix_spawn_and_vfork_work_under_load(void **state)
{
    (void)state;
    ASSERT_CHILD(spawn_under_load, NULL);
}

int main(void)
{
    SKIP_ALL_UNDER_TSAN("forks of a process with threads");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_of_eight_allocating_threads_live_and_fork_again),
        cmocka_unit_test(threads_that_fork_at_once_do_not_wait_for_each_other_for_ever),
        cmocka_unit_test(a_child_frees_blocks_of_threads_it_does_not_have),
        cmocka_unit_test(a_child_starts_threads_of_its_own),
        cmocka_unit_test(atfork_handlers_may_allocate_registered_before_or_after_ours),
        cmocka_unit_test(posix_spawn_and_vfork_work_under_load),
    };
    return RUN_TESTS(tests);
}
