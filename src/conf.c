/* SPDX-License-Identifier: MIT */
#include "conf.h"

#include "conf_env.h"
#include "conf_origin.h"
#include "conf_report.h"
#include "conf_texts.h"
#include "fail.h"
#include <errno.h>
#include <string.h>

#ifndef HM_SYSCONFDIR
#define HM_SYSCONFDIR "/etc"
#endif
#ifndef HM_DATADIR
#define HM_DATADIR "/usr/share"
#endif

enum { ROOT = 0 };

/* The active profile. [const after load] */
static char active[HM_PROFILE_NAME_MAX + 1];

void (*hm_conf_watcher)(const struct hm_conf_setting *setting);

/* Why a profile cannot be in force. */
enum trouble { NO_TROUBLE, UNKNOWN_PARENT, CYCLE };

/* What is being loaded. What is found to be wrong meanwhile is kept for the report. */
struct load {
    const struct hm_conf_source *files;
    struct hm_conf_env env;
    struct hm_conf_exe exe;
    bool no_next; /* as in struct hm_sys_start */
    bool intact; /* the active profile's ancestry is, so its sections count */
    /* Which generation set a value: 1 the profile, 2 its parent, …; 0: none yet. */
    uint32_t generation[HM_OPTION_COUNT];
    /* Where the values and the profile come from. */
    struct hm_conf_origin origin[HM_CONF_ORIGINS];

    bool is_conf_refused; /* HAKMEM_CONF, because of this lock */
    struct hm_conf_found lock;
    bool is_wish_refused; /* HAKMEM_PROFILE: locked, or no profile */
    struct {
        enum trouble trouble;
        struct hm_conf_found parent; /* the line where it showed */
    } chosen, standard;              /* the profile that was picked; then, default */
};

/* Applying --------------------------------------------------------------------------- */

/* The origin of what an item of a text says; name NULL: of a shipped profile. */
static struct hm_conf_origin origin_of(const char *name, const struct hm_conf_item *item)
{
    return (struct hm_conf_origin){.kind = name != NULL ? HM_CONF_LINE : HM_CONF_SHIPPED,
                                   .line = item->line,
                                   .file = name,
                                   .scope = item->scope,
                                   .section = item->section};
}

static struct hm_conf_origin origin_variable(const char *name)
{
    return (struct hm_conf_origin){.kind = HM_CONF_VARIABLE, .file = name};
}

static void set_origin(struct load *load, unsigned whose, struct hm_conf_origin origin)
{
    origin.locked = load->origin[whose].locked;
    load->origin[whose] = origin;
}

/* "!": whatever the line sets and whether it counts, the environment has no say. */
static void apply_lock(struct load *load, const struct hm_conf_item *item)
{
    enum hm_option_id id = HM_OPTION_COUNT;

    if (item->locked)
        id = hm_option_find(item->key.s, item->key.n);
    if (id != HM_OPTION_COUNT)
        load->origin[id].locked = true;
}

/* Whether what a pair says does not count, for a reason other than that it is wrong. */
enum standing { COUNTS, IS_WEAKER, IS_REFUSED };

/* Sets what a pair says, if it counts and says something valid: what is not valid is left
 * to the report. */
static void apply_pair(struct load *load, const struct hm_conf_item *item,
                       struct hm_conf_origin origin, uint32_t generation,
                       enum standing standing)
{
    const enum hm_option_id id = hm_option_find(item->key.s, item->key.n);

    if (HM_UNLIKELY(hm_conf_watcher != NULL) && id != HM_OPTION_COUNT)
        hm_conf_watcher(&(struct hm_conf_setting){.id = id,
                                                  .value = item->value,
                                                  .origin = origin,
                                                  .generation = generation,
                                                  .refused = standing == IS_REFUSED});
    if (standing != COUNTS || id == HM_OPTION_COUNT ||
        !hm_option_parse(&hm_opt, id, item->value.s, item->value.n, NULL))
        return;
    load->generation[id] = generation;
    set_origin(load, id, origin);
}

static void apply_scope(struct load *load, bool vendor, enum hm_conf_scope scope)
{
    struct hm_conf_cursor c = hm_conf_cursor_at(HM_CONF_FILES_ONLY, load->files);
    struct hm_conf_item item;

    while (hm_conf_cursor_next(&c, &item)) {
        if (item.kind != HM_CONF_PAIR || c.vendor != vendor || item.scope != scope ||
            !hm_conf_exe_concerns(&load->exe, &item))
            continue;
        apply_lock(load, &item);
        apply_pair(load, &item, origin_of(c.name, &item), 0, COUNTS);
    }
}

