/* SPDX-License-Identifier: MIT */
/* conf_exe: which executable the process runs, and which sections are therefore about it.
 *
 * An executable has two names: the file it is (/proc/self/exe), and the path that was
 * given to execve (AT_EXECFN), which may be a symbolic link or a script. Whoever starts a
 * process chooses the second freely, as argv[0], so it has no say under AT_SECURE;
 * argv[0] never has. A process whose files have no [app:…] section never asks for the
 * first. */
#ifndef HM_CONF_EXE_H
#define HM_CONF_EXE_H

#include "conf_parse.h"
#include "sys.h"

struct hm_conf_exe {
    const char *file;    /* absolute path; NULL: not known */
    const char *invoked; /* maybe relative; NULL: not known, or not to be trusted */
    bool asked;          /* for the file */
    bool secure;
};

void hm_conf_exe_init(struct hm_conf_exe *exe, const struct hm_sys_start *start);

/* What it is called: the last part of the path that was executed, or of the file; NULL:
 * not known. */
const char *hm_conf_exe_name(struct hm_conf_exe *exe);

/* Whether the pattern of an [app:…] section describes it: a path if it begins with a
 * slash, or else the name after the last. `*` stands for any characters but slashes, `?`
 * for one. */
bool hm_conf_exe_matches(struct hm_conf_exe *exe, struct hm_span pattern);

/* Whether an item that is not in a profile's section is about this process. */
bool hm_conf_exe_concerns(struct hm_conf_exe *exe, const struct hm_conf_item *item);

#endif
