/* SPDX-License-Identifier: MIT */
/* random_mixed: blocks live in slots; each step frees the block of a random slot and puts
 * a new one there. With min = max it measures one size class, else a mix of them. */
#include "bench.h"

static long threads = 1;
static long slots = 1024;
static long min = 16;
static long max = 8192;
static long steps = 40000000;

static const struct bench_param params[] = {
    {"threads", &threads, BENCH_SHAPE, "threads, each with its own slots"},
    {"slots", &slots, BENCH_SHAPE, "live blocks of a thread"},
    {"min", &min, BENCH_SHAPE, "smallest block, bytes, at least 16"},
    {"max", &max, BENCH_SHAPE, "biggest block, bytes"},
    {"steps", &steps, BENCH_WORK, "blocks that a thread replaces"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

struct slot {
    void *block;
    size_t size;
};

struct worker {
    struct bench_random random;
    uint64_t sum;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct bench_random r = w->random;
    struct slot *slot = bench_check(calloc((size_t)slots, sizeof(*slot)));
    uint64_t sum = 0;
    for (long i = 0; i < steps; i++) {
        struct slot *s = &slot[bench_below(&r, (size_t)slots)];
        if (s->block != NULL)
            sum += bench_free(s->block, s->size);
        s->size = bench_size(&r, min, max);
        s->block = bench_alloc(s->size, r.state);
    }
    for (long i = 0; i < slots; i++) {
        if (slot[i].block != NULL)
            sum += bench_free(slot[i].block, slot[i].size);
    }
    free(slot);
    w->sum = sum;
    return NULL;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    struct worker *w = bench_check(calloc((size_t)threads, sizeof(*w)));
    for (long i = 0; i < threads; i++)
        w[i].random = bench_seed((uint64_t)i);
    /* One thread means the main thread: a program that never creates another one is the
     * common case, and allocators treat it differently. */
    if (threads == 1)
        work(w);
    else
        bench_threads(threads, work, w, sizeof(*w));
    uint64_t sum = 0;
    for (long i = 0; i < threads; i++)
        sum += w[i].sum;
    free(w);
    bench_end((uint64_t)steps * (uint64_t)threads, sum);
    return 0;
}
