/* SPDX-License-Identifier: MIT */
/* churn: short-lived threads, as servers with a thread per request have. Each allocates
 * and frees for a moment, and leaves some blocks behind that the main thread frees after
 * it has gone. Measured is what a thread's beginning and end cost the allocator, and
 * whether the dead ones' memory is found again. */
#include "bench.h"

static long parallel = 4;
static long blocks = 64;
static long left = 8;
static long turns = 4;
static long min = 16;
static long max = 1024;
static long waves = 5000;

static const struct bench_param params[] = {
    {"threads", &parallel, BENCH_SHAPE, "threads alive at once"},
    {"blocks", &blocks, BENCH_SHAPE, "blocks that a thread holds at once"},
    {"left", &left, BENCH_SHAPE, "of these, left behind for the main thread"},
    {"turns", &turns, BENCH_SHAPE, "times that a thread frees and allocates its blocks"},
    {"min", &min, BENCH_SHAPE, "smallest block, bytes, at least 16"},
    {"max", &max, BENCH_SHAPE, "biggest block, bytes"},
    {"waves", &waves, BENCH_WORK, "times that all threads are created and joined"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

struct slot {
    void *block;
    size_t size;
};

struct request {
    uint64_t number;
    uint64_t sum;
    struct slot *slots; /* the thread's own until it leaves `left` of them */
};

static void *serve(void *arg)
{
    struct request *q = arg;
    struct bench_random r = bench_seed(q->number);
    q->slots = bench_check(calloc((size_t)blocks, sizeof(struct slot)));
    for (long turn = 0; turn < turns; turn++) {
        for (long i = 0; i < blocks; i++) {
            struct slot *s = &q->slots[i];
            if (s->block != NULL)
                q->sum += bench_free(s->block, s->size);
            s->size = bench_size(&r, min, max);
            s->block = bench_alloc(s->size, r.state);
        }
    }
    for (long i = left; i < blocks; i++)
        q->sum += bench_free(q->slots[i].block, q->slots[i].size);
    return NULL;
}

static uint64_t clean_up(struct request *q)
{
    for (long i = 0; i < left; i++)
        q->sum += bench_free(q->slots[i].block, q->slots[i].size);
    free(q->slots);
    return q->sum;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    if (left > blocks)
        bench_fail("left must not be more than blocks");
    size_t n = (size_t)parallel;
    pthread_t *threads = bench_check(calloc(n, sizeof(*threads)));
    struct request *requests = bench_check(calloc(n, sizeof(*requests)));
    uint64_t sum = 0;
    for (long wave = 0; wave < waves; wave++) {
        for (size_t i = 0; i < n; i++) {
            requests[i] = (struct request){.number = (uint64_t)wave * n + i};
            bench_spawn(&threads[i], serve, &requests[i]);
        }
        for (size_t i = 0; i < n; i++) {
            pthread_join(threads[i], NULL);
            sum += clean_up(&requests[i]);
        }
    }
    free(requests);
    free(threads);
    bench_end((uint64_t)waves * n, sum);
    return 0;
}
