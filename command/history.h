/* SPDX-License-Identifier: MIT */
/* history: every line and variable that sets an option for a process, whether it counts
 * or something stronger does, as the library's parser meets them while it loads. */
#ifndef HM_HISTORY_H
#define HM_HISTORY_H

#include "conf.h"
#include "conf_exe.h"

struct hm_history_entry {
    char *value;  /* as hakmem_option_get writes it; of the profile, its name */
    char *origin; /* see hm_conf_origin_put */
    uint32_t generation;
    bool refused; /* since a line of a file locks it */
};
struct hm_history {
    struct hm_history_entry *entries; /* from weak to strong */
    size_t count;
};

/* Forgets everything, and watches the loads from now on. */
void hm_history_begin(void);
/* To be called behind a load: the lines and the variable that wish for a profile. */
void hm_history_profile(const struct hm_conf_source *files, struct hm_conf_exe *exe,
                        const char *variable);

/* Of an option, or of HM_CONF_ORIGIN_PROFILE. */
const struct hm_history *hm_history_of(unsigned whose);

#endif
