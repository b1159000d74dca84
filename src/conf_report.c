/* SPDX-License-Identifier: MIT */
#include "conf_report.h"

#include "conf_origin.h"
#include "fail.h"
#include "option.h"

enum { PROFILES_LISTED = 12 };

/* Where an error is. */
struct place {
    const char *name;
    unsigned line;
    unsigned column;
};

/* A line about one error, put together piece by piece. */
struct message {
    struct hm_text text;
    char buf[768];
};

HM_COLD static void message_begin(struct message *m, struct place at)
{
    const char *ellipsis;
    const char *shown = hm_conf_source_shown(at.name, &ellipsis);

    hm_text_init(&m->text, m->buf, sizeof m->buf, -1);
    hm_text_printf(&m->text, "%s%s:%u:%u: ", ellipsis, shown, at.line, at.column);
}

HM_COLD static void message_end(struct message *m)
{
    hm_text_flush(&m->text);
    hm_warn("%s", m->buf);
}

static void put_quoted(struct message *m, struct hm_span s)
{
    hm_text_put_quoted(&m->text, s.s, s.n);
}

/* Did you mean ----------------------------------------------------------------------- */

/* The most similar of the words that are offered, if any is similar enough; one of a
 * single character resembles too much. */
struct guess {
    struct hm_span wrong;
    struct hm_span best; /* n == 0: none */
    size_t distance;
};

static void offer(struct guess *g, struct hm_span word)
{
    const size_t distance = hm_text_distance(g->wrong.s, g->wrong.n, word.s, word.n);

    if (word.n < 2 || !hm_text_is_near(distance, g->wrong.n) ||
        (g->best.n > 0 && distance >= g->distance))
        return;
    g->best = word;
    g->distance = distance;
}

HM_COLD static void put_guess(struct message *m, const struct guess *g)
{
    if (g->best.n > 0)
        hm_text_printf(&m->text, " (did you mean %.*s?)", (int)g->best.n, g->best.s);
}

/* Profiles --------------------------------------------------------------------------- */

HM_COLD static bool is_first_mention(const struct hm_conf_source *files,
                                     struct hm_span name)
{
    struct hm_conf_cursor c = hm_conf_cursor_at(HM_CONF_ALL, files);
    struct hm_conf_item item;

    while (hm_conf_cursor_next(&c, &item)) {
        if (item.kind == HM_CONF_SECTION && hm_conf_is_of(&item, name))
            break;
    }
    return item.section.s == name.s;
}

HM_COLD static void put_profiles(struct message *m, const struct hm_conf_source *files)
{
    struct hm_conf_cursor c = hm_conf_cursor_at(HM_CONF_ALL, files);
    struct hm_conf_item item;
    unsigned count = 0;

    while (hm_conf_cursor_next(&c, &item)) {
        if (item.kind != HM_CONF_SECTION || item.scope != HM_CONF_PROFILE ||
            !is_first_mention(files, item.section))
            continue;
        if (count == PROFILES_LISTED) {
            hm_text_printf(&m->text, ", ...");
            break;
        }
        hm_text_printf(&m->text, "%s%.*s", count > 0 ? ", " : "", (int)item.section.n,
                       item.section.s);
        count++;
    }
}

HM_COLD static void offer_profiles(struct guess *g, const struct hm_conf_source *files)
{
    struct hm_conf_cursor c = hm_conf_cursor_at(HM_CONF_ALL, files);
    struct hm_conf_item item;

    while (hm_conf_cursor_next(&c, &item)) {
        if (item.kind == HM_CONF_SECTION && item.scope == HM_CONF_PROFILE)
            offer(g, item.section);
    }
}

HM_COLD static void report_profile(const struct hm_conf_source *files, struct place at,
                                   struct hm_span unknown, const struct hm_span *use)
{
    struct guess g = {.wrong = unknown};
    struct message m;

    message_begin(&m, at);
    hm_text_printf(&m.text, "unknown profile ");
    put_quoted(&m, unknown);
    hm_text_printf(&m.text, ", expected one of ");
    put_profiles(&m, files);
    offer_profiles(&g, files);
    put_guess(&m, &g);
    if (use != NULL)
        hm_text_printf(&m.text, "; using %.*s", (int)use->n, use->s);
    else
        hm_text_printf(&m.text, "; ignored");
    message_end(&m);
}

HM_COLD void hm_conf_report_profile(const struct hm_conf_source *files, const char *name,
                                    unsigned line, unsigned column,
                                    struct hm_span unknown, const char *use)
{
    const struct hm_span used = hm_span_of(use);

    report_profile(files, (struct place){name, line, column}, unknown, &used);
}

