/* SPDX-License-Identifier: MIT */
/* conf: sections that are about some processes only, [app:…] and [secure]. */
#include "conf_load.h"

static const char *load_as(const char *text, const char *exe, const char *execfn)
{
    struct hm_sys_start start = {.page_size = 4096, .exe = exe, .execfn = execfn};

    return load_start(text, &start);
}

/* Whether a section with this pattern counts. */
static bool matches(const char *pattern, const char *exe, const char *execfn)
{
    char text[256];

    snprintf(text, sizeof text, "[app:%s]\nshards = 7\n", pattern);
    assert_string_equal(load_as(text, exe, execfn), "");
    return hm_opt.shards == 7;
}

static void a_name_is_that_of_the_file_or_of_what_was_executed(void **state)
{
    (void)state;
    assert_true(matches("python3", "/usr/bin/python3.11", "/usr/bin/python3"));
    assert_true(matches("python3.11", "/usr/bin/python3.11", "/usr/bin/python3"));
    assert_true(matches("python3", "/usr/bin/python3.11", "python3"));
    assert_true(matches("python3", "/usr/bin/python3.11", "../bin/python3"));
    assert_true(matches("python3", "/python3", NULL));
    assert_false(matches("python", "/usr/bin/python3.11", "/usr/bin/python3"));
    assert_false(matches("python3", "/usr/bin/xpython3", NULL));
    assert_false(matches("Python3", "/usr/bin/python3", NULL));
    assert_false(matches("bin", "/usr/bin/python3", NULL));
    assert_false(matches("cat", "/bin/dog", NULL));
}

static void a_path_is_matched_whole(void **state)
{
    (void)state;
    assert_true(matches("/usr/bin/cat", "/usr/bin/cat", NULL));
    assert_true(matches("/usr/bin/cat", "/usr/bin/busybox", "/usr/bin/cat"));
    assert_false(matches("/bin/cat", "/usr/bin/cat", "cat"));
    assert_false(matches("/cat", "/usr/bin/cat", "./cat"));
    assert_false(matches("/", "/usr/bin/cat", NULL));
    assert_true(matches("/opt/a b/db", "/opt/a b/db", NULL));
}

