/* SPDX-License-Identifier: MIT */
/* conf: hakmem.conf and its relatives become hm_opt.
 *
 * What is read: a vendor's DATADIR/hakmem/apps.d/NAME.conf, by the executable's name;
 * SYSCONFDIR/hakmem.conf; SYSCONFDIR/hakmem.conf.d/ *.conf in C-locale order; or, instead
 * of these files, the one that HAKMEM_CONF names; and what any of them includes.
 *
 * What counts, from weak to strong; within each, the last:
 *
 *    1. the option table
 *    2. the profile's ancestors, oldest first, then the profile; of each, the shipped
 *       section, then those of the files
 *    3. the vendor's top level
 *    4. its [app:…] sections about the executable
 *    5. its [secure] sections, if the process is one
 *    6. the machine's top level
 *    7. its [app:…] sections about the executable
 *    8. its [secure] sections, if the process is one
 *    9. HAKMEM_OPTIONS, except for what a line of 2 to 8 locks
 *
 * The profile is picked by a `profile =` of 3 to 8, or by HAKMEM_PROFILE. Under
 * AT_SECURE nothing from the environment counts, and files that lock anything are not
 * replaced by HAKMEM_CONF. No heap, no stdio, no libc call that may
 * allocate or lock. */
#ifndef HM_CONF_H
#define HM_CONF_H

#include "conf_origin.h"
#include "conf_source.h"
#include "option.h"
#include "sys.h"

/* Fills hm_opt and the active profile's name. Called once, by the first thread, before
 * any block exists. Errors are warnings; the values in force are then always valid. */
void hm_conf_load(const struct hm_sys_start *start);

/* For tests and tools, which may call them again and again. The same with other
 * directories, and another owner than root. */
void hm_conf_load_from(const struct hm_sys_start *start, const struct hm_conf_dirs *dirs);
/* The same with a text in place of the files: not read by anybody else than the parser.
 */
void hm_conf_load_text(const struct hm_sys_start *start, const char *text, size_t len);

/* For tools that show what became of every line: a setting of an option that is about the
 * process and valid, whether it counts or not. */
struct hm_conf_setting {
    enum hm_option_id id;
    struct hm_span value;
    struct hm_conf_origin origin;
    uint32_t generation; /* 1: of the profile, 2: of its parent, …, in this order, the
                            reverse of what counts; 0: of what is stronger, the strongest
                            last */
    bool refused;        /* since the option is locked */
};
/* Told of each while a load lasts; NULL: what was told does not count. No process has
 * one. */
extern HM_HIDDEN void (*hm_conf_watcher)(const struct hm_conf_setting *setting);

/* The active profile's name. */
const char *hm_conf_profile(void);

/* Where an option's value came from, or, for "profile", the choice of the profile: see
 * hm_conf_origin_put; false: no such option. */
bool hm_option_origin(const char *name, struct hm_text *out);

/* The value as text, as it would be written in hakmem.conf; false: no such option. */
bool hm_option_get(const char *name, struct hm_text *out);

/* Sets a LIVE option from text. 0, or ENOENT (no such option), EINVAL (value), EPERM
 * (fixed at start). */
int hm_option_set(const char *name, const char *value);

#endif
