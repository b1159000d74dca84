/* SPDX-License-Identifier: MIT */
/* started: what a running process was started with. */
#ifndef HM_STARTED_H
#define HM_STARTED_H

#include "view.h"

/* The number of a process that a word is; 0: it is none. */
long hm_started_number(const char *word);

/* A file of /proc/PID as it is, with its length; NULL: it cannot be read. */
char *hm_started_read(long pid, const char *name, size_t *len);

/* A variable of an environment; NULL: it is not set. */
const char *hm_started_variable(char *const *envp, const char *name);

/* The environment that it was started with, and from it what counts for the library;
 * false, after saying why: there is no such process, or it is another user's. */
bool hm_started_env(long pid, char ***envp, struct hm_view_env *env);

#endif
