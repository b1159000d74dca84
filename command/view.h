/* SPDX-License-Identifier: MIT */
/* view: what a process with a given environment would run under, by the library's own
 * parser, and why, by the comments in the files. Each load replaces the one before; what
 * is wrong with files and variables is in diag.h then. */
#ifndef HM_VIEW_H
#define HM_VIEW_H

#include "option.h"

/* An environment of the three variables that count, NULL: not set; and the program, to
 * which there may be sections. */
struct hm_view_env {
    const char *profile;
    const char *conf;
    const char *options;
    const char *exe;     /* absolute path of the executable; NULL: any */
    const char *invoked; /* the path by which it was started, of a script too; or NULL */
    bool secure; /* of a process with privileges that its starter has not: nothing counts
                  */
};
/* That of this process. */
struct hm_view_env hm_view_own_env(void);

/* Loads files and environment as a process does at its start. What each value overrides
 * is in history.h then. */
void hm_view_load(const struct hm_view_env *env);

/* The same with a whole environment, in which names may be misspelt. */
void hm_view_load_environ(char **envp);

/* Of what was loaded: the profile, and each option. */
const char *hm_view_profile(void);
struct hm_view_value {
    char *value;
    char *origin;
    char *reason; /* the comment at the line that sets it; NULL: there is none */
    bool is_default;
};
/* Where an option, or "profile", comes from: see hm_conf_origin_put. To be freed. */
char *hm_view_origin(const char *name);
void hm_view_values(struct hm_view_value values[HM_OPTION_COUNT]);

/* The profiles that there are, shipped ones first. */
struct hm_view_profile {
    char *name;
    char *parent;  /* NULL: inherits from none */
    char *where;   /* "built-in" or FILE:LINE, where it was first mentioned */
    char *summary; /* the first sentence of the comment above it; NULL: there is none */
};
size_t hm_view_profiles(const struct hm_view_env *env, struct hm_view_profile **out);
const struct hm_view_profile *hm_view_find_profile(const struct hm_view_profile *list,
                                                   size_t count, const char *name);

/* The files that a process with this environment reads: their names. */
size_t hm_view_files(const struct hm_view_env *env, char ***names);

/* A text file as a string; NULL: it cannot be read, or is larger than one that the
 * library reads. */
char *hm_view_read_file(const char *path);

#endif
