/* SPDX-License-Identifier: MIT */
/* conf: what texts and environment variables make of the options. What is said about
 * wrong ones: test_conf_errors. Files and directories: test_conf_files. */
#include "conf_load.h"

#include "profiles_builtin.h"

/* ---- Profiles ------------------------------------------------------------------------
 */

static void assert_the_table_counts(void)
{
    assert_string_equal(hm_conf_profile(), "default");
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        assert_string_equal(value(hm_option_table[id].name), hm_option_table[id].def);
        assert_string_equal(origin(hm_option_table[id].name), "built-in");
    }
}

static void without_any_text_the_table_counts(void **state)
{
    (void)state;
    assert_string_equal(load(""), "");
    assert_the_table_counts();
}

/* Then not even the profile default is read: it would have to say something, which is
 * what the test above would find. */
static void without_any_file_the_table_counts(void **state)
{
    char *envp[] = {NULL};
    const struct hm_sys_start start = {.envp = envp};
    const struct hm_conf_dirs nowhere = {"/nonexistent", "/nonexistent", 0};

    (void)state;
    assert_string_equal(load("profile = throughput\nshards = 3\n!page_purge = yes\n"), "");
    hm_conf_load_from(&start, &nowhere);
    assert_the_table_counts();
    assert_string_equal(origin("profile"), "built-in");
}

/* I1 of profiles_builtin.h. */
static void assert_one_section(const struct hm_profile_builtin *p)
{
    struct hm_conf_reader reader;
    struct hm_conf_item item;
    unsigned sections = 0;

    hm_conf_reader_init(&reader, HM_CONF_FILE, p->text, p->len);
    while (hm_conf_read(&reader, &item)) {
        assert_int_equal(item.scope, HM_CONF_PROFILE);
        assert_true(hm_span_equal(item.section, hm_span_of(p->name)));
        sections += item.kind == HM_CONF_SECTION;
    }
    assert_int_equal(sections, 1);
}

static void builtin_profiles_are_in_order(void **state)
{
    (void)state;
    assert_true(hm_profiles_builtin_count >= 4);
    for (size_t i = 0; i < hm_profiles_builtin_count; i++) {
        const struct hm_profile_builtin *p = &hm_profiles_builtin[i];
        char choice[64];

        assert_int_equal(strlen(p->text), p->len);
        assert_one_section(p);
        assert_string_equal(load(p->text), ""); /* as a file it would be checked */
        snprintf(choice, sizeof choice, "HAKMEM_PROFILE=%s", p->name);
        assert_string_equal(load_env("", choice, NULL, NULL), "");
        assert_string_equal(hm_conf_profile(), p->name);
    }
}

static void the_environment_picks_a_profile(void **state)
{
    (void)state;
    assert_string_equal(load_env("", "HAKMEM_PROFILE=low-memory", NULL, NULL), "");
    assert_string_equal(hm_conf_profile(), "low-memory");
    assert_string_equal(value("superslab_size"), "512K");
    assert_string_equal(ORIGIN(superslab_size), "profile low-memory");
    assert_string_equal(ORIGIN(prewarm), "built-in");
}

static void the_top_level_picks_the_machines_profile(void **state)
{
    const char *text = "profile = throughput\nprofile = mine\n[profile mine]\nshards=3\n";

    (void)state;
    assert_string_equal(load(text), "");
    assert_string_equal(hm_conf_profile(), "mine");
    assert_string_equal(value("shards"), "3");
    assert_string_equal(ORIGIN(shards), "profile mine at text:4");
    assert_string_equal(load_env(text, "HAKMEM_PROFILE=default", NULL, NULL), "");
    assert_string_equal(hm_conf_profile(), "default");
    assert_string_equal(load_env(text, "HAKMEM_PROFILE=", NULL, NULL), "");
    assert_string_equal(hm_conf_profile(), "mine");
}

static void a_section_amends_a_profile(void **state)
{
    (void)state;
    load_env("[profile throughput]\nshards = 5\n[profile other]\nshards = 6\n"
             "[profile throughput]\nshards = 7\nprewarm = 2\n",
             "HAKMEM_PROFILE=throughput", NULL, NULL);
    assert_string_equal(value("shards"), "7");
    assert_string_equal(ORIGIN(shards), "profile throughput at text:6");
    assert_string_equal(value("prewarm"), "2");
    assert_string_equal(value("superslab_size"), "4M"); /* the rest stays */
    assert_string_equal(ORIGIN(superslab_size), "profile throughput");
}

