/* SPDX-License-Identifier: MIT */
/* home: whose blocks lie in a slab.
 *
 * A cache line of state bytes stands for a KiB of blocks. Where two threads allocate and
 * free blocks of the same KiB, each malloc and free waits for the line to come from the
 * other's processor. So slabs and threads have homes, small numbers: a thread takes from
 * slabs of its own home if it can, and gives them its home if they were nobody's;
 * settle.h says how it comes by one.
 *
 * O1 A home has one owner or none. It is a preference, and proves nothing: any thread may
 *    take from any slab, and the owner may be gone a moment after it was asked for.
 */
#ifndef HM_HOME_H
#define HM_HOME_H

#include "base.h"

/* Of a thread for which there was none left, and of slabs that such a thread made. */
#define HM_HOME_NONE 0
#define HM_HOMES 256

struct hm_settle;

/* The owner, or NULL. */
struct hm_settle *hm_home_owner(unsigned home);
/* Makes `to` the owner in place of `from`; either may be NULL. False: it was not that. */
bool hm_home_pass(unsigned home, struct hm_settle *from, struct hm_settle *to);
/* Makes `to` the owner of a home that has none, and was given to nobody for long. */
unsigned hm_home_find(struct hm_settle *to);

#endif
