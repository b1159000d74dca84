/* SPDX-License-Identifier: MIT */
/* support: what every test program shares, in C and C++.
 *
 * Two kinds of check, because cmocka's assertions leave by longjmp:
 *   assert_…()  only in the thread that cmocka called, in the process that cmocka runs
 * in; REQUIRE()   anywhere else (threads, forked children): prints the condition and ends
 *               the process, so that the missing TAP lines or the status are the failure.
 *
 * Compiled with -DHM_TEST_ANY_MALLOC, a program also runs on another allocator: what only
 * libhakmem has becomes a weak reference, and the tests that need it say so and pass.
 * That is how the tests themselves are tested; the normal build refuses to link instead.
 */
#ifndef HM_TEST_SUPPORT_H
#define HM_TEST_SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hide.h"

#include <hakmem/hakmem.h>

#ifdef __cplusplus
extern "C" { /* cmocka.h does not say so itself */
#endif
#include <cmocka.h>
#ifdef __cplusplus
}
#endif

#ifdef HM_TEST_ANY_MALLOC
#pragma weak hakmem_version
#pragma weak hakmem_profile
#pragma weak hakmem_option_get
#pragma weak hakmem_option_origin
#pragma weak hakmem_option_set
#pragma weak hakmem_trim
#pragma weak hakmem_thread_flush
#pragma weak hakmem_good_size
#pragma weak hakmem_check_heap
#pragma weak hakmem_stats
#pragma weak hakmem_stats_print
#pragma weak cfree
#pragma weak free_sized
#pragma weak free_aligned_sized
#define HAVE(function) ((function) != NULL)
#else
#define HAVE(function) true
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Not declared by the headers of every libc that we serve: cfree left <stdlib.h> with
 * glibc 2.26, the sized frees came with C23. */
void cfree(void *ptr);
void free_sized(void *ptr, size_t size);
void free_aligned_sized(void *ptr, size_t alignment, size_t size);

#ifdef __cplusplus
}
#endif

/* Where numbers that only machines of 64 bits have are no more than unlikely. */
#define WIDE (SIZE_MAX > UINT32_MAX)
/* What malloc maps memory by. */
#ifdef SYS_mmap2
#define CALL_MMAP SYS_mmap2
#else
#define CALL_MMAP SYS_mmap
#endif

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UNUSED __attribute__((unused))

