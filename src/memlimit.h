/* SPDX-License-Identifier: MIT */
/* memlimit: how much memory this process may have, which is what percentages in
 * hakmem.conf are of: the machine's, or the lowest limit of its control group and of
 * those around it (version 2's memory.max, version 1's memory.limit_in_bytes), where
 * these are mounted at their usual place. */
#ifndef HM_MEMLIMIT_H
#define HM_MEMLIMIT_H

#include "base.h"

/* Bytes. The first call opens files, and later ones answer the same: a process that has
 * no percentage never looks. */
uint64_t hm_memlimit(void);

/* For tests: with another directory than / to look in; not remembered. */
uint64_t hm_memlimit_from(const char *root);

#endif
