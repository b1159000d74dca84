/* SPDX-License-Identifier: MIT */
/* superslab: SuperSlabs, and runs of units cut from them.
 *
 *   SuperSlab   | unit | unit | unit | unit | …            16 KiB each
 *                 slab   free   slab----------   medium block---- …
 *   descriptor  struct hm_superslab, elsewhere: maps of units, one struct hm_slab per
 *   unit
 *
 * S1 A unit is free (its bit in free_map is set), or part of exactly one run, or a fence,
 *    or on its way back to the system. head[u] is the first unit of the run that u is in,
 *    written before any block of the run exists.
 * S2 dirty_map is a subset of free_map: free units that may hold other bytes than zero
 *    or are resident. A free unit that is not dirty reads as zero and costs no memory.
 *    Where a page of the kernel is several units, its free units are all dirty unless
 *    all of the page is free and none is.
 * S3 free_units == popcount(free_map). A SuperSlab is on its shard's list of its kind
 *    exactly while free_units > 0; the list is in address order.
 * S4 Descriptors are type-stable: once made, the memory stays a hm_superslab with its
 *    hm_slabs for ever, though it may come to describe another SuperSlab, and the
 *    hm_slabs of an unmapped one may read as zero.
 *
 * Everything tagged [L:runs] belongs to the lock of the SuperSlab's shard. SuperSlabs do
 * not belong to threads: any thread may take runs from any shard, and prefers its own.
 */
#ifndef HM_SUPERSLAB_H
#define HM_SUPERSLAB_H

#include "fence.h"
#include "sys.h"
#include "window.h"

/* One unit's descriptor; that of a run's first unit describes the run. What slab.h calls
 * a slab is a run cut into blocks of one class; a medium block is a run that is one
 * block. */
struct hm_slab {
    _Atomic uint64_t life;      /* slab.h: live count, flags, generation */
    struct hm_slab *next;       /* [L:partial] or, deferred, [owner] */
    struct hm_slab *prev;       /* [L:partial] */
    struct hm_superslab *owner; /* [const] while in use */
    char *base;                 /* [const] while in use */
    hm_state *state;            /* [const] while in use: of the first block */
    uint64_t purged;            /* [L:partial] slab.c: life when pages were last purged */
    uint16_t units;             /* [const] while in use */
    uint16_t unit;              /* [const] number of its first unit */
    uint8_t cls;                /* [const] while in use; HM_STATE_MEDIUM: medium block */
    _Atomic uint8_t set;        /* [any] slab.h B3, B5: of the lists it goes on */
    _Atomic uint8_t home;       /* [any, relaxed] home.h; of slabs alone */
    _Atomic uint64_t
        free_map[HM_SLAB_BLOCKS_MAX / 64]; /* slab.h: bit i: block i is free */
};

struct hm_superslab {
    char *base;      /* [const] while mapped */
    hm_state *state; /* [const] while mapped: state byte of base */
    uint32_t units;  /* [const] */
    uint8_t kind;    /* [const] while mapped: enum hm_kind */
    uint8_t shift;   /* [const] while mapped: bytes per state byte, as a power of two */
    uint8_t shard;   /* [const] while mapped */
    uint8_t gap;     /* [const] while mapped: fence.h */
    bool has_place;  /* [owner] unmapped, but its place in the window is not given back */
    uint32_t whole; /* [const] while mapped: units that are no fences */
    uint32_t free_units;       /* [L:runs] */
    uint32_t dirty_units;      /* [L:runs] */
    uint32_t longest;          /* [L:runs] no free run is longer than this */
    struct hm_superslab *next; /* [L:runs] */
    struct hm_superslab *prev; /* [L:runs] */
    uint64_t *free_map;        /* [L:runs] */
    uint64_t *dirty_map;       /* [L:runs] */
    uint32_t *freed_at;        /* [L:runs] hm_clock when a dirty unit became free */
    uint16_t *head;            /* [any] S1; see hm_superslab_slab_of */
    struct hm_slab *slabs;
};

/* Prewarmed memory counts as freed this far ahead, so that only a forced trim takes it.
 */
#define HM_CLOCK_PREWARMED ((uint64_t)1 << 28)
#define HM_CLOCK_FORCED ((uint64_t)1 << 29)

