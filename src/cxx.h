/* SPDX-License-Identifier: MIT */
/* cxx: what operator new does when memory is out, without linking a C++ library. */
#ifndef HM_CXX_H
#define HM_CXX_H

#include "base.h"

/* Runs the program's new-handler and tries again, until there is memory, or no handler;
 * then throws std::bad_alloc, or returns NULL when nothrow. `caller` is an address in the
 * code that called new: when no C++ library was loaded at start, the one that this code
 * was linked with is used. */
HM_COLD void *hm_cxx_new_failed(size_t size, size_t align, bool nothrow, void *caller);

#endif
