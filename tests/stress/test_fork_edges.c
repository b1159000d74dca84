/* SPDX-License-Identifier: MIT */
/* fork at the places where allocators have hung: against stdio's locks, from a signal
 * handler, in a constructor, in atexit. The only clock is the alarm of in_child(). */
#include "../support.h"

static void use_the_heap(void)
{
    for (size_t size = 1; size <= 2 * MIB; size *= 2) {
        char *p = malloc(size);
        char *q = calloc(1, size);
        REQUIRE(p != NULL && q != NULL);
        p[size - 1] = 1;
        p = realloc(p, size * 2);
        REQUIRE(p != NULL && p[size - 1] == 1 && all_bytes(q, size, 0));
        free(p);
        free(q);
    }
}

static void join_child(pid_t pid)
{
    int status;
    REQUIRE(pid > 0);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- stdio
 * ------------------------------------------------------------------------------ glibc's
 * fork runs the prepare handlers and then takes the lock of the list of streams.
 * fflush(NULL) holds that one and waits for a stream's; getline() holds a stream's and
 * waits for malloc. If a prepare handler holds what malloc waits for, nobody moves again.
 */

static _Atomic bool stop;
static char text_path[] = "/tmp/hakmem-test-XXXXXX";

static void write_long_lines(void)
{
    int fd = mkstemp(text_path);
    REQUIRE(fd >= 0);
    FILE *file = fdopen(fd, "w");
    REQUIRE(file != NULL);
    for (int line = 0; line < 200; line++) {
        for (int i = 0; i < 30 * line; i++)
            fputs("word ", file);
        fputc('\n', file);
    }
    fclose(file);
}

/* Each getline starts from nothing, so that it reallocates with the stream locked. */
static void *read_lines(void *arg)
{
    FILE *file = fopen(arg, "r");
    REQUIRE(file != NULL);
    while (!stop) {
        char *line = NULL;
        size_t room = 0;
        if (getline(&line, &room, file) < 0)
            rewind(file);
        free(line);
    }
    fclose(file);
    return NULL;
}

static void *flush_all(void *arg)
{
    (void)arg;
    while (!stop)
        fflush(NULL);
    return NULL;
}

static void *open_and_close(void *arg)
{
    while (!stop) {
        FILE *file = fopen(arg, "r");
        REQUIRE(file != NULL);
        (void)!fgetc(file);
        fclose(file);
    }
    return NULL;
}

static void fork_against_stdio(void *arg)
{
    (void)arg;
    static void *(*const bodies[])(void *) = {read_lines, read_lines, flush_all,
                                              open_and_close};
    pthread_t ids[COUNT(bodies)];
    write_long_lines();
    for (size_t i = 0; i < COUNT(bodies); i++)
        REQUIRE(pthread_create(&ids[i], NULL, bodies[i], text_path) == 0);
    for (long forks = scaled(60); forks > 0; forks--) {
        pid_t pid = fork();
        if (pid == 0) {
            become_plain_child(120);
            use_the_heap();
            _exit(0);
        }
        join_child(pid);
    }
    stop = true;
    for (size_t i = 0; i < COUNT(bodies); i++)
        REQUIRE(pthread_join(ids[i], NULL) == 0);
    unlink(text_path);
}

static void fork_does_not_hang_against_getline_and_fflush(void **state)
{
    (void)state;
    NEED(LIBC_IS_OURS, "libc on our malloc");
    ASSERT_CHILD(fork_against_stdio, NULL);
}

/* ---- Signal handler
 * --------------------------------------------------------------------- In a program with
 * one thread fork is as good as async-signal-safe with glibc. The handler interrupts
 * malloc anywhere; parent and child both return into it and go on. */

static volatile sig_atomic_t signals_left;
static volatile sig_atomic_t is_child;

static void fork_here(int number)
{
    (void)number;
    int saved = errno;
    if (is_child || signals_left <= 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        is_child = 1;
        alarm(60);
    } else {
        signals_left--;
        join_child(pid);
    }
    errno = saved;
}

static void random_step(struct rng *r, void **slot, size_t *size, size_t slots)
{
    size_t i = rng_below(r, slots);
    REQUIRE(intact(slot[i], size[i], i));
    free(slot[i]);
    size[i] = rng_size(r, rng_below(r, 64) == 0 ? 21 : 12);
    slot[i] = malloc(size[i]);
    REQUIRE(slot[i] != NULL);
    fill(slot[i], size[i], i);
}

static unsigned count_threads(void)
{
    return (unsigned)(status_bytes("Threads:") / KIB);
}

static void be_interrupted(void *arg)
{
    const unsigned *threads = arg; /* that there must be in the end */
    enum { SLOTS = 300 };
    static void *slot[SLOTS];
    static size_t size[SLOTS];
    struct rng r = rng_seed(5);
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = fork_here;
    action.sa_flags = SA_RESTART;
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    signals_left = (sig_atomic_t)scaled(300);

    struct sigevent event;
    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    timer_t timer;
    struct itimerspec every = {{0, 700000}, {0, 700000}};
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    REQUIRE(timer_settime(timer, 0, &every, NULL) == 0);

    while (signals_left > 0 && !is_child)
        random_step(&r, slot, size, SLOTS);
    if (!is_child)
        timer_delete(timer);
    /* Where freed blocks are kept back, there may be nothing for the helper. */
    bool kept_back = HAVE(hakmem_profile) && strcmp(hakmem_profile(), "hardened") == 0;
    REQUIRE(is_child || kept_back || count_threads() == *threads);
    for (int i = 0; i < 2000; i++)
        random_step(&r, slot, size, SLOTS);
    for (size_t i = 0; i < SLOTS; i++)
        free(slot[i]);
    _exit(0);
}

static void fork_from_a_signal_handler_inside_malloc_works_with_one_thread(void **state)
{
    (void)state;
    unsigned threads = 1;
    ASSERT_CHILD(be_interrupted, &threads);
}

/* The program has one thread, and the library another. Options are read when a process
 * starts, so it takes a new one, whose main() begins where this ends. */
static char with_helper[] = "with-helper";

static void be_interrupted_beside_the_helper(void *arg)
{
    setenv("HAKMEM_OPTIONS", "trim_thread=yes,trim_interval=1ms", 1);
    execl("/proc/self/exe", "test_fork_edges", (char *)arg, (char *)NULL);
}

static void fork_from_a_signal_handler_inside_malloc_works_beside_the_helper(void **state)
{
    (void)state;
    ASSERT_CHILD(be_interrupted_beside_the_helper, with_helper);
}

/* ---- Constructor and atexit
 * -------------------------------------------------------------- */

static int constructor_child_status = -1;

__attribute__((constructor)) static void fork_in_a_constructor(void)
{
    use_the_heap();
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        use_the_heap();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &constructor_child_status, 0) != pid)
        constructor_child_status = -1;
    use_the_heap();
}

