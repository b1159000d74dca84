/* SPDX-License-Identifier: MIT */
/* idle: a peak, then rest. Most of what was allocated is freed, at random, and the
 * process sleeps without calling malloc again: how fast, and how far, does resident
 * memory fall? Then a little activity, then malloc_trim.
 *
 * Figures, in MiB: live (what the blocks still allocated ask for), floor (the pages that
 * these lie on: less cannot stay resident, whatever the allocator does), peak, after_0.0s
 * (freed, not yet idle), after_0.5s … of idleness, active (0.5 s of light activity),
 * trimmed. */
#include "bench.h"

#include <malloc.h>
#include <unistd.h>

static long peak = 200 << 20;
static long keep_percent = 5;
static long min = 16;
static long max = 64 << 10;
static long idle_ms = 4000;

static const struct bench_param params[] = {
    {"peak", &peak, BENCH_WORK, "bytes allocated at the peak"},
    {"keep", &keep_percent, BENCH_SHAPE, "percent of the blocks that stay"},
    {"min", &min, BENCH_SHAPE, "smallest block, bytes, at least 16"},
    {"max", &max, BENCH_SHAPE, "biggest block, bytes"},
    {"idle", &idle_ms, BENCH_WORK, "length of the idle phase, milliseconds, up to 12000"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

enum { STEP_MS = 500, MAX_STEPS = 24 };

static const char *const step_names[MAX_STEPS + 1] = {
    "after_0.0s",  "after_0.5s",  "after_1.0s",  "after_1.5s",  "after_2.0s",
    "after_2.5s",  "after_3.0s",  "after_3.5s",  "after_4.0s",  "after_4.5s",
    "after_5.0s",  "after_5.5s",  "after_6.0s",  "after_6.5s",  "after_7.0s",
    "after_7.5s",  "after_8.0s",  "after_8.5s",  "after_9.0s",  "after_9.5s",
    "after_10.0s", "after_10.5s", "after_11.0s", "after_11.5s", "after_12.0s",
};

struct slot {
    void *block;
    size_t size;
};

static void report(const char *name, size_t bytes)
{
    bench_figure(name, (double)bytes / (1 << 20));
}

static size_t climb(struct slot *slot, struct bench_random *r)
{
    size_t count = 0;
    for (size_t bytes = 0; bytes < (size_t)peak; bytes += slot[count++].size) {
        slot[count].size = bench_size(r, min, max);
        slot[count].block = bench_alloc(slot[count].size, r->state);
    }
    return count;
}

static int compare_pages(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

/* Bytes of the pages on which blocks lie. */
static size_t pages_of(const struct slot *slot, size_t count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), capacity = 0, pages = 0, distinct = 0;
    for (size_t i = 0; i < count; i++)
        capacity += slot[i].size / page + 2;
    uintptr_t *touched = bench_table(capacity, sizeof(*touched));
    for (size_t i = 0; i < count; i++) {
        uintptr_t from = (uintptr_t)slot[i].block, to = from + slot[i].size - 1;
        for (uintptr_t p = from / page; p <= to / page; p++)
            touched[pages++] = p;
    }
    qsort(touched, pages, sizeof(*touched), compare_pages);
    for (size_t i = 0; i < pages; i++)
        distinct += i == 0 || touched[i] != touched[i - 1];
    bench_table_end(touched, capacity, sizeof(*touched));
    return distinct * page;
}

static void be_active(double seconds)
{
    uint64_t end = bench_ns() + (uint64_t)(seconds * 1e9);
    while (bench_ns() < end) {
        for (size_t size = 16; size <= 4096; size *= 2)
            bench_free(bench_alloc(size, size), size);
        bench_sleep(0.01);
    }
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    struct bench_random r = bench_seed(0);
    size_t capacity = (size_t)(peak / min) + 1;
    struct slot *slot = bench_table(capacity, sizeof(*slot));
    size_t count = climb(slot, &r), kept = 0, live = 0;
    uint64_t sum = 0;
    bench_pause();
    size_t top = bench_resident();
    bench_resume();
    for (size_t i = 0; i < count; i++) {
        size_t j = i + bench_below(&r, count - i);
        struct slot s = slot[j];
        slot[j] = slot[i];
        if (bench_below(&r, 100) < (size_t)keep_percent) {
            live += s.size;
            slot[kept++] = s;
        } else {
            sum += bench_free(s.block, s.size);
        }
    }
    bench_pause();
    report("live", live);
    report("floor", pages_of(slot, kept));
    report("peak", top);
    report(step_names[0], bench_resident());
    for (long i = 1; i <= idle_ms / STEP_MS && i <= MAX_STEPS; i++) {
        bench_sleep(STEP_MS / 1e3);
        report(step_names[i], bench_resident());
    }
    be_active((double)idle_ms / 1e3 / 8);
    report("active", bench_resident());
    malloc_trim(0);
    report("trimmed", bench_resident());
    bench_resume();
    while (kept > 0) {
        kept--;
        sum += bench_free(slot[kept].block, slot[kept].size);
    }
    bench_table_end(slot, capacity, sizeof(*slot));
    bench_end(count, sum);
    return 0;
}
