/* SPDX-License-Identifier: MIT */
/* library: where libhakmem.so.0 is, and the LD_PRELOAD that brings it into a program. */
#ifndef HM_LIBRARY_H
#define HM_LIBRARY_H

#include "base.h"

/* The path of the library: that of the build which the command is part of, or else the
 * installed one. NULL, and an error was printed: there is none, or its name cannot be
 * written in LD_PRELOAD. `given` (not NULL) is taken instead. */
char *hm_library_find(const char *given);

/* The path of the object that takes the library out of LD_PRELOAD again once a program
 * has started. NULL, and an error was printed: it is missing. */
char *hm_library_find_noinherit(void);

/* False, and an error was printed: LD_PRELOAD would take it for more than one. */
bool hm_library_is_preloadable(const char *path);

/* What stands in LD_PRELOAD for a library at this path: its bare name where the dynamic
 * linker looks anyway, so that it finds the one of the program's architecture. */
const char *hm_library_preload_name(const char *path);

#endif
