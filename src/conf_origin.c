/* SPDX-License-Identifier: MIT */
#include "conf_origin.h"

#include "conf_source.h"
#include <string.h>

struct kept {
    _Atomic uint8_t kind; /* [any, relaxed: nothing else changes with it] */
    uint8_t scope;
    bool locked;
    uint16_t file; /* offsets in the pool */
    uint16_t section;
    uint32_t line;
};
static struct kept kept[HM_CONF_ORIGINS] HM_COLD_DATA;
/* [any, relaxed] Or set: else all of these are as they were at the start. */
static _Atomic bool any_kept;

/* Names, each with its NUL. Equal ones are kept once, so as a rule only the first few
 * bytes are ever touched. */
enum {
    FILE_MAX = HM_CONF_NAME_SHOWN + sizeof "...",
    SECTION_SHOWN = 60, /* the end of a longer pattern, which is a path */
    SECTION_MAX = SECTION_SHOWN + sizeof "...",
    POOL_MAX = HM_CONF_ORIGINS * (FILE_MAX + SECTION_MAX)
};
static char pool[POOL_MAX] HM_COLD_DATA;
static uint16_t pool_used;
_Static_assert(POOL_MAX <= UINT16_MAX, "an offset has 16 bits");
_Static_assert(SECTION_SHOWN >= HM_PROFILE_NAME_MAX, "a profile's name is kept whole");
_Static_assert(FILE_MAX + SECTION_MAX + sizeof "profile  at :4294967295, locked" <=
                   HM_CONF_ORIGIN_MAX,
               "the longest origin fits");

static uint16_t keep_name(const char *prefix, struct hm_span name)
{
    const size_t prefix_len = strlen(prefix);
    const size_t len = prefix_len + name.n;
    uint16_t at = 0;

    while (at < pool_used) {
        const size_t known = strlen(pool + at);

        if (known == len && memcmp(pool + at, prefix, prefix_len) == 0 &&
            (name.n == 0 || memcmp(pool + at + prefix_len, name.s, name.n) == 0))
            return at;
        at = (uint16_t)(at + known + 1);
    }
    HM_ASSERT(at + len + 1 <= sizeof pool); /* I1 */
    memcpy(pool + at, prefix, prefix_len);
    if (name.n > 0)
        memcpy(pool + at + prefix_len, name.s, name.n);
    pool[at + len] = '\0';
    pool_used = (uint16_t)(at + len + 1);
    return at;
}

void hm_conf_origin_reset(void)
{
    pool_used = 0;
    if (!hm_load_relaxed(&any_kept))
        return; /* and touch none */
    for (unsigned i = 0; i < HM_CONF_ORIGINS; i++) {
        kept[i].locked = false;
        hm_store_relaxed(&kept[i].kind, HM_CONF_BUILTIN);
    }
}

/* A name that may have lost its beginning. */
struct shown {
    const char *ellipsis; /* "...", or "" */
    struct hm_span name;
};

static struct shown shown_file(const struct hm_conf_origin *origin)
{
    struct shown s = {.ellipsis = ""};

    if (origin->kind == HM_CONF_LINE || origin->kind == HM_CONF_VARIABLE)
        s.name = hm_span_of(hm_conf_source_shown(origin->file, &s.ellipsis));
    return s;
}

static struct shown shown_section(const struct hm_conf_origin *origin)
{
    struct shown s = {.ellipsis = "", .name = origin->section};

    if (s.name.n > SECTION_SHOWN) {
        s.ellipsis = "...";
        s.name.s += s.name.n - SECTION_SHOWN;
        s.name.n = SECTION_SHOWN;
    }
    return s;
}

void hm_conf_origin_keep(unsigned whose, const struct hm_conf_origin *origin)
{
    const struct shown file = shown_file(origin), section = shown_section(origin);
    struct kept *k = &kept[whose];

    hm_store_relaxed(&any_kept, true);
    k->line = origin->line;
    k->locked = origin->locked;
    k->file = keep_name(file.ellipsis, file.name);
    k->scope = (uint8_t)origin->scope;
    k->section = keep_name(section.ellipsis, section.name);
    hm_store_relaxed(&k->kind, (uint8_t)origin->kind);
}

HM_COLD void hm_conf_origin_copy(unsigned to, unsigned from)
{
    kept[to].scope = kept[from].scope;
    kept[to].file = kept[from].file;
    kept[to].section = kept[from].section;
    kept[to].line = kept[from].line;
    kept[to].locked = kept[from].locked;
    hm_store_relaxed(&kept[to].kind, hm_load_relaxed(&kept[from].kind));
}

void hm_conf_origin_set(unsigned whose)
{
    hm_store_relaxed(&any_kept, true);
    hm_store_relaxed(&kept[whose].kind, HM_CONF_SET);
}

bool hm_conf_origin_is_locked(unsigned whose)
{
    return kept[whose].locked;
}

static void put_shown(struct shown s, struct hm_text *out)
{
    hm_text_printf(out, "%s%.*s", s.ellipsis, (int)s.name.n, s.name.s);
}

static void put_section(enum hm_conf_scope scope, struct shown section,
                        struct hm_text *out)
{
    switch (scope) {
    case HM_CONF_PROFILE:
        hm_text_printf(out, "profile ");
        put_shown(section, out);
        hm_text_printf(out, " at ");
        break;
    case HM_CONF_TOP:
        break;
    case HM_CONF_APP:
        hm_text_printf(out, "[app:");
        put_shown(section, out);
        hm_text_printf(out, "] at ");
        break;
    case HM_CONF_SECURE:
        hm_text_printf(out, "[secure] at ");
        break;
    }
}

/* Names are `origin`'s, or those that were kept of it. */
static void put(const struct hm_conf_origin *origin, struct shown file,
                struct shown section, struct hm_text *out)
{
    switch (origin->kind) {
    case HM_CONF_BUILTIN:
        hm_text_printf(out, "built-in");
        break;
    case HM_CONF_SHIPPED:
        hm_text_printf(out, "profile ");
        put_shown(section, out);
        break;
    case HM_CONF_LINE:
        put_section(origin->scope, section, out);
        put_shown(file, out);
        hm_text_printf(out, ":%u", origin->line);
        break;
    case HM_CONF_VARIABLE:
        put_shown(file, out);
        break;
    case HM_CONF_SET:
        hm_text_printf(out, "hakmem_option_set");
        break;
    }
}

HM_COLD void hm_conf_origin_put(unsigned whose, struct hm_text *out)
{
    const struct kept *k = &kept[whose];
    const struct hm_conf_origin origin = {
        .kind = (enum hm_conf_origin_kind)hm_load_relaxed(&k->kind),
        .scope = (enum hm_conf_scope)k->scope,
        .line = k->line};

    put(&origin, (struct shown){"", hm_span_of(pool + k->file)},
        (struct shown){"", hm_span_of(pool + k->section)}, out);
    if (k->locked)
        hm_text_printf(out, ", locked");
}

HM_COLD void hm_conf_origin_describe(const struct hm_conf_origin *origin,
                                     struct hm_text *out)
{
    put(origin, shown_file(origin), shown_section(origin), out);
}
