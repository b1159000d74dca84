/* SPDX-License-Identifier: MIT */
#include "diag.h"

#include "fail.h"
#include "out.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static struct hm_diag *diags;
static size_t count;

size_t hm_diag_count(void)
{
    return count;
}

const struct hm_diag *hm_diag_get(size_t i)
{
    return &diags[i];
}

void hm_diag_clear(void)
{
    for (size_t i = 0; i < count; i++) {
        free(diags[i].name);
        free(diags[i].text);
        free(diags[i].instead);
    }
    count = 0;
}

/* Keeping ---------------------------------------------------------------------------- */

/* Reads ":NUMBER" at *at and goes on behind it. */
static bool scan_number(const char **at, unsigned *out)
{
    char *end;

    if (**at != ':' || !isdigit((unsigned char)(*at)[1]))
        return false;
    *out = (unsigned)strtoul(*at + 1, &end, 10);
    *at = end;
    return true;
}

/* Takes "NAME:LINE:COLUMN: " apart, where it is: a name may have colons itself. */
static const char *scan_place(const char *message, struct hm_diag *out)
{
    for (const char *colon = strchr(message, ':'); colon != NULL;
         colon = strchr(colon + 1, ':')) {
        const char *at = colon;

        if (scan_number(&at, &out->line) && scan_number(&at, &out->column) &&
            at[0] == ':' && at[1] == ' ') {
            out->name = hm_out_strndup(message, (size_t)(colon - message));
            return at + 2;
        }
    }
    out->line = out->column = 1;
    out->name = hm_out_strdup("hakmem.conf");
    return message;
}

/* The last "; " of a message separates what happens instead. */
static void split(const char *text, struct hm_diag *out)
{
    const char *instead = NULL;

    for (const char *at = strstr(text, "; "); at != NULL; at = strstr(at + 2, "; "))
        instead = at;
    if (instead == NULL) {
        out->text = hm_out_strdup(text);
        return;
    }
    out->text = hm_out_strndup(text, (size_t)(instead - text));
    out->instead = hm_out_strdup(instead + 2);
}

static bool is_known(const struct hm_diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        if (diags[i].line == diag->line && diags[i].column == diag->column &&
            strcmp(diags[i].name, diag->name) == 0 &&
            strcmp(diags[i].text, diag->text) == 0)
            return true;
    }
    return false;
}

void hm_warn(const char *what, ...)
{
    struct hm_diag diag = {.instead = NULL};
    char *message;
    va_list args;

    va_start(args, what);
    if (vasprintf(&message, what, args) < 0)
        message = NULL;
    va_end(args);
    if (message == NULL)
        return;
    split(scan_place(message, &diag), &diag);
    free(message);
    if (is_known(&diag)) {
        free(diag.name);
        free(diag.text);
        free(diag.instead);
        return;
    }
    diags = hm_out_realloc(diags, (count + 1) * sizeof *diags);
    diags[count++] = diag;
}

/* The rest of fail.h. The command has neither a profile nor blocks that it checks, and
 * goes on where on_error ends a process: nothing is counted. */
unsigned hm_warnings(void)
{
    return 0;
}

void hm_fail(const char *what, ...)
{
    hm_out_error("%s", what);
    exit(HM_EXIT_FOUND);
}

void hm_fail_init(const char *profile, bool quiet)
{
    (void)profile;
    (void)quiet;
}

void hm_assert_failed(const char *file, int line, const char *cond)
{
    hm_out_error("%s:%d: broken invariant: %s", file, line, cond);
    abort();
}

/* Showing ---------------------------------------------------------------------------- */

/* The numbered line of a text; its end is in *end. NULL: there are fewer lines. */
static const char *find_line(const char *text, unsigned line, const char **end)
{
    while (line > 1) {
        text = strchr(text, '\n');
        if (text == NULL)
            return NULL;
        text++;
        line--;
    }
    *end = text + strcspn(text, "\r\n");
    return text;
}

/* What is underlined goes up to where a word of the file ends. */
static bool ends_word(char c)
{
    return c == '=' || c == ',' || c == '#' || isspace((unsigned char)c);
}

static void print_source(FILE *out, const struct hm_diag *diag, const char *source)
{
    const char *end, *at;
    const char *line = find_line(source, diag->line, &end);

    if (line == NULL || (size_t)(end - line) + 1 < diag->column)
        return;
    fprintf(out, "%5u | %.*s\n      | ", diag->line, (int)(end - line), line);
    for (at = line; at < line + diag->column - 1; at++) {
        if (*at == '\t')
            fputc('\t', out);
        else if (((unsigned char)*at & 0xc0) != 0x80)
            fputc(' ', out);
    }
    hm_out_styled(out, HM_GREEN, "^");
    for (at++; at < end && !ends_word(at[-1]) && !ends_word(*at); at++)
        hm_out_styled(out, HM_GREEN, "~");
    fputc('\n', out);
}

void hm_diag_print(FILE *out, const struct hm_diag *diag, const char *source)
{
    hm_out_styled(out, HM_BOLD, "%s:%u:%u:", diag->name, diag->line, diag->column);
    fputc(' ', out);
    hm_out_styled(out, HM_RED, "error:");
    fprintf(out, " %s\n", diag->text);
    if (source != NULL)
        print_source(out, diag, source);
}
