/* SPDX-License-Identifier: MIT */
/* larson: a server whose threads come and go, while what they allocated lives on.
 *
 * After the pattern that Larson and Krishnan describe in "Memory Allocation for
 * Long-Running Server Applications" (1998): each of several chains of threads owns an
 * array of blocks. A thread replaces blocks at random, then starts its successor, which
 * inherits the array, and dies. So blocks are freed by other threads than those that
 * allocated them ("bleeding"), most of which are gone by then. At first the main thread
 * allocates all blocks and deals them out, so that neighbours in memory belong to
 * different chains. */
#include "bench.h"

static long chains = 4;
static long blocks = 1000;
static long min = 16;
static long max = 128;
static long steps = 50000;
static long lives = 350;

static const struct bench_param params[] = {
    {"threads", &chains, BENCH_SHAPE, "threads alive at once"},
    {"blocks", &blocks, BENCH_SHAPE, "live blocks of a thread"},
    {"min", &min, BENCH_SHAPE, "smallest block, bytes, at least 16"},
    {"max", &max, BENCH_SHAPE, "biggest block, bytes"},
    {"steps", &steps, BENCH_SHAPE, "blocks that a thread replaces in its life"},
    {"lives", &lives, BENCH_WORK, "threads that follow each other in a chain"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

struct slot {
    void *block;
    size_t size;
};

struct chain {
    struct bench_random random;
    struct slot *slots;
    long lives_left;
    uint64_t sum;
};

static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_changed = PTHREAD_COND_INITIALIZER;
static long chains_done;

static void chain_ends(void)
{
    pthread_mutex_lock(&done_lock);
    chains_done++;
    pthread_cond_signal(&done_changed);
    pthread_mutex_unlock(&done_lock);
}

static void *live(void *arg)
{
    struct chain *c = arg;
    struct bench_random r = c->random;
    uint64_t sum = 0;
    for (long i = 0; i < steps; i++) {
        struct slot *s = &c->slots[bench_below(&r, (size_t)blocks)];
        sum += bench_free(s->block, s->size);
        s->size = bench_between(&r, min, max);
        s->block = bench_alloc(s->size, r.state);
    }
    c->random = r;
    c->sum += sum;
    if (--c->lives_left > 0) {
        pthread_t successor;
        bench_spawn(&successor, live, c);
        pthread_detach(successor);
    } else {
        chain_ends();
    }
    return NULL;
}

/* Fills the chains' arrays, neighbours in memory going to different chains at random. */
static void deal_blocks(struct chain *chain)
{
    struct bench_random r = bench_seed(0);
    size_t count = (size_t)(chains * blocks);
    struct slot **order = bench_check(calloc(count, sizeof(struct slot *)));
    for (size_t i = 0; i < count; i++) {
        size_t j = bench_below(&r, i + 1);
        order[i] = order[j];
        order[j] = &chain[i % (size_t)chains].slots[i / (size_t)chains];
    }
    for (size_t i = 0; i < count; i++) {
        order[i]->size = bench_between(&r, min, max);
        order[i]->block = bench_alloc(order[i]->size, r.state);
    }
    free(order);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    struct chain *chain = bench_check(calloc((size_t)chains, sizeof(*chain)));
    for (long i = 0; i < chains; i++) {
        chain[i].random = bench_seed((uint64_t)i + 1);
        chain[i].lives_left = lives;
        chain[i].slots = bench_check(calloc((size_t)blocks, sizeof(struct slot)));
    }
    deal_blocks(chain);
    for (long i = 0; i < chains; i++) {
        pthread_t first;
        bench_spawn(&first, live, &chain[i]);
        pthread_detach(first);
    }
    pthread_mutex_lock(&done_lock);
    while (chains_done < chains)
        pthread_cond_wait(&done_changed, &done_lock);
    pthread_mutex_unlock(&done_lock);

    uint64_t sum = 0;
    for (long i = 0; i < chains; i++) {
        sum += chain[i].sum;
        for (long j = 0; j < blocks; j++)
            sum += bench_free(chain[i].slots[j].block, chain[i].slots[j].size);
        free(chain[i].slots);
    }
    free(chain);
    bench_end((uint64_t)chains * (uint64_t)lives * (uint64_t)steps, sum);
    return 0;
}
