/* SPDX-License-Identifier: MIT */
/* hakmem ab: which allocator, which profile, measured on the program itself. */
#include "chart.h"
#include "commands.h"
#include "diag.h"
#include "library.h"
#include "measure.h"
#include "out.h"
#include "program.h"
#include "view.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_DEFAULT = 5, RUNS_MAX = 10000 };

static const char help[] =
    "Usage: hakmem ab [OPTION]... [--] COMMAND [ARGUMENT]...\n"
    "Run COMMAND under libc's malloc, under libhakmem with each profile, and under\n"
    "other allocators, in turns; compare time, CPU, peak memory and page faults.\n\n"
    "  -n, --runs=N              run each N times instead of 5\n"
    "  -p, --profile=NAME        only this profile; may be repeated\n"
    "  -a, --allocator=NAME=LIB  also with LIB preloaded; may be repeated\n"
    "      --library=FILE        with this libhakmem instead of the installed one\n"
    "      --svg=FILE            draw a chart, for which gnuplot is needed\n"
    "      --json                all results as JSON\n"
    "      --help                show this\n\n"
    "COMMAND's input is empty, what it writes is dropped. The exit code is 1 if one\n"
    "of its runs does not succeed.\n";

struct ab {
    struct hm_variant *variants;
    size_t count;
    size_t profiles; /* asked for */
    unsigned runs;
    const char *library;
    const char *svg;
    bool json;
};

static void add_variant(struct ab *ab, char *name, char *preload, char *profile)
{
    ab->variants = hm_out_realloc(ab->variants, (ab->count + 1) * sizeof *ab->variants);
    ab->variants[ab->count++] = (struct hm_variant){name, preload, profile};
}

/* Arguments -------------------------------------------------------------------------- */

static bool add_profile(struct ab *ab, const char *name)
{
    struct hm_view_env env = hm_view_own_env();

    env.profile = name;
    hm_diag_clear();
    hm_view_load(&env);
    if (name[0] == '\0' || strcmp(hm_view_profile(), name) != 0) {
        hm_out_error("profile \"%s\" does not exist or cannot be used; see hakmem check",
                     name);
        return false;
    }
    add_variant(ab, hm_out_strdup(name), NULL, hm_out_strdup(name));
    ab->profiles++;
    return true;
}

static bool add_allocator(struct ab *ab, const char *argument)
{
    const char *equals = strchr(argument, '=');

    if (equals == NULL || equals == argument || equals[1] == '\0') {
        hm_out_error("-a needs NAME=LIB, not '%s'", argument);
        return false;
    }
    if (!hm_library_is_preloadable(equals + 1))
        return false;
    add_variant(ab, hm_out_strndup(argument, (size_t)(equals - argument)),
                hm_out_strdup(equals + 1), NULL);
    return true;
}

static bool set_runs(struct ab *ab, const char *argument)
{
    char *end;
    unsigned long runs;

    errno = 0;
    runs = strtoul(argument, &end, 10);
    if (end == argument || *end != '\0' || argument[0] == '-' || errno != 0 ||
        runs == 0 || runs > RUNS_MAX) {
        hm_out_error("-n needs a number from 1 to %d, not '%s'", RUNS_MAX, argument);
        return false;
    }
    ab->runs = (unsigned)runs;
    return true;
}

/* -1: go on; else the exit code. */
static int parse(struct ab *ab, int argc, char **argv)
{
    static const struct option longs[] = {{"runs", required_argument, NULL, 'n'},
                                          {"profile", required_argument, NULL, 'p'},
                                          {"allocator", required_argument, NULL, 'a'},
                                          {"library", required_argument, NULL, 'l'},
                                          {"svg", required_argument, NULL, 's'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "+n:p:a:", longs, NULL)) != -1) {
        bool good = true;

        switch (c) {
        case 'n':
            good = set_runs(ab, optarg);
            break;
        case 'p':
            good = add_profile(ab, optarg);
            break;
        case 'a':
            good = add_allocator(ab, optarg);
            break;
        case 'l':
            ab->library = optarg;
            break;
        case 's':
            ab->svg = optarg;
            break;
        case 'j':
            ab->json = true;
            break;
        case 'h':
            fputs(help, stdout);
            return HM_EXIT_OK;
        default:
            good = false;
        }
        if (!good)
            return hm_out_usage("ab");
    }
    if (optind < argc)
        return -1;
    hm_out_error("ab: which command?");
    return hm_out_usage("ab");
}

