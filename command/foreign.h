/* SPDX-License-Identifier: MIT */
/* foreign: settings of other allocators in an environment, and what of libhakmem's comes
 * nearest to them. They have no effect on libhakmem. */
#ifndef HM_FOREIGN_H
#define HM_FOREIGN_H

#include "base.h"

struct hm_foreign {
    char *setting;      /* as it stands: "MALLOC_ARENA_MAX=2", "MALLOC_CONF narenas:2" */
    char *nearest;      /* "shards=2"; NULL: there is nothing like it */
    const char *remark; /* in what they differ, or why there is nothing */
};

/* The settings in an environment; those that are not known are left out. */
size_t hm_foreign_find(char *const *envp, struct hm_foreign **out);

#endif
