/* SPDX-License-Identifier: MIT */
/* The pattern of Larson and Krishnan's server: each thread replaces random blocks of 8 to
 * 128 bytes among 1,024, then dies, and its successor inherits the blocks. So almost
 * every block is freed by another thread than the one that took it, which may be long
 * gone.
 *
 * Without arguments: 20 runs each with 4 and with 8 threads. test_larson THREADS SECONDS
 * runs for as long as told and prints the peak of SuperSlabs and resident memory. The
 * predecessor of this allocator held 49,123 SuperSlabs after a few minutes of it. */
#include "../support.h"

enum { BLOCKS = 1024, MAX_THREADS = 64, MIN_SIZE = 8, MAX_SIZE = 128 };

/* Tens, where the live blocks fit in one or two: with the default profile's 1 MiB. */
#define SUPERSLABS_BOUND 64

struct seat {
    struct rng random;
    long generations;  /* threads still to come to this seat */
    long replacements; /* that each of them makes */
    pthread_barrier_t *end;
    unsigned char *block[BLOCKS];
    unsigned char size[BLOCKS];
};

static void put(struct seat *s, size_t i)
{
    s->size[i] =
        (unsigned char)(MIN_SIZE + rng_below(&s->random, MAX_SIZE - MIN_SIZE + 1));
    s->block[i] = malloc(s->size[i]);
    REQUIRE(s->block[i] != NULL);
    fill(s->block[i], s->size[i], (uintptr_t)&s->block[i]);
}

static void take(struct seat *s, size_t i)
{
    REQUIRE(intact(s->block[i], s->size[i], (uintptr_t)&s->block[i]));
    free(s->block[i]);
    s->block[i] = NULL;
}

/* One generation; at its end the thread starts its successor and is gone. */
static void *serve(void *arg)
{
    struct seat *s = arg;
    for (long i = 0; i < s->replacements; i++) {
        size_t victim = rng_below(&s->random, BLOCKS);
        take(s, victim);
        put(s, victim);
    }
    if (--s->generations == 0) {
        pthread_barrier_wait(s->end);
        return NULL;
    }
    pthread_t successor;
    REQUIRE(pthread_create(&successor, NULL, serve, s) == 0);
    REQUIRE(pthread_detach(successor) == 0);
    return NULL;
}

static void larson(size_t threads, long generations, long replacements)
{
    static struct seat seats[MAX_THREADS];
    REQUIRE(threads <= MAX_THREADS);
    /* One for each call, never destroyed: others may still be on their way out of it. */
    pthread_barrier_t *end = malloc(sizeof *end);
    REQUIRE(end != NULL && pthread_barrier_init(end, NULL, (unsigned)threads + 1) == 0);
    for (size_t t = 0; t < threads; t++) {
        struct seat *s = &seats[t];
        s->random = rng_seed(t);
        s->generations = generations;
        s->replacements = replacements;
        s->end = end;
        for (size_t i = 0; i < BLOCKS; i++)
            put(s, i);
        pthread_t first;
        REQUIRE(pthread_create(&first, NULL, serve, s) == 0);
        REQUIRE(pthread_detach(first) == 0);
    }
    pthread_barrier_wait(end);
    for (size_t t = 0; t < threads; t++) {
        for (size_t i = 0; i < BLOCKS; i++)
            take(&seats[t], i);
    }
}

static void twenty_runs(size_t threads)
{
    for (int run = 0; run < 20; run++) {
        larson(threads, scaled(10), 10000);
        if (HAVE(hakmem_stats)) {
            struct hakmem_stats s = stats_now();
            if (s.superslabs_peak > SUPERSLABS_BOUND)
                fail_msg("run %d: %lu SuperSlabs", run, (unsigned long)s.superslabs_peak);
        }
    }
    assert_true(resident_bytes() < 100 * MIB);
}

static void four_threads_and_their_heirs_20_runs_of_20(void **state)
{
    (void)state;
    twenty_runs(4);
}

static void eight_threads_and_their_heirs_20_runs_of_20(void **state)
{
    (void)state;
    twenty_runs(8);
}

/* A working set of about 60 MB built by threads that end: SuperSlabs rise, and fall. */
static void *build(void *arg)
{
    enum { COUNT_EACH = 110000 };
    void ***blocks = arg;
    *blocks = malloc((COUNT_EACH + 1) * sizeof(**blocks));
    REQUIRE(*blocks != NULL);
    struct rng r = rng_seed((uintptr_t)arg);
    for (size_t i = 0; i < COUNT_EACH; i++) {
        size_t size = MIN_SIZE + rng_below(&r, MAX_SIZE - MIN_SIZE + 1);
        REQUIRE(((*blocks)[i] = malloc(size)) != NULL);
        fill((*blocks)[i], size, 1);
    }
    (*blocks)[COUNT_EACH] = NULL;
    return NULL;
}

static void superslabs_fall_after_the_threads_end(void **state)
{
    (void)state;
    NEED(HAVE(hakmem_stats), "hakmem_stats");
    enum { THREADS = 8 };
    static void **blocks[THREADS];
    malloc_trim(0);
    struct hakmem_stats before = stats_now();
    run_threads(THREADS, build, blocks, sizeof(blocks[0]));
    struct hakmem_stats during = stats_now();
    assert_true(during.mapped_bytes >= before.mapped_bytes + 50 * MIB);
    assert_true(during.superslabs > before.superslabs);
    for (size_t t = 0; t < THREADS; t++) {
        for (void **block = blocks[t]; *block != NULL; block++)
            free(*block);
        free(blocks[t]);
    }
    malloc_trim(0);
    struct hakmem_stats after = stats_now();
    assert_true(after.superslabs_released > before.superslabs_released);
    if (after.superslabs > before.superslabs + 4)
        fail_msg("SuperSlabs: %lu before, %lu during, %lu after",
                 (unsigned long)before.superslabs, (unsigned long)during.superslabs,
                 (unsigned long)after.superslabs);
    assert_true(after.mapped_bytes < during.mapped_bytes - 40 * MIB);
}

/* For a person: as long as asked for, with figures. */
static int run_for(size_t threads, long seconds)
{
    time_t end = time(NULL) + seconds;
    long runs = 0;
    do
        larson(threads, 10, 20000);
    while (runs++, time(NULL) < end);
    printf("%ld runs of %zu threads, %zu KiB resident\n", runs, threads,
           resident_bytes() / KIB);
    if (HAVE(hakmem_stats)) {
        struct hakmem_stats s = stats_now();
        printf("SuperSlabs: %lu now, %lu at the peak, %lu mapped, %lu released\n",
               (unsigned long)s.superslabs, (unsigned long)s.superslabs_peak,
               (unsigned long)s.superslabs_mapped, (unsigned long)s.superslabs_released);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return run_for(strtoul(argv[1], NULL, 10), atol(argv[2]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_threads_and_their_heirs_20_runs_of_20),
        cmocka_unit_test(eight_threads_and_their_heirs_20_runs_of_20),
        cmocka_unit_test(superslabs_fall_after_the_threads_end),
    };
    return RUN_TESTS(tests);
}