#define REQUIRE(cond)                                                       \
    do {                                                                    \
        if (!(cond)) {                                                      \
            dprintf(2, "# %s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
            _exit(99);                                                      \
        }                                                                   \
    } while (0)

/* Leaves the test when something outside of our control is missing. Passes, with a note:
 * cmocka 1.1.5 reports its own skip() as "not ok", which Automake counts as a failure. */
#define NEED(cond, what)                                           \
    do {                                                           \
        if (!(cond)) {                                             \
            printf("# not run, needs %s: %s\n", (what), __func__); \
            return;                                                \
        }                                                          \
    } while (0)

/* With a sanitizer our malloc is under another name, and libc's memory is the sanitizer's. */
#ifdef HM_TEST_PREFIX
#define LIBC_IS_OURS false
#else
#define LIBC_IS_OURS true
#endif

/* ThreadSanitizer follows neither the forks of a process with threads nor a thread into the
 * last round of its destructors: what it reports and where it crashes there is its own. */
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN true
#elif defined(__has_feature)
#define UNDER_TSAN __has_feature(thread_sanitizer)
#else
#define UNDER_TSAN false
#endif
#define SKIP_ALL_UNDER_TSAN(why)            \
    do {                                    \
        if (UNDER_TSAN) {                   \
            puts("1..0 # SKIP TSan: " why); \
            return 0;                       \
        }                                   \
    } while (0)

static inline bool is_aligned(const void *ptr, size_t alignment)
{
    return ((uintptr_t)hide(ptr) & (alignment - 1)) == 0;
}

/* ---- Random numbers: reproducible, one generator a thread ----------------------------
 */

struct rng {
    uint64_t state;
};

static inline struct rng rng_seed(uint64_t seed)
{
    struct rng r = {(seed + 1) * UINT64_C(0x9E3779B97F4A7C15)};
    return r;
}

static inline uint64_t rng_next(struct rng *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state * UINT64_C(0x2545F4914F6CDD1D) >> 11;
}

static inline size_t rng_below(struct rng *r, size_t limit)
{
    return (size_t)(rng_next(r) % limit);
}

/* A size of 0 … 2^max_log2 - 1 whose logarithm is evenly distributed: as many tiny blocks
 * as huge ones. */
static inline size_t rng_size(struct rng *r, unsigned max_log2)
{
    return rng_below(r, (size_t)1 << (1 + rng_below(r, max_log2)));
}

/* ---- Content: every byte depends on the seed and its offset, so that a prefix of a
 * block can be verified after realloc, and a shifted or foreign copy is seen
 * ------------------- */

static inline uint64_t pattern_word(uint64_t seed, size_t word)
{
    return (seed ^ word) * UINT64_C(0x9E3779B97F4A7C15) + seed;
}

static UNUSED void fill(void *block, size_t size, uint64_t seed)
{
    unsigned char *p = (unsigned char *)block;
    size_t word = 0;
    for (; (word + 1) * 8 <= size; word++) {
        uint64_t w = pattern_word(seed, word);
        memcpy(p + word * 8, &w, 8);
    }
    uint64_t tail = pattern_word(seed, word);
    if (size % 8 != 0)
        memcpy(p + word * 8, &tail, size % 8);
}

static UNUSED bool intact(const void *block, size_t size, uint64_t seed)
{
    const unsigned char *p = (const unsigned char *)block;
    size_t word = 0;
    uint64_t wrong = 0;
    for (; (word + 1) * 8 <= size; word++) {
        uint64_t w;
        memcpy(&w, p + word * 8, 8);
        wrong |= w ^ pattern_word(seed, word);
    }
    uint64_t tail = pattern_word(seed, word);
    return wrong == 0 && (size % 8 == 0 || memcmp(p + word * 8, &tail, size % 8) == 0);
}

static UNUSED bool all_bytes(const void *block, size_t size, unsigned char value)
{
    const unsigned char *p = (const unsigned char *)block;
    return size == 0 || (p[0] == value && memcmp(p, p + 1, size - 1) == 0);
}

/* ---- Amount of work ------------------------------------------------------------------
 * HM_TEST_SCALE multiplies it: 0.1 under an emulator or sanitizer, 100 for a soak. */

static UNUSED long scaled(long amount)
{
    const char *text = getenv("HM_TEST_SCALE");
    double scale = text != NULL ? atof(text) : 1.0;
    double result = scale > 0 ? (double)amount * scale : (double)amount;
    return result < 1 ? 1 : (long)result;
}

/* The same, unless a variable of its own says how much. */
static UNUSED long amount(const char *variable, long usual)
{
    const char *text = getenv(variable);
    long told = text != NULL ? atol(text) : 0;
    return told > 0 ? told : scaled(usual);
}

/* ---- Threads -------------------------------------------------------------------------
 */

/* Runs body in `count` threads, the i-th with args + i * arg_size, and waits for all. */
static UNUSED void run_threads(size_t count, void *(*body)(void *), void *args,
                               size_t arg_size)
{
    pthread_t *ids = (pthread_t *)calloc(count, sizeof(*ids));
    REQUIRE(ids != NULL);
    for (size_t i = 0; i < count; i++)
        REQUIRE(pthread_create(&ids[i], NULL, body, (char *)args + i * arg_size) == 0);
    for (size_t i = 0; i < count; i++)
        REQUIRE(pthread_join(ids[i], NULL) == 0);
    free(ids);
}

/* ---- Children ------------------------------------------------------------------------
 */

struct outcome {
    int status;     /* as from waitpid */
    char err[4096]; /* what it wrote to standard error, cut to fit, terminated */
};

/* In a child that was just forked: cmocka's handlers would jump into the parent's test,
 * and a core file of every intended abort() helps nobody. */
static UNUSED void become_plain_child(unsigned seconds)
{
    static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGABRT};
    for (size_t i = 0; i < COUNT(caught); i++)
        signal(caught[i], SIG_DFL);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(seconds);
}

