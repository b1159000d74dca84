/* SPDX-License-Identifier: MIT */
/* sys: system calls made directly, and what the kernel handed over at exec. */
#include "support.h"
#include "capture.h"

#include "sys.h"
#include <sched.h>
#include <sys/auxv.h>
#include <sys/stat.h>

static void failures_are_negated_errnos(void **state)
{
    (void)state;
    assert_int_equal(hm_sys_open_read("/nonexistent/file"), -ENOENT);
    assert_true(hm_sys_failed(-ENOENT));
    assert_true(hm_sys_failed(-4095));
    assert_false(hm_sys_failed(0));
    assert_false(hm_sys_failed(INTPTR_MIN)); /* an address, not an error */
}

static void errno_is_left_alone(void **state)
{
    char byte;

    (void)state;
    errno = 123;
    hm_sys_open_read("/nonexistent/file");
    hm_sys_read(-1, &byte, 1);
    hm_sys_write_all(-1, "x", 1);
    hm_sys_close(-1);
    assert_int_equal(errno, 123);
}

static void files_are_opened_close_on_exec(void **state)
{
    char text[4] = "";
    long fd = hm_sys_open_read("/proc/self/exe");

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(hm_sys_read((int)fd, text, 4), 4);
    assert_memory_equal(text, "\177ELF", 4);
    hm_sys_close((int)fd);
    assert_int_equal(fcntl((int)fd, F_GETFD), -1);
}

static void only_regular_files_are_regular(void **state)
{
    uint64_t size = 0;
    uint32_t uid = 0;
    struct stat st;
    long file = hm_sys_open_read("/proc/self/exe");
    long dir = hm_sys_open_dir("/");
    long device = hm_sys_open_read("/dev/null");

    (void)state;
    assert_true(hm_sys_is_regular((int)file, &size, &uid));
    assert_int_equal(fstat((int)file, &st), 0);
    assert_int_equal(size, st.st_size);
    assert_int_equal(uid, st.st_uid);
    assert_true(dir >= 0 && device >= 0);
    assert_false(hm_sys_is_regular((int)dir, &size, &uid));
    assert_false(hm_sys_is_regular((int)device, &size, &uid));
    assert_false(hm_sys_is_regular(-1, &size, &uid));
    hm_sys_close((int)file);
    hm_sys_close((int)dir);
    hm_sys_close((int)device);
    assert_int_equal(hm_sys_open_dir("/dev/null"), -ENOTDIR);
}

