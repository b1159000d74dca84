/* SPDX-License-Identifier: MIT */
/* conf_parse: text of hakmem.conf or HAKMEM_OPTIONS as a sequence of items. Pure: no
 * system call, no message, no state but the reader's, and nothing is copied: an item
 * points into the text, which therefore stays where it is and is never written (rewriting
 * in place is how a loader's tunables became CVE-2023-4911).
 *
 * File:        line { newline line }          Options:  pair { "," pair }
 *   line       [ section | pair ] [ "#" comment ]
 *   section    "[" ( "profile" name | "app:" pattern | "secure" ) "]"
 *   pair       { "!" | "?" } key "=" value    (each at most once, "!" in files only)
 *
 * I1. Every byte of the text belongs to at most one item; reading always ends.
 * I2. Of pairs, only those whose section's header was understood are delivered: a key
 *     never slips into the section before its own. */
#ifndef HM_CONF_PARSE_H
#define HM_CONF_PARSE_H

#include "base.h"

#define HM_CONF_LINE_MAX ((size_t)1024)
#define HM_PROFILE_NAME_MAX 31

/* Some bytes of a text; n == 0: none. */
struct hm_span {
    const char *s;
    size_t n;
};

struct hm_span hm_span_of(const char *string);
bool hm_span_equal(struct hm_span a, struct hm_span b);
/* 1 to HM_PROFILE_NAME_MAX of A-Z a-z 0-9 - _ */
bool hm_span_is_name(struct hm_span name);

enum hm_conf_syntax { HM_CONF_FILE, HM_CONF_OPTIONS };

/* What a pair is about, by its section. From HM_CONF_TOP on, in the order in which they
 * count: later wins. */
enum hm_conf_scope {
    HM_CONF_PROFILE, /* [profile NAME] */
    HM_CONF_TOP,     /* before the first section */
    HM_CONF_APP,     /* [app:PATTERN] */
    HM_CONF_SECURE   /* [secure] */
};

struct hm_conf_reader {
    enum hm_conf_syntax syntax;
    const char *at;         /* what is still to be read */
    const char *end;        /* of the text */
    const char *line_start; /* column 1 */
    unsigned line;
    bool skipping; /* inside a section whose header was not understood */
    enum hm_conf_scope scope;
    struct hm_span section; /* as in struct hm_conf_item */
};

enum hm_conf_kind {
    HM_CONF_SECTION, /* a section's header: `scope`, `section` */
    HM_CONF_PAIR,    /* `key`, `value`, within `section` */
    HM_CONF_ERROR    /* `key` is what was found; `wrong` and `expected` say the rest */
};

struct hm_conf_item {
    enum hm_conf_kind kind;
    unsigned line;         /* from 1 */
    unsigned column;       /* of the pair or of what was found; in bytes, from 1 */
    unsigned value_column; /* of a pair's value */
    enum hm_conf_scope scope;
    struct hm_span section; /* the profile's name, the pattern, or empty */
    struct hm_span key;
    bool locked;          /* "!": not to be set by the environment */
    bool optional;        /* "?": nothing is wrong with it if the key is unknown */
    struct hm_span value; /* without space around it; may be empty */
    const char *wrong;    /* "is not a section" */
    const char *expected; /* "[profile NAME]" */
};

void hm_conf_reader_init(struct hm_conf_reader *r, enum hm_conf_syntax syntax,
                         const char *text, size_t len);
/* The next item; false at the end of the text. */
bool hm_conf_read(struct hm_conf_reader *r, struct hm_conf_item *item);

/* Offset of the first byte that no text file has (a control character other than tab,
 * carriage return and newline); len when there is none. */
size_t hm_conf_find_binary(const char *text, size_t len);

#endif
