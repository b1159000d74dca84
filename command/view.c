/* SPDX-License-Identifier: MIT */
#include "view.h"

#include "comment.h"
#include "conf.h"
#include "conf_origin.h"
#include "conf_texts.h"
#include "diag.h"
#include "history.h"
#include "out.h"
#include "profiles_whole.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Loading ---------------------------------------------------------------------------- */

struct hm_view_env hm_view_own_env(void)
{
    return (struct hm_view_env){.profile = getenv("HAKMEM_PROFILE"),
                                .conf = getenv("HAKMEM_CONF"),
                                .options = getenv("HAKMEM_OPTIONS")};
}

static char *variable(const char *name, const char *value)
{
    return hm_out_format("%s=%s", name, value);
}

/* The name of no program. */
#define ANY_PROGRAM "/"

static struct hm_sys_start start_of(char **envp, const struct hm_view_env *env)
{
    return (struct hm_sys_start){.envp = envp,
                                 .secure = env->secure,
                                 .page_size = (size_t)sysconf(_SC_PAGESIZE),
                                 .execfn = env->invoked,
                                 .exe = env->exe != NULL ? env->exe : ANY_PROGRAM};
}

static void load(char **envp, const struct hm_view_env *env)
{
    const struct hm_sys_start start = start_of(envp, env);

    hm_history_begin();
    hm_conf_load(&start);
}

/* The files that a process with this environment reads. Which of them cannot be used, a
 * load tells. */
static struct hm_conf_source *files_of(const struct hm_view_env *env)
{
    static const struct hm_conf_dirs dirs = {HM_SYSCONFDIR, HM_DATADIR "/hakmem/apps.d",
                                             0};
    const struct hm_sys_start start = start_of(NULL, env);
    struct hm_conf_source *files;
    struct hm_conf_found lock;
    struct hm_conf_exe exe;

    hm_conf_exe_init(&exe, &start);
    files = hm_conf_source_system(&dirs, hm_conf_exe_name(&exe));
    if (env->conf == NULL || env->secure || hm_conf_find_lock(files, &lock))
        return files;
    hm_conf_source_release(files);
    if (env->conf[0] == '\0' || strcmp(env->conf, "/dev/null") == 0)
        return NULL;
    return hm_conf_source_named(env->conf);
}

static void load_choice(const struct hm_view_env *env)
{
    const struct hm_sys_start start = start_of(NULL, env);
    struct hm_conf_source *files = files_of(env);
    struct hm_conf_exe exe;

    hm_conf_exe_init(&exe, &start);
    hm_history_profile(files, &exe, env->secure ? NULL : env->profile);
    hm_conf_source_release(files);
}

void hm_view_load_environ(char **envp)
{
    const struct hm_view_env env = {.exe = NULL};

    load(envp, &env);
}

void hm_view_load(const struct hm_view_env *env)
{
    char *envp[4] = {NULL};
    size_t n = 0;

    if (env->profile != NULL)
        envp[n++] = variable("HAKMEM_PROFILE", env->profile);
    if (env->conf != NULL)
        envp[n++] = variable("HAKMEM_CONF", env->conf);
    if (env->options != NULL)
        envp[n++] = variable("HAKMEM_OPTIONS", env->options);
    load(envp, env);
    load_choice(env);
    while (n > 0)
        free(envp[--n]);
}

const char *hm_view_profile(void)
{
    return hm_conf_profile();
}

char *hm_view_read_file(const char *path)
{
    FILE *in = fopen(path, "re");
    char *text;
    size_t len;

    if (in == NULL)
        return NULL;
    text = hm_out_alloc(HM_CONF_FILE_MAX + 2);
    len = fread(text, 1, HM_CONF_FILE_MAX + 1, in);
    fclose(in);
    if (len <= HM_CONF_FILE_MAX)
        return text;
    free(text);
    return NULL;
}

/* Values ----------------------------------------------------------------------------- */

/* The line that sets an option in a shipped profile, by its comment. */
static char *shipped_reason(const char *profile, const char *option)
{
    struct hm_conf_reader reader;
    struct hm_conf_item item;

    for (size_t i = 0; i < hm_profiles_builtin_count; i++) {
        const struct hm_profile_builtin *p = &hm_profiles_whole[i];

        hm_conf_reader_init(&reader, HM_CONF_FILE, p->text, p->len);
        while (hm_conf_read(&reader, &item)) {
            if (hm_conf_is_key(&item, option) &&
                hm_conf_is_of(&item, hm_span_of(profile)))
                return hm_comment_of_pair(p->text, item.line);
        }
    }
    return NULL;
}

/* An origin is "profile NAME" for a shipped one; or FILE:LINE, in front of which the
 * section may be. ", locked" may follow. */
