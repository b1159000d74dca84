/* SPDX-License-Identifier: MIT */
/* view: what a process with a given environment would run under, by the library's own
 * parser. Each load replaces the one before; what is wrong with files and variables is in
 * diag.h then. */
#ifndef HM_VIEW_H
#define HM_VIEW_H

#include "option.h"

/* An environment of the three variables that count; NULL: not set. */
struct hm_view_env {
    const char *profile;
    const char *conf;
    const char *options;
};
/* That of this process. */
struct hm_view_env hm_view_own_env(void);

/* Loads files and environment as a process does at its start. */
void hm_view_load(const struct hm_view_env *env);

#endif
