/* SPDX-License-Identifier: MIT */
/* hakmem run: a program with the library preloaded. */
#include "commands.h"
#include "conf_env.h"
#include "library.h"
#include "out.h"
#include "program.h"
#include "wish.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As env(1), nice(1) and timeout(1) have them; otherwise the program's own. */
enum { EXIT_FAILED = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

static const char help[] =
    "Usage: hakmem run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
    "Run COMMAND with libhakmem as its malloc.\n\n"
    "  -p, --profile=NAME       under this profile\n"
    "  -o, --option=KEY=VALUE   with this option on top; may be repeated\n"
    "      --stats              open to 'hakmem stat' and its like while it runs, and\n"
    "                           with its statistics on standard error at the end\n"
    "      --no-inherit         without libhakmem in the programs that COMMAND starts\n"
    "      --library=FILE       with this library instead of the installed one\n"
    "  -q, --quiet              without warnings about COMMAND\n"
    "      --help               show this\n\n"
    "The exit code is that of COMMAND; 125 if hakmem fails, 126 if COMMAND cannot be\n"
    "run, 127 if it is not found.\n";

struct run {
    const char *profile;
    char *options; /* all -o, with commas; NULL: none */
    const char *library;
    bool no_inherit;
    bool quiet;
};

/* -1: go on; else the exit code. */
static int parse(struct run *run, int argc, char **argv)
{
    static const struct option longs[] = {{"profile", required_argument, NULL, 'p'},
                                          {"option", required_argument, NULL, 'o'},
                                          {"stats", no_argument, NULL, 's'},
                                          {"no-inherit", no_argument, NULL, 'n'},
                                          {"library", required_argument, NULL, 'l'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "+p:o:q", longs, NULL)) != -1) {
        switch (c) {
        case 'p':
            if (!hm_wish_profile(optarg))
                return EXIT_FAILED;
            run->profile = optarg;
            break;
        case 'o':
            if (!hm_wish_add_option(&run->options, optarg))
                return EXIT_FAILED;
            break;
        case 's':
            hm_wish_add_option(&run->options, "stats_page=yes,stats_at_exit=yes");
            break;
        case 'n':
            run->no_inherit = true;
            break;
        case 'l':
            run->library = optarg;
            break;
        case 'q':
            run->quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            return HM_EXIT_OK;
        default:
            hm_out_usage("run");
            return EXIT_FAILED;
        }
    }
    if (optind < argc)
        return -1;
    hm_out_error("run: which command?");
    hm_out_usage("run");
    return EXIT_FAILED;
}

/* The environment of COMMAND --------------------------------------------------------- */

static void set_variable(const char *name, const char *value)
{
    if (setenv(name, value, 1) != 0)
        hm_out_error("setenv: %s", strerror(errno));
}

/* What stood in LD_PRELOAD stays behind ours: no-inherit counts on that. */
static bool set_preload(const struct run *run)
{
    const char *before = getenv("LD_PRELOAD");
    char *library = hm_library_find(run->library);
    char *remover = NULL;
    char *value;

    if (library == NULL)
        return false;
    if (run->no_inherit && (remover = hm_library_find_noinherit()) == NULL) {
        free(library);
        return false;
    }
    value = hm_out_format("%s%s%s%s%s", remover != NULL ? remover : "",
                          remover != NULL ? ":" : "", hm_library_preload_name(library),
                          before != NULL && before[0] != '\0' ? ":" : "",
                          before != NULL ? before : "");
    set_variable("LD_PRELOAD", value);
    free(value);
    free(remover);
    free(library);
    return true;
}

static bool set_environment(const struct run *run)
{
    const char *before = getenv("HAKMEM_OPTIONS");
    char *options = run->options;

    if (!set_preload(run))
        return false;
    if (run->profile != NULL)
        set_variable("HAKMEM_PROFILE", run->profile);
    if (options == NULL)
        return true;
    if (before != NULL && before[0] != '\0')
        options = hm_out_format("%s,%s", before, options);
    if (strlen(options) > HM_CONF_ENV_MAX) {
        hm_out_error("HAKMEM_OPTIONS would be longer than 4K");
        return false;
    }
    set_variable("HAKMEM_OPTIONS", options);
    return true;
}

int hm_run_main(int argc, char **argv)
{
    struct run run = {.profile = NULL};
    struct hm_program program;
    int status = parse(&run, argc, argv);
    int error;

    if (status != -1)
        return status;
    if (!hm_program_open(argv[optind], &program, &error))
        return error == ENOENT || error == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
    if (!run.quiet)
        hm_program_warn(&program);
    if (!set_environment(&run))
        return EXIT_FAILED;
    /* The path has a slash, so it is not looked for again; a script without a first line
     * that names its interpreter goes to the shell, as from the shell. */
    execvp(program.path, argv + optind);
    hm_out_error("%s: %s", program.path, strerror(errno));
    return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
