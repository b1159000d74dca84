/* SPDX-License-Identifier: MIT */
/* text: formatting without heap, stdio or locale. A sink is a caller's buffer, emptied
 * into a file descriptor when full, or truncated when it has none. */
#ifndef HM_TEXT_H
#define HM_TEXT_H

#include "base.h"
#include <stdarg.h>

struct hm_text {
    char *buf;
    size_t cap; /* bytes in buf, at least 1 */
    size_t len; /* bytes used; buf[len] may be overwritten */
    int fd;     /* where a full buffer goes; -1: nowhere, then the rest is dropped */
    bool truncated;
};

void hm_text_init(struct hm_text *t, char *buf, size_t cap, int fd);
void hm_text_put(struct hm_text *t, const char *s, size_t n);
/* A subset of printf: %s %.*s %c %d %u %ld %lu %zu %x %lx %p %%; minimum width and '-'
 * for %s and integers. */
HM_PRINTF(2, 3) void hm_text_printf(struct hm_text *t, const char *fmt, ...);
HM_PRINTF(2, 0) void hm_text_vprintf(struct hm_text *t, const char *fmt, va_list *args);
/* Text of unknown origin, between double quotes: its first bytes, '?' for each that is
 * not printable ASCII, then "..." when there were more. */
#define HM_TEXT_QUOTED_MAX ((size_t)40)
void hm_text_put_quoted(struct hm_text *t, const char *s, size_t n);
/* Empties the buffer into fd. Without fd: terminates the string with NUL (truncating if
 * need be). */
void hm_text_flush(struct hm_text *t);

/* Insertions, deletions and changes of a character that make a of b; SIZE_MAX when either
 * is longer than a name can be. */
#define HM_TEXT_WORD_MAX ((size_t)40)
size_t hm_text_distance(const char *a, size_t na, const char *b, size_t nb);
/* Whether a word at that distance was probably meant by one of that length. */
bool hm_text_is_near(size_t distance, size_t length);

#endif
