/* SPDX-License-Identifier: MIT */
/* handoff: some threads only allocate, others only free. Blocks travel in batches through
 * one bounded queue, as jobs or log records do. An allocator that keeps what a thread
 * freed in that thread sees its producers starve and its consumers hoard. */
#include "bench.h"

static long producers = 1;
static long consumers = 1;
static long batch = 128;
static long depth = 64;
static long min = 16;
static long max = 512;
static long batches = 150000;

static const struct bench_param params[] = {
    {"producers", &producers, BENCH_SHAPE, "threads that allocate"},
    {"consumers", &consumers, BENCH_SHAPE, "threads that free"},
    {"batch", &batch, BENCH_SHAPE, "blocks handed over at once"},
    {"depth", &depth, BENCH_SHAPE, "batches that fit in the queue"},
    {"min", &min, BENCH_SHAPE, "smallest block, bytes, at least 16"},
    {"max", &max, BENCH_SHAPE, "biggest block, bytes"},
    {"batches", &batches, BENCH_WORK, "batches that each producer makes"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

/* Allocated by the producer and freed by the consumer, like the blocks in it. */
struct parcel {
    struct {
        void *block;
        size_t size;
    } item[1]; /* batch of them */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    struct parcel **ring; /* depth of them; NULL tells a consumer to end */
    size_t head, count;
} queue = {PTHREAD_MUTEX_INITIALIZER,
           PTHREAD_COND_INITIALIZER,
           PTHREAD_COND_INITIALIZER,
           NULL,
           0,
           0};

static void queue_put(struct parcel *parcel)
{
    pthread_mutex_lock(&queue.lock);
    while (queue.count == (size_t)depth)
        pthread_cond_wait(&queue.not_full, &queue.lock);
    queue.ring[(queue.head + queue.count++) % (size_t)depth] = parcel;
    pthread_cond_signal(&queue.not_empty);
    pthread_mutex_unlock(&queue.lock);
}

static struct parcel *queue_take(void)
{
    pthread_mutex_lock(&queue.lock);
    while (queue.count == 0)
        pthread_cond_wait(&queue.not_empty, &queue.lock);
    struct parcel *parcel = queue.ring[queue.head];
    queue.head = (queue.head + 1) % (size_t)depth;
    queue.count--;
    pthread_cond_signal(&queue.not_full);
    pthread_mutex_unlock(&queue.lock);
    return parcel;
}

static void *produce(void *arg)
{
    struct bench_random r = bench_seed(*(const uint64_t *)arg);
    for (long i = 0; i < batches; i++) {
        struct parcel *parcel =
            bench_check(malloc((size_t)batch * sizeof(parcel->item[0])));
        for (long j = 0; j < batch; j++) {
            parcel->item[j].size = bench_size(&r, min, max);
            parcel->item[j].block = bench_alloc(parcel->item[j].size, r.state);
        }
        queue_put(parcel);
    }
    return NULL;
}

static void *consume(void *arg)
{
    uint64_t sum = 0;
    struct parcel *parcel;
    while ((parcel = queue_take()) != NULL) {
        for (long j = 0; j < batch; j++)
            sum += bench_free(parcel->item[j].block, parcel->item[j].size);
        free(parcel);
    }
    *(uint64_t *)arg = sum;
    return NULL;
}

static void start(pthread_t *threads, long count, void *(*body)(void *), uint64_t *args)
{
    for (long i = 0; i < count; i++)
        bench_spawn(&threads[i], body, &args[i]);
}

static void join(pthread_t *threads, long count)
{
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    size_t p = (size_t)producers, c = (size_t)consumers;
    queue.ring = bench_check(calloc((size_t)depth, sizeof(struct parcel *)));
    pthread_t *threads = bench_check(calloc(p + c, sizeof(*threads)));
    uint64_t *seeds = bench_check(calloc(p, sizeof(*seeds)));
    uint64_t *sums = bench_check(calloc(c, sizeof(*sums)));
    for (size_t i = 0; i < p; i++)
        seeds[i] = i;
    start(threads, consumers, consume, sums);
    start(threads + c, producers, produce, seeds);
    join(threads + c, producers);
    for (size_t i = 0; i < c; i++)
        queue_put(NULL);
    join(threads, consumers);
    uint64_t sum = 0;
    for (size_t i = 0; i < c; i++)
        sum += sums[i];
    free(sums);
    free(seeds);
    free(threads);
    free(queue.ring);
    bench_end((uint64_t)producers * (uint64_t)batches * (uint64_t)batch, sum);
    return 0;
}