static void fork_in_a_constructor_works(void **state)
{
    (void)state;
    assert_int_equal(constructor_child_status, 0);
}

static void fork_in_atexit(void)
{
    use_the_heap();
    pid_t pid = fork();
    if (pid == 0) {
        use_the_heap();
        _exit(0);
    }
    join_child(pid);
    use_the_heap();
}

static void leave_with_a_fork(void *arg)
{
    (void)arg;
    atexit(fork_in_atexit);
    exit(0);
}

static void fork_in_atexit_works(void **state)
{
    (void)state;
    ASSERT_CHILD(leave_with_a_fork, NULL);
}

static void *allocate_until_stopped(void *arg)
{
    (void)arg;
    while (!stop)
        use_the_heap();
    return NULL;
}

static void leave_with_a_fork_and_threads(void *arg)
{
    (void)arg;
    pthread_t id;
    for (int i = 0; i < 3; i++)
        REQUIRE(pthread_create(&id, NULL, allocate_until_stopped, NULL) == 0);
    atexit(fork_in_atexit);
    exit(0);
}

static void fork_in_atexit_works_while_threads_allocate(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        ASSERT_CHILD(leave_with_a_fork_and_threads, NULL);
}

/* A daemon's start: fork, setsid, fork, and the middle one exits through exit(). */
static void fork_twice(void *arg)
{
    (void)arg;
    use_the_heap();
    pid_t middle = fork();
    if (middle == 0) {
        setsid();
        use_the_heap();
        pid_t last = fork();
        if (last == 0) {
            use_the_heap();
            _exit(0);
        }
        join_child(last);
        exit(0);
    }
    join_child(middle);
}

static void forking_twice_as_a_daemon_does_works(void **state)
{
    (void)state;
    ASSERT_CHILD(fork_twice, NULL);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], with_helper) == 0) {
        unsigned threads = 2;
        be_interrupted(&threads);
    }
    SKIP_ALL_UNDER_TSAN("forks of a process with threads");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fork_does_not_hang_against_getline_and_fflush),
        cmocka_unit_test(fork_from_a_signal_handler_inside_malloc_works_with_one_thread),
        cmocka_unit_test(
            fork_from_a_signal_handler_inside_malloc_works_beside_the_helper),
        cmocka_unit_test(fork_in_a_constructor_works),
        cmocka_unit_test(fork_in_atexit_works),
        cmocka_unit_test(fork_in_atexit_works_while_threads_allocate),
        cmocka_unit_test(forking_twice_as_a_daemon_does_works),
    };
    return RUN_TESTS(tests);
}
