/* SPDX-License-Identifier: MIT */
#include "conf_texts.h"

#include "profiles_builtin.h"

struct hm_conf_cursor hm_conf_cursor_at(enum hm_conf_part part,
                                        const struct hm_conf_source *files)
{
    struct hm_conf_cursor c = {
        .builtin = part == HM_CONF_FILES_ONLY ? hm_profiles_builtin_count : 0,
        .file = files};

    hm_conf_reader_init(&c.reader, HM_CONF_FILE, "", 0);
    return c;
}

struct hm_conf_cursor hm_conf_cursor_of(struct hm_span profile,
                                        const struct hm_conf_source *files)
{
    struct hm_conf_cursor c = hm_conf_cursor_at(HM_CONF_ALL, files);

    c.profile = profile;
    return c;
}

static bool is_named(const struct hm_profile_builtin *p, struct hm_span name)
{
    return hm_span_equal(hm_span_of(p->name), name);
}

bool hm_conf_cursor_next(struct hm_conf_cursor *c, struct hm_conf_item *item)
{
    while (!hm_conf_read(&c->reader, item)) {
        if (c->builtin < hm_profiles_builtin_count) {
            const struct hm_profile_builtin *p = &hm_profiles_builtin[c->builtin++];

            if (c->profile.n == 0 || is_named(p, c->profile))
                hm_conf_reader_init(&c->reader, HM_CONF_FILE, p->text, p->len);
        } else if (c->file != NULL) {
            hm_conf_source_reader(c->file, &c->reader);
            c->name = c->file->name;
            c->vendor = c->file->vendor;
            c->file = c->file->next;
        } else {
            return false;
        }
    }
    return true;
}

bool hm_conf_is_key(const struct hm_conf_item *item, const char *key)
{
    return item->kind == HM_CONF_PAIR && hm_span_equal(item->key, hm_span_of(key));
}

bool hm_conf_is_of(const struct hm_conf_item *item, struct hm_span profile)
{
    return item->scope == HM_CONF_PROFILE && hm_span_equal(item->section, profile);
}

bool hm_conf_is_profile(const struct hm_conf_source *files, struct hm_span name)
{
    struct hm_conf_cursor c = hm_conf_cursor_at(HM_CONF_FILES_ONLY, files);
    struct hm_conf_item item;

    for (size_t i = 0; i < hm_profiles_builtin_count; i++) {
        if (is_named(&hm_profiles_builtin[i], name))
            return true;
    }
    while (hm_conf_cursor_next(&c, &item)) {
        if (item.kind == HM_CONF_SECTION && hm_conf_is_of(&item, name))
            return true;
    }
    return false;
}

bool hm_conf_find_parent(const struct hm_conf_source *files, struct hm_span profile,
                         struct hm_conf_found *out)
{
    struct hm_conf_cursor c = hm_conf_cursor_of(profile, files);
    struct hm_conf_item item;
    bool any = false;

    while (hm_conf_cursor_next(&c, &item)) {
        if (!hm_conf_is_of(&item, profile) || !hm_conf_is_key(&item, "inherits") ||
            !hm_span_is_name(item.value))
            continue;
        *out = (struct hm_conf_found){c.name, item};
        any = true;
    }
    return any;
}

bool hm_conf_descends(const struct hm_conf_source *files, struct hm_span profile,
                      struct hm_span ancestor)
{
    struct hm_conf_found parent;

    while (!hm_span_equal(profile, ancestor)) {
        if (!hm_conf_find_parent(files, profile, &parent))
            return false;
        profile = parent.item.value;
    }
    return true;
}

bool hm_conf_find_lock(const struct hm_conf_source *files, struct hm_conf_found *out)
{
    struct hm_conf_cursor c = hm_conf_cursor_at(HM_CONF_FILES_ONLY, files);
    struct hm_conf_item item;

    while (hm_conf_cursor_next(&c, &item)) {
        if (item.kind == HM_CONF_PAIR && item.locked) {
            *out = (struct hm_conf_found){c.name, item};
            return true;
        }
    }
    return false;
}

bool hm_conf_find_choice(const struct hm_conf_source *files, struct hm_conf_exe *exe,
                         struct hm_conf_found *out, bool *locked)
{
    struct hm_conf_cursor c = hm_conf_cursor_at(HM_CONF_FILES_ONLY, files);
    struct hm_conf_item item;
    bool any = false, vendor = false;

    *locked = false;
    while (hm_conf_cursor_next(&c, &item)) {
        if (!hm_conf_is_key(&item, "profile") || !hm_conf_exe_concerns(exe, &item))
            continue;
        *locked |= item.locked;
        if ((any && vendor == c.vendor && item.scope < out->item.scope) ||
            !hm_conf_is_profile(files, item.value))
            continue;
        vendor = c.vendor; /* theirs come first, and are weaker (I3 of conf_source.h) */
        *out = (struct hm_conf_found){c.name, item};
        any = true;
    }
    return any;
}
