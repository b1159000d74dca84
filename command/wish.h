/* SPDX-License-Identifier: MIT */
/* wish: a profile and options that somebody asks for on the command line, verified by the
 * library's own parser before a process meets them. */
#ifndef HM_WISH_H
#define HM_WISH_H

#include "base.h"

/* False, and a message was printed: there is no such profile. */
bool hm_wish_profile(const char *name);
/* Adds the text of an -o to *all, with a comma between; NULL: none yet. False, and a
 * message was printed: it is not as hakmem.conf(5) has it. */
bool hm_wish_add_option(char **all, const char *option);

#endif
