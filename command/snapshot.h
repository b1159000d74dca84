/* SPDX-License-Identifier: MIT */
/* snapshot: the heap of a running process, by its own account (dump.h), and which of its
 * pages are in memory (residency.h). */
#ifndef HM_SNAPSHOT_H
#define HM_SNAPSHOT_H

#include "residency.h"

enum hm_run_kind { HM_RUN_SLAB, HM_RUN_MEDIUM };

struct hm_snap_run {
    enum hm_run_kind kind;
    uint64_t base, size;
    uint64_t block_size;  /* of a medium block: all of it */
    uint64_t cls, blocks; /* of a slab */
    uint64_t out;         /* blocks out of the slab, live or cached */
    uint64_t live;        /* of a medium block: 0 or 1 */
    uint64_t resident;
};

struct hm_snap_superslab {
    uint64_t base, size, state, state_size;
    unsigned shard;
    bool is_small; /* slabs of small blocks, else of large and medium ones */
    struct hm_snap_run *runs; /* by address */
    size_t count;
    struct hm_pages pages, state_pages;
    uint64_t resident, state_resident;
};

enum hm_snap_state { HM_SNAP_LIVE, HM_SNAP_CACHED };

struct hm_snap_big {
    uint64_t base, size;
    enum hm_snap_state state; /* cached: freed, in BigCache or on its way there */
    struct hm_pages pages;
    uint64_t resident;
};

struct hm_snap_range { /* of descriptors, or of the map of addresses */
    uint64_t base, size;
    struct hm_pages pages;
    uint64_t resident;
};

struct hm_snapshot {
    long pid;
    char *command, *profile;
    uint64_t superslab_size;
    uint64_t window, window_size;
    struct hm_snap_superslab *superslabs;
    struct hm_snap_big *bigs;
    struct hm_snap_range *ranges;
    size_t superslab_count, big_count, range_count;
    double rounding; /* part of blocks in slabs that was not asked for, by a sample */
    struct hm_residency residency;
};

/* False, after saying why: the process has no statistics page, or does not answer. */
bool hm_snapshot_take(struct hm_snapshot *s, long pid);

#endif