static void a_profile_without_parent_starts_from_the_table(void **state)
{
    (void)state;
    load_env("[profile default]\nshards = 5\n[profile mine]\nprewarm = 1\n",
             "HAKMEM_PROFILE=mine", NULL, NULL);
    assert_string_equal(value("shards"), "0");
    assert_string_equal(value("prewarm"), "1");
}

static void a_child_overrides_its_ancestors_wherever_they_stand(void **state)
{
    (void)state;
    load_env("[profile c]\ninherits = b\nshards = 1\n"
             "[profile b]\ninherits = throughput\nshards = 2\nprewarm = 2\n"
             "[profile throughput]\nshards = 3\nprewarm = 3\nempty_reserve = 3\n",
             "HAKMEM_PROFILE=c", NULL, NULL);
    assert_string_equal(value("shards"), "1");
    assert_string_equal(value("prewarm"), "2");
    assert_string_equal(value("empty_reserve"), "3");
    assert_string_equal(value("superslab_size"), "4M");
    assert_string_equal(ORIGIN(empty_reserve), "profile throughput at text:11");
}

static void the_last_inherits_counts(void **state)
{
    (void)state;
    load_env("[profile c]\ninherits = throughput\ninherits = low-memory\n",
             "HAKMEM_PROFILE=c", NULL, NULL);
    assert_string_equal(value("superslab_size"), "512K");
    assert_string_equal(value("thp"), "never");
}

/* Profile pN inherits p(N-1) … p0; every one sets one of four options. */
static void ancestry_has_no_fixed_depth(void **state)
{
    static char text[65536];
    size_t at = 0;
    const int depth = 900;

    (void)state;
    for (int i = 0; i <= depth; i++)
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "[profile p%d]\ninherits = p%d\nprewarm = %d\n", i,
                               i > 0 ? i - 1 : 0, i % 1000);
    memcpy(strstr(text, "inherits = p0"), "             ", 13); /* p0 has no parent */
    memcpy(strstr(text, "             "), "# first      ", 13);
    assert_string_equal(load_env(text, "HAKMEM_PROFILE=p900", NULL, NULL), "");
    assert_string_equal(value("prewarm"), "900");
}

static void the_top_level_goes_on_top_of_any_profile(void **state)
{
    const char *text = "superslab_size = 2M\nprewarm = 1\nprewarm = 2\n"
                       "[profile low-memory]\nsuperslab_size = 1M\nprewarm = 3\n";

    (void)state;
    load_env(text, "HAKMEM_PROFILE=low-memory", NULL, NULL);
    assert_string_equal(value("superslab_size"), "2M");
    assert_string_equal(ORIGIN(superslab_size), "text:1");
    assert_string_equal(value("prewarm"), "2");
    assert_string_equal(ORIGIN(prewarm), "text:3");
}

static void hakmem_options_goes_on_top_of_everything(void **state)
{
    const char *said = load_env("shards = 1\n",
                                "HAKMEM_OPTIONS= shards = 2 ,trim_interval=5s,,"
                                "refill_target=64:8 1K:4,shards=3,",
                                "HAKMEM_PROFILE=low-memory", NULL);

    (void)state;
    assert_string_equal(said, "");
    assert_string_equal(value("shards"), "3");
    assert_string_equal(ORIGIN(shards), "HAKMEM_OPTIONS");
    assert_string_equal(value("trim_interval"), "5s");
    assert_string_equal(value("refill_target"), "64:8 1K:4");
    assert_string_equal(value("thp"), "never");
    assert_string_equal(ORIGIN(thp), "profile low-memory");
}

static void the_choice_of_the_profile_has_an_origin(void **state)
{
    const char *text = "profile = throughput\nprofile = none\n";

    (void)state;
    load("");
    assert_string_equal(origin("profile"), "built-in");
    load(text);
    assert_string_equal(origin("profile"), "text:1");
    load_env(text, "HAKMEM_PROFILE=low-memory", NULL, NULL);
    assert_string_equal(origin("profile"), "HAKMEM_PROFILE");
    load_env(text, "HAKMEM_PROFILE=nosuch", NULL, NULL);
    assert_string_equal(origin("profile"), "text:1");
    load("profile = mine\n[profile mine]\ninherits = nosuch\n"); /* so it is default */
    assert_string_equal(origin("profile"), "built-in");
}