HM_COLD void hm_conf_report_cycle(const struct hm_conf_found *parent, const char *use)
{
    const struct hm_conf_item *item = &parent->item;
    struct message m;

    message_begin(&m, (struct place){parent->name, item->line, item->value_column});
    hm_text_printf(&m.text, "profile ");
    put_quoted(&m, item->value);
    hm_text_printf(&m.text, " inherits from itself, expected no cycle; using %s", use);
    message_end(&m);
}

/* Items ------------------------------------------------------------------------------ */

HM_COLD static void report_found(struct place at, struct hm_span found, const char *wrong,
                                 const char *expected)
{
    struct message m;

    message_begin(&m, at);
    put_quoted(&m, found);
    hm_text_printf(&m.text, " %s, expected %s; ignored", wrong, expected);
    message_end(&m);
}

/* What the environment may not do, because a line of a file says so. */
HM_COLD static void report_locked(const char *variable, unsigned column, unsigned whose,
                                  const char *name)
{
    struct message m;

    message_begin(&m, (struct place){variable, 1, column});
    hm_text_printf(&m.text, "%s is locked, expected it to be left to ", name);
    hm_conf_origin_put(whose, &m.text);
    hm_text_printf(&m.text, "; ignored");
    message_end(&m);
}

HM_COLD void hm_conf_report_locked_profile(void)
{
    report_locked("HAKMEM_PROFILE", 1, HM_CONF_ORIGIN_PROFILE, "profile");
}

HM_COLD void hm_conf_report_locked_files(const struct hm_conf_found *lock)
{
    struct message m;
    const char *ellipsis;
    const char *shown = hm_conf_source_shown(lock->name, &ellipsis);

    message_begin(&m, (struct place){"HAKMEM_CONF", 1, 1});
    hm_text_printf(&m.text, "the system's files lock ");
    put_quoted(&m, lock->item.key);
    hm_text_printf(&m.text, ", expected no other file than %s%s:%u; ignored", ellipsis,
                   shown, lock->item.line);
    message_end(&m);
}

/* Of a file, the other keys may have been meant as well. */
HM_COLD static void report_unknown_option(struct place at, struct hm_span key,
                                          bool in_file)
{
    static const char *const others[] = {"profile", "inherits", "include"};
    const enum hm_option_id near = hm_option_nearest(key.s, key.n);
    struct guess g = {.wrong = key};
    struct message m;

    if (near != HM_OPTION_COUNT)
        offer(&g, hm_span_of(hm_option_table[near].name));
    for (size_t i = 0; in_file && i < HM_ARRAY_LEN(others); i++)
        offer(&g, hm_span_of(others[i]));
    message_begin(&m, at);
    hm_text_printf(&m.text, "unknown option ");
    put_quoted(&m, key);
    hm_text_printf(&m.text, ", expected one of hakmem.conf(5)");
    put_guess(&m, &g);
    hm_text_printf(&m.text, "; ignored");
    message_end(&m);
}

HM_COLD static void offer_words(struct guess *g, enum hm_option_id id)
{
    const char *word;

    for (size_t i = 0; (word = hm_option_word(id, i)) != NULL; i++)
        offer(g, hm_span_of(word));
}

HM_COLD static void report_value(struct place at, enum hm_option_id id,
                                 struct hm_span bad, const char *wrong, bool in_force)
{
    struct guess g = {.wrong = bad};
    struct message m;

    message_begin(&m, at);
    hm_text_printf(&m.text, "%s: ", hm_option_table[id].name);
    put_quoted(&m, bad);
    hm_text_printf(&m.text, " %s, expected ", wrong);
    hm_option_expected(id, &m.text);
    offer_words(&g, id);
    put_guess(&m, &g);
    if (in_force) {
        hm_text_printf(&m.text, "; using ");
        hm_option_format(&hm_opt, id, &m.text);
    } else {
        hm_text_printf(&m.text, "; ignored");
    }
    message_end(&m);
}

static bool is_in_force(const struct hm_conf_report *report,
                        const struct hm_conf_item *item)
{
    if (item->scope != HM_CONF_PROFILE)
        return hm_conf_exe_concerns(report->exe, item);
    return report->intact &&
           hm_conf_descends(report->files, report->profile, item->section);
}

/* True: there was something to report. */
static bool check_option(const struct hm_conf_report *report, struct place at,
                         const struct hm_conf_item *item, bool in_file)
{
    enum hm_option_id id = hm_option_find(item->key.s, item->key.n);
    struct hm_options unused;
    struct hm_option_error err;

    if (id == HM_OPTION_COUNT) {
        if (!item->optional)
            report_unknown_option(at, item->key, in_file);
        return !item->optional;
    }
    if (hm_option_parse(&unused, id, item->value.s, item->value.n, &err))
        return false;
    at.column = item->value_column + (unsigned)err.at;
    report_value(at, id, (struct hm_span){item->value.s + err.at, err.len}, err.what,
                 is_in_force(report, item));
    return true;
}

