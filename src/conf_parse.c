/* SPDX-License-Identifier: MIT */
#include "conf_parse.h"

#include <string.h>

struct hm_span hm_span_of(const char *string)
{
    return (struct hm_span){string, strlen(string)};
}

bool hm_span_equal(struct hm_span a, struct hm_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

bool hm_span_is_name(struct hm_span name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (!is_name_char(name.s[i]))
            return false;
    }
    return name.n >= 1 && name.n <= HM_PROFILE_NAME_MAX;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct hm_span trim(struct hm_span t)
{
    while (t.n > 0 && is_space(t.s[0])) {
        t.s++;
        t.n--;
    }
    while (t.n > 0 && is_space(t.s[t.n - 1]))
        t.n--;
    return t;
}

static struct hm_span up_to(struct hm_span t, char c)
{
    const char *found = t.n > 0 ? memchr(t.s, c, t.n) : NULL;

    return (struct hm_span){t.s, found != NULL ? (size_t)(found - t.s) : t.n};
}

static struct hm_span without_first(struct hm_span t, size_t n)
{
    return (struct hm_span){t.s + n, t.n - n};
}

void hm_conf_reader_init(struct hm_conf_reader *r, enum hm_conf_syntax syntax,
                         const char *text, size_t len)
{
    *r = (struct hm_conf_reader){.syntax = syntax,
                                 .at = text,
                                 .end = text + len,
                                 .line_start = text,
                                 .line = 1,
                                 .scope = HM_CONF_TOP};
}

static unsigned column_of(const struct hm_conf_reader *r, const char *p)
{
    return (unsigned)(p - r->line_start) + 1;
}

static void set_error(struct hm_conf_item *item, struct hm_span found, const char *wrong,
                      const char *expected)
{
    item->kind = HM_CONF_ERROR;
    item->key = found;
    item->wrong = wrong;
    item->expected = expected;
}

/* What follows a word at the beginning of a section's header; false: another word. */
static bool after_word(struct hm_span inside, const char *word, struct hm_span *rest)
{
    const size_t len = strlen(word);

    if (inside.n < len || memcmp(inside.s, word, len) != 0)
        return false;
    *rest = without_first(inside, len);
    return true;
}

static void open_section(struct hm_conf_reader *r, enum hm_conf_scope scope,
                         struct hm_span section, struct hm_conf_item *item)
{
    r->skipping = false;
    r->scope = item->scope = scope;
    r->section = item->section = section;
    item->kind = HM_CONF_SECTION;
}

static void open_profile(struct hm_conf_reader *r, struct hm_span name,
                         struct hm_conf_item *item)
{
    if (hm_span_is_name(name)) {
        open_section(r, HM_CONF_PROFILE, name, item);
        return;
    }
    item->column = column_of(r, name.s);
    set_error(item, name, "is not a profile's name", "1 to 31 letters, digits, - or _");
}

static void open_app(struct hm_conf_reader *r, struct hm_span pattern,
                     struct hm_conf_item *item)
{
    if (pattern.n > 0 && (pattern.s[0] == '/' || up_to(pattern, '/').n == pattern.n)) {
        open_section(r, HM_CONF_APP, pattern, item);
        return;
    }
    item->column = column_of(r, pattern.s);
    set_error(item, pattern, "is not an executable",
              "its name, or its path from / on; * and ? are wildcards");
}

static void read_section(struct hm_conf_reader *r, struct hm_span line,
                         struct hm_conf_item *item)
{
    struct hm_span inside, rest;

    r->skipping = true; /* until the header is understood */
    if (line.s[line.n - 1] == ']' && line.n > 1) {
        inside = trim((struct hm_span){line.s + 1, line.n - 2});
        if (after_word(inside, "profile", &rest) && rest.n > 0 && is_space(rest.s[0])) {
            open_profile(r, trim(rest), item);
            return;
        }
        if (after_word(inside, "app:", &rest)) {
            open_app(r, trim(rest), item);
            return;
        }
        if (after_word(inside, "secure", &rest) && rest.n == 0) {
            open_section(r, HM_CONF_SECURE, rest, item);
            return;
        }
    }
    set_error(item, line, "is not a section", "[profile NAME], [app:NAME] or [secure]");
}

static bool skip_mark(struct hm_span *key, char mark)
{
    if (key->n == 0 || key->s[0] != mark)
        return false;
    *key = trim(without_first(*key, 1));
    return true;
}

static void read_pair(struct hm_conf_reader *r, struct hm_span line,
                      struct hm_conf_item *item)
{
    struct hm_span key = up_to(line, '=');
    struct hm_span rest;

    if (key.n == line.n) {
        set_error(item, line, "has no \"=\"", "key = value");
        return;
    }
    rest = without_first(line, key.n + 1);
    item->key = trim(key);
    item->locked = r->syntax == HM_CONF_FILE && skip_mark(&item->key, '!');
    item->optional = skip_mark(&item->key, '?');
    if (r->syntax == HM_CONF_FILE && !item->locked)
        item->locked = skip_mark(&item->key, '!');
    item->value = trim(rest);
    /* A value that is not there is missed right after the "=". */
    item->value_column = column_of(r, item->value.n > 0 ? item->value.s : rest.s);
    item->kind = HM_CONF_PAIR;
    if (item->key.n == 0)
        set_error(item, line, "has no key", "key = value");
}

/* Reads one line, or one pair of options; false: nothing there to deliver. */
static bool read_line(struct hm_conf_reader *r, struct hm_span whole,
                      struct hm_conf_item *item)
{
    struct hm_span line;
    bool is_header;

    line = trim(r->syntax == HM_CONF_FILE ? up_to(whole, '#') : whole);
    *item = (struct hm_conf_item){.line = r->line,
                                  .column = column_of(r, line.s),
                                  .scope = r->scope,
                                  .section = r->section};
    is_header = r->syntax == HM_CONF_FILE && line.n > 0 && line.s[0] == '[';
    if (whole.n > HM_CONF_LINE_MAX && r->syntax == HM_CONF_FILE) {
        if (is_header)
            r->skipping = true;
        item->column = (unsigned)HM_CONF_LINE_MAX + 1;
        set_error(item, trim(whole), "is too long a line", "at most 1024 characters");
        return true;
    }
    if (line.n == 0)
        return false;
    if (is_header)
        read_section(r, line, item);
    else if (r->skipping)
        return false;
    else
        read_pair(r, line, item);
    return true;
}

/* Every process reads its files several times over, and much of a file may be remarks. */
static bool is_remark(const struct hm_conf_reader *r, struct hm_span whole)
{
    return r->syntax == HM_CONF_FILE && whole.n <= HM_CONF_LINE_MAX &&
           (whole.n == 0 || whole.s[0] == '#');
}

bool hm_conf_read(struct hm_conf_reader *r, struct hm_conf_item *item)
{
    const char separator = r->syntax == HM_CONF_FILE ? '\n' : ',';

    while (r->at < r->end) {
        struct hm_span rest = {r->at, (size_t)(r->end - r->at)};
        struct hm_span whole = up_to(rest, separator);
        bool found = !is_remark(r, whole) && read_line(r, whole, item);

        r->at += whole.n + (whole.n < rest.n);
        if (r->syntax == HM_CONF_FILE) {
            r->line++;
            r->line_start = r->at;
        }
        if (found)
            return true;
    }
    return false;
}

size_t hm_conf_find_binary(const char *text, size_t len)
{
    size_t i = 0;

    for (; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
            break;
    }
    return i;
}