/* [any, relaxed] counters for statistics */
struct hm_superslab_counts {
    _Atomic uint64_t mapped, released; /* SuperSlabs, since start */
    _Atomic uint64_t peak;             /* most mapped at once */
    _Atomic uint64_t used_units;       /* in runs now */
    _Atomic uint64_t dirty_units;      /* resident free units now */
    _Atomic uint64_t stuck_units; /* of these, in one page with units that are in use */
    _Atomic uint64_t empty;       /* SuperSlabs wholly free now */
};
extern struct hm_superslab_counts hm_superslab_counts;

/* How many are mapped now. In this order: one that comes and goes between the two looks
 * must not make it less than none. */
HM_INLINE uint64_t hm_superslab_mapped(void)
{
    uint64_t released = hm_load_acquire(&hm_superslab_counts.released);
    return hm_load_relaxed(&hm_superslab_counts.mapped) - released;
}

/* Units in a page of the kernel, if they are smaller; else 1. [const after init] */
extern uint32_t hm_superslab_page_units;

/* Before and after units are taken or given back, with the shard's lock held: their
 * neighbours within a page become dirty when they do not stay untouched (S2). */
void hm_superslab_settle_slow(struct hm_superslab *ss, uint32_t at, uint32_t count,
                              bool after);
HM_INLINE void hm_superslab_settle(struct hm_superslab *ss, uint32_t at, uint32_t count,
                                   bool after)
{
    if (HM_UNLIKELY(hm_superslab_page_units > 1))
        hm_superslab_settle_slow(ss, at, count, after);
}

/* Dirty units that a trim could give back; they are counted apart, so never negative. */
HM_INLINE uint64_t hm_superslab_purgeable(void)
{
    uint64_t stuck = hm_load_relaxed(&hm_superslab_counts.stuck_units);
    uint64_t dirty = hm_load_relaxed(&hm_superslab_counts.dirty_units);
    return dirty - hm_min(stuck, dirty);
}

/* Bytes of the heap that may be resident: runs, and free units that were not purged. */
HM_INLINE size_t hm_superslab_resident(void)
{
    return (size_t)(hm_load_relaxed(&hm_superslab_counts.used_units) +
                    hm_load_relaxed(&hm_superslab_counts.dirty_units))
           << HM_UNIT_SHIFT;
}

/* After hm_window_init; options must be in force. */
void hm_superslab_init(unsigned shards);
unsigned hm_superslab_shards(void);

struct hm_run_request {
    uint8_t shard; /* preferred */
    uint8_t cls;   /* what the run will be; decides its kind of SuperSlab */
    uint32_t units;
    size_t align; /* of its address: a power of two, at least HM_UNIT */
    bool resident; /* only of dirty units: better none than new memory */
};
/* A run, its descriptor filled in. *zeroed tells whether it reads as zero. NULL: out of
 * memory, or fork elsewhere; or there is no such place. */
struct hm_slab *hm_run_take(const struct hm_run_request *want, bool *zeroed);
/* Gives a run back, dirty. Never fails: what cannot be done now is done later. */
void hm_run_give(struct hm_slab *run);
/* Gives the units of a run from `keep` on back. */
void hm_run_shrink(struct hm_slab *run, unsigned keep);
/* Adds the units behind a run up to `units` in all, if they are free. */
bool hm_run_grow(struct hm_slab *run, unsigned units, bool *zeroed);

/* The run that contains p, which lies in the SuperSlab. */
HM_INLINE struct hm_slab *hm_superslab_slab_of(struct hm_superslab *ss, const void *p)
{
    size_t unit = (size_t)((const char *)p - ss->base) >> HM_UNIT_SHIFT;
    return &ss->slabs[ss->head[unit]];
}

/* Purges dirty runs that became free before `deadline` and unmaps empty SuperSlabs beyond
 * `reserve`. Returns bytes given back. */
size_t hm_superslab_trim(uint64_t deadline, size_t reserve);

/* Calls `visit` for every SuperSlab of a shard, with the shard's lock held. False: fork
 * elsewhere. walk.h has more of the kind. */
bool hm_superslab_each(unsigned shard, void (*visit)(struct hm_superslab *, void *),
                       void *arg);

/* Maps SuperSlabs and makes their pages resident: option `prewarm`. */
void hm_superslab_prewarm(unsigned count);

void hm_superslab_fork(void (*each)(struct hm_lock *)); /* for process.c */

#endif
