/* SPDX-License-Identifier: MIT */
/* superslab_runs: taking runs of units, for the tests of superslab. */
#ifndef HM_TEST_SUPERSLAB_RUNS_H
#define HM_TEST_SUPERSLAB_RUNS_H

#include "layers.h"

#define SIZE (512 * HM_KIB)
#define UNITS (SIZE / HM_UNIT)
#define CONF "superslab_size = 512K\naddress_window = 1G\nempty_reserve = 0\n"

static UNUSED struct hm_slab *take(unsigned cls, uint32_t units, size_t align,
                                   bool *zeroed)
{
    bool unused;

    return hm_run_take(&(struct hm_run_request){0, (uint8_t)cls, units, align, false},
                       zeroed != NULL ? zeroed : &unused);
}

static UNUSED struct hm_slab *take_units(uint32_t units)
{
    struct hm_slab *run = take(HM_STATE_MEDIUM, units, HM_UNIT, NULL);

    REQUIRE(run != NULL);
    return run;
}

static UNUSED size_t bytes(const struct hm_slab *run)
{
    return (size_t)run->units << HM_UNIT_SHIFT;
}

/* A deadline that everything freed so far has reached. */
static UNUSED uint64_t now(void)
{
    return hm_load_relaxed(&hm_clock);
}

static UNUSED uint64_t count(const _Atomic uint64_t *counter)
{
    return hm_load_relaxed(counter);
}

static UNUSED uint64_t mapped(void)
{
    return count(&hm_superslab_counts.mapped) - count(&hm_superslab_counts.released);
}

struct held {
    struct hm_slab *run;
    uint64_t seed;
};

/* Content shows when two runs overlap; one word in each unit is enough. */
static UNUSED void mark(const struct held *h)
{
    for (size_t u = 0; u < h->run->units; u++)
        fill(h->run->base + u * HM_UNIT, 64, h->seed + u);
}

static UNUSED void check(const struct held *h)
{
    for (size_t u = 0; u < h->run->units; u++) {
        REQUIRE(intact(h->run->base + u * HM_UNIT, 64, h->seed + u));
        REQUIRE(hm_slab_of(h->run->base + u * HM_UNIT) == h->run);
    }
}

#endif
