/* SPDX-License-Identifier: MIT */
/* heap: what malloc and its family do when the fast path misses; the layers joined.
 *
 * Functions that allocate return NULL with errno ENOMEM when memory is out, and leave
 * errno alone otherwise. Functions that take a block abort with one line when it is not
 * live: `call` is the name the line gives. `caller` is an address in the code that
 * called malloc or free, or NULL; it decides whether the helper thread may start
 * (helper.h). */
#ifndef HM_HEAP_H
#define HM_HEAP_H

#include "base.h"

void *hm_heap_malloc(size_t size, const void *caller);
void *hm_heap_calloc(size_t size);
/* `align` is a power of two. */
void *hm_heap_memalign(size_t align, size_t size);
/* Of size 0: frees the block and returns NULL, as in glibc. */
void *hm_heap_realloc(void *block, size_t size);
void hm_heap_free(void *block, const void *caller);
/* The same when the caller says what it frees; verified under option check_sized. `size`
 * SIZE_MAX and `align` 1 say nothing. */
void hm_heap_free_sized(void *block, size_t size, size_t align, const void *caller);
size_t hm_heap_usable(const void *block, const char *call);
size_t hm_heap_good_size(size_t size);

/* Reads the configuration, if nobody did. False: the option `enabled` is no. */
bool hm_heap_configure(void);
/* The constructor is done. What has served at start is given up. */
void hm_heap_started(void);
/* Makes the library ready; returns at once when it is. */
void hm_heap_init(void);
/* The same. False: the option `enabled` is no; all of the above, and hm_heap_trim, then
 * call the next malloc (next.h). */
bool hm_heap_is_on(void);
/* The profile in force, for people to read: one that is off has none. */
const char *hm_heap_profile(void);
size_t hm_heap_trim(void);
void hm_heap_thread_flush(void);
/* To be called after options have changed. */
void hm_heap_options(void);

#endif