/* ---- Grammar -------------------------------------------------------------------------
 */

static void space_comments_and_line_ends_do_not_matter(void **state)
{
    const char *said = load_env("# comment = 1\r\n\r\n  \t\n"
                                "\t[ profile   a-B_9 ]\t# why\r\n"
                                "  shards=9# nine\n"
                                "prewarm\t = \t8\r\n"
                                "trim_interval = 3s",
                                "HAKMEM_PROFILE=a-B_9", NULL, NULL);

    (void)state;
    assert_string_equal(said, "");
    assert_string_equal(value("shards"), "9");
    assert_string_equal(value("prewarm"), "8");
    assert_string_equal(value("trim_interval"), "3s");
}

static void comments_may_be_in_any_language(void **state)
{
    (void)state;
    assert_string_equal(load("# für später – 後で\nshards = 2 # zwei Stück, « oui »\n"),
                        "");
    assert_string_equal(value("shards"), "2");
}

static void a_locked_option_is_not_for_the_environment(void **state)
{
    const char *text = "!shards = 2\n! prewarm = 3\nempty_reserve = 4\n";

    (void)state;
    assert_string_equal(
        load_env(text, "HAKMEM_OPTIONS=shards=9,prewarm=9,empty_reserve=9", NULL, NULL),
        "hakmem: HAKMEM_OPTIONS:1:1: shards is locked, expected it to be left to text:1, "
        "locked; ignored\n"
        "hakmem: HAKMEM_OPTIONS:1:10: prewarm is locked, expected it to be left to "
        "text:2, locked; ignored\n");
    assert_string_equal(value("shards"), "2");
    assert_string_equal(ORIGIN(shards), "text:1, locked");
    assert_string_equal(value("prewarm"), "3");
    assert_string_equal(value("empty_reserve"), "9");
    assert_string_equal(load(text), "");
}

/* What locks, locks, whether or not its value is the one that counts. */
static void files_may_set_what_is_locked(void **state)
{
    (void)state;
    load_env("!shards = 2\nshards = 3\n", "HAKMEM_OPTIONS=shards=9", NULL, NULL);
    assert_string_equal(value("shards"), "3");
    assert_string_equal(ORIGIN(shards), "text:2, locked");
    load_env("profile = c\n[profile c]\ninherits = b\nshards = 3\n"
             "[profile b]\n!shards = 2\n!prewarm = many\n",
             "HAKMEM_OPTIONS=shards=9,prewarm=9", NULL, NULL);
    assert_string_equal(value("shards"), "3");
    assert_string_equal(value("prewarm"), "0");
    assert_string_equal(ORIGIN(prewarm), "built-in, locked");
}

static void sections_that_do_not_count_lock_nothing(void **state)
{
    (void)state;
    assert_string_equal(load_env("[profile a]\n!shards = 2\n[app:nosuch]\n!shards = 3\n"
                                 "[secure]\n!shards = 4\n",
                                 "HAKMEM_OPTIONS=shards=9", NULL, NULL),
                        "");
    assert_string_equal(value("shards"), "9");
}

static void a_locked_profile_is_not_for_the_environment(void **state)
{
    (void)state;
    assert_string_equal(
        load_env("!profile = low-memory\n", "HAKMEM_PROFILE=throughput", NULL, NULL),
        "hakmem: HAKMEM_PROFILE:1:1: profile is locked, expected it to be left to "
        "text:1, locked; ignored\n");
    assert_string_equal(hm_conf_profile(), "low-memory");
    assert_string_equal(
        load_env("!profile = low-memory\n", "HAKMEM_PROFILE=low-memory", NULL, NULL), "");
    load_env("!profile = nosuch\n", "HAKMEM_PROFILE=throughput", NULL, NULL);
    assert_string_equal(hm_conf_profile(), "default");
}

