/* SPDX-License-Identifier: MIT */
/* next: the malloc that ours takes the place of. A process with `enabled = no` leaves
 * every call to it.
 *
 * glibc exports its malloc under a second set of names, __libc_malloc and so on, which
 * are bound when the library is loaded: they are there from the first call on. What has
 * no such name is looked up in the object that __libc_malloc is in: whichever library
 * serves a block is the one that is asked for its size. */
#ifndef HM_NEXT_H
#define HM_NEXT_H

#include "base.h"

#include <malloc.h>

/* Is there one? Not in a static program, and not with a C library that keeps the names of
 * its malloc to itself. What follows may be called only if so. */
bool hm_next_exists(void);
/* Looks up what has to be, so that no later call takes the dynamic linker's locks. */
void hm_next_load(void);

void *hm_next_malloc(size_t size);
void *hm_next_calloc(size_t size);
void *hm_next_memalign(size_t align, size_t size);
void *hm_next_realloc(void *block, size_t size);
void hm_next_free(void *block);
size_t hm_next_usable(const void *block);

int hm_next_trim(size_t pad);
int hm_next_mallopt(int param, int value);
void hm_next_stats(void);
int hm_next_info(int options, FILE *out);
struct mallinfo2 hm_next_mallinfo(void);

#endif