/* What is about this process counts whatever profiles say: the top level, on top of it
 * the sections for its executable, on top of them those for secure processes. Within
 * each, the last. Whatever a vendor says is weaker than what the machine's files say. */
static void apply_files(struct load *load)
{
    const bool has_vendor = load->files != NULL && load->files->vendor;

    for (int vendor = has_vendor; vendor >= 0; vendor--) {
        for (enum hm_conf_scope scope = HM_CONF_TOP; scope <= HM_CONF_SECURE; scope++)
            apply_scope(load, vendor, scope);
    }
}

static void apply_options(struct load *load)
{
    struct hm_conf_reader reader;
    struct hm_conf_item item;

    hm_conf_reader_init(&reader, HM_CONF_OPTIONS, load->env.options,
                        strlen(load->env.options));
    while (hm_conf_read(&reader, &item)) {
        enum hm_option_id id;

        if (item.kind != HM_CONF_PAIR)
            continue;
        id = hm_option_find(item.key.s, item.key.n);
        if (id != HM_OPTION_COUNT)
            apply_pair(load, &item, origin_variable("HAKMEM_OPTIONS"), 0,
                       load->origin[id].locked ? IS_REFUSED : COUNTS);
    }
}

/* Applies all sections of one profile: a descendant's value counts, wherever it stands;
 * of the same generation's, the last. */
static void apply_sections(struct load *load, struct hm_span profile, uint32_t generation)
{
    struct hm_conf_cursor c = hm_conf_cursor_of(profile, load->files);
    struct hm_conf_item item;

    while (hm_conf_cursor_next(&c, &item)) {
        enum hm_option_id id;
        bool is_set; /* by a descendant */

        if (item.kind != HM_CONF_PAIR || !hm_conf_is_of(&item, profile))
            continue;
        apply_lock(load, &item);
        id = hm_option_find(item.key.s, item.key.n);
        if (id == HM_OPTION_COUNT)
            continue;
        is_set = load->generation[id] != 0 && load->generation[id] != generation;
        apply_pair(load, &item, origin_of(c.name, &item), generation,
                   is_set ? IS_WEAKER : COUNTS);
    }
}

/* Applies a profile and what it inherits; trouble, and *parent: its ancestry is broken.
 * A cycle is found as Brent does it: by comparing with one ancestor, which is replaced
 * whenever the number of generations is a power of two. */
static enum trouble apply_profile(struct load *load, struct hm_span profile,
                                  struct hm_conf_found *parent)
{
    struct hm_span watched = profile;

    for (uint32_t generation = 1;; generation++) {
        apply_sections(load, profile, generation);
        if (!hm_conf_find_parent(load->files, profile, parent))
            return NO_TROUBLE;
        profile = parent->item.value;
        if (!hm_conf_is_profile(load->files, profile))
            return UNKNOWN_PARENT;
        if (hm_span_equal(profile, watched))
            return CYCLE;
        if (generation > 1 && hm_is_pow2(generation))
            watched = profile;
    }
}

/* Back to the table, for all but the profile's choice. */
static void reset(struct load *load)
{
    if (HM_UNLIKELY(hm_conf_watcher != NULL))
        hm_conf_watcher(NULL);
    hm_option_defaults(&hm_opt);
    memset(load->generation, 0, sizeof load->generation);
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++)
        load->origin[id] = (struct hm_conf_origin){.kind = HM_CONF_BUILTIN};
}

/* Makes a profile the active one, or default if that is impossible, or the table alone.
 */
static void activate(struct load *load, struct hm_span profile)
{
    const struct hm_span standard = hm_span_of("default");
    bool broken = false;

    reset(load);
    if (!hm_span_equal(profile, standard)) {
        load->chosen.trouble = apply_profile(load, profile, &load->chosen.parent);
        broken = load->chosen.trouble != NO_TROUBLE;
    }
    if (broken || hm_span_equal(profile, standard)) {
        if (broken) {
            reset(load);
            load->origin[HM_CONF_ORIGIN_PROFILE].kind = HM_CONF_BUILTIN;
        }
        profile = standard;
        load->standard.trouble = apply_profile(load, profile, &load->standard.parent);
        broken = load->standard.trouble != NO_TROUBLE;
        if (broken)
            reset(load);
    }
    load->intact = !broken;
    memcpy(active, profile.s, profile.n);
    active[profile.n] = '\0';
}

