/* SPDX-License-Identifier: MIT */
/* noinherit: a shared object of its own, preloaded ahead of the library by `hakmem run
 * --no-inherit`. When the dynamic linker has read LD_PRELOAD, it removes itself and the
 * entry behind it from the variable, so that what the program starts has the value which
 * stood there before.
 *
 * The value is shortened where it is: environ and main's envp are the same strings, and
 * nothing needs to be allocated. */
#include <stdlib.h>
#include <string.h>

extern char **environ;

static const char self[] = "/noinherit.so";

/* What follows the second entry; "": nothing. */
static char *skip_two(char *value)
{
    for (int i = 0; i < 2; i++) {
        value += strcspn(value, ": ");
        if (*value != '\0')
            value++;
    }
    return value;
}

/* Whether the first entry is this object. */
static int is_ours(const char *value)
{
    const size_t len = strcspn(value, ": ");

    return len >= sizeof self - 1 &&
           memcmp(value + len - (sizeof self - 1), self, sizeof self - 1) == 0;
}

__attribute__((constructor)) static void remove_library(void)
{
    static const char name[] = "LD_PRELOAD";
    char *value = getenv(name);
    char *rest;

    if (environ == NULL || value == NULL || !is_ours(value))
        return;
    rest = skip_two(value);
    if (*rest == '\0')
        unsetenv(name);
    else
        memmove(value, rest, strlen(rest) + 1);
}
