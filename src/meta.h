/* SPDX-License-Identifier: MIT */
/* meta: memory for the allocator's own descriptors, apart from all user memory.
 *
 * Objects are carved from mappings that are never given back. An object freed here may be
 * handed out again as an object of another type; structures that others may still look at
 * after their life has ended (slabs, SuperSlabs, thread caches, big blocks) are therefore
 * never freed here but kept by their own modules: they are type-stable.
 *
 * M1 Free objects, and the rest that new ones are carved from, lie in mapped chunks.
 * M2 An object is on one free list, once.
 */
#ifndef HM_META_H
#define HM_META_H

#include "lock.h"

/* `size` bytes, aligned to a cache line when size >= 64 and to 16 otherwise, with any
 * content. NULL: out of memory, or fork elsewhere (lock.h L2). */
void *hm_meta_alloc(size_t size);
/* The same, zero. */
void *hm_meta_new(size_t size);
/* `size` as given to hm_meta_alloc. What is freed while another thread forks serves again
 * when it has forked. */
void hm_meta_free(void *p, size_t size);

/* Bytes taken from the system for metadata. */
size_t hm_meta_bytes(void);
/* Calls `visit` for every mapping that they are in. False: fork elsewhere. */
bool hm_meta_each(void (*visit)(void *base, size_t size, void *arg), void *arg);

/* Verifies M1 and M2, for check.c. What does not hold is passed to `broken`. */
void hm_meta_check(void (*broken)(const char *what, const void *where));

void hm_meta_init(void);
struct hm_lock *hm_meta_lock(void); /* for process.c */

#endif
