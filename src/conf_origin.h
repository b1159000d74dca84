/* SPDX-License-Identifier: MIT */
/* conf_origin: where the value of each option, and the choice of the profile, come from.
 *
 * While the texts are mapped an origin is a place in them, which costs nothing to note;
 * what is in force at the end is kept: numbers, and names in one small pool. The text is
 * made when somebody asks for it.
 *
 * I1. Every kept name is whole: the pool has room for the longest of every origin.
 * I2. Origins are kept before any block exists and then const, but for the kind, which
 *     hakmem_option_set may change at any time. */
#ifndef HM_CONF_ORIGIN_H
#define HM_CONF_ORIGIN_H

#include "conf_parse.h"
#include "option.h"

enum hm_conf_origin_kind {
    HM_CONF_BUILTIN,  /* the option table */
    HM_CONF_SHIPPED,  /* a profile that is compiled in: `section` */
    HM_CONF_LINE,     /* a line of a file: `file`, `line`, `section` */
    HM_CONF_VARIABLE, /* an environment variable: `file` is its name */
    HM_CONF_SET       /* hakmem_option_set */
};

struct hm_conf_origin {
    enum hm_conf_origin_kind kind;
    unsigned line;
    const char *file;
    enum hm_conf_scope scope;
    struct hm_span section; /* that the line is in: as in struct hm_conf_item */
    bool locked;            /* against the environment, by this line or another */
};

/* Whose origin: an option, or the profile. */
#define HM_CONF_ORIGIN_PROFILE HM_OPTION_COUNT
#define HM_CONF_ORIGINS (HM_OPTION_COUNT + 1)

/* Forgets all origins: everything is built in. */
void hm_conf_origin_reset(void);
/* Keeps an origin; once for each after a reset. */
void hm_conf_origin_keep(unsigned whose, const struct hm_conf_origin *origin);
/* That of `from` is that of `to` as well. */
void hm_conf_origin_copy(unsigned to, unsigned from);
/* From now on it is hakmem_option_set. Any thread may call this, any time. */
void hm_conf_origin_set(unsigned whose);

bool hm_conf_origin_is_locked(unsigned whose);

/* "built-in", "profile low-memory", "profile mine at /etc/hakmem.conf:12",
 * "[app:redis-*] at /etc/hakmem.conf:20", "[secure] at /etc/hakmem.conf:30",
 * "/etc/hakmem.conf:3", "HAKMEM_OPTIONS", "hakmem_option_set"; behind them ", locked" if
 * the environment may not set it. */
void hm_conf_origin_put(unsigned whose, struct hm_text *out);
/* The same of an origin that is not kept; "locked" is left out. */
void hm_conf_origin_describe(const struct hm_conf_origin *origin, struct hm_text *out);
#define HM_CONF_ORIGIN_MAX ((size_t)288) /* enough for any of them and its NUL */

#endif
