/* SPDX-License-Identifier: MIT */
/* vectors: many arrays grow by realloc at the same time, so that one is in another's way.
 * Each follows one of four habits: doubling; half as much again; a page more (logs, read
 * buffers); sixteen bytes more (strings built piece by piece). A full one is verified,
 * freed, and followed by a new one. */
#include "bench.h"

static long vectors = 64;
static long max = 4 << 20;
static long small_max = 8192;
static long steps = 200000;

static const struct bench_param params[] = {
    {"vectors", &vectors, BENCH_SHAPE, "arrays that grow at the same time"},
    {"max", &max, BENCH_SHAPE, "biggest array, bytes"},
    {"small", &small_max, BENCH_SHAPE, "biggest array that grows by 16 bytes"},
    {"steps", &steps, BENCH_WORK, "times that an array grows"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

enum habit { DOUBLE, HALF_MORE, PAGE_MORE, BIT_MORE, HABITS };

enum { PAGE = 4096, BIT = 16, FIRST = 16 };

/* A word is written in every line of the cache: the memory is used, but what is measured
 * is not how fast it can be filled. */
enum { LINE = 64 };

struct vector {
    char *data;
    size_t size, end;
    uint64_t mark;
    enum habit habit;
};

static size_t next_size(const struct vector *v)
{
    switch (v->habit) {
    case DOUBLE:
        return v->size * 2;
    case HALF_MORE:
        return v->size + v->size / 2;
    case PAGE_MORE:
        return v->size + PAGE;
    default:
        return v->size + BIT;
    }
}

static void vector_mark(struct vector *v, size_t from, size_t to)
{
    for (size_t i = from / LINE * LINE; i + sizeof(v->mark) <= to; i += LINE)
        memcpy(v->data + i, &v->mark, sizeof(v->mark));
}

static uint64_t vector_end(struct vector *v)
{
    uint64_t sum = 0;
    for (size_t i = 0; i + sizeof(v->mark) <= v->size; i += LINE) {
        uint64_t mark;
        memcpy(&mark, v->data + i, sizeof(mark));
        if (mark != v->mark)
            bench_fail("an array was overwritten");
        sum += mark;
    }
    free(v->data);
    v->data = NULL;
    return sum;
}

static void vector_begin(struct vector *v, struct bench_random *r)
{
    v->habit = (enum habit)bench_below(r, HABITS);
    v->end = bench_size(r, FIRST, v->habit == BIT_MORE ? small_max : max);
    v->mark = bench_next(r);
    v->size = FIRST;
    v->data = bench_check(malloc(v->size));
    vector_mark(v, 0, v->size);
}

static void vector_grow(struct vector *v)
{
    size_t size = next_size(v);
    v->data = bench_check(realloc(v->data, size));
    vector_mark(v, v->size, size);
    v->size = size;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    struct bench_random r = bench_seed(0);
    struct vector *v = bench_check(calloc((size_t)vectors, sizeof(*v)));
    uint64_t sum = 0;
    for (long i = 0; i < vectors; i++)
        vector_begin(&v[i], &r);
    for (long i = 0; i < steps; i++) {
        struct vector *one = &v[bench_below(&r, (size_t)vectors)];
        if (one->size >= one->end) {
            sum += vector_end(one);
            vector_begin(one, &r);
        }
        vector_grow(one);
    }
    for (long i = 0; i < vectors; i++)
        sum += vector_end(&v[i]);
    free(v);
    bench_end((uint64_t)steps, sum);
    return 0;
}
