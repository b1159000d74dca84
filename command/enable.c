/* SPDX-License-Identifier: MIT */
/* hakmem enable, hakmem disable: a service of systemd runs under libhakmem, by a drop-in.
 * Nothing here writes /etc/ld.so.preload: a mistake there stops every program of the
 * machine, those that would mend it too. */
#include "commands.h"
#include "library.h"
#include "out.h"
#include "unit.h"
#include "wish.h"
#include <getopt.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char enable_help[] =
    "Usage: hakmem enable [OPTION]... UNIT\n"
    "Have a service of systemd run under libhakmem from its next start on.\n\n"
    "  -p, --profile=NAME      under this profile\n"
    "  -o, --option=KEY=VALUE  with this option on top; may be repeated\n"
    "      --user              a service of your own\n"
    "      --root=DIR          in the system below DIR, an image for instance\n"
    "      --help              show this\n";

static const char disable_help[] =
    "Usage: hakmem disable [OPTION]... UNIT\n"
    "Take back what hakmem enable did, from the service's next start on.\n\n"
    "      --user      a service of your own\n"
    "      --root=DIR  in the system below DIR, an image for instance\n"
    "      --help      show this\n";

struct enable {
    const char *profile, *root;
    char *options;
    bool user;
    struct hm_unit unit;
};

/* -1: go on; else the exit code. */
static int parse(struct enable *e, bool enable, int argc, char **argv)
{
    static const struct option longs[] = {{"help", no_argument, NULL, 'h'},
                                          {"root", required_argument, NULL, 'r'},
                                          {"user", no_argument, NULL, 'u'},
                                          {"profile", required_argument, NULL, 'p'},
                                          {"option", required_argument, NULL, 'o'},
                                          {NULL, 0, NULL, 0}};
    const struct option fewer[] = {longs[0], longs[1], longs[2], {NULL, 0, NULL, 0}};
    const char *name = enable ? "enable" : "disable";
    int c;

    while ((c = getopt_long(argc, argv, enable ? "p:o:" : "", enable ? longs : fewer,
                            NULL)) != -1) {
        if (c == 'h') {
            fputs(enable ? enable_help : disable_help, stdout);
            return HM_EXIT_OK;
        }
        if (c == '?')
            return hm_out_usage(name);
        e->root = c == 'r' ? optarg : e->root;
        e->profile = c == 'p' ? optarg : e->profile;
        e->user |= c == 'u';
        if ((c == 'p' && !hm_wish_profile(optarg)) ||
            (c == 'o' && !hm_wish_add_option(&e->options, optarg)))
            return HM_EXIT_USAGE;
    }
    if (optind + 1 != argc) {
        hm_out_error("%s: which unit?", name);
        return hm_out_usage(name);
    }
    if (e->root != NULL && e->user) {
        hm_out_error("%s: --root has no users", name);
        return HM_EXIT_USAGE;
    }
    return hm_unit_open(&e->unit, argv[optind], e->root, e->user) ? -1 : HM_EXIT_USAGE;
}

/* As systemd has it: in quotes, and a per cent sign begins a specifier. */
static void put_variable(FILE *out, const char *name, const char *value)
{
    fprintf(out, "Environment=\"%s=", name);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            fputc('\\', out);
        if (*value == '%')
            fputc('%', out);
        fputc(*value, out);
    }
    fputs("\"\n", out);
}

/* Ours first, so that it is the malloc of the others too. NULL, and an error was printed:
 * it cannot be found. */
static char *preload_value(const struct enable *e)
{
    char *later, *others = hm_unit_preloads(&e->unit, &later);
    char *library = e->root != NULL ? NULL : hm_library_find(NULL), *value;
    const char *name = "libhakmem.so.0";

    if (e->root == NULL) {
        if (library == NULL)
            return NULL;
        name = hm_library_preload_name(library);
    }
    if (later != NULL)
        hm_out_warning("%s sets LD_PRELOAD, too, and has the last word", later);
    if (others != NULL && strstr(others, name) != NULL)
        value = hm_out_strdup(others);
    else
        value = hm_out_format("%s%s%s", name, others != NULL ? ":" : "",
                              others != NULL ? others : "");
    free(later);
    free(others);
    free(library);
    return value;
}

static char *drop_in_text(const struct enable *e)
{
    char *text = NULL, *preload = preload_value(e);
    size_t len;
    FILE *out = preload != NULL ? open_memstream(&text, &len) : NULL;

    if (out == NULL)
        return NULL;
    fputs(HM_UNIT_MARK "[Service]\n", out);
    put_variable(out, "LD_PRELOAD", preload);
    if (e->profile != NULL)
        put_variable(out, "HAKMEM_PROFILE", e->profile);
    if (e->options != NULL)
        put_variable(out, "HAKMEM_OPTIONS", e->options);
    free(preload);
    return fclose(out) == 0 ? text : NULL;
}

/* Where systemd runs and it is about this machine, it reads its files anew. */
static bool reload(const struct enable *e)
{
    const char *argv[] = {"systemctl", e->user ? "--user" : "--system", "daemon-reload",
                          NULL};
    int status;
    pid_t pid;

    return e->root == NULL && access("/run/systemd/system", F_OK) == 0 &&
           posix_spawnp(&pid, argv[0], NULL, NULL, (char **)(void *)argv, environ) == 0 &&
           waitpid(pid, &status, 0) == pid && status == 0;
}

static void say_what_next(const struct enable *e)
{
    const char *user = e->user ? " --user" : "";

    if (e->root != NULL)
        return;
    puts("From its next start on; at once with");
    if (!reload(e))
        printf("    systemctl%s daemon-reload\n", user);
    printf("    systemctl%s restart %s\n", user, e->unit.name);
}

int hm_enable_main(int argc, char **argv)
{
    struct enable e = {.profile = NULL};
    int status = parse(&e, true, argc, argv);
    char *text;

    if (status != -1)
        return status;
    if (hm_unit_look(&e.unit) == HM_DROP_IN_FOREIGN) {
        hm_out_error("%s: not written by hakmem enable; it stays as it is",
                     e.unit.drop_in);
        return HM_EXIT_FOUND;
    }
    if (!hm_unit_exists(&e.unit))
        hm_out_warning("there is no unit %s yet", e.unit.name);
    text = drop_in_text(&e);
    if (text == NULL || !hm_unit_write(&e.unit, text))
        return HM_EXIT_FOUND;
    printf("%s runs under libhakmem: %s\n", e.unit.name, e.unit.drop_in);
    say_what_next(&e);
    return HM_EXIT_OK;
}

int hm_disable_main(int argc, char **argv)
{
    struct enable e = {.profile = NULL};
    int status = parse(&e, false, argc, argv);

    if (status != -1)
        return status;
    switch (hm_unit_look(&e.unit)) {
    case HM_DROP_IN_ABSENT:
        printf("%s is not enabled: there is no %s\n", e.unit.name, e.unit.drop_in);
        return HM_EXIT_OK;
    case HM_DROP_IN_FOREIGN:
        hm_out_error("%s: not written by hakmem enable; it stays as it is",
                     e.unit.drop_in);
        return HM_EXIT_FOUND;
    default:
        break;
    }
    if (!hm_unit_remove(&e.unit))
        return HM_EXIT_FOUND;
    printf("%s runs under libc's malloc again: removed %s\n", e.unit.name,
           e.unit.drop_in);
    say_what_next(&e);
    return HM_EXIT_OK;
}
