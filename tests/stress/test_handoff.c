/* SPDX-License-Identifier: MIT */
/* Producers allocate, consumers free, nobody does both. Blocks travel one way; memory
 * must travel back: a thread that only frees may not hoard (mimalloc#1364: 437 MB
 * became 1.8 GB). */
#include "../support.h"

enum { QUEUE = 1024 };

struct parcel {
    void *block;
    size_t size;
    uint64_t seed;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    struct parcel ring[QUEUE];
    size_t head, used;
    size_t producers; /* still at work */
} queue = {PTHREAD_MUTEX_INITIALIZER,
           PTHREAD_COND_INITIALIZER,
           PTHREAD_COND_INITIALIZER,
           {{NULL, 0, 0}},
           0,
           0,
           0};

static void send(const struct parcel *batch, size_t n)
{
    pthread_mutex_lock(&queue.lock);
    for (size_t i = 0; i < n; i++) {
        while (queue.used == QUEUE)
            pthread_cond_wait(&queue.not_full, &queue.lock);
        queue.ring[(queue.head + queue.used++) % QUEUE] = batch[i];
        pthread_cond_signal(&queue.not_empty);
    }
    pthread_mutex_unlock(&queue.lock);
}

/* Number of parcels received; 0 when all producers have gone and the queue is empty. */
static size_t receive(struct parcel *batch, size_t room)
{
    size_t n = 0;
    pthread_mutex_lock(&queue.lock);
    while (queue.used == 0 && queue.producers > 0)
        pthread_cond_wait(&queue.not_empty, &queue.lock);
    for (; n < room && queue.used > 0; n++) {
        batch[n] = queue.ring[queue.head];
        queue.head = (queue.head + 1) % QUEUE;
        queue.used--;
    }
    pthread_cond_broadcast(&queue.not_full);
    pthread_mutex_unlock(&queue.lock);
    return n;
}

enum { BATCH = 64 };

struct member {
    bool produces;
    struct rng random;
    size_t bytes; /* that a producer hands over */
    unsigned max_log2;
};

static void produce(struct member *m)
{
    for (size_t sent = 0; sent < m->bytes;) {
        struct parcel batch[BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            batch[i].size = rng_size(&m->random, m->max_log2);
            batch[i].seed = rng_next(&m->random);
            batch[i].block = malloc(batch[i].size);
            REQUIRE(batch[i].block != NULL);
            fill(batch[i].block, batch[i].size, batch[i].seed);
            sent += batch[i].size + 16;
        }
        send(batch, BATCH);
    }
    pthread_mutex_lock(&queue.lock);
    queue.producers--;
    pthread_cond_broadcast(&queue.not_empty);
    pthread_mutex_unlock(&queue.lock);
}

static void *play(void *arg)
{
    struct member *m = arg;
    if (m->produces) {
        produce(m);
        return NULL;
    }
    struct parcel batch[BATCH];
    size_t n;
    while ((n = receive(batch, BATCH)) > 0) {
        for (size_t i = 0; i < n; i++) {
            REQUIRE(intact(batch[i].block, batch[i].size, batch[i].seed));
            free(batch[i].block);
        }
    }
    return NULL;
}

/* Hands `total` bytes from producers to consumers; returns how resident memory grew. */
static size_t hand_over(size_t producers, size_t consumers, size_t total,
                        unsigned max_log2)
{
    static struct member members[16];
    size_t before = resident_bytes();
    queue.producers = producers;
    for (size_t i = 0; i < producers + consumers; i++) {
        members[i].produces = i < producers;
        members[i].random = rng_seed(i + max_log2);
        members[i].bytes = total / producers;
        members[i].max_log2 = max_log2;
    }
    run_threads(producers + consumers, play, members, sizeof(members[0]));
    size_t after = resident_bytes();
    return after > before ? after - before : 0;
}

/* Live at any time: a full queue and a batch for each thread, below 8 MiB at 4 KiB each.
 */
static void check_flow(size_t producers, size_t consumers)
{
    static const unsigned sizes[] = {5, 8, 12};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t total = (size_t)scaled(80L << (i * 2)) * MIB / 10;
        size_t grown = hand_over(producers, consumers, total, sizes[i]);
        if (grown > 48 * MIB)
            fail_msg("%zu producers, %zu consumers, sizes to %u: %zu MiB more", producers,
                     consumers, 1u << sizes[i], grown / MIB);
    }
    if (HAVE(hakmem_stats))
        assert_true(stats_now().mapped_peak < 128 * MIB);
}

static void one_producer_feeds_one_consumer_in_bounded_memory(void **state)
{
    (void)state;
    check_flow(1, 1);
}

static void one_producer_feeds_four_consumers_in_bounded_memory(void **state)
{
    (void)state;
    check_flow(1, 4);
}

static void four_producers_feed_one_consumer_in_bounded_memory(void **state)
{
    (void)state;
    check_flow(4, 1);
}

static void four_producers_feed_four_consumers_in_bounded_memory(void **state)
{
    (void)state;
    check_flow(4, 4);
}

/* A long life as a consumer only, while a thread that never frees keeps allocating: what
 * the one has freed must be there for the other. */
static void ten_times_the_blocks_take_no_more_memory(void **state)
{
    (void)state;
    hand_over(1, 1, 10 * MIB, 8);
    size_t once = resident_bytes();
    hand_over(1, 1, (size_t)scaled(100) * MIB, 8);
    assert_true(resident_bytes() < once + 16 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_producer_feeds_one_consumer_in_bounded_memory),
        cmocka_unit_test(one_producer_feeds_four_consumers_in_bounded_memory),
        cmocka_unit_test(four_producers_feed_one_consumer_in_bounded_memory),
        cmocka_unit_test(four_producers_feed_four_consumers_in_bounded_memory),
        cmocka_unit_test(ten_times_the_blocks_take_no_more_memory),
    };
    return RUN_TESTS(tests);
}
