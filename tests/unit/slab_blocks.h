/* SPDX-License-Identifier: MIT */
/* slab_blocks: taking slabs and their blocks, for the tests of slab. */
#ifndef HM_TEST_SLAB_BLOCKS_H
#define HM_TEST_SLAB_BLOCKS_H

#include "layers.h"

#include "home.h"
#include "walk.h"

#define CONF "superslab_size = 512K\naddress_window = 1G\nempty_reserve = 0\n"

enum { CLS = 16 }; /* 256 bytes: 64 in a slab, one word of its map */
enum { BLOCKS = 64 };

static UNUSED struct hm_slot slots[8 * BLOCKS];

static UNUSED uint64_t life(struct hm_slab *slab)
{
    return hm_load_relaxed(&slab->life);
}

static UNUSED unsigned live(struct hm_slab *slab)
{
    return (unsigned)(life(slab) & HM_LIFE_COUNT);
}

static UNUSED unsigned flags(struct hm_slab *slab)
{
    return (unsigned)(life(slab) & (HM_LIFE_CURRENT | HM_LIFE_LISTED | HM_LIFE_JOINING));
}

static UNUSED struct hm_slab *adopt(unsigned shard)
{
    struct hm_slab *slab = hm_slab_adopt(shard, CLS, HM_HOME_NONE, false);

    REQUIRE(slab != NULL && flags(slab) == HM_LIFE_CURRENT && slab->cls == CLS);
    return slab;
}

/* Takes all of a new slab's blocks into `slots`, from `at` on. */
static UNUSED struct hm_slab *take_all(size_t at)
{
    struct hm_slab *slab = adopt(0);

    REQUIRE(hm_slab_take(slab, slots + at, BLOCKS, false) == BLOCKS);
    return slab;
}

static UNUSED void count_run(struct hm_slab *run, void *arg)
{
    (void)run;
    ++*(size_t *)arg;
}

static UNUSED size_t runs_in_use(void)
{
    size_t n = 0;

    hm_walk_runs(count_run, &n);
    return n;
}

static UNUSED void nothing_is_left(void)
{
    REQUIRE(runs_in_use() == 0);
    hm_superslab_trim(hm_load_relaxed(&hm_clock), 0);
    REQUIRE(hm_load_relaxed(&hm_superslab_counts.mapped) ==
            hm_load_relaxed(&hm_superslab_counts.released));
}

#endif
