/* SPDX-License-Identifier: MIT */
/* fragment: a long run whose sizes shift. In every phase new blocks have sizes around
 * another centre, while blocks at random places are freed to keep the live bytes about
 * constant, so that old and new sizes are mixed for ever. Resident memory may not grow
 * from one quarter of the run to the next.
 *
 * Figures, in MiB: live, rss_1 … rss_4 (at the end of each quarter). */
#include "bench.h"

static long live_bytes = 64 << 20;
static long phase_bytes = 16 << 20;
static long min = 16;
static long max = 64 << 10;
static long phases = 40;

static const struct bench_param params[] = {
    {"live", &live_bytes, BENCH_SHAPE, "bytes in live blocks"},
    {"phase", &phase_bytes, BENCH_SHAPE, "bytes allocated in a phase"},
    {"min", &min, BENCH_SHAPE, "smallest block, bytes, at least 16"},
    {"max", &max, BENCH_SHAPE, "biggest block, bytes"},
    {"phases", &phases, BENCH_WORK, "phases"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

enum { QUARTERS = 4 };

static const char *const quarter_names[QUARTERS] = {"rss_1", "rss_2", "rss_3", "rss_4"};

/* Live blocks, in no order; a freed one's place is taken by the last. */
static struct {
    struct slot {
        void *block;
        size_t size;
    } * slot;
    size_t count, capacity, bytes;
    uint64_t sum;
} live;

static void live_add(size_t size, uint64_t tag)
{
    if (live.count == live.capacity)
        bench_fail("more blocks than fit in the table");
    struct slot s = {bench_alloc(size, tag), size};
    live.slot[live.count++] = s;
    live.bytes += size;
}

static void live_free_one(struct bench_random *r)
{
    struct slot *s = &live.slot[bench_below(r, live.count)];
    live.sum += bench_free(s->block, s->size);
    live.bytes -= s->size;
    *s = live.slot[--live.count];
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    struct bench_random r = bench_seed(0);
    uint64_t ops = 0;
    live.capacity = (size_t)(live_bytes / min) + 1;
    live.slot = bench_table(live.capacity, sizeof(*live.slot));
    for (long phase = 0; phase < phases; phase++) {
        size_t centre = bench_size(&r, min, max);
        long from = (long)centre / 2 < min ? min : (long)centre / 2;
        long to = (long)centre * 2 > max ? max : (long)centre * 2;
        for (size_t bytes = 0; bytes < (size_t)phase_bytes; ops++) {
            size_t size = bench_between(&r, from, to);
            while (live.count > 0 && live.bytes + size > (size_t)live_bytes)
                live_free_one(&r);
            live_add(size, r.state);
            bytes += size;
        }
        if ((phase + 1) * QUARTERS / phases != phase * QUARTERS / phases) {
            bench_pause();
            bench_figure(quarter_names[(phase + 1) * QUARTERS / phases - 1],
                         (double)bench_resident() / (1 << 20));
            bench_resume();
        }
    }
    bench_figure("live_mib", (double)live.bytes / (1 << 20));
    while (live.count > 0)
        live_free_one(&r);
    bench_table_end(live.slot, live.capacity, sizeof(*live.slot));
    bench_end(ops, live.sum);
    return 0;
}
