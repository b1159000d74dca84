/* SPDX-License-Identifier: MIT */
/* fuzz_conf: any text as hakmem.conf, any string as HAKMEM_PROFILE and HAKMEM_OPTIONS.
 *
 * An input is up to three parts with a line "%%" between them: the file, the profile, the
 * options. Whatever it is, afterwards every option has a value that it can take.
 *
 * replay.h says how it is run. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "conf.h"
#include "conf_origin.h"
#include "conf_parse.h"
#include "os.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* Takes the next part off the input and returns it as a string of its own. */
static char *next_part(const char **at, size_t *left, const char *prefix, size_t *len)
{
    static const char mark[] = "%%\n";
    const char *found = memmem(*at, *left, mark, sizeof mark - 1);
    size_t prefix_len = strlen(prefix);
    char *part;

    *len = found != NULL ? (size_t)(found - *at) : *left;
    part = malloc(prefix_len + *len + 1);
    require(part != NULL);
    memcpy(part, prefix, prefix_len);
    memcpy(part + prefix_len, *at, *len);
    part[prefix_len + *len] = '\0';
    *at += *len;
    *left -= *len;
    if (found != NULL) {
        *at += sizeof mark - 1;
        *left -= sizeof mark - 1;
    }
    return part;
}

/* I1 of option.h. */
static void check_values(void)
{
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        char first[HM_OPTION_TEXT_MAX], second[HM_OPTION_TEXT_MAX];
        char origin[HM_CONF_ORIGIN_MAX];
        static struct hm_options again;
        struct hm_text text;

        hm_text_init(&text, first, sizeof first, -1);
        hm_option_format(&hm_opt, id, &text);
        hm_text_flush(&text);
        require(!text.truncated);
        require(hm_option_parse(&again, id, first, strlen(first), NULL));
        hm_text_init(&text, second, sizeof second, -1);
        hm_option_format(&again, id, &text);
        hm_text_flush(&text);
        require(strcmp(first, second) == 0);
        hm_text_init(&text, origin, sizeof origin, -1);
        require(hm_option_origin(hm_option_table[id].name, &text));
        hm_text_flush(&text);
        require(!text.truncated && origin[0] != '\0');
    }
    require(hm_opt.tls_cache_min <= hm_opt.tls_cache_max);
    require(hm_span_is_name(hm_span_of(hm_conf_profile())));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    size_t left = size, file_len, len;
    char *file, *profile, *options;
    char *envp[3] = {NULL};
    struct hm_sys_start start = {.envp = envp, .page_size = 4096};

    for (size_t i = 0; i + 5 <= size; i++) { /* on_error = abort does what it says */
        if (strncasecmp(at + i, "abort", 5) == 0)
            return 0;
    }
    file = next_part(&at, &left, "", &file_len);
    profile = envp[0] = next_part(&at, &left, "HAKMEM_PROFILE=", &len);
    options = envp[1] = next_part(&at, &left, "HAKMEM_OPTIONS=", &len);
    profile[strcspn(profile, "\n")] = '\0';
    hm_conf_load_text(&start, file, file_len);
    check_values();
    free(file);
    free(profile);
    free(options);
    return 0;
}

#define FUZZ_SEEDS "seeds-conf"
#include "replay.h"