/* libc first, then the profiles, then the others, each in the order of the arguments. */
static bool complete_variants(struct ab *ab)
{
    const struct hm_view_env env = hm_view_own_env();
    struct ab all = {.variants = NULL};
    char *path = hm_library_find(ab->library);
    struct hm_view_profile *list;
    const char *preload;

    if (path == NULL)
        return false;
    preload = hm_library_preload_name(path);
    add_variant(&all, hm_out_strdup("libc"), NULL, NULL);
    for (size_t i = 0; ab->profiles > 0 && i < ab->count; i++) {
        if (ab->variants[i].profile != NULL)
            add_variant(&all, ab->variants[i].name, hm_out_strdup(preload),
                        ab->variants[i].profile);
    }
    if (ab->profiles == 0) {
        const size_t count = hm_view_profiles(&env, &list);

        for (size_t i = 0; i < count; i++)
            add_variant(&all, list[i].name, hm_out_strdup(preload), list[i].name);
    }
    for (size_t i = 0; i < ab->count; i++) {
        if (ab->variants[i].profile == NULL)
            add_variant(&all, ab->variants[i].name, ab->variants[i].preload, NULL);
    }
    free(path);
    free(ab->variants);
    ab->variants = all.variants;
    ab->count = all.count;
    return true;
}

/* Results ---------------------------------------------------------------------------- */

static const char *const keys[HM_QUANTITIES] = {"time", "cpu", "memory", "faults"};

static char *quantity_text(enum hm_quantity quantity, double value)
{
    switch (quantity) {
    case HM_TIME:
    case HM_CPU:
        return value < 1 ? hm_out_format("%.1f ms", value * 1e3)
                         : hm_out_format("%.3f s", value);
    case HM_MEMORY:
        return hm_out_format("%.1f MiB", value / (double)HM_MIB);
    default:
        return hm_out_format("%.0f", value);
    }
}

/* A quantity has two columns: the median, and how far half of the runs are from it at
 * most; and a third, its ratio to libc's. */
static void add_cells(struct hm_table *t, enum hm_quantity quantity,
                      const struct hm_summary *s, const struct hm_summary *base)
{
    char *median = quantity_text(quantity, s->median);
    const double away = s->high - s->median > s->median - s->low ? s->high - s->median
                                                                 : s->median - s->low;

    hm_table_add(t, "%s", median);
    free(median);
    if (s->median > 0)
        hm_table_add(t, "±%.0f%%", 100 * away / s->median);
    else
        hm_table_add(t, "-");
    if (base->median > 0)
        hm_table_add(t, "%.2f", s->median / base->median);
    else
        hm_table_add(t, "-");
}

static void print_table(const struct ab *ab,
                        struct hm_summary (*summaries)[HM_QUANTITIES])
{
    static const char *const heading[] = {
        "", "time",  "",       "ratio", "CPU",  "", "ratio", "peak memory",
        "", "ratio", "faults", "",      "ratio"};
    struct hm_table t = {.align = "lrrrrrrrrrrrr"};

    for (size_t i = 0; i < HM_ARRAY_LEN(heading); i++)
        hm_table_add(&t, "%s", heading[i]);
    for (size_t v = 0; v < ab->count; v++) {
        hm_table_add(&t, "%s", ab->variants[v].name);
        for (unsigned q = 0; q < HM_QUANTITIES; q++)
            add_cells(&t, q, &summaries[v][q], &summaries[0][q]);
    }
    hm_table_print(&t);
    printf(
        "\nMedians of %u runs; half of the runs are within ±. Ratios are to libc, less "
        "is better.\n",
        ab->runs);
}