/* What is in force is final: origins outlive the texts. */
static void keep_origins(const struct load *load)
{
    hm_conf_origin_reset();
    for (unsigned i = 0; i < HM_CONF_ORIGINS; i++) {
        if (load->origin[i].kind != HM_CONF_BUILTIN || load->origin[i].locked)
            hm_conf_origin_keep(i, &load->origin[i]);
    }
}

HM_COLD static const char *origin_text(unsigned whose, char *buf)
{
    struct hm_text text;

    hm_text_init(&text, buf, HM_CONF_ORIGIN_MAX, -1);
    hm_conf_origin_put(whose, &text);
    hm_text_flush(&text);
    return buf;
}

/* Values that are each valid can contradict each other. */
static void reconcile(void)
{
    char min_from[HM_CONF_ORIGIN_MAX], max_from[HM_CONF_ORIGIN_MAX];

    if (hm_opt.tls_cache_min <= hm_opt.tls_cache_max)
        return;
    hm_warn("%s: tls_cache_min %u is above tls_cache_max %u (%s), expected at most that; "
            "using %u",
            origin_text(HM_OPT_tls_cache_min, min_from), hm_opt.tls_cache_min,
            hm_opt.tls_cache_max, origin_text(HM_OPT_tls_cache_max, max_from),
            hm_opt.tls_cache_max);
    hm_opt.tls_cache_min = hm_opt.tls_cache_max; /* both have the same range */
    hm_conf_origin_copy(HM_OPT_tls_cache_min, HM_OPT_tls_cache_max);
}

/* Loading ---------------------------------------------------------------------------- */

static struct hm_span choose(struct load *load)
{
    struct hm_conf_origin *origin = &load->origin[HM_CONF_ORIGIN_PROFILE];
    struct hm_conf_found found;
    struct hm_span choice = hm_span_of("default");
    struct hm_span wish;
    bool locked;

    *origin = (struct hm_conf_origin){.kind = HM_CONF_BUILTIN};
    if (hm_conf_find_choice(load->files, &load->exe, &found, &locked)) {
        choice = found.item.value;
        *origin = origin_of(found.name, &found.item);
    }
    origin->locked = locked;
    if (load->env.profile == NULL || load->env.profile[0] == '\0')
        return choice;
    wish = hm_span_of(load->env.profile);
    if (!origin->locked && hm_conf_is_profile(load->files, wish)) {
        *origin = origin_variable("HAKMEM_PROFILE");
        return wish;
    }
    load->is_wish_refused = !hm_span_equal(wish, choice);
    return choice;
}

/* A process whose only malloc is ours cannot do without it. */
HM_COLD static void stay_enabled(void)
{
    const struct hm_conf_origin standard = {.kind = HM_CONF_BUILTIN};
    char origin[HM_CONF_ORIGIN_MAX];

    hm_warn("%s: enabled is no, expected yes where no other malloc is within reach (a "
            "static program, or not glibc); using yes",
            origin_text(HM_OPT_enabled, origin));
    hm_opt.enabled = true;
    hm_conf_origin_keep(HM_OPT_enabled, &standard);
}

HM_COLD static void report_trouble(const struct load *load, enum trouble trouble,
                                   const struct hm_conf_found *parent,
                                   const char *fallback)
{
    if (trouble == UNKNOWN_PARENT)
        hm_conf_report_profile(load->files, parent->name, parent->item.line,
                               parent->item.value_column, parent->item.value, fallback);
    else if (trouble == CYCLE)
        hm_conf_report_cycle(parent, fallback);
}

/* What is wrong is said last, so that each line can say what is used instead. */
static void report_all(struct load *load)
{
    const struct hm_conf_report r = {.files = load->files,
                                     .exe = &load->exe,
                                     .profile = hm_span_of(active),
                                     .intact = load->intact};

    hm_conf_env_report(&load->env);
    if (load->is_conf_refused)
        hm_conf_report_locked_files(&load->lock);
    hm_conf_report_refusals(load->files);
    if (load->is_wish_refused && load->origin[HM_CONF_ORIGIN_PROFILE].locked)
        hm_conf_report_locked_profile();
    else if (load->is_wish_refused)
        hm_conf_report_profile(load->files, "HAKMEM_PROFILE", 1, 1,
                               hm_span_of(load->env.profile), active);
    if (load->chosen.trouble != NO_TROUBLE)
        report_trouble(load, load->chosen.trouble, &load->chosen.parent,
                       "profile default");
    if (load->standard.trouble != NO_TROUBLE)
        report_trouble(load, load->standard.trouble, &load->standard.parent,
                       "the built-in defaults");
    reconcile();
    if (!hm_opt.enabled && load->no_next)
        stay_enabled();
    hm_conf_report_files(&r);
    if (load->env.options != NULL)
        hm_conf_report_options(&r, load->env.options);
}

