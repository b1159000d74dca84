/* SPDX-License-Identifier: MIT */
/* out: what the command writes for people and for other programs: styled text, tables,
 * JSON. Colour is used on a terminal only, and not where NO_COLOR is set. */
#ifndef HM_OUT_H
#define HM_OUT_H

#include "base.h"
#include <stdio.h>

/* Exit codes. `run` and `ab` have more of their own. */
enum { HM_EXIT_OK = 0, HM_EXIT_FOUND = 1, HM_EXIT_USAGE = 2 };

/* Never NULL: the command ends when memory is out. */
void *hm_out_alloc(size_t size);
void *hm_out_realloc(void *ptr, size_t size);
char *hm_out_strdup(const char *s);
char *hm_out_strndup(const char *s, size_t n);
HM_PRINTF(1, 2) char *hm_out_format(const char *fmt, ...);

enum hm_style { HM_BOLD, HM_DIM, HM_RED, HM_GREEN, HM_YELLOW };
/* Wraps the text in a style where the stream shows colours. */
HM_PRINTF(3, 4)
void hm_out_styled(FILE *out, enum hm_style style, const char *fmt, ...);

/* "hakmem: error: …", "hakmem: warning: …" on standard error. */
HM_PRINTF(1, 2) void hm_out_error(const char *fmt, ...);
HM_PRINTF(1, 2) void hm_out_warning(const char *fmt, ...);
/* "Try 'hakmem NAME --help'." and HM_EXIT_USAGE. */
int hm_out_usage(const char *command);
/* Writes what is buffered; the exit code: 1 when that fails. */
int hm_out_finish(int status);

/* Tables: cells row by row, aligned when printed. */
struct hm_table {
    const char *align; /* 'l' or 'r' for each column */
    char **cells;
    size_t count;
    size_t room;
};
HM_PRINTF(2, 3) void hm_table_add(struct hm_table *t, const char *fmt, ...);
/* Two blanks between columns; the first row is a heading, printed bold. */
void hm_table_print(const struct hm_table *t);

/* JSON, indented by two. A key is NULL inside an array and for the outermost value. */
struct hm_json {
    unsigned depth;
    bool in_array[16];
    bool any[16]; /* whether something stands at this depth already */
};
void hm_json_object(struct hm_json *j, const char *key);
void hm_json_array(struct hm_json *j, const char *key);
void hm_json_end(struct hm_json *j);
/* value NULL: null. Bytes that are not UTF-8 become U+FFFD. */
void hm_json_string(struct hm_json *j, const char *key, const char *value);
void hm_json_integer(struct hm_json *j, const char *key, long long value);
void hm_json_number(struct hm_json *j, const char *key, double value);
void hm_json_bool(struct hm_json *j, const char *key, bool value);

#endif