static char *reason_of(const char *origin, const char *option)
{
    static const char profile[] = "profile ", behind[] = " at ";
    const bool in_profile = strncmp(origin, profile, sizeof profile - 1) == 0;
    const char *at = in_profile || origin[0] == '[' ? strstr(origin, behind) : NULL;
    const char *place = at != NULL ? at + sizeof behind - 1 : origin;
    const char *colon = strrchr(place, ':');
    char *path, *text, *reason;

    if (in_profile && at == NULL) {
        path = hm_out_strndup(origin + sizeof profile - 1,
                              strcspn(origin + sizeof profile - 1, ","));
        reason = shipped_reason(path, option);
        free(path);
        return reason;
    }
    if (colon == NULL)
        return NULL;
    path = hm_out_strndup(place, (size_t)(colon - place));
    text = hm_view_read_file(path);
    free(path);
    if (text == NULL)
        return NULL;
    reason = hm_comment_of_pair(text, (unsigned)strtoul(colon + 1, NULL, 10));
    free(text);
    return reason;
}

static char *value_of(const struct hm_options *options, enum hm_option_id id)
{
    char buf[HM_OPTION_TEXT_MAX];
    struct hm_text text;

    hm_text_init(&text, buf, sizeof buf, -1);
    hm_option_format(options, id, &text);
    hm_text_flush(&text);
    return hm_out_strdup(buf);
}

char *hm_view_origin(const char *name)
{
    char buf[HM_CONF_ORIGIN_MAX];
    struct hm_text text;

    hm_text_init(&text, buf, sizeof buf, -1);
    hm_option_origin(name, &text);
    hm_text_flush(&text);
    return hm_out_strdup(buf);
}

void hm_view_values(struct hm_view_value values[HM_OPTION_COUNT])
{
    struct hm_options defaults;

    hm_option_defaults(&defaults);
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        char *standard = value_of(&defaults, id);
        struct hm_view_value *v = &values[id];

        v->value = value_of(&hm_opt, id);
        v->origin = hm_view_origin(hm_option_table[id].name);
        v->reason = reason_of(v->origin, hm_option_table[id].name);
        v->is_default = strcmp(v->value, standard) == 0;
        free(standard);
    }
}

/* Profiles --------------------------------------------------------------------------- */

const struct hm_view_profile *hm_view_find_profile(const struct hm_view_profile *list,
                                                   size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    }
    return NULL;
}

size_t hm_view_files(const struct hm_view_env *env, char ***names)
{
    struct hm_conf_source *files = files_of(env);
    size_t count = 0;

    *names = NULL;
    for (const struct hm_conf_source *f = files; f != NULL; f = f->next) {
        bool again = false;

        /* What follows an `include` line is one more text of the same file. */
        for (size_t i = 0; i < count; i++)
            again |= strcmp((*names)[i], f->name) == 0;
        if (again)
            continue;
        *names = hm_out_realloc(*names, (count + 1) * sizeof **names);
        (*names)[count++] = hm_out_strdup(f->name);
    }
    hm_conf_source_release(files);
    return count;
}

/* The comment above the header of a section, from the text that still has it. */
static char *summary_of(const struct hm_conf_cursor *c, const struct hm_conf_item *item)
{
    struct hm_conf_reader reader;
    struct hm_conf_item other;
    char *text, *summary;

    if (c->name != NULL) {
        text = hm_view_read_file(c->name);
        summary = text != NULL ? hm_comment_of_section(text, item->line) : NULL;
        free(text);
        return summary;
    }
    for (size_t i = 0; i < hm_profiles_builtin_count; i++) {
        const struct hm_profile_builtin *p = &hm_profiles_whole[i];

        hm_conf_reader_init(&reader, HM_CONF_FILE, p->text, p->len);
        while (hm_conf_read(&reader, &other)) {
            if (other.kind == HM_CONF_SECTION && hm_conf_is_of(&other, item->section))
                return hm_comment_of_section(p->text, other.line);
        }
    }
    return NULL;
}

static char *parent_of(const struct hm_conf_source *files, struct hm_span profile)
{
    struct hm_conf_found parent;

    if (!hm_conf_find_parent(files, profile, &parent))
        return NULL;
    return hm_out_strndup(parent.item.value.s, parent.item.value.n);
}

size_t hm_view_profiles(const struct hm_view_env *env, struct hm_view_profile **out)
{
    struct hm_conf_source *files = files_of(env);
    struct hm_conf_cursor c = hm_conf_cursor_at(HM_CONF_ALL, files);
    struct hm_view_profile *list = NULL;
    struct hm_conf_item item;
    size_t count = 0;

    while (hm_conf_cursor_next(&c, &item)) {
        char *name;

        if (item.kind != HM_CONF_SECTION || item.scope != HM_CONF_PROFILE)
            continue;
        name = hm_out_strndup(item.section.s, item.section.n);
        if (hm_view_find_profile(list, count, name) != NULL) {
            free(name);
            continue;
        }
        list = hm_out_realloc(list, (count + 1) * sizeof *list);
        list[count++] = (struct hm_view_profile){
            .name = name,
            .parent = parent_of(files, item.section),
            .where = c.name == NULL ? hm_out_strdup("built-in")
                                    : hm_out_format("%s:%u", c.name, item.line),
            .summary = summary_of(&c, &item)};
    }
    hm_conf_source_release(files);
    *out = list;
    return count;
}
