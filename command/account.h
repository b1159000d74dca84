/* SPDX-License-Identifier: MIT */
/* account: where the resident memory of a process is, all of it: the rows add up to the
 * Rss of /proc/PID/smaps. */
#ifndef HM_ACCOUNT_H
#define HM_ACCOUNT_H

#include "snapshot.h"

enum hm_account_row {
    HM_ACCOUNT_LIVE,
    HM_ACCOUNT_ROUNDING,
    HM_ACCOUNT_CACHES,
    HM_ACCOUNT_PARTIAL,
    HM_ACCOUNT_FREE_UNITS,
    HM_ACCOUNT_BIGCACHE,
    HM_ACCOUNT_STATE,
    HM_ACCOUNT_DESCRIPTORS,
    HM_ACCOUNT_LIBRARY,
    HM_ACCOUNT_CODE, /* from here on it is not libhakmem's */
    HM_ACCOUNT_DATA,
    HM_ACCOUNT_LIBC_HEAP,
    HM_ACCOUNT_STACKS,
    HM_ACCOUNT_FILES,
    HM_ACCOUNT_SHARED,
    HM_ACCOUNT_ANONYMOUS,
    HM_ACCOUNT_ROWS
};

struct hm_account {
    uint64_t bytes[HM_ACCOUNT_ROWS];
    uint64_t total, ours; /* sums: of all, and up to HM_ACCOUNT_LIBRARY */
    uint64_t swap, huge;  /* of the process; of the heap, in transparent huge pages */
    uint64_t whole_pages; /* of PARTIAL, about: in pages of which all blocks are free */
};

void hm_account_make(const struct hm_snapshot *s, struct hm_account *account);

const char *hm_account_key(enum hm_account_row row);   /* for JSON: "free_units" */
const char *hm_account_label(enum hm_account_row row); /* "free units of SuperSlabs" */

#endif