static void wildcards_stay_within_a_part_of_the_path(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {
        {"*", "/usr/bin/cat", true},
        {"c*t", "/usr/bin/cat", true},
        {"c*t", "/usr/bin/ct", true},
        {"c?t", "/usr/bin/ct", false},
        {"c?t", "/usr/bin/cat", true},
        {"c??t", "/usr/bin/cat", false},
        {"?", "/usr/bin/cat", false},
        {"ca", "/usr/bin/cat", false},
        {"cat?", "/usr/bin/cat", false},
        {"cat*", "/usr/bin/cat", true},
        {"***c***", "/usr/bin/cat", true},
        {"*a*b*c", "/x/aabbabcbc", true},
        {"*a*b*c", "/x/aabbabcbd", false},
        {"*ab", "/x/aaab", true},
        {"/usr/*/cat", "/usr/bin/cat", true},
        {"/usr/*/cat", "/usr/local/bin/cat", false},
        {"/usr/*/*/cat", "/usr/local/bin/cat", true},
        {"/usr*cat", "/usr/bin/cat", false},
        {"/usr?bin/cat", "/usr/bin/cat", false},
        {"/*/*b/*", "/usr/abb/x", true},
        {"/usr/bin/*", "/usr/bin/cat", true},
        {"/usr/*", "/usr/bin/cat", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (matches(cases[i].pattern, cases[i].path, NULL) != cases[i].matches)
            fail_msg("[app:%s] and %s", cases[i].pattern, cases[i].path);
    }
}

/* 2^n attempts, were every star tried with every length. */
static void many_wildcards_take_no_time(void **state)
{
    char pattern[201], path[400] = "/";

    (void)state;
    for (int i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[200] = '\0';
    memset(path + 1, 'a', 398);
    path[399] = '\0';
    assert_true(matches(pattern, path, NULL));
    path[398] = 'b';
    assert_false(matches(pattern, path, NULL));
}

static void the_running_executable_is_found(void **state)
{
    char path[1024], text[1200];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);

    (void)state;
    assert_true(len > 0);
    path[len] = '\0';
    snprintf(text, sizeof text, "[app:%s]\nshards = 7\n", path);
    assert_string_equal(load_as(text, NULL, NULL), "");
    assert_int_equal(hm_opt.shards, 7);
    assert_string_equal(load_as("[app:nosuch]\nshards = 7\n", NULL, NULL), "");
    assert_int_equal(hm_opt.shards, 0);
}

static void a_section_picks_a_profile_and_overrides_options(void **state)
{
    const char *text = "shards = 1\nprewarm = 1\n"
                       "[app:cat]\nprofile = mine\nshards = 2\n"
                       "[app:dog]\nprofile = throughput\nshards = 3\n"
                       "[profile mine]\ninherits = low-memory\nshards = 4\n"
                       "empty_reserve = 4\n";

    (void)state;
    assert_string_equal(load_as(text, "/bin/cat", NULL), "");
    assert_string_equal(hm_conf_profile(), "mine");
    assert_string_equal(origin("profile"), "[app:cat] at text:4");
    assert_string_equal(value("shards"), "2");
    assert_string_equal(ORIGIN(shards), "[app:cat] at text:5");
    assert_string_equal(value("prewarm"), "1");
    assert_string_equal(value("empty_reserve"), "4");
    assert_string_equal(value("thp"), "never");
    assert_string_equal(load_as(text, "/bin/cow", NULL), "");
    assert_string_equal(hm_conf_profile(), "default");
    assert_string_equal(value("shards"), "1");
}

/* Wherever they stand: a section for the executable is about less than the top level. */
static void
a_section_counts_above_the_top_level_and_the_last_section_above_all(void **state)
{
    const char *text = "profile = throughput\nshards = 1\n"
                       "[app:c*]\nprofile = high-contention\nshards = 2\nprewarm = 2\n"
                       "[app:cat]\nshards = 3\n";

    (void)state;
    assert_string_equal(load_as(text, "/bin/cat", NULL), "");
    assert_string_equal(hm_conf_profile(), "high-contention");
    assert_string_equal(value("shards"), "3");
    assert_string_equal(value("prewarm"), "2");
}

static void the_environment_counts_above_a_section(void **state)
{
    const char *envp[] = {"HAKMEM_PROFILE=throughput", "HAKMEM_OPTIONS=shards=9", NULL};
    struct hm_sys_start start = {
        .envp = (char **)(void *)envp, .page_size = 4096, .exe = "/bin/cat"};

    (void)state;
    assert_string_equal(
        load_start("[app:cat]\nprofile = low-memory\nshards = 2\nprewarm = 2\n", &start),
        "");
    assert_string_equal(hm_conf_profile(), "throughput");
    assert_string_equal(value("shards"), "9");
    assert_string_equal(value("prewarm"), "2");
}

static void what_is_wrong_in_a_section_is_said(void **state)
{
    (void)state;
    assert_string_equal(
        load_as("[app:cat]\nprofile = none\nshards = x\ninherits = default\n", "/bin/cat",
                NULL),
        "hakmem: text:2:11: unknown profile \"none\", expected one of default, "
        "throughput, low-memory, high-contention, hardened; using default\n"
        "hakmem: text:3:10: shards: \"x\" is not a whole number, expected a whole number "
        "from 0 to 256; using 0\n"
        "hakmem: text:4:1: \"inherits\" is not in a profile's section, expected it in "
        "one; ignored\n");
    assert_string_equal(
        load_as("[app:cat]\nprofile = none\nshards = x\n", "/bin/dog", NULL),
        "hakmem: text:2:11: unknown profile \"none\", expected one of default, "
        "throughput, low-memory, high-contention, hardened; ignored\n"
        "hakmem: text:3:10: shards: \"x\" is not a whole number, expected a whole number "
        "from 0 to 256; ignored\n");
    assert_string_equal(
        load_as("[app:]\n[app: a/b ]\n[app cat]\n", "/bin/cat", NULL),
        "hakmem: text:1:6: \"\" is not an executable, expected its name, or its path "
        "from / on; * and ? are wildcards; ignored\n"
        "hakmem: text:2:7: \"a/b\" is not an executable, expected its name, or its path "
        "from / on; * and ? are wildcards; ignored\n"
        "hakmem: text:3:1: \"[app cat]\" is not a section, expected [profile NAME], "
        "[app:NAME] or [secure]; ignored\n");
}

/* An executable and a profile of the same name have nothing to do with each other. */
static void a_pattern_is_no_profile(void **state)
{
    (void)state;
    load_as("profile = cat\n[app:cat]\nshards = 2\n", "/bin/cat", NULL);
    assert_string_equal(hm_conf_profile(), "default");
    load_as("[app:default]\nshards = 2\n[app:secure]\nshards = 3\n", "/bin/cat", NULL);
    assert_string_equal(value("shards"), "0");
    load_as("profile = secure\n[profile secure]\nprewarm = 2\n[secure]\nshards = 3\n",
            "/bin/cat", NULL);
    assert_string_equal(value("prewarm"), "2");
    assert_string_equal(value("shards"), "0");
}

static void a_long_pattern_is_shown_by_its_end(void **state)
{
    char text[400] = "[app:/", path[300] = "/";

    (void)state;
    memset(text + 6, 'a', 200);
    strcpy(text + 206, "z]\nshards = 2\n");
    memset(path + 1, 'a', 200);
    strcpy(path + 201, "z");
    assert_string_equal(load_as(text, path, NULL), "");
    assert_string_equal(ORIGIN(shards),
                        "[app:...aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                        "aaaaaaaaaaaaaaaaaaz] at text:2");
}

/* ---- Secure processes ----------------------------------------------------------------
 */

static const char *const secure_text = "profile = low-memory\nshards = 1\n"
                                       "[secure]\nprofile = high-contention\nshards = 2\n"
                                       "[app:su]\nprofile = throughput\nshards = 3\n"
                                       "prewarm = 3\n";

static void secure_sections_count_for_secure_processes_only(void **state)
{
    struct hm_sys_start start = {.page_size = 4096, .secure = true, .exe = "/bin/su"};

    (void)state;
    load_start(secure_text, &start);
    assert_string_equal(hm_conf_profile(), "high-contention");
    assert_string_equal(origin("profile"), "[secure] at text:4");
    assert_string_equal(value("shards"), "2");
    assert_string_equal(ORIGIN(shards), "[secure] at text:5");
    assert_string_equal(value("prewarm"), "3");
    start.secure = false;
    load_start(secure_text, &start);
    assert_string_equal(hm_conf_profile(), "throughput");
    assert_string_equal(value("shards"), "3");
}

/* Whoever starts the process chooses that name. */
static void the_name_that_was_executed_has_no_say_in_a_secure_process(void **state)
{
    struct hm_sys_start start = {
        .page_size = 4096, .secure = true, .exe = "/bin/su", .execfn = "/tmp/cat"};

    (void)state;
    load_start("[app:cat]\nshards = 2\n[app:/tmp/cat]\nshards = 2\n", &start);
    assert_string_equal(value("shards"), "0");
    load_start("[app:su]\nshards = 2\n", &start);
    assert_string_equal(value("shards"), "2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_that_of_the_file_or_of_what_was_executed),
        cmocka_unit_test(a_path_is_matched_whole),
        cmocka_unit_test(wildcards_stay_within_a_part_of_the_path),
        cmocka_unit_test(many_wildcards_take_no_time),
        cmocka_unit_test(the_running_executable_is_found),
        cmocka_unit_test(a_section_picks_a_profile_and_overrides_options),
        cmocka_unit_test(
            a_section_counts_above_the_top_level_and_the_last_section_above_all),
        cmocka_unit_test(the_environment_counts_above_a_section),
        cmocka_unit_test(what_is_wrong_in_a_section_is_said),
        cmocka_unit_test(a_pattern_is_no_profile),
        cmocka_unit_test(a_long_pattern_is_shown_by_its_end),
        cmocka_unit_test(secure_sections_count_for_secure_processes_only),
        cmocka_unit_test(the_name_that_was_executed_has_no_say_in_a_secure_process),
    };

    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    return RUN_TESTS(tests);
}
