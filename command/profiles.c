/* SPDX-License-Identifier: MIT */
/* hakmem profiles, show, diff: what profiles there are, and what they set. */
#include "commands.h"
#include "diag.h"
#include "out.h"
#include "view.h"
#include <getopt.h>
#include <string.h>

/* Arguments -------------------------------------------------------------------------- */

struct arguments {
    const char *command;
    const char *help;
    bool json;
    bool names; /* profiles */
    bool all;   /* show */
};

/* -1: go on with so many operands; else the exit code. */
static int parse(struct arguments *a, int argc, char **argv, const struct option *longs,
                 int operands)
{
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'j':
            a->json = true;
            break;
        case 'n':
            a->names = true;
            break;
        case 'a':
            a->all = true;
            break;
        case 'h':
            fputs(a->help, stdout);
            return HM_EXIT_OK;
        default:
            return hm_out_usage(a->command);
        }
    }
    if (argc - optind == operands)
        return -1;
    hm_out_error("%s: %d operands, expected %d", a->command, argc - optind, operands);
    return hm_out_usage(a->command);
}

/* Says that there is a mistake somewhere, and where to ask for it. */
static void mention_mistakes(void)
{
    if (hm_diag_count() > 0)
        hm_out_warning("there are mistakes in files or environment; see hakmem check");
}

/* What a process under this profile has; false, and an error was printed: there is no
 * such profile, or it cannot be used. */
static bool load_profile(const char *name, struct hm_view_value values[HM_OPTION_COUNT])
{
    struct hm_view_env env = hm_view_own_env();

    env.profile = name;
    env.options = NULL;
    hm_diag_clear();
    hm_view_load(&env);
    if (name[0] != '\0' && strcmp(hm_view_profile(), name) == 0) {
        hm_view_values(values);
        return true;
    }
    for (size_t i = 0; i < hm_diag_count(); i++) {
        const struct hm_diag *diag = hm_diag_get(i);

        if (strcmp(diag->name, "HAKMEM_PROFILE") == 0) {
            hm_out_error("%s", diag->text);
            return false;
        }
    }
    hm_out_error("profile \"%s\" cannot be used; see hakmem check", name);
    return false;
}

/* profiles --------------------------------------------------------------------------- */

static const char profiles_help[] =
    "Usage: hakmem profiles [--json | --names]\n"
    "List the profiles: the shipped ones and those of hakmem.conf. The one that is\n"
    "used unless a process asks for another has a star.\n\n"
    "  --json   as JSON\n"
    "  --names  only their names, one a line\n"
    "  --help   show this\n";

static void print_profiles_json(const struct hm_view_profile *list, size_t count,
                                const char *active)
{
    struct hm_json j = {0};

    hm_json_object(&j, NULL);
    hm_json_string(&j, "active", active);
    hm_json_array(&j, "profiles");
    for (size_t i = 0; i < count; i++) {
        hm_json_object(&j, NULL);
        hm_json_string(&j, "name", list[i].name);
        hm_json_string(&j, "inherits", list[i].parent);
        hm_json_string(&j, "defined", list[i].where);
        hm_json_string(&j, "summary", list[i].summary);
        hm_json_end(&j);
    }
    hm_json_end(&j);
    hm_json_end(&j);
}

static void print_profiles(const struct hm_view_profile *list, size_t count,
                           const char *active)
{
    struct hm_table t = {.align = "lllll"};
    static const char *const heading[] = {" ", "profile", "inherits", "defined", "for"};

    for (size_t i = 0; i < HM_ARRAY_LEN(heading); i++)
        hm_table_add(&t, "%s", heading[i]);
    for (size_t i = 0; i < count; i++) {
        hm_table_add(&t, "%s", strcmp(list[i].name, active) == 0 ? "*" : " ");
        hm_table_add(&t, "%s", list[i].name);
        hm_table_add(&t, "%s", list[i].parent != NULL ? list[i].parent : "-");
        hm_table_add(&t, "%s", list[i].where);
        hm_table_add(&t, "%s", list[i].summary != NULL ? list[i].summary : "-");
    }
    hm_table_print(&t);
}

int hm_profiles_main(int argc, char **argv)
{
    static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
                                          {"names", no_argument, NULL, 'n'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct arguments a = {.command = "profiles", .help = profiles_help};
    const struct hm_view_env env = hm_view_own_env();
    struct hm_view_profile *list;
    size_t count;
    int status = parse(&a, argc, argv, longs, 0);

    if (status != -1)
        return status;
    hm_view_load(&env);
    count = hm_view_profiles(&env, &list);
    if (a.json)
        print_profiles_json(list, count, hm_view_profile());
    else if (!a.names)
        print_profiles(list, count, hm_view_profile());
    for (size_t i = 0; a.names && !a.json && i < count; i++)
        puts(list[i].name);
    mention_mistakes();
    return HM_EXIT_OK;
}

/* show ------------------------------------------------------------------------------- */

static const char show_help[] =
    "Usage: hakmem show [--all] [--json] PROFILE\n"
    "Show what PROFILE sets, itself and by what it inherits, and why. The output is a\n"
    "section of hakmem.conf, to be copied and changed.\n\n"
    "  --all   also the options that have their default\n"
    "  --json  all options, as JSON\n"
    "  --help  show this\n";

static void print_value_json(struct hm_json *j, const char *key,
                             const struct hm_view_value *v)
{
    hm_json_object(j, key);
    hm_json_string(j, "value", v->value);
    hm_json_string(j, "origin", v->origin);
    hm_json_string(j, "reason", v->reason);
    hm_json_end(j);
}

static void print_show_json(const struct hm_view_profile *profile,
                            const struct hm_view_value values[HM_OPTION_COUNT])
{
    struct hm_json j = {0};

    hm_json_object(&j, NULL);
    hm_json_string(&j, "profile", profile->name);
    hm_json_string(&j, "inherits", profile->parent);
    hm_json_string(&j, "defined", profile->where);
    hm_json_string(&j, "summary", profile->summary);
    hm_json_array(&j, "options");
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        hm_json_object(&j, NULL);
        hm_json_string(&j, "name", hm_option_table[id].name);
        hm_json_string(&j, "value", values[id].value);
        hm_json_string(&j, "default", hm_option_table[id].def);
        hm_json_string(&j, "origin", values[id].origin);
        hm_json_string(&j, "reason", values[id].reason);
        hm_json_string(&j, "description", hm_option_table[id].sentence);
        hm_json_end(&j);
    }
    hm_json_end(&j);
    hm_json_end(&j);
}

