/* SPDX-License-Identifier: MIT */
/* conf_source: the texts that conf reads. A source is one file's text in memory of its
 * own, mapped for as long as the loading takes; lists of them are in the order in which
 * they count, later wins. In the place of a file that may not be used stands the reason.
 *
 * I1. A listed text is empty, or a regular file's, at most HM_CONF_FILE_MAX bytes, and
 *     has no byte that text files do not have.
 * I2. A listed text from the system's directories belongs to their owner (root).
 * I3. A vendor's texts come before all others. */
#ifndef HM_CONF_SOURCE_H
#define HM_CONF_SOURCE_H

#include "conf_parse.h"

#define HM_CONF_FILE_MAX (64 * HM_KIB)
#define HM_CONF_DIR_MAX 64      /* files in hakmem.conf.d */
#define HM_CONF_INCLUDED_MAX 64 /* files that are included, by all others together */

struct hm_conf_source {
    struct hm_conf_source *next;
    size_t mapped; /* bytes of the mapping that begins with this structure */
    const char *name;
    const char *text;
    size_t len;
    bool vendor;   /* from the vendors' directory, or included from there */
    unsigned line; /* of the file, that the text begins with */
    const struct hm_conf_source *includer; /* NULL: none */
    const char *refusal; /* ":LINE:COLUMN: …" for the report, and there is no text; or
                            NULL */
};

/* Where the system's files are, and whose they have to be. */
struct hm_conf_dirs {
    const char *conf; /* hakmem.conf and hakmem.conf.d/ */
    const char *apps; /* NAME.conf, by the vendor of the program of that name */
    uint32_t owner;
};

/* APPS/NAME.conf, unless the name is NULL; CONF/hakmem.conf; CONF/hakmem.conf.d/ *.conf
 * in the order of the C locale. A file that does not exist is no error, and costs one
 * system call. */
struct hm_conf_source *hm_conf_source_system(const struct hm_conf_dirs *dirs,
                                             const char *name);
/* The file that HAKMEM_CONF names. As in the system's, the text that an `include` line
 * names stands behind that line, and what the includer has below it is one more text. */
struct hm_conf_source *hm_conf_source_named(const char *path);
/* A text from elsewhere, for tests: copied, and checked like a file's. It includes
 * nothing. */
struct hm_conf_source *hm_conf_source_text(const char *name, const char *text,
                                           size_t len);

void hm_conf_source_reader(const struct hm_conf_source *source, struct hm_conf_reader *r);
void hm_conf_source_release(struct hm_conf_source *list);

/* Where a warning points: "NAME:LINE:COLUMN: ". A long name loses its beginning, which
 * people can do without sooner than its end. */
#define HM_CONF_NAME_SHOWN ((size_t)120)
const char *hm_conf_source_shown(const char *name, const char **ellipsis);

#endif
