/* SPDX-License-Identifier: MIT */
/* quarantine: freed blocks wait here before they can be handed out again.
 *
 *   lane   | oldest | … | older half | younger half, in random order | <- put
 *              `-> take
 *
 * Q1 A block in a lane is free: its state is 0, and it is in no slab and no bin.
 * Q2 All lanes together hold at most quarantine_bytes, and what threads are about to take
 *    out. A thread puts into its own lane, and takes out of that or out of the one that
 *    has most: so one busy thread does not drive out what others freed.
 * Q3 The next in a lane to be taken was put there at least half of the lane's length ago;
 *    which of the others follows cannot be foreseen.
 */
#ifndef HM_QUARANTINE_H
#define HM_QUARANTINE_H

#include "lock.h"

/* A freed block of a slab, or a medium one. */
struct hm_freed {
    char *slot;
    size_t size;  /* of the slot */
    unsigned cls; /* or HM_STATE_MEDIUM; harden.h, of a big block: 0 */
};

void hm_quarantine_init(void);
/* Which lane is a thread's: any number that is its own. */
unsigned hm_quarantine_lane(uintptr_t thread);

/* False: not taken in; it is too large, or the lane cannot grow, or fork elsewhere. */
bool hm_quarantine_put(unsigned lane, const struct hm_freed *b);
/* The next block that has to leave because of what was put into the lane. False: none. */
bool hm_quarantine_take(unsigned lane, struct hm_freed *out);
/* Any block, of any lane, to empty it. False: there is none. */
bool hm_quarantine_take_any(struct hm_freed *out);

/* Calls `visit` for every block, with its lane's lock held. */
void hm_quarantine_each(void (*visit)(const struct hm_freed *b, void *arg), void *arg);

size_t hm_quarantine_held(void);                         /* bytes in all lanes */
void hm_quarantine_fork(void (*each)(struct hm_lock *)); /* for process.c */

#endif