/* What only a hang ever takes. */
static UNUSED unsigned hang_seconds(void)
{
    long seconds = scaled(120);
    return seconds < 120 ? 120 : (unsigned)seconds;
}

/* Runs body(arg) in a child of its own and exits it with status 0 when body returns. The
 * child is killed by SIGALRM when it hangs. */
static UNUSED struct outcome in_child(void (*body)(void *), void *arg)
{
    struct outcome out;
    memset(&out, 0, sizeof(out));
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    fflush(stdout);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        become_plain_child(hang_seconds());
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        body(arg);
        _exit(0);
    }
    close(fds[1]);
    size_t got = 0;
    char rest[256];
    for (;;) {
        bool room = got < sizeof(out.err) - 1;
        ssize_t n = read(fds[0], room ? out.err + got : rest,
                         room ? sizeof(out.err) - 1 - got : sizeof(rest));
        if (n <= 0)
            break;
        got += room ? (size_t)n : 0;
    }
    close(fds[0]);
    REQUIRE(waitpid(pid, &out.status, 0) == pid);
    char *emulators = strstr(out.err, "qemu: uncaught target signal");
    if (emulators != NULL)
        *emulators = '\0';
    return out;
}

static UNUSED bool exited_cleanly(const struct outcome *out)
{
    if (WIFEXITED(out->status) && WEXITSTATUS(out->status) == 0)
        return true;
    printf("# child: %s %d\n", WIFSIGNALED(out->status) ? "signal" : "exit status",
           WIFSIGNALED(out->status) ? WTERMSIG(out->status) : WEXITSTATUS(out->status));
    if (out->err[0] != '\0')
        printf("# child said: %s\n", out->err);
    return false;
}

/* Runs a test body in a child and asserts that it came to its end. */
#define ASSERT_CHILD(body, arg)                    \
    do {                                           \
        struct outcome out_ = in_child(body, arg); \
        assert_true(exited_cleanly(&out_));        \
    } while (0)

/* Defines a test whose body runs in a child. */
#define IN_CHILD(name)                     \
    static void name##_body(void *unused); \
    static void name(void **state)         \
    {                                      \
        (void)state;                       \
        ASSERT_CHILD(name##_body, NULL);   \
    }                                      \
    static void name##_body(void *unused UNUSED)

/* ---- Emulators ------------------------------------------------------------------------
 * HM_TEST_EMULATOR is the command that runs programs like this one, if the machine itself
 * cannot. qemu-user has threads of its own, and knows neither limits on memory nor
 * seccomp. */
#define EMULATED (getenv("HM_TEST_EMULATOR") != NULL)
#define NEED_NO_EMULATOR(what) \
    do {                                        \
        if (EMULATED) {                         \
            printf("# not run, needs a real kernel for %s: %s\n", what, __func__); \
            return;                             \
        }                                       \
    } while (0)

/* Becomes a fresh process of the same program, with the environment as it is now. */
static UNUSED __attribute__((noreturn)) void start_again(char *argument)
{
    static const char command[] = "exec $HM_TEST_EMULATOR \"$0\" \"$@\"";
    char exe[4096] = "";
    if (!EMULATED)
        execl("/proc/self/exe", "again", argument, (char *)NULL);
    else if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0)
        execl("/bin/sh", "sh", "-c", command, exe, argument, (char *)NULL);
    _exit(98);
}

/* ---- Memory --------------------------------------------------------------------------
 */

/* Bytes in a row of a file such as /proc/self/status, where there is one. By system calls:
 * stdio would allocate. */
static UNUSED bool row_bytes(const char *path, const char *row, size_t *bytes)
{
    char text[4096] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    const char *at = n > 0 ? strstr(text, row) : NULL;
    if (at != NULL)
        *bytes = (size_t)strtoul(at + strlen(row), NULL, 10) * KIB;
    return at != NULL;
}

