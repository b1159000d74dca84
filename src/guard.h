/* SPDX-License-Identifier: MIT */
/* guard: blocks with pages of their own between pages that nobody may touch.
 *
 *   reserved   [ no access | slack | block | slack | no access ]      whole granules
 *                           ^ pages                ^
 *
 * A block ends where its last page does, but for what its alignment takes: reading or
 * writing beyond it faults. The slack in front, and the few bytes behind, are canaries.
 * Freed, it has no access either, and its addresses stay taken for a while.
 *
 * N1 The granules of `pages` have the block as their owner in the region map while it is
 *    LIVE or FREED, and no other owner.
 * N2 A FREED block's pages have no memory, or, where the system refused that, are zero.
 * N3 At most HM_GUARD_LIVE blocks are LIVE: each is two mappings to the kernel, which
 *    allows 65,530. FREED ones are in the queue, or on their way.
 * N4 Descriptors are type-stable.
 */
#ifndef HM_GUARD_H
#define HM_GUARD_H

#include "lock.h"
#include "region.h"

#define HM_GUARD_LIVE 12288

enum { HM_GUARD_UNUSED, HM_GUARD_IS_LIVE, HM_GUARD_FREED };

struct hm_guarded {
    char *block;           /* [const] while live or freed: the program's */
    size_t size;           /* the same: as asked for */
    char *pages;           /* the same */
    size_t pages_size;     /* the same; 0: a block of no bytes */
    char *reserved;        /* the same */
    size_t reserved_size;  /* the same */
    _Atomic uint32_t life; /* [any] HM_GUARD_… */
    struct hm_guarded *next;     /* [L:guard] in the queue, unused, or deferred */
    struct hm_guarded *next_all; /* [const] */
};

/* [any, relaxed] */
struct hm_guard_counts {
    _Atomic uint64_t live, live_bytes, taken;
};
extern struct hm_guard_counts hm_guard_counts;

void hm_guard_init(void);

/* A block of `size` bytes, reading as zero. `align` is a power of two. NULL: there are
 * too many, or memory is out, or fork elsewhere; a block of another kind will do. */
void *hm_guard_take(size_t size, size_t align);
/* Frees a live block. False: it is not live. */
bool hm_guard_give(struct hm_guarded *g);
/* Offset of a byte beside the block that was written to (behind it, or, negative, in
 * front), or 0. */
ptrdiff_t hm_guard_overrun(const struct hm_guarded *g);
/* Gives the addresses of all freed blocks back. */
void hm_guard_flush(void);

/* Calls `visit` for every descriptor. */
void hm_guard_each(void (*visit)(struct hm_guarded *g, void *arg), void *arg);
struct hm_lock *hm_guard_lock(void); /* for process.c */

#endif
