/* SPDX-License-Identifier: MIT */
/* bench: what every benchmark program shares.
 *
 * A program does a fixed amount of work that its parameters alone determine, so that
 * every allocator is asked for the same blocks in the same order (in each thread). It
 * ends with one line on stdout:
 *
 *   larson threads=4 …: ops=4000000 seconds=1.234567 resident=2711552 checksum=5bd1e9… …
 *
 * seconds   from bench_begin to bench_end, without the time between bench_pause and
 *           bench_resume
 * resident  bytes, measured by bench_end: the program has freed everything by then, so
 * this is what the allocator and libc keep checksum  of what was read back from the
 * blocks; the same for every allocator …         further figures of this program
 * (bench_figure)
 *
 * Blocks are marked when allocated and verified when freed: an allocator that hands out
 * overlapping blocks ends the program, and nothing can be optimized away. */
#ifndef HM_BENCH_H
#define HM_BENCH_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum bench_kind {
    BENCH_SHAPE, /* says what the work is like */
    BENCH_WORK   /* says how much of it there is: multiplied by scale=, at least 1 */
};

struct bench_param {
    const char *name;
    long *value; /* holds the default */
    enum bench_kind kind;
    const char *meaning;
};

/* Reads NAME=VALUE arguments (VALUE may end in K, M or G) into the parameters, which end
 * with a NULL name, then starts the clock. "--help" lists them. Besides its own
 * parameters each program takes scale=FACTOR. */
void bench_begin(int argc, char **argv, const struct bench_param *params);
void bench_end(uint64_t ops, uint64_t checksum);

/* Sleeping, measuring and the like, between these two, is not part of the work. */
void bench_pause(void);
void bench_resume(void);

/* Adds NAME=VALUE to the result line. The name must be a string literal. */
void bench_figure(const char *name, double value);

/* Ends the program with a message. */
void bench_fail(const char *what) __attribute__((noreturn));

size_t bench_resident(void); /* bytes, exact; walks the page tables */
void bench_sleep(double seconds);

/* Zeroed memory that does not come from the allocator and costs nothing until it is used,
 * for tables whose length is known to be at most count. */
void *bench_table(size_t count, size_t size);
void bench_table_end(void *table, size_t count, size_t size);
uint64_t bench_ns(void);

/* Runs threads that each get their element of an array, and waits for all of them. They
 * start at the same moment, thread i on CPU i modulo the number of CPUs: whether two that
 * exchange blocks share a CPU would else be the scheduler's choice, different in every
 * run, and decide more than any allocator does. */
void bench_threads(long count, void *(*body)(void *), void *args, size_t arg_size);
void bench_spawn(pthread_t *thread, void *(*body)(void *), void *arg);

/* ---- Random numbers: one generator a thread, seeded by the work, never by the clock
 * ----- */

struct bench_random {
    uint64_t state;
};

static inline uint64_t bench_hash(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

static inline struct bench_random bench_seed(uint64_t seed)
{
    struct bench_random r = {bench_hash(seed) | 1};
    return r;
}

static inline uint64_t bench_next(struct bench_random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state;
}

/* Maps the upper half of a random number to 0 … limit - 1, without a division. */
static inline size_t bench_scale(uint64_t random, size_t limit)
{
    return (size_t)((random >> 32) * limit >> 32);
}

static inline size_t bench_below(struct bench_random *r, size_t limit)
{
    return bench_scale(bench_next(r), limit);
}

static inline size_t bench_between(struct bench_random *r, long min, long max)
{
    return (size_t)min + bench_below(r, (size_t)(max - min) + 1);
}

/* A size of min … max whose logarithm is evenly distributed: real programs ask for many
 * small blocks and few big ones. */
static inline size_t bench_size(struct bench_random *r, long min, long max)
{
    if (min >= max)
        return (size_t)min;
    unsigned low = 63u - (unsigned)__builtin_clzl((unsigned long)min);
    unsigned high = 63u - (unsigned)__builtin_clzl((unsigned long)max);
    size_t octave = (size_t)1 << (low + bench_below(r, high - low + 1));
    size_t from = octave < (size_t)min ? (size_t)min : octave;
    size_t to = octave * 2 - 1 > (size_t)max ? (size_t)max : octave * 2 - 1;
    return from + bench_below(r, to - from + 1);
}

/* ---- Blocks: of 16 bytes at least; the first and the last word tell whose they are
 * ------ */

static inline void *bench_check(void *p)
{
    if (__builtin_expect(p == NULL, 0))
        bench_fail("out of memory");
    return p;
}

/* Every page of a block is written to, as by who means to use what it asked for: else
 * resident memory would tell whether blocks happen to begin at the page's first byte. */
static inline void *bench_alloc(size_t size, uint64_t tag)
{
    enum { PAGE = 4096 };
    char *p = (char *)bench_check(malloc(size));
    for (size_t i = PAGE; i < size; i += PAGE)
        ((volatile char *)p)[i] = 1;
    memcpy(p, &tag, sizeof(tag));
    memcpy(p + size - sizeof(tag), &tag, sizeof(tag));
    return p;
}

/* Frees a block that bench_alloc made, and returns its tag. */
static inline uint64_t bench_free(void *block, size_t size)
{
    uint64_t first, last;
    memcpy(&first, block, sizeof(first));
    memcpy(&last, (char *)block + size - sizeof(last), sizeof(last));
    if (__builtin_expect(first != last, 0))
        bench_fail("a block was overwritten");
    free(block);
    return first;
}

#ifdef __cplusplus
}
#endif

#endif
