/* SPDX-License-Identifier: MIT */
/* hakmem explain: what a process runs under, and why. */
#include "commands.h"
#include "diag.h"
#include "foreign.h"
#include "history.h"
#include "live.h"
#include "out.h"
#include "program.h"
#include "started.h"
#include "view.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: hakmem explain [OPTION]... [PID | [--] COMMAND [ARGUMENT]...]\n"
    "Show the value that each option has in a process that is started here, COMMAND\n"
    "or any, or in process PID; where it comes from, and what it overrides; and what\n"
    "settings of other allocators in its environment correspond to.\n\n"
    "  -p, --profile=NAME      as if run with this profile\n"
    "  -o, --option=KEY=VALUE  as if run with this option; may be repeated\n"
    "      --json              as JSON\n"
    "      --help              show this\n";

struct explain {
    const char *profile; /* -p, -o; NULL: not given */
    char *options;
    bool json;
    long pid; /* 0: none */
    char **envp;
    struct hm_view_env env;
    bool has_page; /* of PID, which says under which profile it really is */
    struct hm_live live;
};

/* Arguments -------------------------------------------------------------------------- */

static void add_option(struct explain *e, const char *option)
{
    char *longer = e->options == NULL ? hm_out_strdup(option)
                                      : hm_out_format("%s,%s", e->options, option);

    free(e->options);
    e->options = longer;
}

/* -1: go on; else the exit code. */
static int parse(struct explain *e, int argc, char **argv)
{
    static const struct option longs[] = {{"profile", required_argument, NULL, 'p'},
                                          {"option", required_argument, NULL, 'o'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "+p:o:", longs, NULL)) != -1) {
        switch (c) {
        case 'p':
            e->profile = optarg;
            break;
        case 'o':
            add_option(e, optarg);
            break;
        case 'j':
            e->json = true;
            break;
        case 'h':
            fputs(help, stdout);
            return HM_EXIT_OK;
        default:
            return hm_out_usage("explain");
        }
    }
    return -1;
}

/* Another process -------------------------------------------------------------------- */

static bool read_process(struct explain *e)
{
    size_t len;
    char *maps;

    if (e->profile != NULL || e->options != NULL) {
        hm_out_error("explain: a process that runs cannot get other options");
        return false;
    }
    if (!hm_started_env(e->pid, &e->envp, &e->env))
        return false;
    maps = hm_started_read(e->pid, "maps", &len);
    if (maps != NULL && strstr(maps, "/libhakmem.so") == NULL)
        hm_out_warning("process %ld does not have libhakmem.so loaded", e->pid);
    free(maps);
    e->has_page = hm_live_open(&e->live, e->pid, true);
    return true;
}

static bool read_command(struct explain *e, const char *name)
{
    struct hm_program program;
    int error;

    if (!hm_program_open(name, &program, &error))
        return false;
    e->env.invoked = program.path;
    e->env.exe = realpath(
        program.interpreter != NULL ? program.interpreter : program.path, NULL);
    hm_program_warn(&program);
    return true;
}

/* The operand, or none; false, and an error was printed. */
static bool read_subject(struct explain *e, int count, char **operands)
{
    e->envp = environ;
    e->env = hm_view_own_env();
    if (count == 0)
        return true;
    if (count == 1)
        e->pid = hm_started_number(operands[0]);
    return e->pid > 0 ? read_process(e) : read_command(e, operands[0]);
}

/* Values ----------------------------------------------------------------------------- */

struct answer {
    char *profile;
    const char *profile_origin;
    struct hm_view_value values[HM_OPTION_COUNT];
};

static void load(const struct explain *e, struct answer *a)
{
    struct hm_view_env env = e->env;

    if (e->profile != NULL)
        env.profile = e->profile;
    if (e->options != NULL)
        env.options = env.options != NULL && env.options[0] != '\0'
                          ? hm_out_format("%s,%s", env.options, e->options)
                          : e->options;
    hm_view_load(&env);
    hm_view_values(a->values);
    a->profile = hm_out_strdup(hm_view_profile());
    a->profile_origin = hm_view_origin("profile");
    if (e->profile != NULL && strcmp(a->profile_origin, "HAKMEM_PROFILE") == 0)
        a->profile_origin = "-p";
}

/* What a value has taken the place of, strongest first, and what it refused. */
struct overridden {
    struct {
        const char *value, *origin;
    } *list;
    size_t count;
    const struct hm_history_entry *refused; /* the last; NULL: nothing */
};

static void add(struct overridden *o, const char *value, const char *origin)
{
    o->list = hm_out_realloc(o->list, (o->count + 1) * sizeof *o->list);
    o->list[o->count].value = value;
    o->list[o->count++].origin = origin;
}

/* `standard` is what there is without any file and variable. */
static struct overridden overridden(unsigned whose, const char *standard)
{
    const struct hm_history *h = hm_history_of(whose);
    struct overridden o = {.list = NULL};
    bool is_set = false;

    for (size_t i = h->count; i-- > 0;) {
        const struct hm_history_entry *entry = &h->entries[i];

        if (entry->refused)
            o.refused = entry;
        else if (is_set)
            add(&o, entry->value, entry->origin);
        is_set |= !entry->refused;
    }
    if (is_set)
        add(&o, standard, "built-in");
    return o;
}

/* Writing ---------------------------------------------------------------------------- */

