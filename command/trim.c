/* SPDX-License-Identifier: MIT */
/* hakmem trim, hakmem set: a running process gives free memory back, or gets another
 * value of an option. */
#include "commands.h"
#include "diag.h"
#include "live.h"
#include "out.h"
#include "view.h"
#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char trim_help[] =
    "Usage: hakmem trim [OPTION]... PID...\n"
    "Have processes give back all memory that is free in them now. They must run with\n"
    "stats_page = yes, as under 'hakmem run --stats'.\n\n"
    "      --json  as JSON\n"
    "      --help  show this\n";

static const char set_help[] =
    "Usage: hakmem set PID KEY=VALUE...\n"
    "Change options of a running process, which must run with stats_page = yes, as\n"
    "under 'hakmem run --stats'. hakmem.conf(5) says which options may change.\n\n"
    "      --help  show this\n";

/* -1: go on; else the exit code. json NULL: there is no such option. */
static int parse(const char *name, const char *help, bool *json, int argc, char **argv)
{
    static const struct option longs[] = {{"help", no_argument, NULL, 'h'},
                                          {"json", no_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    static const struct option no_json[] = {{"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "+", json != NULL ? longs : no_json, NULL)) !=
           -1) {
        if (c == 'h') {
            fputs(help, stdout);
            return HM_EXIT_OK;
        }
        if (c != 'j' || json == NULL)
            return hm_out_usage(name);
        *json = true;
    }
    return -1;
}

/* False: no answer. */
static bool trim(long pid, struct hm_json *json)
{
    struct hm_live live;
    int64_t bytes;
    bool good;

    if (!hm_live_open(&live, pid, false))
        return false;
    good = hm_live_ask(&live, HM_PAGE_TRIM, NULL, &bytes);
    if (good && json != NULL) {
        hm_json_object(json, NULL);
        hm_json_integer(json, "pid", pid);
        hm_json_string(json, "command", live.command);
        hm_json_integer(json, "bytes", bytes);
        hm_json_end(json);
    } else if (good) {
        printf("%s (%ld) gave back %lld KiB\n", live.command, pid,
               (long long)bytes / 1024);
    }
    hm_live_close(&live);
    return good;
}

int hm_trim_main(int argc, char **argv)
{
    struct hm_json writer = {0};
    bool json = false;
    int status = parse("trim", trim_help, &json, argc, argv);
    long pid;

    if (status != -1)
        return status;
    if (optind == argc) {
        hm_out_error("trim: which process?");
        return hm_out_usage("trim");
    }
    if (json)
        hm_json_array(&writer, NULL);
    for (status = HM_EXIT_OK; optind < argc; optind++) {
        pid = hm_live_pid("trim", argv[optind]);
        if (pid == 0)
            status = HM_EXIT_USAGE;
        else if (!trim(pid, json ? &writer : NULL) && status == HM_EXIT_OK)
            status = HM_EXIT_FOUND;
    }
    if (json)
        hm_json_end(&writer);
    return status;
}

/* What the library's parser has to say about one setting, as its own diagnostics. */
static bool is_valid(const char *setting)
{
    const struct hm_view_env env = {.conf = "", .options = setting};
    bool good = true;

    if (strlen(setting) >= HM_PAGE_TEXT || strchr(setting, '=') == NULL ||
        strchr(setting, ',') != NULL) {
        hm_out_error("set: '%s' is not one KEY=VALUE", setting);
        return false;
    }
    hm_diag_clear();
    hm_view_load(&env);
    for (size_t i = 0; i < hm_diag_count(); i++) {
        struct hm_diag diag = *hm_diag_get(i);

        if (strcmp(diag.name, "HAKMEM_OPTIONS") != 0)
            continue; /* with the other options of this process, not of that */
        diag.name = (char *)"set";
        fputs("hakmem: ", stderr);
        hm_diag_print(stderr, &diag, setting);
        good = false;
    }
    return good;
}

static bool set(struct hm_live *live, const char *setting)
{
    int64_t error;

    if (!is_valid(setting) || !hm_live_ask(live, HM_PAGE_SET, setting, &error))
        return false;
    if (error == EPERM)
        hm_out_error("set: %s: fixed when a process starts", setting);
    else if (error == ENOENT)
        hm_out_error("set: %s: the process knows no such option", setting);
    else if (error != 0)
        hm_out_error("set: %s: not a value that it can have in this process", setting);
    return error == 0;
}

int hm_set_main(int argc, char **argv)
{
    int status = parse("set", set_help, NULL, argc, argv);
    struct hm_live live;
    long pid;

    if (status != -1)
        return status;
    if (argc - optind < 2) {
        hm_out_error("set: a process and KEY=VALUE are needed");
        return hm_out_usage("set");
    }
    pid = hm_live_pid("set", argv[optind]);
    if (pid == 0)
        return HM_EXIT_USAGE;
    if (!hm_live_open(&live, pid, false))
        return HM_EXIT_FOUND;
    for (status = HM_EXIT_OK, optind++; optind < argc; optind++)
        if (!set(&live, argv[optind]))
            status = HM_EXIT_FOUND;
    hm_live_close(&live);
    return status;
}
