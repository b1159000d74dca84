/* SPDX-License-Identifier: MIT */
/* conf_report: what is wrong in the texts and in HAKMEM_OPTIONS, said once everything is
 * loaded, so that each line can end with the value that the process uses instead:
 *
 *     hakmem: FILE:LINE:COLUMN: what is wrong, what was expected; using VALUE
 *
 * Reads hm_opt, changes nothing. */
#ifndef HM_CONF_REPORT_H
#define HM_CONF_REPORT_H

#include "conf_texts.h"

/* After this many lines about one text, a last one says that there is more. */
#define HM_CONF_ERRORS_SHOWN 20u

/* Which sections are in force: those of this profile and of its ancestors, and those
 * that are about this executable. */
struct hm_conf_report {
    const struct hm_conf_source *files;
    struct hm_conf_exe *exe;
    struct hm_span profile;
    bool intact; /* false: its ancestry is broken and no section is in force */
};

/* The files that are left out. */
void hm_conf_report_refusals(const struct hm_conf_source *files);
void hm_conf_report_files(const struct hm_conf_report *report);
void hm_conf_report_options(const struct hm_conf_report *report, const char *options);

/* What the environment may not do: HAKMEM_PROFILE, HAKMEM_CONF. */
void hm_conf_report_locked_profile(void);
void hm_conf_report_locked_files(const struct hm_conf_found *lock);

/* For what stops the loading from going on as asked. `use` is what it goes on with. */
void hm_conf_report_profile(const struct hm_conf_source *files, const char *name,
                            unsigned line, unsigned column, struct hm_span unknown,
                            const char *use);
void hm_conf_report_cycle(const struct hm_conf_found *parent, const char *use);

#endif