static UNUSED size_t status_bytes(const char *row)
{
    size_t bytes = 0;
    REQUIRE(row_bytes("/proc/self/status", row, &bytes));
    return bytes;
}

/* Bytes of the process that are resident: looked for in the page tables, as kernels count
 * for each CPU apart and add up roughly. */
static UNUSED size_t resident_bytes(void)
{
    size_t bytes = 0;
    if (!row_bytes("/proc/self/smaps_rollup", "\nRss:", &bytes))
        bytes = status_bytes("VmRSS:");
    return bytes;
}

/* Leaves the process, for good, `more` bytes beyond what it has. Both limits: an
 * allocator that has set address space aside is bounded by RLIMIT_DATA, which counts what
 * is writable, and one that has not by either. */
static UNUSED void limit_memory(size_t more)
{
    free(hide(malloc(1)));
    size_t space = status_bytes("VmSize:") + more;
    size_t data = status_bytes("VmData:") + more;
    struct rlimit space_limit = {space, space}, data_limit = {data, data};
    REQUIRE(setrlimit(RLIMIT_AS, &space_limit) == 0);
    REQUIRE(setrlimit(RLIMIT_DATA, &data_limit) == 0);
}

static UNUSED struct hakmem_stats stats_now(void)
{
    struct hakmem_stats stats;
    memset(&stats, 0, sizeof(stats));
    stats.version = HAKMEM_STATS_VERSION;
    stats.size = (uint32_t)sizeof(stats);
    REQUIRE(hakmem_stats(&stats) == 0);
    return stats;
}

/* Every invariant of every layer, where there is somebody to ask. */
static UNUSED bool is_sound(void)
{
    return !HAVE(hakmem_check_heap) || hakmem_check_heap() == 0;
}

/* So many calls about small and about large blocks, in no order, that the fast paths take
 * the way that is the same for both: every 1024th time that a cache misses, it looks. */
static UNUSED void mix_calls(void *(*take)(size_t), void (*give)(void *))
{
    static void *held[2048];
    struct rng r = rng_seed(1);
    uint64_t until = HAVE(hakmem_stats) ? stats_now().refills + 1100 : 0;
    do {
        for (size_t i = 0; i < COUNT(held); i++) {
            size_t kib = rng_below(&r, 2);
            held[i] = take(hide_size(kib * KIB + rng_below(&r, KIB << 2 * kib)));
        }
        for (size_t i = 0; i < COUNT(held); i++)
            give(held[i]);
    } while (HAVE(hakmem_stats) && stats_now().refills < until);
}

/* Past the first blocks of each size, which may be larger than they need to be. */
static UNUSED void warm_up(void *(*take)(size_t), void (*give)(void *))
{
    for (size_t size = 1; size <= 2 * KIB; size += 16)
        for (int i = 0; i < 64; i++)
            give(hide(take(hide_size(size))));
}

static UNUSED size_t good_size(size_t size)
{
    if (HAVE(hakmem_good_size))
        return hakmem_good_size(size);
    void *p = malloc(hide_size(size));
    size_t usable = malloc_usable_size(p);
    free(p);
    return usable;
}

/* ---- Files built beside the test ------------------------------------------------------
 * Libtool moves a not yet installed program into .libs/, and its modules too. */
static UNUSED bool find_beside(const char *name, char *path, size_t size)
{
    static const char *const places[] = {"", ".libs/", "../", "../.libs/"};
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (n <= 0)
        return false;
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash == NULL)
        return false;
    slash[1] = '\0';
    for (size_t i = 0; i < COUNT(places); i++) {
        int length = snprintf(path, size, "%s%s%s", exe, places[i], name);
        if (length > 0 && (size_t)length < size && access(path, R_OK) == 0)
            return true;
    }
    return false;
}

/* ---- Running --------------------------------------------------------------------------
 */

/* Line by line, so that what was reported before a crash is not lost with the buffer. */
#define RUN_TESTS(tests)                                                         \
    (setvbuf(stdout, NULL, _IOLBF, 0), cmocka_set_message_output(CM_OUTPUT_TAP), \
     cmocka_run_group_tests(tests, NULL, NULL))

#endif
