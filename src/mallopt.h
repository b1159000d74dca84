/* SPDX-License-Identifier: MIT */
/* mallopt: what programs ask of a malloc by mallopt(3), as far as ours has it. */
#ifndef HM_MALLOPT_H
#define HM_MALLOPT_H

#include "base.h"

/* As in glibc: 1 for a parameter that is known, whatever its value; 0 for others. */
HM_COLD int hm_mallopt(int param, int value);

#endif
