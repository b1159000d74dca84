/* SPDX-License-Identifier: MIT */
/* conf_texts: the built-in profiles and the files as one long text, and the questions
 * that can be asked of it ("which is this profile's parent?").
 *
 * Each answer reads everything again from the start. That takes no table, so no number of
 * profiles is too many, no heap, and little stack: the first thread to call malloc may
 * have only 16 KiB of it. The texts of a process are a few KiB. */
#ifndef HM_CONF_TEXTS_H
#define HM_CONF_TEXTS_H

#include "conf_exe.h"
#include "conf_source.h"

struct hm_conf_cursor {
    size_t builtin;                    /* the next built-in profile */
    struct hm_span profile;            /* pass over those that are not this one */
    const struct hm_conf_source *file; /* the next file */
    const char *name;                  /* of the text being read; NULL: built-in */
    bool vendor;                       /* whether it is a vendor's */
    struct hm_conf_reader reader;
};

enum hm_conf_part {
    HM_CONF_ALL,       /* built-in profiles, then files */
    HM_CONF_FILES_ONLY /* suffices for top-level pairs, which no built-in profile has */
};

struct hm_conf_cursor hm_conf_cursor_at(enum hm_conf_part part,
                                        const struct hm_conf_source *files);
/* What may be in the sections of a profile, among other things. */
struct hm_conf_cursor hm_conf_cursor_of(struct hm_span profile,
                                        const struct hm_conf_source *files);
bool hm_conf_cursor_next(struct hm_conf_cursor *c, struct hm_conf_item *item);

/* An item and the text it stands in (NULL: built-in). */
struct hm_conf_found {
    const char *name;
    struct hm_conf_item item;
};

bool hm_conf_is_key(const struct hm_conf_item *item, const char *key);
/* Whether it is in a section of this profile, or that section's header. */
bool hm_conf_is_of(const struct hm_conf_item *item, struct hm_span profile);

/* Whether there is a section of this name. */
bool hm_conf_is_profile(const struct hm_conf_source *files, struct hm_span name);
/* The `inherits` line that counts for a profile, if there is one: the last. */
bool hm_conf_find_parent(const struct hm_conf_source *files, struct hm_span profile,
                         struct hm_conf_found *out);
/* Whether `profile`, whose ancestry has no cycle, is `ancestor` or inherits from it. */
bool hm_conf_descends(const struct hm_conf_source *files, struct hm_span profile,
                      struct hm_span ancestor);
/* Whether a line of the files locks something: the first that does. */
bool hm_conf_find_lock(const struct hm_conf_source *files, struct hm_conf_found *out);
/* The machine's choice for a process: of the `profile =` lines that are about it and name
 * a profile, the one that counts, if any; and whether any of the lines locks it. */
bool hm_conf_find_choice(const struct hm_conf_source *files, struct hm_conf_exe *exe,
                         struct hm_conf_found *out, bool *locked);

#endif
