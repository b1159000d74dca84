/* SPDX-License-Identifier: MIT */
/* hakmem check: mistakes in hakmem.conf and in the environment, as a compiler shows them.
 */
#include "commands.h"
#include "diag.h"
#include "out.h"
#include "view.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: hakmem check [--json] [FILE]...\n"
    "Look for mistakes in each FILE as if it were hakmem.conf; without FILE, in the\n"
    "system's files and in the environment.\n\n"
    "  --json  as JSON\n"
    "  --help  show this\n\n"
    "The exit code is 0 if there are none, 1 if there are some.\n";

/* Whether a message's place is in this text. A long name has lost its beginning there. */
static bool is_about(const struct hm_diag *diag, const char *name)
{
    const size_t len = strlen(name);
    size_t shown;

    if (strncmp(diag->name, "...", 3) != 0)
        return strcmp(diag->name, name) == 0;
    shown = strlen(diag->name + 3);
    return len >= shown && strcmp(name + len - shown, diag->name + 3) == 0;
}

/* The text that a message is about, to be freed; NULL: there is none to show. */
static char *source_of(const struct hm_diag *diag, const struct hm_view_env *env,
                       char *const *files, size_t count)
{
    if (is_about(diag, "HAKMEM_PROFILE") && env->profile != NULL)
        return hm_out_strdup(env->profile);
    if (is_about(diag, "HAKMEM_OPTIONS") && env->options != NULL)
        return hm_out_strdup(env->options);
    for (size_t i = 0; i < count; i++) {
        if (is_about(diag, files[i]))
            return hm_view_read_file(files[i]);
    }
    return NULL;
}

/* A process looks at the ancestry of its own profile only: each has its turn here. */
static void load_each_profile(const struct hm_view_env *env)
{
    struct hm_view_env turn = {.conf = env->conf};
    struct hm_view_profile *list;
    const size_t count = hm_view_profiles(env, &list);

    for (size_t i = 0; i < count; i++) {
        turn.profile = list[i].name;
        hm_view_load(&turn);
    }
}

static void print_json(struct hm_json *j)
{
    for (size_t i = 0; i < hm_diag_count(); i++) {
        const struct hm_diag *diag = hm_diag_get(i);

        hm_json_object(j, NULL);
        hm_json_string(j, "file", diag->name);
        hm_json_integer(j, "line", diag->line);
        hm_json_integer(j, "column", diag->column);
        hm_json_string(j, "message", diag->text);
        hm_json_end(j);
    }
}

static bool has_mistakes(const char *name)
{
    for (size_t i = 0; i < hm_diag_count(); i++) {
        if (is_about(hm_diag_get(i), name))
            return true;
    }
    return false;
}

static void print_text(const struct hm_view_env *env, char *const *files, size_t count)
{
    for (size_t i = 0; i < hm_diag_count(); i++) {
        const struct hm_diag *diag = hm_diag_get(i);
        char *source = source_of(diag, env, files, count);

        hm_diag_print(stdout, diag, source);
        free(source);
    }
    for (size_t i = 0; i < count; i++) {
        if (!has_mistakes(files[i]))
            printf("%s: no mistakes\n", files[i]);
    }
}

/* Checks what a process with this environment reads; true: no mistakes. */
static bool check(const struct hm_view_env *env, struct hm_json *j)
{
    const bool good = hm_diag_count() == 0;
    char **files;
    size_t count;

    if (j != NULL) {
        print_json(j);
        return good;
    }
    count = hm_view_files(env, &files);
    print_text(env, files, count);
    if (count == 0 && good)
        puts("no files are read: nothing but the shipped profiles and the defaults");
    return good;
}

static bool check_machine(struct hm_json *j)
{
    const struct hm_view_env env = hm_view_own_env();

    hm_view_load_environ(environ);
    load_each_profile(&env);
    return check(&env, j);
}

static bool check_file(const char *file, struct hm_json *j)
{
    const struct hm_view_env env = {.conf = file};

    hm_diag_clear();
    hm_view_load(&env);
    load_each_profile(&env);
    return check(&env, j);
}

int hm_check_main(int argc, char **argv)
{
    static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct hm_json json = {0};
    struct hm_json *j = NULL;
    bool good = true;
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'h') {
            fputs(help, stdout);
            return HM_EXIT_OK;
        }
        if (c != 'j')
            return hm_out_usage("check");
        j = &json;
    }
    for (int i = optind; i < argc; i++) {
        if (argv[i][0] == '\0') {
            hm_out_error("check: a file without a name");
            return hm_out_usage("check");
        }
    }
    if (j != NULL)
        hm_json_array(j, NULL);
    if (optind == argc)
        good = check_machine(j);
    for (int i = optind; i < argc; i++)
        good = check_file(argv[i], j) && good;
    if (j != NULL)
        hm_json_end(j);
    return good ? HM_EXIT_OK : HM_EXIT_FOUND;
}