static bool is_locked_in_vain(struct place at, const struct hm_conf_item *item)
{
    if (item->locked)
        report_found(at, item->key, "cannot be locked", "it without the \"!\"");
    return item->locked;
}

static bool check_include(struct place at, const struct hm_conf_item *item)
{
    if (is_locked_in_vain(at, item) || item->scope == HM_CONF_TOP)
        return item->locked;
    report_found(at, item->key, "is in a section", "it before the first");
    return true;
}

static bool check_inherits(struct place at, const struct hm_conf_item *item)
{
    if (is_locked_in_vain(at, item))
        return true;
    if (item->scope != HM_CONF_PROFILE) {
        report_found(at, item->key, "is not in a profile's section", "it in one");
        return true;
    }
    if (hm_span_is_name(item->value)) /* whether it exists matters once it is in force */
        return false;
    at.column = item->value_column;
    report_found(at, item->value, "is not a profile's name",
                 "1 to 31 letters, digits, - or _");
    return true;
}

static bool check_choice(const struct hm_conf_report *report, struct place at,
                         const struct hm_conf_item *item)
{
    if (item->scope == HM_CONF_PROFILE) {
        report_found(at, item->key, "is in a profile's section",
                     "it before the first section, or in one of [app:NAME]");
        return true;
    }
    if (hm_conf_is_profile(report->files, item->value))
        return false;
    at.column = item->value_column;
    report_profile(report->files, at, item->value,
                   is_in_force(report, item) ? &report->profile : NULL);
    return true;
}

/* Reports an item of a file, unless it is in order. */
static bool check_item(const struct hm_conf_report *report, const char *name,
                       const struct hm_conf_item *item)
{
    const struct place at = {name, item->line, item->column};

    if (item->kind == HM_CONF_SECTION)
        return false;
    if (item->kind == HM_CONF_ERROR) {
        report_found(at, item->key, item->wrong, item->expected);
        return true;
    }
    if (hm_conf_is_key(item, "inherits"))
        return check_inherits(at, item);
    if (hm_conf_is_key(item, "include"))
        return check_include(at, item);
    if (hm_conf_is_key(item, "profile"))
        return check_choice(report, at, item);
    return check_option(report, at, item, true);
}

static void report_file(const struct hm_conf_report *report,
                        const struct hm_conf_source *file)
{
    struct hm_conf_reader reader;
    struct hm_conf_item item;
    unsigned errors = 0;

    hm_conf_source_reader(file, &reader);
    while (errors < HM_CONF_ERRORS_SHOWN && hm_conf_read(&reader, &item))
        errors += check_item(report, file->name, &item);
    if (errors == HM_CONF_ERRORS_SHOWN) {
        struct message m;

        message_begin(&m, (struct place){file->name, item.line, item.column});
        hm_text_printf(&m.text, "%u errors, expected none; lines below not checked",
                       errors);
        message_end(&m);
    }
}

void hm_conf_report_files(const struct hm_conf_report *report)
{
    for (const struct hm_conf_source *f = report->files; f != NULL; f = f->next)
        report_file(report, f);
}

void hm_conf_report_refusals(const struct hm_conf_source *files)
{
    for (const struct hm_conf_source *f = files; f != NULL; f = f->next) {
        const char *ellipsis;
        const char *shown = hm_conf_source_shown(f->name, &ellipsis);

        if (f->refusal != NULL)
            hm_warn("%s%s%s", ellipsis, shown, f->refusal);
    }
}

static void check_lock(struct place at, const struct hm_conf_item *item)
{
    const unsigned id = hm_option_find(item->key.s, item->key.n);

    if (id != HM_OPTION_COUNT && hm_conf_origin_is_locked(id))
        report_locked(at.name, at.column, id, hm_option_table[id].name);
}

void hm_conf_report_options(const struct hm_conf_report *report, const char *options)
{
    const char *const name = "HAKMEM_OPTIONS";
    struct hm_conf_reader reader;
    struct hm_conf_item item;

    hm_conf_reader_init(&reader, HM_CONF_OPTIONS, options, hm_span_of(options).n);
    while (hm_conf_read(&reader, &item)) {
        const struct place at = {name, item.line, item.column};

        if (item.kind == HM_CONF_ERROR)
            report_found(at, item.key, item.wrong, item.expected);
        else if (!check_option(report, at, &item, false))
            check_lock(at, &item);
    }
}
