/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FIGURES = 32 };

static const struct bench_param *bench_params;
static uint64_t bench_started;
static uint64_t bench_paused_at;
static uint64_t bench_paused;
static struct {
    const char *name;
    double value;
} bench_figures[MAX_FIGURES];
static size_t bench_figure_count;

void bench_fail(const char *what)
{
    dprintf(STDERR_FILENO, "%s: %s\n", program_invocation_short_name, what);
    _exit(2);
}

uint64_t bench_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_sleep(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        continue;
}

/* By system calls: stdio would allocate. statm would do with one line, but since
 * Linux 6.2 it may be off by 32 pages per CPU. */
size_t bench_resident(void)
{
    char text[512];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, "Rss:");
    return line == NULL ? 0 : (size_t)strtoul(line + 4, NULL, 10) * 1024;
}

void *bench_table(size_t count, size_t size)
{
    void *table = mmap(NULL, count * size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return bench_check(table == MAP_FAILED ? NULL : table);
}

void bench_table_end(void *table, size_t count, size_t size)
{
    munmap(table, count * size);
}

/* ---- Parameters -----------------------------------------------------------------------
 */

static void usage(void)
{
    printf("usage: %s [NAME=VALUE]...\n", program_invocation_short_name);
    for (const struct bench_param *p = bench_params; p->name != NULL; p++)
        printf("  %-10s %s (%ld)\n", p->name, p->meaning, *p->value);
    printf("  %-10s multiplies the amount of work (1)\n", "scale");
    exit(0);
}

static long parse_number(const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    bool bad = end == text || end[shift != 0] != '\0' || errno != 0;
    if (bad || value < 0 || value > INT64_MAX >> shift)
        bench_fail(
            "a parameter's value must be a whole number, with K, M or G if need be");
    return value << shift;
}

static const struct bench_param *find_param(const char *argument, size_t length)
{
    for (const struct bench_param *p = bench_params; p->name != NULL; p++) {
        if (strlen(p->name) == length && strncmp(p->name, argument, length) == 0)
            return p;
    }
    bench_fail("no such parameter; --help lists them");
}

void bench_begin(int argc, char **argv, const struct bench_param *params)
{
    double scale = 1;
    bench_params = params;
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        if (strcmp(argv[i], "--help") == 0)
            usage();
        if (equals == NULL)
            bench_fail("parameters are given as NAME=VALUE; --help lists them");
        if (strncmp(argv[i], "scale=", 6) == 0)
            scale = strtod(equals + 1, NULL);
        else
            *find_param(argv[i], (size_t)(equals - argv[i]))->value =
                parse_number(equals + 1);
    }
    for (const struct bench_param *p = params; p->name != NULL; p++) {
        if (p->kind == BENCH_WORK) {
            double scaled = (double)*p->value * scale;
            *p->value = scaled < 1 ? 1 : (long)scaled;
        }
    }
    bench_started = bench_ns();
}

/* ---- Results --------------------------------------------------------------------------
 */

void bench_pause(void)
{
    bench_paused_at = bench_ns();
}

void bench_resume(void)
{
    bench_paused += bench_ns() - bench_paused_at;
}

void bench_figure(const char *name, double value)
{
    if (bench_figure_count == MAX_FIGURES)
        bench_fail("too many figures");
    bench_figures[bench_figure_count].name = name;
    bench_figures[bench_figure_count++].value = value;
}

void bench_end(uint64_t ops, uint64_t checksum)
{
    uint64_t ns = bench_ns() - bench_started - bench_paused;
    size_t resident = bench_resident();
    printf("%s", program_invocation_short_name);
    for (const struct bench_param *p = bench_params; p->name != NULL; p++)
        printf(" %s=%ld", p->name, *p->value);
    printf(": ops=%ju seconds=%.6f resident=%zu checksum=%016jx", (uintmax_t)ops,
           (double)ns / 1e9, resident, (uintmax_t)checksum);
    for (size_t i = 0; i < bench_figure_count; i++)
        printf(" %s=%.6g", bench_figures[i].name, bench_figures[i].value);
    printf("\n");
    if (fflush(stdout) != 0)
        bench_fail("cannot write the result");
}

/* ---- Threads --------------------------------------------------------------------------
 */

struct bench_starter {
    pthread_barrier_t *barrier;
    void *(*body)(void *);
    void *arg;
    size_t number;
};

/* Keeps the calling thread on the n-th of the CPUs that the process may use, counted round
 * and round. Where the system does not let it, the run is noisier, not wrong. */
static void stay_on_cpu(size_t n)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof(all), &all) != 0)
        return;
    n %= (size_t)CPU_COUNT(&all);
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &all) || n-- > 0)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
}

static void *start_together(void *arg)
{
    const struct bench_starter *starter = (const struct bench_starter *)arg;
    stay_on_cpu(starter->number);
    pthread_barrier_wait(starter->barrier);
    return starter->body(starter->arg);
}

void bench_spawn(pthread_t *thread, void *(*body)(void *), void *arg)
{
    if (pthread_create(thread, NULL, body, arg) != 0)
        bench_fail("cannot create a thread");
}

void bench_threads(long count, void *(*body)(void *), void *args, size_t arg_size)
{
    size_t n = (size_t)count;
    pthread_barrier_t barrier;
    pthread_t *threads = (pthread_t *)bench_check(calloc(n, sizeof(*threads)));
    struct bench_starter *starters =
        (struct bench_starter *)bench_check(calloc(n, sizeof(*starters)));
    pthread_barrier_init(&barrier, NULL, (unsigned)n);
    for (size_t i = 0; i < n; i++) {
        starters[i] = (struct bench_starter){&barrier, body, (char *)args + i * arg_size, i};
        bench_spawn(&threads[i], start_together, &starters[i]);
    }
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    free(starters);
    free(threads);
}
