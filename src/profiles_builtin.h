/* SPDX-License-Identifier: MIT */
/* profiles_builtin: the files of profiles/ compiled in, so that a process that finds no
 * file has every shipped profile all the same. gen-profiles.sh writes the .c file; the
 * text is what the parser for hakmem.conf reads, without its comments. */
#ifndef HM_PROFILES_BUILTIN_H
#define HM_PROFILES_BUILTIN_H

#include "base.h"

/* I1. A text is one section, that of the profile of its file's name. */
struct hm_profile_builtin {
    const char *name; /* of the file, without .conf */
    const char *text;
    size_t len;
};

extern const struct hm_profile_builtin hm_profiles_builtin[];
extern const size_t hm_profiles_builtin_count;

#endif
