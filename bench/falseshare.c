/* SPDX-License-Identifier: MIT */
/* falseshare: threads that write into small blocks of their own, again and again.
 *
 * Active: an allocator that serves several threads from one line of the cache makes them
 * wait for each other. Passive: the blocks were allocated side by side by one thread,
 * which is the program's fault; but each thread frees the one it got at once and goes on
 * with new ones, and an allocator that gives it back the same place has made the fault
 * its own. */
#include "bench.h"

static long threads = 4;
static long passive = 0;
static long size = 16;
static long writes = 500;
static long rounds = 2000000;

static const struct bench_param params[] = {
    {"threads", &threads, BENCH_SHAPE, "threads"},
    {"passive", &passive, BENCH_SHAPE, "1: the first block comes from the main thread"},
    {"size", &size, BENCH_SHAPE, "size of a block, bytes, at least 16"},
    {"writes", &writes, BENCH_SHAPE, "writes into a block before it is freed"},
    {"rounds", &rounds, BENCH_WORK, "blocks that a thread allocates"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

struct worker {
    void *given;
    uint64_t sum;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    uint64_t sum = 0;
    if (w->given != NULL)
        sum += bench_free(w->given, (size_t)size);
    for (long i = 0; i < rounds; i++) {
        volatile uint64_t *counter = bench_check(malloc((size_t)size));
        *counter = 0;
        for (long j = 0; j < writes; j++)
            *counter += (uint64_t)j;
        sum += *counter;
        free((void *)counter);
    }
    w->sum = sum;
    return NULL;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    struct worker *w = bench_check(calloc((size_t)threads, sizeof(*w)));
    for (long i = 0; passive && i < threads; i++)
        w[i].given = bench_alloc((size_t)size, (uint64_t)i);
    bench_threads(threads, work, w, sizeof(*w));
    uint64_t sum = 0;
    for (long i = 0; i < threads; i++)
        sum += w[i].sum;
    free(w);
    bench_end((uint64_t)threads * (uint64_t)rounds, sum);
    return 0;
}