static void report(struct load *load)
{
    const unsigned before = hm_warnings();
    char origin[HM_CONF_ORIGIN_MAX];

    hm_fail_init(active, load->exe.secure || hm_opt.on_error == HM_ON_ERROR_IGNORE);
    report_all(load);
    if (hm_opt.on_error == HM_ON_ERROR_ABORT && hm_warnings() != before)
        hm_fail(
            "%u mistake%s in the configuration, expected none; on_error is abort (%s)",
            hm_warnings() - before, hm_warnings() - before > 1 ? "s" : "",
            origin_text(HM_OPT_on_error, origin));
    hm_fail_init(active, load->exe.secure);
}

static void begin(struct load *load, const struct hm_sys_start *start)
{
    *load = (struct load){.no_next = start->no_next};
    hm_conf_exe_init(&load->exe, start);
    memcpy(active, "default", sizeof "default");
    hm_fail_init(active, start->secure);
    if (!start->secure)
        hm_conf_env_read(start->envp, &load->env);
}

/* Has nobody said anything? Then the profile default is in force, which says nothing, and
 * a process of no other business is spared most of this file. */
static bool is_unsaid(const struct load *load)
{
    const struct hm_conf_env *env = &load->env;

    return load->files == NULL && env->profile == NULL && env->options == NULL &&
           env->wrong == NULL && !load->is_conf_refused && hm_conf_watcher == NULL;
}

static void load_files(struct load *load, struct hm_conf_source *files)
{
    load->files = files;
    if (is_unsaid(load)) {
        hm_option_defaults(&hm_opt);
        hm_conf_origin_reset();
        return;
    }
    activate(load, choose(load));
    apply_files(load);
    if (load->env.options != NULL)
        apply_options(load);
    keep_origins(load);
    report(load);
    hm_conf_source_release(files);
}

void hm_conf_load_from(const struct hm_sys_start *start, const struct hm_conf_dirs *dirs)
{
    struct hm_conf_source *files;
    struct load load;
    const char *named;

    begin(&load, start);
    files = hm_conf_source_system(dirs, hm_conf_exe_name(&load.exe));
    named = load.env.conf;
    if (named != NULL) {
        load.is_conf_refused = hm_conf_find_lock(files, &load.lock);
        if (!load.is_conf_refused) {
            hm_conf_source_release(files);
            files = NULL;
            if (named[0] != '\0' && strcmp(named, "/dev/null") != 0)
                files = hm_conf_source_named(named);
        }
    }
    load_files(&load, files);
}

HM_COLD void hm_conf_load_text(const struct hm_sys_start *start, const char *text,
                               size_t len)
{
    struct load load;

    begin(&load, start);
    load_files(&load, hm_conf_source_text("text", text, len));
}

void hm_conf_load(const struct hm_sys_start *start)
{
    const struct hm_conf_dirs dirs = {HM_SYSCONFDIR, HM_DATADIR "/hakmem/apps.d", ROOT};

    hm_conf_load_from(start, &dirs);
}

/* Questions -------------------------------------------------------------------------- */

const char *hm_conf_profile(void)
{
    return active;
}

HM_COLD bool hm_option_origin(const char *name, struct hm_text *out)
{
    unsigned whose = hm_option_find(name, strlen(name));

    if (strcmp(name, "profile") == 0)
        whose = HM_CONF_ORIGIN_PROFILE;
    else if (whose == HM_OPTION_COUNT)
        return false;
    hm_conf_origin_put(whose, out);
    return true;
}

HM_COLD bool hm_option_get(const char *name, struct hm_text *out)
{
    enum hm_option_id id = hm_option_find(name, strlen(name));

    if (id == HM_OPTION_COUNT)
        return false;
    hm_option_format(&hm_opt, id, out);
    return true;
}

HM_COLD int hm_option_set(const char *name, const char *value)
{
    enum hm_option_id id = hm_option_find(name, strlen(name));
    struct hm_options next;

    if (id == HM_OPTION_COUNT)
        return ENOENT;
    if (hm_option_table[id].when != HM_OPTION_LIVE)
        return EPERM;
    if (!hm_option_parse(&next, id, value, strlen(value), NULL))
        return EINVAL;
    if (id == HM_OPT_tls_cache_max && next.tls_cache_max < hm_opt.tls_cache_min)
        return EINVAL;
    hm_option_copy(&hm_opt, &next, id);
    hm_conf_origin_set(id);
    return 0;
}