static void only_options_and_the_profile_can_be_locked(void **state)
{
    (void)state;
    assert_string_equal(
        load("[profile a]\n!inherits = default\n"),
        "hakmem: text:2:1: \"inherits\" cannot be locked, expected it without the "
        "\"!\"; ignored\n");
    assert_string_equal(load_env("", "HAKMEM_OPTIONS=!shards=2", NULL, NULL),
                        "hakmem: HAKMEM_OPTIONS:1:1: unknown option \"!shards\", "
                        "expected one of hakmem.conf(5) (did you mean shards?); "
                        "ignored\n");
}

static void an_unknown_option_may_be_optional(void **state)
{
    (void)state;
    assert_string_equal(load_env("?nosuch = 1\n!?nosuch = 1\n? shards = 2\n",
                                 "HAKMEM_OPTIONS=?nosuch=1,?prewarm=3", NULL, NULL),
                        "");
    assert_string_equal(value("shards"), "2");
    assert_string_equal(value("prewarm"), "3");
    assert_string_equal(
        load("?shards = many\n?!nosuch = 1\n? = 3\n"),
        "hakmem: text:1:11: shards: \"many\" is not a whole number, expected a whole "
        "number from 0 to 256; using 0\n"
        "hakmem: text:3:1: \"? = 3\" has no key, expected key = value; ignored\n");
}

static char long_value[5000];

/* ---- Environment ---------------------------------------------------------------------
 */

static void unknown_variables_are_named_with_the_nearest(void **state)
{
    (void)state;
    assert_string_equal(
        load_env("", "HAKMEM_PROFIL=throughput", "HAKMEM_SOMETHING=else", "HAKMEM=1"),
        "hakmem: environment:1:1: unknown variable \"HAKMEM_PROFIL\", expected "
        "HAKMEM_PROFILE, HAKMEM_CONF or HAKMEM_OPTIONS (did you mean HAKMEM_PROFILE?); "
        "ignored\n"
        "hakmem: environment:1:1: unknown variable \"HAKMEM_SOMETHING\", expected "
        "HAKMEM_PROFILE, HAKMEM_CONF or HAKMEM_OPTIONS; ignored\n");
    assert_string_equal(hm_conf_profile(), "default");
}

static void the_first_of_two_equal_variables_counts(void **state)
{
    (void)state;
    load_env("", "HAKMEM_PROFILE=throughput", "HAKMEM_PROFILE=low-memory", NULL);
    assert_string_equal(hm_conf_profile(), "throughput");
}

static void over_long_values_are_refused(void **state)
{
    (void)state;
    strcpy(long_value, "HAKMEM_OPTIONS=shards=2,");
    memset(long_value + strlen(long_value), ' ', 4096 - strlen("shards=2,"));
    assert_string_equal(load_env("", long_value, NULL, NULL), "");
    assert_string_equal(value("shards"), "2");
    long_value[strlen(long_value)] = ' ';
    assert_string_equal(
        load_env("", long_value, NULL, NULL),
        "hakmem: HAKMEM_OPTIONS:1:1: longer than 4K, expected at most that; ignored\n");
    assert_string_equal(value("shards"), "0");
    memset(long_value, 0, sizeof long_value);
}

static void a_missing_environment_is_an_empty_one(void **state)
{
    struct hm_sys_start start = {.envp = NULL, .page_size = 4096};

    (void)state;
    hm_conf_load_text(&start, "shards = 2", 10);
    assert_string_equal(value("shards"), "2");
}

static void a_secure_process_ignores_the_environment_in_silence(void **state)
{
    const char *envp[] = {"HAKMEM_PROFILE=low-memory", "HAKMEM_OPTIONS=shards=7,x",
                          "HAKMEM_NONSENSE=1", NULL};
    struct hm_sys_start start = {
        .envp = (char **)(void *)envp, .secure = true, .page_size = 4096};
    const char *text = "prewarm = 5\nnonsense\n";
    struct capture c = capture_begin();

    (void)state;
    hm_conf_load_text(&start, text, strlen(text));
    assert_string_equal(capture_end(c), "");
    assert_string_equal(hm_conf_profile(), "default");
    assert_string_equal(value("shards"), "0");
    assert_string_equal(value("prewarm"), "5");
}

