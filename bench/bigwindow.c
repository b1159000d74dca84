/* SPDX-License-Identifier: MIT */
/* bigwindow: big blocks of random size, each held until `window` newer ones have come, as
 * frames, tensors and file buffers are. Pages are written once each, at least: what is
 * measured is what the kernel has to do, that is, how much memory the allocator gives
 * back only to ask for it, and for its zeroing, again. */
#include "bench.h"

static long threads = 1;
static long window = 20;
static long min = 5 << 20;
static long max = 25 << 20;
static long stride = 4096;
static long even = 1;
static long zeroed = 0;
static long blocks = 600;

static const struct bench_param params[] = {
    {"threads", &threads, BENCH_SHAPE, "threads, each with its own window"},
    {"window", &window, BENCH_SHAPE, "blocks that a thread holds"},
    {"min", &min, BENCH_SHAPE, "smallest block, bytes, at least 16"},
    {"max", &max, BENCH_SHAPE, "biggest block, bytes"},
    {"stride", &stride, BENCH_SHAPE, "distance of the bytes that are written"},
    {"even", &even, BENCH_SHAPE, "1: sizes evenly distributed, 0: by their logarithm"},
    {"zeroed", &zeroed, BENCH_SHAPE, "1: by calloc"},
    {"blocks", &blocks, BENCH_WORK, "blocks that a thread allocates"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

struct slot {
    unsigned char *block;
    size_t size;
};

struct worker {
    struct bench_random random;
    uint64_t sum;
};

static void slot_fill(struct slot *s, size_t size, unsigned char mark)
{
    s->size = size;
    s->block = bench_check(zeroed ? calloc(1, size) : malloc(size));
    if (zeroed && (s->block[0] | s->block[size / 2] | s->block[size - 1]) != 0)
        bench_fail("calloc returned memory that is not zero");
    for (size_t i = 0; i < size; i += (size_t)stride)
        s->block[i] = mark;
    s->block[size - 1] = mark;
}

static uint64_t slot_empty(struct slot *s)
{
    if (s->block == NULL)
        return 0;
    unsigned char first = s->block[0], last = s->block[s->size - 1];
    if (first != last)
        bench_fail("a block was overwritten");
    free(s->block);
    return first * s->size;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct slot *slot = bench_check(calloc((size_t)window, sizeof(*slot)));
    for (long i = 0; i < blocks; i++) {
        struct slot *s = &slot[i % window];
        w->sum += slot_empty(s);
        size_t size =
            even ? bench_between(&w->random, min, max) : bench_size(&w->random, min, max);
        slot_fill(s, size, (unsigned char)(i | 1));
    }
    for (long i = 0; i < window; i++)
        w->sum += slot_empty(&slot[i]);
    free(slot);
    return NULL;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    struct worker *w = bench_check(calloc((size_t)threads, sizeof(*w)));
    for (long i = 0; i < threads; i++)
        w[i].random = bench_seed((uint64_t)i);
    if (threads == 1)
        work(w);
    else
        bench_threads(threads, work, w, sizeof(*w));
    uint64_t sum = 0;
    for (long i = 0; i < threads; i++)
        sum += w[i].sum;
    free(w);
    bench_end((uint64_t)threads * (uint64_t)blocks, sum);
    return 0;
}
