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
    *r = (struct hm_conf_reader){
        .syntax = syntax, .at = text, .end = text + len, .line_start = text, .line = 1};
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

static void read_section(struct hm_conf_reader *r, struct hm_span line,
                         struct hm_conf_item *item)
{
    static const char word[] = "profile";
    const size_t word_len = sizeof word - 1;
    struct hm_span inside, name;

    r->skipping = true; /* until the header is understood */
    r->section = (struct hm_span){NULL, 0};
    if (line.s[line.n - 1] != ']') {
        set_error(item, line, "is not a section", "[profile NAME]");
        return;
    }
    inside = trim((struct hm_span){line.s + 1, line.n - 2});
    if (inside.n <= word_len || memcmp(inside.s, word, word_len) != 0 ||
        !is_space(inside.s[word_len])) {
        set_error(item, line, "is not a section", "[profile NAME]");
        return;
    }
    name = trim(without_first(inside, word_len));
    if (!hm_span_is_name(name)) {
        item->column = column_of(r, name.s);
        set_error(item, name, "is not a profile's name",
                  "1 to 31 letters, digits, - or _");
        return;
    }
    r->skipping = false;
    r->section = name;
    item->kind = HM_CONF_SECTION;
    item->section = name;
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
    *item = (struct hm_conf_item){
        .line = r->line, .column = column_of(r, line.s), .section = r->section};
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

bool hm_conf_read(struct hm_conf_reader *r, struct hm_conf_item *item)
{
    const char separator = r->syntax == HM_CONF_FILE ? '\n' : ',';

    while (r->at < r->end) {
        struct hm_span rest = {r->at, (size_t)(r->end - r->at)};
        struct hm_span whole = up_to(rest, separator);
        bool found = read_line(r, whole, item);

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