static void print_overridden_json(struct hm_json *j, unsigned whose, const char *standard)
{
    struct overridden o = overridden(whose, standard);

    hm_json_array(j, "overrides");
    for (size_t i = 0; i < o.count; i++) {
        hm_json_object(j, NULL);
        hm_json_string(j, "value", o.list[i].value);
        hm_json_string(j, "origin", o.list[i].origin);
        hm_json_end(j);
    }
    hm_json_end(j);
    hm_json_string(j, "refused", o.refused != NULL ? o.refused->value : NULL);
    free(o.list);
}

static void print_json(const struct answer *a, const struct hm_foreign *foreign,
                       size_t count)
{
    struct hm_json j = {0};

    hm_json_object(&j, NULL);
    hm_json_string(&j, "profile", a->profile);
    hm_json_string(&j, "profile_origin", a->profile_origin);
    hm_json_object(&j, "profile_choice");
    print_overridden_json(&j, HM_CONF_ORIGIN_PROFILE, "default");
    hm_json_end(&j);
    hm_json_array(&j, "options");
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        hm_json_object(&j, NULL);
        hm_json_string(&j, "name", hm_option_table[id].name);
        hm_json_string(&j, "value", a->values[id].value);
        hm_json_string(&j, "origin", a->values[id].origin);
        print_overridden_json(&j, id, hm_option_table[id].def);
        hm_json_string(&j, "reason", a->values[id].reason);
        hm_json_end(&j);
    }
    hm_json_end(&j);
    hm_json_array(&j, "other_allocators");
    for (size_t i = 0; i < count; i++) {
        hm_json_object(&j, NULL);
        hm_json_string(&j, "setting", foreign[i].setting);
        hm_json_string(&j, "nearest", foreign[i].nearest);
        hm_json_string(&j, "remark", foreign[i].remark);
        hm_json_end(&j);
    }
    hm_json_end(&j);
    hm_json_end(&j);
}

/* "2 from profile mine, 0 by default; refused 8 from HAKMEM_OPTIONS". */
static char *overridden_text(unsigned whose, const char *standard)
{
    const bool is_profile = whose == HM_CONF_ORIGIN_PROFILE; /* called default */
    struct overridden o = overridden(whose, standard);
    char *text = hm_out_strdup("");

    for (size_t i = 0; i < o.count; i++) {
        const bool is_last = i + 1 == o.count;
        char *longer =
            hm_out_format("%s%s%s%s%s", text, i > 0 ? ", " : "", o.list[i].value,
                          !is_last ? " from " : is_profile ? "" : " by default",
                          is_last ? "" : o.list[i].origin);

        free(text);
        text = longer;
    }
    if (o.refused != NULL) {
        char *longer = hm_out_format("%s%srefused %s from %s", text,
                                     o.count > 0 ? "; " : "", o.refused->value,
                                     o.refused->origin);

        free(text);
        text = longer;
    }
    free(o.list);
    return text;
}

static void add_row(struct hm_table *t, const char *name, const char *value,
                    const char *origin, unsigned whose, const char *standard)
{
    char *over = overridden_text(whose, standard);

    hm_table_add(t, "%s", name);
    hm_table_add(t, "%s", value);
    hm_table_add(t, "%s", origin);
    hm_table_add(t, "%s", over[0] != '\0' ? over : "-");
    free(over);
}

static void print_text(const struct answer *a, const struct hm_foreign *foreign,
                       size_t count)
{
    static const char *const heading[] = {"option", "value", "from", "overrides"};
    struct hm_table t = {.align = "llll"};

    for (size_t i = 0; i < HM_ARRAY_LEN(heading); i++)
        hm_table_add(&t, "%s", heading[i]);
    add_row(&t, "profile", a->profile, a->profile_origin, HM_CONF_ORIGIN_PROFILE,
            "default");
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++)
        add_row(&t, hm_option_table[id].name, a->values[id].value, a->values[id].origin,
                id, hm_option_table[id].def);
    hm_table_print(&t);
    if (count > 0)
        puts("\nSettings of other allocators have no effect on libhakmem. Nearest to "
             "them:");
    for (size_t i = 0; i < count; i++) {
        printf("  %s: %s\n", foreign[i].setting,
               foreign[i].nearest != NULL ? foreign[i].nearest : "nothing");
        if (foreign[i].remark != NULL)
            hm_out_styled(stdout, HM_DIM, "      %s\n", foreign[i].remark);
    }
}

int hm_explain_main(int argc, char **argv)
{
    struct explain e = {.pid = 0};
    struct hm_foreign *foreign;
    struct answer answer;
    size_t count;
    int status = parse(&e, argc, argv);

    if (status != -1)
        return status;
    if (!read_subject(&e, argc - optind, argv + optind))
        return HM_EXIT_USAGE;
    load(&e, &answer);
    if (e.has_page && strcmp(e.live.page->profile, answer.profile) != 0)
        hm_out_warning("process %ld says that it has profile %s: the files have changed, "
                       "or it has overwritten its environment",
                       e.pid, e.live.page->profile);
    count = hm_foreign_find(e.envp, &foreign);
    if (e.json)
        print_json(&answer, foreign, count);
    else
        print_text(&answer, foreign, count);
    if (hm_diag_count() == 0)
        return HM_EXIT_OK;
    for (size_t i = 0; i < hm_diag_count(); i++) {
        const struct hm_diag *diag = hm_diag_get(i);

        hm_out_warning("%s:%u:%u: %s%s%s", diag->name, diag->line, diag->column,
                       diag->text, diag->instead != NULL ? "; " : "",
                       diag->instead != NULL ? diag->instead : "");
    }
    return HM_EXIT_FOUND;
}
