/* SPDX-License-Identifier: MIT */
/* symbol: finding a function by its name, in the rare case that linking cannot. */
#ifndef HM_SYMBOL_H
#define HM_SYMBOL_H

#include "base.h"

/* A symbol of the object that the address `in` is in, or of what that was linked with.
 * NULL: there is none; in a static program always. The dynamic linker's locks are taken,
 * and it may allocate: not to be called before the library is ready, nor with a lock. */
void *hm_symbol_find(const void *in, const char *name);

/* Are these two addresses in the same object? */
bool hm_symbol_same_object(const void *a, const void *b);

#endif
