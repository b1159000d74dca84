/* SPDX-License-Identifier: MIT */
/* threads10k: ten thousand threads alive at once, each holding 16 KiB in small blocks.
 *
 * Figures: thread_bytes, resident bytes that each thread added, with the blocks and the
 * one or two pages of its stack that it touched; left_bytes, the same after all have
 * exited. */
#define _GNU_SOURCE
#include "bench.h"

#include <limits.h>

static long threads = 10000;
static long held = 16 << 10;
static long min = 16;
static long max = 1024;

static const struct bench_param params[] = {
    {"threads", &threads, BENCH_WORK, "threads alive at once"},
    {"held", &held, BENCH_SHAPE, "bytes in blocks that each holds"},
    {"min", &min, BENCH_SHAPE, "smallest block, bytes, at least 16"},
    {"max", &max, BENCH_SHAPE, "biggest block, bytes"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

enum { STACK = 64 << 10 };

struct block {
    struct block *next;
    size_t size;
};

struct holder {
    pthread_t thread;
    uint64_t number, sum;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long holding;
static int let_go;

static void *hold(void *arg)
{
    struct holder *h = arg;
    struct bench_random r = bench_seed(h->number);
    struct block *all = NULL;
    for (size_t bytes = 0; bytes < (size_t)held;) {
        size_t size = bench_between(&r, min, max);
        struct block *b = bench_check(malloc(size));
        memset(b, 1, size);
        *b = (struct block){all, size};
        all = b;
        bytes += size;
    }
    pthread_mutex_lock(&lock);
    if (++holding == threads)
        pthread_cond_broadcast(&changed);
    while (!let_go)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    while (all != NULL) {
        struct block *next = all->next;
        h->sum += all->size;
        free(all);
        all = next;
    }
    return NULL;
}

static void start(struct holder *holders)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    for (long i = 0; i < threads; i++) {
        holders[i].number = (uint64_t)i;
        if (pthread_create(&holders[i].thread, &attr, hold, &holders[i]) != 0)
            bench_fail(
                "cannot create so many threads; see ulimit -u, kernel.threads-max");
    }
    pthread_attr_destroy(&attr);
    pthread_mutex_lock(&lock);
    while (holding < threads)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static double per_thread(size_t before)
{
    bench_pause();
    double bytes = (double)bench_resident() - (double)before;
    bench_resume();
    return bytes / (double)threads;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    struct holder *holders = bench_check(calloc((size_t)threads, sizeof(*holders)));
    memset(holders, 0, (size_t)threads * sizeof(*holders));
    size_t before = bench_resident();
    start(holders);
    bench_figure("thread_bytes", per_thread(before));

    pthread_mutex_lock(&lock);
    let_go = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    uint64_t sum = 0;
    for (long i = 0; i < threads; i++) {
        pthread_join(holders[i].thread, NULL);
        sum += holders[i].sum;
    }
    bench_figure("left_bytes", per_thread(before));
    free(holders);
    bench_end((uint64_t)threads, sum);
    return 0;
}
