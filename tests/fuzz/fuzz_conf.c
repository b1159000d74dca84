/* SPDX-License-Identifier: MIT */
/* fuzz_conf: any text as hakmem.conf, any string as HAKMEM_PROFILE and HAKMEM_OPTIONS.
 *
 * An input is up to three parts with a line "%%" between them: the file, the profile, the
 * options. Whatever it is, afterwards every option has a value that it can take.
 *
 * With libFuzzer:   clang -fsanitize=fuzzer,address,undefined -DHM_FUZZ_LIBFUZZER …
 *                   fuzz_conf -close_fd_mask=2 tests/fuzz/seeds-conf
 * Without:          replays the files named on the command line, or else the seeds. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "conf.h"
#include "conf_parse.h"
#include "os.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        require(strlen(hm_conf_origin(id)) > 0);
    }
    require(hm_opt.tls_cache_min <= hm_opt.tls_cache_max);
    require(hm_span_is_name(hm_span_of(hm_conf_profile())));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    size_t left = size, file_len, len;
    char *file = next_part(&at, &left, "", &file_len);
    char *profile = next_part(&at, &left, "HAKMEM_PROFILE=", &len);
    char *options = next_part(&at, &left, "HAKMEM_OPTIONS=", &len);
    char *envp[] = {profile, options, NULL};
    struct hm_sys_start start = {.envp = envp, .page_size = 4096};

    profile[strcspn(profile, "\n")] = '\0';
    hm_conf_load_text(&start, file, file_len);
    check_values();
    free(file);
    free(profile);
    free(options);
    return 0;
}

#ifndef HM_FUZZ_LIBFUZZER

static bool replay(const char *path)
{
    static uint8_t data[1 << 17];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, data, sizeof data) : -1;

    if (fd >= 0)
        close(fd);
    if (size >= 0)
        LLVMFuzzerTestOneInput(data, (size_t)size);
    return size >= 0;
}

static int report(int number, const char *path)
{
    bool ok = replay(path);
    const char *slash = strrchr(path, '/');

    printf("%sok %d - %s\n", ok ? "" : "not ", number, slash != NULL ? slash + 1 : path);
    return !ok;
}

static int replay_seeds(void)
{
    const char *srcdir = getenv("HM_SRCDIR");
    char dir[4096], path[4096 + 300];
    struct dirent **entries = NULL;
    int found, count = 0, failed = 0;

    snprintf(dir, sizeof dir, "%s/tests/fuzz/seeds-conf", srcdir != NULL ? srcdir : ".");
    found = scandir(dir, &entries, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        if (entries[i]->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
            failed |= report(++count, path);
        }
        free(entries[i]);
    }
    free(entries);
    printf("1..%d\n", count);
    return failed || count == 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    dup2(null, 2); /* the messages are not what is tested here */
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2)
        return replay_seeds();
    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++)
        failed |= report(i, argv[i]);
    return failed;
}

#endif
