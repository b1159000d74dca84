/* SPDX-License-Identifier: MIT */
/* check: the invariants that the headers number, verified in a running process.
 *
 * One layer at a time, under that layer's locks, so that what is looked at holds still:
 *
 *   caches        the caller's own, and parked ones       C1 C2 C3 C4
 *   partial lists a shard's lists, and the slabs on them  B1 B3 W1
 *   SuperSlabs    every run, and every map of units       S1 S2 S3 W1 R2
 *   big blocks    BigCache                                G1 G2
 *   window        what the maps of places say             W4
 *   metadata      free lists, and the current chunk       M1 M2
 *   guarded       every descriptor                        N1 N3
 *   hardened      canaries, and free blocks               K3 K4
 *
 * Other threads may go on. What only holds between their steps (B1's count, what is live
 * altogether, extents that are being moved) is verified when the caller is the process's
 * only thread, and not a fork's child of several; the rest always, and never with a false
 * alarm. While another thread forks, what it has locked is left out. */
#ifndef HM_CHECK_H
#define HM_CHECK_H

#include "lock.h"

/* Returns how many invariants were found broken; the first few are reported. */
unsigned hm_check_heap(void);

/* When the process exits, under option check_at_exit: aborts if the program wrote beside
 * its blocks. `alone`: it has no other thread, nor had. */
void hm_check_exit(bool alone);

struct hm_lock *hm_check_lock(void); /* for process.c */
/* In a fork's child: threads that it does not have were between steps for good. */
void hm_check_fork_child(void);

#endif
