/* SPDX-License-Identifier: MIT */
#include "out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Memory ----------------------------------------------------------------------------- */

static noreturn void die_of_memory(void)
{
    static const char message[] = "hakmem: error: out of memory\n";

    if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
        abort();
    exit(HM_EXIT_FOUND);
}

void *hm_out_alloc(size_t size)
{
    void *ptr = calloc(1, size);

    if (ptr == NULL)
        die_of_memory();
    return ptr;
}

void *hm_out_realloc(void *ptr, size_t size)
{
    ptr = realloc(ptr, size);
    if (ptr == NULL)
        die_of_memory();
    return ptr;
}

char *hm_out_strdup(const char *s)
{
    return hm_out_strndup(s, strlen(s));
}

char *hm_out_strndup(const char *s, size_t n)
{
    char *copy = strndup(s, n);

    if (copy == NULL)
        die_of_memory();
    return copy;
}

HM_PRINTF(1, 0) static char *format_args(const char *fmt, va_list args)
{
    char *text;

    if (vasprintf(&text, fmt, args) < 0)
        die_of_memory();
    return text;
}

char *hm_out_format(const char *fmt, ...)
{
    va_list args;
    char *text;

    va_start(args, fmt);
    text = format_args(fmt, args);
    va_end(args);
    return text;
}

/* Text ------------------------------------------------------------------------------- */

static bool shows_colours(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(fileno(out)) && (no_color == NULL || no_color[0] == '\0') &&
           term != NULL && strcmp(term, "dumb") != 0;
}

void hm_out_styled(FILE *out, enum hm_style style, const char *fmt, ...)
{
    static const char *const code[] = {[HM_BOLD] = "1",
                                       [HM_DIM] = "2",
                                       [HM_RED] = "31",
                                       [HM_GREEN] = "32",
                                       [HM_YELLOW] = "33"};
    const bool colours = shows_colours(out);
    va_list args;

    if (colours)
        fprintf(out, "\033[%sm", code[style]);
    va_start(args, fmt);
    vfprintf(out, fmt, args);
    va_end(args);
    if (colours)
        fputs("\033[0m", out);
}

HM_PRINTF(3, 0)
static void say(enum hm_style style, const char *what, const char *fmt, va_list args)
{
    fflush(stdout);
    fputs("hakmem: ", stderr);
    hm_out_styled(stderr, style, "%s:", what);
    fputc(' ', stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
}

void hm_out_error(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(HM_RED, "error", fmt, args);
    va_end(args);
}

void hm_out_warning(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(HM_YELLOW, "warning", fmt, args);
    va_end(args);
}

int hm_out_usage(const char *command)
{
    fprintf(stderr, "Try 'hakmem %s%s--help'.\n", command, command[0] != '\0' ? " " : "");
    return HM_EXIT_USAGE;
}

int hm_out_finish(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        hm_out_error("cannot write: %s", strerror(errno));
        return HM_EXIT_FOUND;
    }
    return status;
}

/* Tables ----------------------------------------------------------------------------- */

void hm_table_add(struct hm_table *t, const char *fmt, ...)
{
    va_list args;

    if (t->count == t->room) {
        t->room = t->room * 2 + 64;
        t->cells = hm_out_realloc(t->cells, t->room * sizeof t->cells[0]);
    }
    va_start(args, fmt);
    t->cells[t->count++] = format_args(fmt, args);
    va_end(args);
}

/* Characters, not bytes: a cell may have a sign that is not ASCII. */
static size_t width_of(const char *cell)
{
    size_t width = 0;

    for (; *cell != '\0'; cell++)
        width += ((unsigned char)*cell & 0xc0) != 0x80;
    return width;
}

static size_t column_width(const struct hm_table *t, size_t column)
{
    const size_t columns = strlen(t->align);
    size_t width = 0;

    for (size_t i = column; i < t->count; i += columns)
        width = hm_max(width, width_of(t->cells[i]));
    return width;
}

void hm_table_print(const struct hm_table *t)
{
    const size_t columns = strlen(t->align);

    for (size_t i = 0; i < t->count; i++) {
        const size_t column = i % columns;
        const bool last = column + 1 == columns;
        const size_t pad = column_width(t, column) - width_of(t->cells[i]);

        if (t->align[column] == 'r')
            printf("%*s", (int)pad, "");
        if (i < columns)
            hm_out_styled(stdout, HM_BOLD, "%s", t->cells[i]);
        else
            fputs(t->cells[i], stdout);
        if (t->align[column] == 'l' && !last)
            printf("%*s", (int)pad, "");
        fputs(last ? "\n" : "  ", stdout);
    }
}

/* JSON ------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 sequence at s; 0: there is none. */
static size_t sequence_length(const unsigned char *s)
{
    const unsigned char c = s[0];
    const size_t len = c >= 0xc2 && c <= 0xdf   ? 2
                       : c >= 0xe0 && c <= 0xef ? 3
                       : c >= 0xf0 && c <= 0xf4 ? 4
                                                : 0;

    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    /* Overlong forms, surrogates, and what lies above the last code point. */
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) ||
        (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

static void put_string(const char *value)
{
    const unsigned char *s = (const unsigned char *)value;

    putchar('"');
    while (*s != '\0') {
        const size_t len = sequence_length(s);

        if (len > 0) {
            fwrite(s, 1, len, stdout);
            s += len;
            continue;
        }
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if (*s >= 0x80)
            fputs("\\ufffd", stdout);
        else if (*s < ' ')
            printf("\\u%04x", *s);
        else
            putchar(*s);
        s++;
    }
    putchar('"');
}

/* What stands before a value: the comma, the line, the key. */
static void begin_value(struct hm_json *j, const char *key)
{
    if (j->depth > 0) {
        if (j->any[j->depth])
            putchar(',');
        printf("\n%*s", (int)j->depth * 2, "");
    }
    j->any[j->depth] = true;
    if (key != NULL) {
        put_string(key);
        fputs(": ", stdout);
    }
}

static void open_value(struct hm_json *j, const char *key, bool is_array)
{
    begin_value(j, key);
    putchar(is_array ? '[' : '{');
    j->depth++;
    j->in_array[j->depth] = is_array;
    j->any[j->depth] = false;
}

void hm_json_object(struct hm_json *j, const char *key)
{
    open_value(j, key, false);
}

void hm_json_array(struct hm_json *j, const char *key)
{
    open_value(j, key, true);
}

void hm_json_end(struct hm_json *j)
{
    const bool was_array = j->in_array[j->depth];
    const bool any = j->any[j->depth];

    j->depth--;
    if (any)
        printf("\n%*s", (int)j->depth * 2, "");
    putchar(was_array ? ']' : '}');
    if (j->depth == 0)
        putchar('\n');
}

void hm_json_string(struct hm_json *j, const char *key, const char *value)
{
    begin_value(j, key);
    if (value != NULL)
        put_string(value);
    else
        fputs("null", stdout);
}

void hm_json_integer(struct hm_json *j, const char *key, long long value)
{
    begin_value(j, key);
    printf("%lld", value);
}

void hm_json_number(struct hm_json *j, const char *key, double value)
{
    begin_value(j, key);
    printf("%.6g", value);
}

void hm_json_bool(struct hm_json *j, const char *key, bool value)
{
    begin_value(j, key);
    fputs(value ? "true" : "false", stdout);
}
