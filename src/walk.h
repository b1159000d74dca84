/* SPDX-License-Identifier: MIT */
/* walk: all runs there are: for statistics, dumps and the checks. */
#ifndef HM_WALK_H
#define HM_WALK_H

#include "superslab.h"

/* Calls `visit` for every run in use of a SuperSlab. Its shard's lock is held. */
void hm_walk_superslab(struct hm_superslab *ss, void (*visit)(struct hm_slab *, void *),
                       void *arg);
/* The same for all SuperSlabs, shard by shard, with the shard's lock held. False: fork
 * elsewhere, and not all were visited. */
bool hm_walk_runs(void (*visit)(struct hm_slab *run, void *arg), void *arg);

#endif
