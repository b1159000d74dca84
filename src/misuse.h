/* SPDX-License-Identifier: MIT */
/* misuse: what is wrong with a pointer that a program passed as that of a live block. */
#ifndef HM_MISUSE_H
#define HM_MISUSE_H

#include "base.h"

/* No live block begins at p: says in one line what does, and aborts. `call` is the name
 * of the program's call. */
HM_COLD noreturn void hm_misuse(const void *p, const char *call);

#endif
