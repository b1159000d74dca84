/* SPDX-License-Identifier: MIT */
/* fuzz_option: any name and any value to hakmem_option_set and hakmem_option_get, while
 * blocks come and go. An input is lines "name=value". What was refused has changed nothing,
 * what was taken reads back as something that may be set again, and the heap stays sound. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base.h"
#include "hakmem/hakmem.h"
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void use_the_heap(void)
{
    void *blocks[40];
    for (size_t i = 0; i < HM_ARRAY_LEN(blocks); i++)
        blocks[i] = malloc((size_t)16 << i % 18);
    for (size_t i = 0; i < HM_ARRAY_LEN(blocks); i++)
        free(blocks[i]);
}

static void set(const char *name, const char *value)
{
    char before[HM_OPTION_TEXT_MAX], after[HM_OPTION_TEXT_MAX];
    int known = hakmem_option_get(name, before, sizeof before);
    errno = 0;
    if (hakmem_option_set(name, value) != 0) {
        require(errno == EINVAL || errno == EPERM || errno == ENOENT);
        require((errno == ENOENT) == (known < 0));
        require(known < 0 || hakmem_option_get(name, after, sizeof after) == known);
        require(known < 0 || strcmp(before, after) == 0);
        return;
    }
    int length = hakmem_option_get(name, after, sizeof after);
    require(known >= 0 && length > 0 && (size_t)length < sizeof after);
    require(hakmem_option_set(name, after) == 0);
    require(hakmem_option_get(name, before, sizeof before) == length);
    require(strcmp(before, after) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *rest = text, *line;
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *value = strchr(line, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        set(line, value);
        use_the_heap();
    }
    free(text);
    require(hakmem_check_heap() == 0);
    return 0;
}

#define FUZZ_SEEDS "seeds-option"
#include "replay.h"
