/* SPDX-License-Identifier: MIT */
/* optdoc: prints the option table as the part of hakmem.conf(5) that lists the options.
 * A program that the build runs on the building machine; not part of the library, so it
 * takes nothing from it but option.h and option.def. */
#include "option.h"

#include <stdio.h>
#include <string.h>

/* Lines of a manual page's source are at most 80 characters long. */
static void print_wrapped(const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column > 0 && column + 1 + word > 78) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column > 0 ? " " : "", (int)word, text);
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_words(const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", words[i]);
}

static void print_values(enum hm_option_type type, const char *min, const char *max)
{
    static const char *const thp[] = {HM_THP_WORDS};
    static const char *const check[] = {HM_CHECK_WORDS};
    static const char *const on_error[] = {HM_ON_ERROR_WORDS};

    switch (type) {
    case HM_OPTION_SIZE:
        printf("a size from %s to %s", min, max);
        break;
    case HM_OPTION_MEMORY:
        printf("a size from %s to %s or a percentage", min, max);
        break;
    case HM_OPTION_POW2:
        printf("a power of two from %s to %s", min, max);
        break;
    case HM_OPTION_TIME:
        printf("a time from %s to %s", min, max);
        break;
    case HM_OPTION_INT:
        printf("a whole number from %s to %s", min, max);
        break;
    case HM_OPTION_BOOL:
        printf("yes or no");
        break;
    case HM_OPTION_ENUM_THP:
        print_words(thp, HM_ARRAY_LEN(thp));
        break;
    case HM_OPTION_ENUM_CHECK:
        print_words(check, HM_ARRAY_LEN(check));
        break;
    case HM_OPTION_ENUM_ON_ERROR:
        print_words(on_error, HM_ARRAY_LEN(on_error));
        break;
    case HM_OPTION_SIZEMAP:
        printf("a size map with counts from %s to %s", min, max);
        break;
    }
}

/* One item of the list that the page has opened. */
static void print_option(const char *name, enum hm_option_type type, const char *def,
                         const char *min, const char *max, enum hm_option_when when,
                         const char *sentence)
{
    printf(".It Ic %s\n", name);
    print_wrapped(sentence);
    printf(".Pp\nTakes ");
    print_values(type, min, max);
    printf(".\nDefault:\n.Ql %s .\n%s\n", def,
           when == HM_OPTION_LIVE ? "May change while the process runs."
                                  : "Fixed at process start.");
}

int main(void)
{
#define HM_OPTION(name, type, def, min, max, when, sentence) \
    print_option(#name, HM_OPTION_##type, def, min, max, HM_OPTION_##when, sentence);
#include "option.def"
#undef HM_OPTION
    return ferror(stdout) || fflush(stdout) != 0;
}
