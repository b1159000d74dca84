/* SPDX-License-Identifier: MIT */
#include "comment.h"

#include "conf_parse.h"
#include "out.h"
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct hm_span trim(struct hm_span s)
{
    while (s.n > 0 && is_blank(s.s[0])) {
        s.s++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.s[s.n - 1]))
        s.n--;
    return s;
}

/* The line without blanks around it; empty where there is none. */
static struct hm_span get_line(const char *text, unsigned line)
{
    for (; line > 1 && text != NULL; line--) {
        text = strchr(text, '\n');
        if (text != NULL)
            text++;
    }
    if (line == 0 || text == NULL)
        return (struct hm_span){"", 0};
    return trim((struct hm_span){text, strcspn(text, "\n")});
}

static bool is_license(struct hm_span line)
{
    static const char tag[] = "SPDX-";

    return memmem(line.s, line.n, tag, sizeof tag - 1) != NULL;
}

/* A line of nothing else than a comment, which says something. */
static bool is_comment(struct hm_span line)
{
    return line.n > 0 && line.s[0] == '#' && !is_license(line);
}

/* Without the signs in front. */
static struct hm_span words_of(struct hm_span comment)
{
    while (comment.n > 0 && comment.s[0] == '#') {
        comment.s++;
        comment.n--;
    }
    return trim(comment);
}

/* The comment lines that end at a line, as one; NULL: that one is none. */
static char *block_ending_at(const char *text, unsigned last)
{
    unsigned first = last + 1;
    char *block = NULL;

    while (first > 1 && is_comment(get_line(text, first - 1)))
        first--;
    for (unsigned line = first; line <= last; line++) {
        const struct hm_span words = words_of(get_line(text, line));
        char *longer = hm_out_format("%s%s%.*s", block != NULL ? block : "",
                                     block != NULL ? " " : "", (int)words.n, words.s);

        free(block);
        block = longer;
    }
    return block;
}

char *hm_comment_of_pair(const char *text, unsigned line)
{
    const struct hm_span whole = get_line(text, line);
    const char *sign = memchr(whole.s, '#', whole.n);

    if (sign != NULL) {
        const struct hm_span words =
            words_of((struct hm_span){sign, whole.n - (size_t)(sign - whole.s)});

        if (words.n > 0)
            return hm_out_strndup(words.s, words.n);
    }
    return line > 1 ? block_ending_at(text, line - 1) : NULL;
}

char *hm_comment_of_section(const char *text, unsigned line)
{
    char *block, *end;

    if (line > 2 && get_line(text, line - 1).n == 0)
        line--;
    block = line > 1 ? block_ending_at(text, line - 1) : NULL;
    if (block != NULL && (end = strstr(block, ". ")) != NULL)
        end[1] = '\0';
    return block;
}
