/* SPDX-License-Identifier: MIT */
/* trim, helper: memory goes back while nobody calls malloc. What is waited for is polled
 * in the statistics; there is no fixed time in which it must happen, but the child's
 * alarm. */
#include "rerun.h"

#include "helper.h"
#include "trim.h"

#include <dirent.h>

void *hm_test_malloc(size_t size);
void hm_test_free(void *block);

#define take hm_test_malloc
#define give hm_test_free

static size_t threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    size_t n = 0;

    REQUIRE(dir != NULL);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 2; /* . and .. */
}

/* But for what shares a page of the kernel with blocks in use. */
static size_t retained(void)
{
    return (size_t)(hm_superslab_purgeable() << HM_UNIT_SHIFT) +
           (size_t)stats_now().bigcache_bytes;
}

static void wait_until_nothing_is_retained(void)
{
    while (retained() > 0)
        usleep(1000);
}

/* Holds and frees `count` blocks. */
static void spike(size_t count, size_t size)
{
    void **held = calloc(count, sizeof *held);

    for (size_t i = 0; i < count; i++) {
        held[i] = take(size);
        REQUIRE(held[i] != NULL);
        memset(held[i], 1, size);
    }
    for (size_t i = 0; i < count; i++)
        give(held[i]);
    free(held);
}

IN_CHILD(no_helper_starts_while_nothing_is_retained)
{
    size_t before = threads();

    for (int i = 0; i < 1000; i++)
        REQUIRE(take(100) != NULL);
    REQUIRE(!hm_helper_exists() && threads() == before);
}

static void spike_of_small(void *unused UNUSED)
{
    spike(100000, 500);
    wait_until_nothing_is_retained();
}

static void spike_of_medium(void *unused UNUSED)
{
    spike(200, 200000);
    wait_until_nothing_is_retained();
}

static void spike_of_big(void *unused UNUSED)
{
    spike(200, 1000000);
    wait_until_nothing_is_retained();
}

static void memory_of_a_spike_falls_while_the_process_is_idle(void **state)
{
    (void)state;
    ASSERT_CHILD(spike_of_small, NULL);
    ASSERT_CHILD(spike_of_medium, NULL);
    ASSERT_CHILD(spike_of_big, NULL);
}

/* Fewer slow calls than it takes for a thread to look at the clock. */
static void a_few_medium(void *unused UNUSED)
{
    spike(20, 400000);
    wait_until_nothing_is_retained();
}

static void a_few_big(void *unused UNUSED)
{
    spike(3, 10000000);
    wait_until_nothing_is_retained();
}

static void memory_of_a_few_blocks_falls_too(void **state)
{
    (void)state;
    ASSERT_CHILD(a_few_medium, NULL);
    ASSERT_CHILD(a_few_big, NULL);
}

IN_CHILD(the_helper_wakes_for_the_next_spike)
{
    for (int i = 0; i < 5; i++) {
        spike(50000, 500);
        wait_until_nothing_is_retained();
    }
    REQUIRE(hm_helper_exists());
}

static void parent_and_child(void *unused UNUSED)
{
    spike(50000, 500);
    wait_until_nothing_is_retained();
    pid_t pid = fork();
    int status;

    REQUIRE(pid >= 0);
    if (pid == 0) {
        alarm(60);
        REQUIRE(!hm_helper_exists() && threads() == 1);
        spike(50000, 500);
        wait_until_nothing_is_retained();
        REQUIRE(hm_helper_exists());
        _exit(0);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
    spike(50000, 500);
    wait_until_nothing_is_retained();
}

static void a_forks_child_has_a_helper_of_its_own(void **state)
{
    (void)state;
    NEED_NO_EMULATOR("its threads");
    ASSERT_CHILD(parent_and_child, NULL);
}

static void *spike_and_end(void *unused)
{
    spike(5000, 1000);
    return unused;
}

IN_CHILD(the_caches_of_ended_threads_fall_too)
{
    pthread_t thread;

    REQUIRE(pthread_create(&thread, NULL, spike_and_end, NULL) == 0);
    pthread_join(thread, NULL);
    spike(50000, 500); /* starts the helper */
    while (stats_now().cached_bytes > 0 && stats_now().parked_caches > 0 &&
           stats_now().small_bytes > 2 * MIB)
        usleep(1000);
    wait_until_nothing_is_retained();
}

IN_CHILD(an_idle_process_has_an_idle_helper)
{
    spike(50000, 500);
    wait_until_nothing_is_retained();
    uint64_t passes;

    do { /* it may be in a pass, and find something yet, but not for ever */
        passes = stats_now().trims;
        usleep(200000);
    } while (stats_now().trims != passes);
}

static void helper_with_signals(void *unused UNUSED)
{
    spike(50000, 500);
    wait_until_nothing_is_retained();
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;

    while ((entry = readdir(dir)) != NULL) {
        char path[64], text[4096] = "";

        if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%.20s/status", entry->d_name);
        int fd = open(path, O_RDONLY);

        REQUIRE(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
        close(fd);
        /* All but SIGKILL, SIGSTOP and the two or three that are libc's own; and, of
         * clang's ThreadSanitizer, SIGSYS. */
        const char *blocked = strstr(text, "SigBlk:\t");

        REQUIRE(blocked != NULL);
        uint64_t not_ours = 7ull << 31 | (uint64_t)UNDER_TSAN << (SIGSYS - 1);
        REQUIRE((strtoull(blocked + strlen("SigBlk:\t"), NULL, 16) | not_ours) ==
                ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1)));
    }
    closedir(dir);
}

static void the_helper_takes_no_signal(void **state)
{
    (void)state;
    NEED_NO_EMULATOR("its signal mask");
    ASSERT_CHILD(helper_with_signals, NULL);
}

IN_CHILD(trim_gives_back_at_once)
{
    spike(100, 50000);
    spike(10, 1000000);
    REQUIRE(retained() > 0);
    REQUIRE(hakmem_trim() > 0);
    REQUIRE(retained() == 0);
}

IN_CHILD(threads_empty_their_caches_once_when_asked_to)
{
    spike(2000, 64);
    REQUIRE(stats_now().cached_bytes >= 1000);
    hm_trim_ask_all();
    /* Medium blocks take the slow path, and no bin. */
    for (int i = 0; i < 64; i++)
        give(take(50000));
    REQUIRE(stats_now().cached_bytes == 0);
    spike(2000, 64);
    for (int i = 0; i < 64; i++)
        give(take(50000));
    REQUIRE(stats_now().cached_bytes > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_helper_starts_while_nothing_is_retained),
        cmocka_unit_test(memory_of_a_spike_falls_while_the_process_is_idle),
        cmocka_unit_test(memory_of_a_few_blocks_falls_too),
        cmocka_unit_test(the_helper_wakes_for_the_next_spike),
        cmocka_unit_test(a_forks_child_has_a_helper_of_its_own),
        cmocka_unit_test(the_caches_of_ended_threads_fall_too),
        cmocka_unit_test(an_idle_process_has_an_idle_helper),
        cmocka_unit_test(the_helper_takes_no_signal),
        cmocka_unit_test(trim_gives_back_at_once),
        cmocka_unit_test(threads_empty_their_caches_once_when_asked_to),
    };

    if (!is_rerun()) { /* these options, for all of them */
        setenv("HAKMEM_OPTIONS", "trim_thread=yes,trim_interval=20ms", 1);
        start_again(NULL);
    }
    return RUN_TESTS(tests);
}
