/* SPDX-License-Identifier: MIT */
/* Random calls from eight threads, every block's content verified before it changes or
 * goes, and a good part of the blocks freed by another thread than the one that took
 * them. */
#include <stdatomic.h>
#include "../support.h"

enum { THREADS = 8, SLOTS = 400, MAILBOXES = 1024 };

/* A block that changes hands travels with its description, which is a block too. */
struct parcel {
    void *block;
    size_t size;
    uint64_t seed;
};

static struct parcel *_Atomic mailbox[MAILBOXES];

struct worker {
    struct rng random;
    long steps;
    unsigned max_log2;
    struct parcel slot[SLOTS];
};

static void verify(const struct parcel *p)
{
    REQUIRE(intact(p->block, p->size, p->seed));
    REQUIRE(p->block == NULL || malloc_usable_size(p->block) >= p->size);
}

static void *get(struct rng *r, size_t size)
{
    void *p = NULL;
    switch (rng_below(r, 12)) {
    case 0:
        return memalign((size_t)1 << rng_below(r, 13), size);
    case 1:
        return aligned_alloc((size_t)16 << rng_below(r, 6), size);
    case 2:
        REQUIRE(posix_memalign(&p, (size_t)8 << rng_below(r, 8), size) == 0);
        return p;
    case 3:
    case 4:
        p = calloc(size, 1);
        REQUIRE(all_bytes(p, size, 0));
        return p;
    case 5:
        return realloc(NULL, size);
    default:
        return malloc(size);
    }
}

static void renew(struct worker *w, struct parcel *p, size_t size)
{
    p->size = size;
    p->seed = rng_next(&w->random);
    fill(p->block, size, p->seed);
}

static void replace(struct worker *w, struct parcel *p, size_t size)
{
    verify(p);
    free(p->block);
    p->block = get(&w->random, size);
    REQUIRE(p->block != NULL && is_aligned(p->block, 16));
    renew(w, p, size);
}

static void resize(struct worker *w, struct parcel *p, size_t size)
{
    verify(p);
    void *q = realloc(p->block, size + 1);
    REQUIRE(q != NULL);
    REQUIRE(intact(q, p->size < size ? p->size : size, p->seed));
    p->block = q;
    renew(w, p, size);
}

/* Leaves a block in a random mailbox; what lay there is this thread's to free now. */
static void post(struct worker *w, struct parcel *p)
{
    struct parcel *sent = malloc(sizeof(*sent));
    REQUIRE(sent != NULL);
    *sent = *p;
    *p = (struct parcel){NULL, 0, 0};
    size_t box = rng_below(&w->random, MAILBOXES);
    struct parcel *got = atomic_exchange(&mailbox[box], sent);
    if (got != NULL) {
        verify(got);
        free(got->block);
        free(got);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (long i = 0; i < w->steps; i++) {
        if (i % (w->steps / 8 + 1) == 0) /* while seven others go on */
            REQUIRE(is_sound());
        struct parcel *p = &w->slot[rng_below(&w->random, SLOTS)];
        bool large = rng_below(&w->random, 1024) == 0;
        size_t size = rng_size(&w->random, large ? 22 : w->max_log2);
        switch (rng_below(&w->random, 8)) {
        case 0:
            resize(w, p, size);
            break;
        case 1:
        case 2:
            post(w, p);
            break;
        default:
            replace(w, p, size);
        }
    }
    for (size_t i = 0; i < SLOTS; i++) {
        verify(&w->slot[i]);
        free(w->slot[i].block);
    }
    return NULL;
}

static void run(long steps, unsigned max_log2)
{
    static struct worker workers[THREADS];
    memset(workers, 0, sizeof(workers));
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].random = rng_seed(max_log2 * 100 + i);
        workers[i].steps = steps;
        workers[i].max_log2 = max_log2;
    }
    run_threads(THREADS, work, workers, sizeof(workers[0]));
    for (size_t i = 0; i < MAILBOXES; i++) {
        struct parcel *left = atomic_exchange(&mailbox[i], NULL);
        if (left != NULL) {
            verify(left);
            free(left->block);
            free(left);
        }
    }
    assert_true(is_sound());
}

static void tiny_blocks_keep_their_content(void **state)
{
    (void)state;
    run(scaled(400000), 8);
}

static void blocks_to_16_kib_keep_their_content(void **state)
{
    (void)state;
    run(scaled(200000), 14);
}

static void blocks_to_256_kib_keep_their_content(void **state)
{
    (void)state;
    run(scaled(30000), 18);
}

/* Everything was freed: what the statistics call live must be next to nothing. */
static void nothing_is_counted_as_live_afterwards(void **state)
{
    (void)state;
    NEED(HAVE(hakmem_stats), "hakmem_stats");
    malloc_trim(0);
    struct hakmem_stats s = stats_now();
    assert_true(s.small_bytes - s.cached_bytes <= 512 * KIB);
    assert_true(s.medium_bytes <= 512 * KIB);
    assert_true(s.big_bytes <= 512 * KIB && s.bigcache_bytes == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_blocks_keep_their_content),
        cmocka_unit_test(blocks_to_16_kib_keep_their_content),
        cmocka_unit_test(blocks_to_256_kib_keep_their_content),
        cmocka_unit_test(nothing_is_counted_as_live_afterwards),
    };
    return RUN_TESTS(tests);
}
