/* SPDX-License-Identifier: MIT */
/* residency: which pages of a process are in memory, by /proc/PID/smaps, which counts
 * them, and /proc/PID/pagemap, which has a word for each page.
 *
 * The two differ in one thing: a page that was only ever read is present, but it is the
 * kernel's page of zeros, which counts for nobody. Where a mapping has more pages present
 * than it counts, those are left out that are not the process's alone. */
#ifndef HM_RESIDENCY_H
#define HM_RESIDENCY_H

#include "base.h"

struct hm_mapping {
    uint64_t start, end;
    uint64_t rss, swap, huge; /* bytes resident, swapped out, in transparent huge pages */
    char perms[5];
    char *name;                   /* a path, "[stack]", or empty */
    uint64_t present, exclusive;  /* of what was asked for: bytes */
    uint64_t settled;             /* of these: bytes resident */
};

struct hm_residency {
    struct hm_mapping *mappings; /* by address */
    size_t count;
    uint64_t page; /* bytes */
    int pagemap;
};

/* False, after saying why: not this user's process, or there is none. */
bool hm_residency_open(struct hm_residency *r, long pid);
void hm_residency_close(struct hm_residency *r);

/* A range of whole pages, a byte for each; all of them are to be read before any is
 * settled. */
struct hm_pages {
    uint64_t base;
    size_t count;
    uint8_t *bits; /* before it is settled: HM_PAGE_PRESENT …; then: 0 or 1, resident */
};
void hm_residency_read(struct hm_residency *r, uint64_t base, uint64_t size,
                       struct hm_pages *pages);
void hm_residency_settle(struct hm_residency *r, struct hm_pages *pages);
/* Bytes of a part of a settled range that are resident. */
uint64_t hm_pages_resident(const struct hm_pages *pages, uint64_t page, uint64_t base,
                           uint64_t size);

#endif