static void opening_a_fifo_does_not_wait_for_a_writer(void **state)
{
    char path[] = "/tmp/hakmem-sys-XXXXXX";
    long fd;

    (void)state;
    NEED(mkdtemp(path) != NULL, "a writable /tmp");
    char fifo[64];
    snprintf(fifo, sizeof fifo, "%s/fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    fd = hm_sys_open_read(fifo);
    assert_true(fd >= 0);
    hm_sys_close((int)fd);
    unlink(fifo);
    rmdir(path);
}

static void write_all_continues_after_short_writes(void **state)
{
    static char text[9000];
    struct capture c = capture_begin();

    (void)state;
    memset(text, 'x', sizeof text);
    hm_sys_write_all(2, text, sizeof text);
    assert_int_equal(strlen(capture_end(c)), sizeof text);
}

static uint64_t libc_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* How long anything takes is not known here; what comes first is. */
static void the_clock_is_monotonic_and_in_milliseconds(void **state)
{
    const struct timespec nap = {0, 50000000};
    uint64_t first = libc_ms(CLOCK_MONOTONIC_COARSE), before = hm_sys_monotonic_ms();

    (void)state;
    uint64_t update = hm_clock_update();
    nanosleep(&nap, NULL);
    assert_true(hm_clock_update() - update >= 20);
    assert_int_equal(hm_load_relaxed(&hm_clock), hm_clock_update());
    uint64_t after = hm_sys_monotonic_ms(), last = libc_ms(CLOCK_MONOTONIC);

    assert_true(first <= before && after <= last);
    assert_true(after - before >= 20); /* a coarse clock ticks every 10 ms */
}

static void counts_the_cpus_that_the_process_may_use(void **state)
{
    cpu_set_t set;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_int_equal(hm_sys_cpu_count(), CPU_COUNT(&set));
}

static void random_numbers_differ(void **state)
{
    (void)state;
    assert_true(hm_sys_random() != hm_sys_random());
}

static void knows_the_thread(void **state)
{
    (void)state;
    assert_int_equal(hm_sys_gettid(), gettid());
}

static void *set_and_wake(void *arg)
{
    _Atomic uint32_t *word = arg;

    hm_store_release(word, 1);
    hm_sys_futex_wake(word, 1);
    return NULL;
}

static void a_futex_wait_ends_by_a_wake_a_change_or_the_time(void **state)
{
    _Atomic uint32_t word = 0;
    pthread_t thread;
    uint64_t before = hm_sys_monotonic_ms();

    (void)state;
    hm_sys_futex_wait(&word, 1, 0); /* 0 != 1: returns at once */
    hm_sys_futex_wait(&word, 0, 30);
    assert_true(hm_sys_monotonic_ms() - before >= 10);
    assert_int_equal(pthread_create(&thread, NULL, set_and_wake, (void *)&word), 0);
    while (hm_load_acquire(&word) == 0)
        hm_sys_futex_wait(&word, 0, 0);
    pthread_join(thread, NULL);
    hm_sys_yield();
}

static void start_facts_are_those_of_the_kernel(void **state)
{
    struct hm_sys_start start;

    (void)state;
    hm_sys_start_facts(&start);
    assert_int_equal(start.secure, getauxval(AT_SECURE) != 0);
    assert_int_equal(start.page_size, getauxval(AT_PAGESZ));
    assert_ptr_equal(start.execfn, (const char *)getauxval(AT_EXECFN));
    assert_non_null(start.envp);
    assert_ptr_equal(start.envp, environ); /* nobody has changed it yet */
}

/* The initial environment is what counts, whatever the program did to its own copy. */
static void start_facts_do_not_depend_on_environ(void **state)
{
    struct hm_sys_start before, after;
    char **saved = environ;

    (void)state;
#ifndef __GLIBC__
    NEED(false, "__libc_stack_end");
#endif
    hm_sys_start_facts(&before);
    assert_int_equal(setenv("HM_TEST_MOVES_ENVIRON", "1", 1), 0);
    hm_sys_start_facts(&after);
    assert_ptr_equal(before.envp, after.envp);
    environ = NULL;
    hm_sys_start_facts(&after);
    environ = saved;
    assert_ptr_equal(before.envp, after.envp);
    assert_int_equal(before.secure, after.secure);
    assert_int_equal(before.page_size, after.page_size);
}

static void *facts_in_thread(void *arg)
{
    hm_sys_start_facts(arg);
    return NULL;
}

static void start_facts_are_found_by_any_thread(void **state)
{
    struct hm_sys_start start = {.page_size = 0};

    (void)state;
    run_threads(1, facts_in_thread, &start, sizeof start);
    assert_int_equal(start.page_size, getauxval(AT_PAGESZ));
    assert_int_equal(start.secure, getauxval(AT_SECURE) != 0);
    assert_non_null(start.envp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_facts_are_those_of_the_kernel),
        cmocka_unit_test(start_facts_do_not_depend_on_environ),
        cmocka_unit_test(start_facts_are_found_by_any_thread),
        cmocka_unit_test(failures_are_negated_errnos),
        cmocka_unit_test(errno_is_left_alone),
        cmocka_unit_test(files_are_opened_close_on_exec),
        cmocka_unit_test(only_regular_files_are_regular),
        cmocka_unit_test(opening_a_fifo_does_not_wait_for_a_writer),
        cmocka_unit_test(write_all_continues_after_short_writes),
        cmocka_unit_test(the_clock_is_monotonic_and_in_milliseconds),
        cmocka_unit_test(counts_the_cpus_that_the_process_may_use),
        cmocka_unit_test(random_numbers_differ),
        cmocka_unit_test(knows_the_thread),
        cmocka_unit_test(a_futex_wait_ends_by_a_wake_a_change_or_the_time),
    };

    return RUN_TESTS(tests);
}
