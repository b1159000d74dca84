/* SPDX-License-Identifier: MIT */
/* machine: the facts about kernel, cgroup and limits that a malloc depends on, as the
 * files of /proc and /sys state them, below a root that may be another machine's copy. */
#ifndef HM_MACHINE_H
#define HM_MACHINE_H

#include "base.h"

#define HM_MACHINE_UNKNOWN (-1LL)   /* not stated */
#define HM_MACHINE_UNLIMITED (-2LL) /* stated to be without limit */

struct hm_machine {
    long long page_size;
    long long cpus;
    long long memory; /* bytes, as below */
    long long swap;
    char *thp; /* "always", "madvise", "never"; NULL: no transparent huge pages */
    char *thp_defrag;
    long long overcommit; /* vm.overcommit_memory */
    long long max_map_count;
    char *cgroup;           /* its path; NULL: none, or of version 1 */
    long long memory_limit; /* the tightest memory.max on the way up */
    long long memory_high;
    long long memory_used;   /* of the cgroup itself, without what is cached of files */
    long long address_limit; /* RLIMIT_AS */
    long long data_limit;    /* RLIMIT_DATA */
    long long locked_limit;  /* RLIMIT_MEMLOCK */
    char *preload;           /* what /etc/ld.so.preload names; NULL: nothing */
};

/* pid 0: this process. False: there is no such process. */
bool hm_machine_read(const char *root, long pid, struct hm_machine *out);

#endif
