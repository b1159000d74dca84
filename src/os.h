/* SPDX-License-Identifier: MIT */
/* os: the only module that makes memory-mapping system calls.
 *
 * Contract. Sizes are bytes and, like addresses, multiples of the page size, unless said
 * otherwise. Every call can fail at any time, also those that give memory back; failure
 * changes nothing and is reported, never assumed away. Memory is zero exactly when a
 * function here says so. No function touches errno. Any thread may call any of them, and
 * no lock that other threads can wait for may be held across one.
 */
#ifndef HM_OS_H
#define HM_OS_H

#include "base.h"

/* The running kernel's page size. [const after hm_os_init] */
extern size_t hm_os_page;

/* System calls made so far, by kind. [any, relaxed] */
struct hm_os_counts {
    _Atomic uint64_t mmap, munmap, madvise, mprotect, mremap;
};
extern struct hm_os_counts hm_os_counts;

void hm_os_init(size_t page_size);
/* The machine's memory in bytes, and the process's limit on address space (SIZE_MAX:
 * none); start-up only. */
uint64_t hm_os_memory(void);
size_t hm_os_address_limit(void);

/* Address space without memory: no access, not charged. NULL: none to be had. `align` is
 * a power of two. */
void *hm_os_reserve(size_t size, size_t align);
/* Address space that reads as zero and is not charged, for tables filled piece by piece
 * by hm_os_commit. */
void *hm_os_reserve_zero(size_t size);
/* Makes reserved space readable and writable; its content stays (zero when new). */
bool hm_os_commit(void *addr, size_t size);
/* Ends all access to committed space; its content and its charge stay. */
bool hm_os_forbid(void *addr, size_t size);
/* Turns committed space back into reserved space: memory and charge are returned. */
bool hm_os_decommit(void *addr, size_t size);

/* New memory, readable and writable, reading as zero. */
void *hm_os_map(size_t size, size_t align);
/* The same, in whole pages, between two that nobody may touch. */
void *hm_os_map_guarded(size_t size);
bool hm_os_unmap(void *addr, size_t size);

/* Gives the memory of a range back while it stays usable. True: it now reads as zero. */
bool hm_os_purge(void *addr, size_t size);
/* The same for the pages of the library's own file that serve at start, or few programs:
 * what is needed of them again is the file's. */
void hm_os_forget_start(void);

/* Grows a mapping where it is; the new bytes read as zero. False: nothing changed;
 * *movable tells whether only room was lacking. It is false for a range that is several
 * mappings to the kernel, which hm_os_move cannot move. */
bool hm_os_grow(void *addr, size_t old_size, size_t new_size, bool *movable);
/* Moves a mapping to `to`, reserved space of new_size >= old_size, growing it on the way.
 * False: the mapping is unchanged, but `to` may be reserved space or none. */
bool hm_os_move(void *addr, size_t old_size, void *to, size_t new_size);
/* Moves the pages of a mapping to `to`, reserved space; the mapping stays, without
 * content, so that this can be undone by copying. False: as above, always so before
 * Linux 5.7. */
bool hm_os_move_pages(void *addr, size_t size, void *to);

/* Huge page advice for a range of ours; failure is of no consequence. */
void hm_os_advise_huge(void *addr, size_t size, bool huge);

/* A file's first bytes, shared with whoever else maps them. */
void *hm_os_map_file(int fd, size_t size);

/* Temporary memory for start-up work, and for dumps. */
void *hm_os_scratch_map(size_t size);
void hm_os_scratch_unmap(void *addr, size_t size);

#endif