static void print_json(const struct ab *ab, char **command,
                       struct hm_summary (*summaries)[HM_QUANTITIES],
                       struct hm_sample *const *samples)
{
    struct hm_json j = {0};

    hm_json_object(&j, NULL);
    hm_json_array(&j, "command");
    for (; *command != NULL; command++)
        hm_json_string(&j, NULL, *command);
    hm_json_end(&j);
    hm_json_integer(&j, "runs", ab->runs);
    hm_json_array(&j, "results");
    for (size_t v = 0; v < ab->count; v++) {
        hm_json_object(&j, NULL);
        hm_json_string(&j, "name", ab->variants[v].name);
        hm_json_string(&j, "preload", ab->variants[v].preload);
        hm_json_string(&j, "profile", ab->variants[v].profile);
        for (unsigned q = 0; q < HM_QUANTITIES; q++) {
            hm_json_object(&j, keys[q]);
            hm_json_number(&j, "median", summaries[v][q].median);
            hm_json_number(&j, "first_quartile", summaries[v][q].low);
            hm_json_number(&j, "third_quartile", summaries[v][q].high);
            hm_json_array(&j, "runs");
            for (unsigned i = 0; i < ab->runs; i++)
                hm_json_number(&j, NULL, samples[v][i].value[q]);
            hm_json_end(&j);
            hm_json_end(&j);
        }
        hm_json_end(&j);
    }
    hm_json_end(&j);
    hm_json_end(&j);
}

/* Each round begins with another variant, so that none is always the first to run when
 * something else has just stopped. */
static bool run_all(const struct ab *ab, char **command, struct hm_sample **samples)
{
    struct hm_sample warm_up;

    if (!hm_measure_run(&ab->variants[0], command, &warm_up))
        return false;
    for (unsigned round = 0; round < ab->runs; round++) {
        for (size_t i = 0; i < ab->count; i++) {
            const size_t v = (i + round) % ab->count;

            if (!hm_measure_run(&ab->variants[v], command, &samples[v][round]))
                return false;
        }
    }
    return true;
}

static char *title_of(char **command)
{
    char *title = hm_out_strdup(command[0]);

    for (command++; *command != NULL && strlen(title) < 60; command++) {
        char *longer = hm_out_format("%s %s", title, *command);

        free(title);
        title = longer;
    }
    if (*command != NULL || strlen(title) > 60)
        title = hm_out_format("%.60s ...", title);
    return title;
}

/* What it says of a program here would be in every result. */
static bool inspect(const char *name)
{
    struct hm_program program;
    int error;

    if (!hm_program_open(name, &program, &error))
        return false;
    hm_program_warn(&program);
    return true;
}

int hm_ab_main(int argc, char **argv)
{
    struct ab ab = {.runs = RUNS_DEFAULT};
    struct hm_summary(*summaries)[HM_QUANTITIES];
    struct hm_sample **samples;
    int status = parse(&ab, argc, argv);
    char **command = argv + optind;

    if (status != -1)
        return status;
    if ((ab.svg != NULL && !hm_chart_is_possible()) || !inspect(command[0]) ||
        !complete_variants(&ab))
        return HM_EXIT_USAGE;
    samples = hm_out_alloc(ab.count * sizeof *samples);
    summaries = hm_out_alloc(ab.count * sizeof *summaries);
    for (size_t v = 0; v < ab.count; v++)
        samples[v] = hm_out_alloc(ab.runs * sizeof **samples);
    if (!run_all(&ab, command, samples))
        return HM_EXIT_FOUND;
    for (size_t v = 0; v < ab.count; v++) {
        for (unsigned q = 0; q < HM_QUANTITIES; q++)
            summaries[v][q] = hm_measure_summary(samples[v], ab.runs, q);
    }
    if (ab.json)
        print_json(&ab, command, summaries, samples);
    else
        print_table(&ab, summaries);
    if (ab.svg != NULL &&
        !hm_chart_write(ab.svg, title_of(command), ab.variants, ab.count, summaries))
        return HM_EXIT_FOUND;
    return HM_EXIT_OK;
}
