/* SPDX-License-Identifier: MIT */
/* diag: what the parser of hakmem.conf says, kept instead of printed. The functions of
 * the library's fail.h are defined here once more, and the linker takes these: so the
 * command has each message that a process would print, word for word, and can show it as
 * a compiler would. */
#ifndef HM_DIAG_H
#define HM_DIAG_H

#include "base.h"
#include <stdio.h>

struct hm_diag {
    char *name; /* of the file or the variable */
    unsigned line;
    unsigned column; /* in bytes, from 1 */
    char *text;      /* what is wrong and what was expected */
    char *instead;   /* "using 1s", "ignored": what a process does; NULL: not said */
};

/* What was said since the last hm_diag_clear. What was said twice is there once. */
size_t hm_diag_count(void);
const struct hm_diag *hm_diag_get(size_t i);
void hm_diag_clear(void);

/* NAME:LINE:COLUMN: error: TEXT, then the line of `source` (NULL: not known) and a caret.
 */
void hm_diag_print(FILE *out, const struct hm_diag *diag, const char *source);

#endif
