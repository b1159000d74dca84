/* SPDX-License-Identifier: MIT */
/* identity: which process a number stands for. Numbers are given again; the time at which
 * a process started is not, within its namespace of numbers. */
#ifndef HM_IDENTITY_H
#define HM_IDENTITY_H

#include "sys.h"
#include "text.h"

/* Field 22 of /proc/PID/stat; pid 0: this process. 0: there is none, or no telling. */
uint64_t hm_identity_start_time(unsigned pid);
/* The number of this process's namespace of process numbers; 0: no telling. */
uint64_t hm_identity_namespace(void);
/* The decimal number that a text begins with, 0 if none; *end: behind it. */
uint64_t hm_identity_number(const char *text, const char **end);

#endif
