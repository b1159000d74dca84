/* SPDX-License-Identifier: MIT */
#include "history.h"

#include "conf_texts.h"
#include "out.h"
#include <stdlib.h>
#include <string.h>

static struct hm_history histories[HM_CONF_ORIGINS];

/* A text that `put` writes. */
static char *text_of(void (*put)(const void *what, struct hm_text *out), const void *what)
{
    char buf[HM_CONF_ORIGIN_MAX];
    struct hm_text text;

    hm_text_init(&text, buf, sizeof buf, -1);
    put(what, &text);
    hm_text_flush(&text);
    return hm_out_strdup(buf);
}

static void put_origin(const void *origin, struct hm_text *out)
{
    hm_conf_origin_describe(origin, out);
}

static void put_value(const void *setting, struct hm_text *out)
{
    const struct hm_conf_setting *s = setting;
    struct hm_options options;

    if (hm_option_parse(&options, s->id, s->value.s, s->value.n, NULL))
        hm_option_format(&options, s->id, out);
}

/* Puts an entry behind those that are not stronger. */
static void insert(unsigned whose, struct hm_history_entry entry)
{
    struct hm_history *h = &histories[whose];
    size_t at = h->count;

    /* A descendant comes before its parent, and is stronger. */
    while (at > 0 && entry.generation > h->entries[at - 1].generation)
        at--;
    h->entries = hm_out_realloc(h->entries, (h->count + 1) * sizeof entry);
    memmove(h->entries + at + 1, h->entries + at, (h->count - at) * sizeof entry);
    h->entries[at] = entry;
    h->count++;
}

static void forget(void)
{
    for (unsigned i = 0; i < HM_CONF_ORIGINS; i++) {
        for (size_t k = 0; k < histories[i].count; k++) {
            free(histories[i].entries[k].value);
            free(histories[i].entries[k].origin);
        }
        free(histories[i].entries);
        histories[i] = (struct hm_history){NULL, 0};
    }
}

static void watch(const struct hm_conf_setting *setting)
{
    struct hm_history_entry entry;

    if (setting == NULL) {
        forget();
        return;
    }
    entry = (struct hm_history_entry){.value = text_of(put_value, setting),
                                      .origin = text_of(put_origin, &setting->origin),
                                      .generation = setting->generation,
                                      .refused = setting->refused};
    if (entry.value[0] != '\0') {
        insert(setting->id, entry);
        return;
    }
    free(entry.value); /* it is wrong, which is reported */
    free(entry.origin);
}

void hm_history_begin(void)
{
    forget();
    hm_conf_watcher = watch;
}

/* The order in which `profile =` lines count: a vendor's are weaker than the machine's;
 * among these, a section about fewer processes is stronger. */
void hm_history_profile(const struct hm_conf_source *files, struct hm_conf_exe *exe,
                        const char *variable)
{
    for (int vendor = 1; vendor >= 0; vendor--) {
        for (enum hm_conf_scope scope = HM_CONF_TOP; scope <= HM_CONF_SECURE; scope++) {
            struct hm_conf_cursor c = hm_conf_cursor_at(HM_CONF_FILES_ONLY, files);
            struct hm_conf_item item;

            while (hm_conf_cursor_next(&c, &item)) {
                const struct hm_conf_origin origin = {.kind = HM_CONF_LINE,
                                                      .line = item.line,
                                                      .file = c.name,
                                                      .scope = item.scope,
                                                      .section = item.section};

                if (!hm_conf_is_key(&item, "profile") || c.vendor != (vendor != 0) ||
                    item.scope != scope || !hm_conf_exe_concerns(exe, &item) ||
                    !hm_conf_is_profile(files, item.value))
                    continue;
                insert(HM_CONF_ORIGIN_PROFILE,
                       (struct hm_history_entry){
                           .value = hm_out_strndup(item.value.s, item.value.n),
                           .origin = text_of(put_origin, &origin)});
            }
        }
    }
    if (variable == NULL || variable[0] == '\0' ||
        !hm_conf_is_profile(files, hm_span_of(variable)))
        return;
    insert(HM_CONF_ORIGIN_PROFILE,
           (struct hm_history_entry){
               .value = hm_out_strdup(variable),
               .origin = hm_out_strdup("HAKMEM_PROFILE"),
               .refused = hm_conf_origin_is_locked(HM_CONF_ORIGIN_PROFILE)});
}

const struct hm_history *hm_history_of(unsigned whose)
{
    return &histories[whose];
}
