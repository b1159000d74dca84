/* SPDX-License-Identifier: MIT */
/* fail: what the library says to people. Every message is one line on file descriptor 2
 * that begins with "hakmem: ", written by a single write(2). Under AT_SECURE warnings are
 * silent; errors that abort still speak. */
#ifndef HM_FAIL_H
#define HM_FAIL_H

#include "base.h"

/* A caller broke a contract: "hakmem: CALL(PTR): WHAT (profile NAME)", then abort(). */
HM_COLD noreturn HM_PRINTF(3, 4) void hm_fail_misuse(const char *call, const void *ptr,
                                                     const char *what, ...);
/* The process was told to end rather than go on: "hakmem: WHAT", then abort(). */
HM_COLD noreturn HM_PRINTF(1, 2) void hm_fail(const char *what, ...);
/* Something worth knowing that the process survives: "hakmem: WHAT". */
HM_COLD HM_PRINTF(1, 2) void hm_warn(const char *what, ...);
/* Warnings so far, silent ones included. */
unsigned hm_warnings(void);
/* Called at start: the active profile's name for messages (kept by reference) and
 * whether warnings are allowed. */
void hm_fail_init(const char *profile, bool quiet);

#endif
