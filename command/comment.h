/* SPDX-License-Identifier: MIT */
/* comment: what a person wrote into hakmem.conf about a line. */
#ifndef HM_COMMENT_H
#define HM_COMMENT_H

/* The comment behind a pair in its line or, if there is none, in the lines directly above
 * it. NULL: no comment. Lines count from 1. */
char *hm_comment_of_pair(const char *text, unsigned line);

/* The first sentence of the comment above a section's header, from which it may be
 * separated by one blank line. */
char *hm_comment_of_section(const char *text, unsigned line);

#endif
