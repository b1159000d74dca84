/* SPDX-License-Identifier: MIT */
/* optdoc: prints the option table as the part of hakmem.conf(5) that lists the options,
 * or, as `optdoc --conf`, as that of the sample hakmem.conf. A program that the build
 * runs on the building machine; not part of the library, so it takes nothing from it but
 * option.h and option.def. */
#include "option.h"

#include <stdio.h>
#include <string.h>

/* Both texts have lines of at most 80 characters. */
static void print_wrapped(const char *start, const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column > 0 && column + 1 + word > 78) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column > 0 ? " " : start, (int)word, text);
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

static const char *when_text(enum hm_option_when when)
{
    return when == HM_OPTION_LIVE ? "May change while the process runs."
                                  : "Fixed at process start.";
}

/* One item of the list that the page has opened. */
static void print_item(const struct hm_option_info *o)
{
    printf(".It Ic %s\n", o->name);
    print_wrapped("", o->sentence);
    printf(".Pp\nTakes ");
    print_values(o->type, o->min, o->max);
    printf(".\nDefault:\n.Ql %s .\n%s\n", o->def, when_text(o->when));
}

/* One paragraph of comments. The option itself, too, is one, with its default: whoever
 * takes the # away begins with what is in force anyway. */
static void print_setting(const struct hm_option_info *o)
{
    putchar('\n');
    print_wrapped("# ", o->sentence);
    printf("# Takes ");
    print_values(o->type, o->min, o->max);
    printf(". %s\n#%s = %s\n", when_text(o->when), o->name, o->def);
}

int main(int argc, char **argv)
{
    static const struct hm_option_info options[] = {
#define HM_OPTION(name, type, def, min, max, when, sentence) \
    {#name, HM_OPTION_##type, HM_OPTION_##when, def, min, max, sentence, 0},
#include "option.def"
#undef HM_OPTION
    };
    bool conf = argc == 2 && strcmp(argv[1], "--conf") == 0;

    for (size_t i = 0; i < HM_ARRAY_LEN(options); i++)
        (conf ? print_setting : print_item)(&options[i]);
    return ferror(stdout) || fflush(stdout) != 0;
}