static void print_option(const char *profile, enum hm_option_id id,
                         const struct hm_view_value *v)
{
    char *origin = hm_out_format("profile %s", profile);
    const bool own = strcmp(v->origin, origin) == 0;

    if (v->reason != NULL)
        hm_out_styled(stdout, HM_DIM, "# %s\n", v->reason);
    printf("%s = %s", hm_option_table[id].name, v->value);
    if (v->is_default)
        hm_out_styled(stdout, HM_DIM, "  # the default");
    else if (!own)
        hm_out_styled(stdout, HM_DIM, "  # default %s; from %s", hm_option_table[id].def,
                      v->origin);
    else
        hm_out_styled(stdout, HM_DIM, "  # default %s", hm_option_table[id].def);
    putchar('\n');
}

static void print_show(const struct hm_view_profile *profile, bool all,
                       const struct hm_view_value values[HM_OPTION_COUNT])
{
    if (profile->summary != NULL)
        hm_out_styled(stdout, HM_DIM, "# %s\n", profile->summary);
    if (profile->parent != NULL)
        hm_out_styled(stdout, HM_DIM, "# Inherits from %s, which is included here.\n",
                      profile->parent);
    hm_out_styled(stdout, HM_BOLD, "[profile %s]", profile->name);
    putchar('\n');
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        if (all || !values[id].is_default)
            print_option(profile->name, id, &values[id]);
    }
}

int hm_show_main(int argc, char **argv)
{
    static const struct option longs[] = {{"all", no_argument, NULL, 'a'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct arguments a = {.command = "show", .help = show_help};
    const struct hm_view_env env = hm_view_own_env();
    struct hm_view_value values[HM_OPTION_COUNT];
    const struct hm_view_profile *profile;
    struct hm_view_profile *list;
    size_t count;
    int status = parse(&a, argc, argv, longs, 1);

    if (status != -1)
        return status;
    if (!load_profile(argv[optind], values))
        return HM_EXIT_USAGE;
    count = hm_view_profiles(&env, &list);
    profile = hm_view_find_profile(list, count, argv[optind]);
    if (a.json)
        print_show_json(profile, values);
    else
        print_show(profile, a.all, values);
    mention_mistakes();
    return HM_EXIT_OK;
}

/* diff ------------------------------------------------------------------------------- */

static const char diff_help[] =
    "Usage: hakmem diff [--json] PROFILE PROFILE\n"
    "Show the options in which two profiles differ, and the reasons they give.\n\n"
    "  --json  as JSON\n"
    "  --help  show this\n\n"
    "The exit code is 0 if they set the same, 1 if they differ, 2 if one is unknown.\n";

static void print_side(const char *name, int width, int value_width,
                       const struct hm_view_value *v)
{
    printf("    %-*s  %-*s", width, name, value_width, v->value);
    if (v->reason != NULL)
        hm_out_styled(stdout, HM_DIM, "  %s", v->reason);
    else if (v->is_default)
        hm_out_styled(stdout, HM_DIM, "  the default");
    putchar('\n');
}

static void print_difference(enum hm_option_id id, char *const names[2],
                             const struct hm_view_value *a, const struct hm_view_value *b)
{
    const int width = (int)hm_max(strlen(names[0]), strlen(names[1]));
    const int value_width = (int)hm_max(strlen(a->value), strlen(b->value));

    hm_out_styled(stdout, HM_BOLD, "%s", hm_option_table[id].name);
    putchar('\n');
    print_side(names[0], width, value_width, a);
    print_side(names[1], width, value_width, b);
}

int hm_diff_main(int argc, char **argv)
{
    static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct arguments arguments = {.command = "diff", .help = diff_help};
    struct hm_view_value a[HM_OPTION_COUNT], b[HM_OPTION_COUNT];
    struct hm_json j = {0};
    bool differ = false;
    int status = parse(&arguments, argc, argv, longs, 2);

    if (status != -1)
        return status;
    if (!load_profile(argv[optind], a) || !load_profile(argv[optind + 1], b))
        return HM_EXIT_USAGE;
    if (arguments.json)
        hm_json_array(&j, NULL);
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        if (strcmp(a[id].value, b[id].value) == 0)
            continue;
        differ = true;
        if (!arguments.json) {
            print_difference(id, argv + optind, &a[id], &b[id]);
            continue;
        }
        hm_json_object(&j, NULL);
        hm_json_string(&j, "name", hm_option_table[id].name);
        print_value_json(&j, argv[optind], &a[id]);
        print_value_json(&j, argv[optind + 1], &b[id]);
        hm_json_end(&j);
    }
    if (arguments.json)
        hm_json_end(&j);
    mention_mistakes();
    return differ ? HM_EXIT_FOUND : HM_EXIT_OK;
}