/* A process whose only malloc is ours. */
static void a_process_without_another_malloc_stays_enabled(void **state)
{
    const char *env[] = {"HAKMEM_OPTIONS=enabled=no", NULL};
    struct hm_sys_start start = {
        .envp = (char **)(void *)env, .page_size = 4096, .no_next = true};

    (void)state;
    assert_string_equal(
        load_start("!shards = 2\n", &start),
        "hakmem: HAKMEM_OPTIONS: enabled is no, expected yes where no other malloc is "
        "within reach (a static program, or not glibc); using yes\n");
    assert_string_equal(value("enabled"), "yes");
    assert_string_equal(ORIGIN(enabled), "built-in");
    start.no_next = false;
    assert_string_equal(load_start("", &start), "");
    assert_string_equal(value("enabled"), "no");
    assert_string_equal(ORIGIN(enabled), "HAKMEM_OPTIONS");
}

/* ---- hm_option_get, hm_option_set ----------------------------------------------------
 */

static void live_options_can_be_set(void **state)
{
    struct hm_text t;
    char buf[8];

    (void)state;
    load("tls_cache_min = 32\n");
    assert_int_equal(hm_option_set("trim_interval", "250ms"), 0);
    assert_string_equal(value("trim_interval"), "250ms");
    assert_int_equal(HM_LIVE(trim_interval), 250);
    assert_string_equal(ORIGIN(trim_interval), "hakmem_option_set");
    assert_int_equal(hm_option_set("refill_target", "128:9"), 0);
    assert_int_equal(hm_sizemap_get(&hm_opt.refill_target, 5), 9);
    assert_int_equal(hm_option_set("page_purge", "on"), 0);
    assert_string_equal(value("page_purge"), "yes");

    assert_int_equal(hm_option_set("trim_intervals", "1s"), ENOENT);
    assert_int_equal(hm_option_set("shards", "1"), EPERM);
    assert_int_equal(hm_option_set("shards", "nonsense"), EPERM);
    assert_int_equal(hm_option_set("trim_interval", "2h"), EINVAL);
    assert_string_equal(value("trim_interval"), "250ms");
    assert_int_equal(hm_option_set("tls_cache_max", "31"), EINVAL);
    assert_int_equal(hm_option_set("tls_cache_max", "32"), 0);

    hm_text_init(&t, buf, sizeof buf, -1);
    assert_false(hm_option_get("nonsense", &t));
    assert_int_equal(t.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_any_text_the_table_counts),
        cmocka_unit_test(without_any_file_the_table_counts),
        cmocka_unit_test(builtin_profiles_are_in_order),
        cmocka_unit_test(the_environment_picks_a_profile),
        cmocka_unit_test(the_top_level_picks_the_machines_profile),
        cmocka_unit_test(a_section_amends_a_profile),
        cmocka_unit_test(a_profile_without_parent_starts_from_the_table),
        cmocka_unit_test(a_child_overrides_its_ancestors_wherever_they_stand),
        cmocka_unit_test(the_last_inherits_counts),
        cmocka_unit_test(ancestry_has_no_fixed_depth),
        cmocka_unit_test(the_top_level_goes_on_top_of_any_profile),
        cmocka_unit_test(hakmem_options_goes_on_top_of_everything),
        cmocka_unit_test(the_choice_of_the_profile_has_an_origin),
        cmocka_unit_test(space_comments_and_line_ends_do_not_matter),
        cmocka_unit_test(comments_may_be_in_any_language),
        cmocka_unit_test(a_locked_option_is_not_for_the_environment),
        cmocka_unit_test(files_may_set_what_is_locked),
        cmocka_unit_test(sections_that_do_not_count_lock_nothing),
        cmocka_unit_test(a_locked_profile_is_not_for_the_environment),
        cmocka_unit_test(only_options_and_the_profile_can_be_locked),
        cmocka_unit_test(an_unknown_option_may_be_optional),
        cmocka_unit_test(unknown_variables_are_named_with_the_nearest),
        cmocka_unit_test(the_first_of_two_equal_variables_counts),
        cmocka_unit_test(over_long_values_are_refused),
        cmocka_unit_test(a_missing_environment_is_an_empty_one),
        cmocka_unit_test(a_secure_process_ignores_the_environment_in_silence),
        cmocka_unit_test(a_process_without_another_malloc_stays_enabled),
        cmocka_unit_test(live_options_can_be_set),
    };

    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    return RUN_TESTS(tests);
}
