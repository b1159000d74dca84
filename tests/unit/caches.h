/* SPDX-License-Identifier: MIT */
/* caches: a thread cache, what it holds and what all hold, for the tests of tcache. */
#ifndef HM_TEST_CACHES_H
#define HM_TEST_CACHES_H

#include "layers.h"

#include "tcache.h"
#include "walk.h"

#define CONF "shards = 1\nsuperslab_size = 512K\naddress_window = 1G\nempty_reserve = 0\n"

static UNUSED struct hm_tcache *cache_up(const char *conf)
{
    layers_up(conf);
    hm_tcache_init(hm_opt.check == HM_CHECK_FULL);
    struct hm_tcache *tc = hm_tcache_start(NULL);

    REQUIRE(tc != NULL);
    return tc;
}

static UNUSED struct hm_tcache_totals totals(void)
{
    struct hm_tcache_totals t;

    hm_tcache_totals(&t);
    return t;
}

/* C1, for every bin. */
static UNUSED void bins_are_sound(struct hm_tcache *tc)
{
    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        struct hm_slot *top = hm_load_relaxed(&tc->bin_ends.top[cls]);
        struct hm_slot *limit = hm_front_limit(&tc->bin_ends, cls);
        struct hm_slot *bottom = limit + tc->bins[cls].capacity;

        REQUIRE(limit <= top && top <= bottom);
        REQUIRE(bottom->block == NULL);
        for (; top < bottom; top++)
            REQUIRE(hm_slab_of(top->block)->cls == cls &&
                    hm_load_relaxed(top->state) == 0);
    }
}

static UNUSED void count_run(struct hm_slab *run UNUSED, void *n)
{
    ++*(size_t *)n;
}

static UNUSED size_t slabs(void)
{
    size_t n = 0;

    hm_walk_runs(count_run, &n);
    return n;
}

#endif
