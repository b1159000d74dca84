/* SPDX-License-Identifier: MIT */
/* spike: many small blocks, all freed again: what stays resident? Figures, in MiB: peak;
 * freed (at once); light (after two seconds of light activity); trimmed (by malloc_trim).
 */
#include "bench.h"

#include <malloc.h>

static long bytes = 240 << 20;
static long min = 16;
static long max = 1200;
static long order = 0;
static long light_ms = 2000;

static const struct bench_param params[] = {
    {"bytes", &bytes, BENCH_WORK, "bytes in blocks at the peak"},
    {"min", &min, BENCH_SHAPE, "smallest block, bytes, at least 16"},
    {"max", &max, BENCH_SHAPE, "biggest block, bytes"},
    {"order", &order, BENCH_SHAPE, "freed: 0 oldest first, 1 newest first, 2 at random"},
    {"light", &light_ms, BENCH_WORK, "length of the light activity, milliseconds"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

struct slot {
    void *block;
    size_t size;
};

static void report(const char *name)
{
    bench_pause();
    bench_figure(name, (double)bench_resident() / (1 << 20));
    bench_resume();
}

static void swap(struct slot *a, struct slot *b)
{
    struct slot c = *a;
    *a = *b;
    *b = c;
}

static void put_in_order(struct slot *slot, size_t count, struct bench_random *r)
{
    if (order == 1) {
        for (size_t i = 0; i < count / 2; i++)
            swap(&slot[i], &slot[count - 1 - i]);
    } else if (order == 2) {
        for (size_t i = 0; i < count; i++)
            swap(&slot[i], &slot[i + bench_below(r, count - i)]);
    }
}

static void be_active(void)
{
    uint64_t end = bench_ns() + (uint64_t)light_ms * 1000000u;
    while (bench_ns() < end) {
        for (size_t size = 16; size <= 1024; size *= 2)
            bench_free(bench_alloc(size, size), size);
        bench_sleep(0.01);
    }
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    struct bench_random r = bench_seed(0);
    size_t count = 0, capacity = (size_t)(bytes / min) + 1;
    uint64_t sum = 0;
    struct slot *slot = bench_table(capacity, sizeof(*slot));
    for (size_t total = 0; total < (size_t)bytes; total += slot[count++].size) {
        slot[count].size = bench_between(&r, min, max);
        slot[count].block = bench_alloc(slot[count].size, r.state);
    }
    report("peak");
    put_in_order(slot, count, &r);
    for (size_t i = 0; i < count; i++)
        sum += bench_free(slot[i].block, slot[i].size);
    bench_table_end(slot, capacity, sizeof(*slot));
    report("freed");
    bench_pause();
    be_active();
    bench_resume();
    report("light");
    malloc_trim(0);
    report("trimmed");
    bench_end(count, sum);
    return 0;
}
