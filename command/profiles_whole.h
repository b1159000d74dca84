/* SPDX-License-Identifier: MIT */
/* profiles_whole: the files of profiles/ with their comments, as many and in the same
 * order as hm_profiles_builtin, which has no room for these. */
#ifndef HM_PROFILES_WHOLE_H
#define HM_PROFILES_WHOLE_H

#include "profiles_builtin.h"

extern const struct hm_profile_builtin hm_profiles_whole[];

#endif
