/* SPDX-License-Identifier: MIT */
/* conf: what is wrong in a text or in the environment is said in one line with its place,
 * and the process runs on with the value before. */
#include "conf_load.h"

#include "conf_report.h"
#include "fail.h"

#define SECTIONS "[profile NAME], [app:NAME] or [secure]"

static void every_syntax_error_is_one_line(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"shards\n", "1:1: \"shards\" has no \"=\", expected key = value; ignored"},
        {"\n  foo bar # x\n",
         "2:3: \"foo bar\" has no \"=\", expected key = value; ignored"},
        {" = 5\n", "1:2: \"= 5\" has no key, expected key = value; ignored"},
        {"[profile]\n",
         "1:1: \"[profile]\" is not a section, expected " SECTIONS "; ignored"},
        {"[]\n", "1:1: \"[]\" is not a section, expected " SECTIONS "; ignored"},
        {"[\n", "1:1: \"[\" is not a section, expected " SECTIONS "; ignored"},
        {"[profile x\n",
         "1:1: \"[profile x\" is not a section, expected " SECTIONS "; ignored"},
        {"[profile x] y\n",
         "1:1: \"[profile x] y\" is not a section, expected " SECTIONS "; ignored"},
        {"[profilex]\n",
         "1:1: \"[profilex]\" is not a section, expected " SECTIONS "; ignored"},
        {"[Profile x]\n",
         "1:1: \"[Profile x]\" is not a section, expected " SECTIONS "; ignored"},
        {"[profile a b]\n",
         "1:10: \"a b\" is not a profile's name, expected 1 to 31 letters, "
         "digits, - or _; ignored"},
        {"[profile a.b]\n",
         "1:10: \"a.b\" is not a profile's name, expected 1 to 31 letters, "
         "digits, - or _; ignored"},
        {"[profile 01234567890123456789012345678901]\n",
         "1:10: \"01234567890123456789012345678901\" is not a profile's name, expected 1 "
         "to "
         "31 letters, digits, - or _; ignored"},
        {"inherits = throughput\n",
         "1:1: \"inherits\" is not in a profile's section, expected it in one; ignored"},
        {"[profile x]\nprofile = y\n", "2:1: \"profile\" is in a profile's section, "
                                       "expected it before the first section, "
                                       "or in one of [app:NAME]; ignored"},
        {"[profile x]\n inherits = a b\n", "2:13: \"a b\" is not a profile's name, "
                                           "expected 1 to 31 letters, digits, - or _; "
                                           "ignored"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char said[512];

        snprintf(said, sizeof said, "hakmem: text:%s\n", cases[i].said);
        assert_string_equal(load(cases[i].text), said);
        assert_string_equal(hm_conf_profile(), "default");
        assert_string_equal(value("shards"), "0");
    }
}

static void the_longest_name_is_a_name(void **state)
{
    (void)state;
    assert_string_equal(load("profile = 0123456789012345678901234567890\n"
                             "[profile 0123456789012345678901234567890]\nshards = 4\n"),
                        "");
    assert_string_equal(hm_conf_profile(), "0123456789012345678901234567890");
    assert_string_equal(value("shards"), "4");
}

static void lines_below_a_broken_header_do_not_count_for_another_section(void **state)
{
    (void)state;
    assert_string_equal(
        load("profile = a\n[profile a]\nshards = 1\n[profil b]\nshards = 2\n"
             "nonsense\n[profile a]\nprewarm = 3\n"),
        "hakmem: text:4:1: \"[profil b]\" is not a section, expected " SECTIONS
        "; ignored\n");
    assert_string_equal(value("shards"), "1");
    assert_string_equal(value("prewarm"), "3");
}

static void unknown_options_are_named_with_the_nearest(void **state)
{
    (void)state;
    assert_string_equal(
        load("super_slab_size = 1M\n"),
        "hakmem: text:1:1: unknown option \"super_slab_size\", expected one "
        "of hakmem.conf(5) (did you mean superslab_size?); ignored\n");
    assert_string_equal(
        load("\n\n  wholly-other = 1M\n"),
        "hakmem: text:3:3: unknown option \"wholly-other\", expected one of "
        "hakmem.conf(5); ignored\n");
}

static void other_keys_profiles_and_values_are_guessed_too(void **state)
{
    static const struct {
        const char *text, *guess;
    } cases[] = {
        {"profil = x\n", "(did you mean profile?)"},
        {"includes = x\n", "(did you mean include?)"},
        {"[profile a]\ninherit = b\n", "(did you mean inherits?)"},
        {"profile = trougput\n",
         "low-memory, high-contention, hardened (did you mean throughput?)"},
        {"profile = min\n[profile main]\n[profile mine]\n", "(did you mean main?)"},
        {"profile = a\n[profile a]\ninherits=low-memroy\n", "(did you mean low-memory?)"},
        {"thp = nevr\n", "never, inherit or advise (did you mean never?); using inherit"},
        {"on_error = abrt\n", "(did you mean abort?); using warn"},
        {"page_purge = yess\n", "yes or no (did you mean yes?); using no"},
        {"page_purge = of\n", "(did you mean off?)"},
    };
    static const char *const texts[] = {"nothing = 1\n",     "profile = nosuchone\n",
                                        "thp = sometimes\n", "thp =\n",
                                        "page_purge = 2\n",  "shards = x\n"};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *said = load(cases[i].text);

        if (strstr(said, cases[i].guess) == NULL)
            fail_msg("%s: %s", cases[i].text, said);
    }
    for (size_t i = 0; i < COUNT(texts); i++) {
        const char *said = load(texts[i]);

        if (said[0] == '\0' || strstr(said, "did you mean") != NULL)
            fail_msg("%s: %s", texts[i], said);
    }
}

static void lines_have_a_longest_length(void **state)
{
    char text[2100];

    (void)state;
    memset(text, '#', sizeof text);
    text[1024] = '\n';
    strcpy(text + 1025, "shards = 2\n");
    assert_string_equal(load(text), "");
    memset(text, '#', 1026);
    text[1025] = '\n';
    strcpy(text + 1026, "shards = 3\n");
    assert_string_equal(load(text),
                        "hakmem: text:1:1025: \"########################################"
                        "...\" is too long a line, expected at most 1024 characters; "
                        "ignored\n");
    assert_string_equal(value("shards"), "3");
    memset(text, ' ', 1026);
    memcpy(text, "[profile x]", 11);
    strcpy(text + 1026, "\nshards = 4\n[profile y]\n");
    load(text);
    assert_string_equal(value("shards"), "0"); /* it belongs to no section */
}

static void binary_files_are_refused_once(void **state)
{
    struct hm_sys_start start = {.page_size = 4096};
    static const char text[] = "shards = 2\nab\0cd\0\0\nprewarm = 3\n";
    struct capture c = capture_begin();

    (void)state;
    hm_conf_load_text(&start, text, sizeof text - 1);
    assert_string_equal(
        capture_end(c),
        "hakmem: text:2:3: control character 0x0, expected text; file ignored\n");
    assert_string_equal(value("shards"), "0");
    assert_string_equal(load("\x7f"
                             "ELF\n"),
                        "hakmem: text:1:1: control character 0x7f, expected text; file "
                        "ignored\n");
}

static void a_flood_of_errors_ends(void **state)
{
    char text[64 * 4 + 1] = "";
    const char *said;
    unsigned lines = 0;

    (void)state;
    for (int i = 0; i < 64; i++)
        strcat(text, "foo\n");
    said = load(text);
    for (const char *p = said; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, HM_CONF_ERRORS_SHOWN + 1);
    assert_non_null(strstr(said,
                           "hakmem: text:20:1: 20 errors, expected none; lines below "
                           "not checked\n"));
}

/* ---- Values --------------------------------------------------------------------------
 */

static void an_invalid_value_leaves_the_previous_one_in_force(void **state)
{
    static const struct {
        const char *text, *said, *option, *value;
    } cases[] = {
        {"superslab_size = 2M\nsuperslab_size = 3M\n",
         "2:18: superslab_size: \"3M\" is not a power of two, expected a power of two "
         "from "
         "512K to 32M; using 2M",
         "superslab_size", "2M"},
        {"bigcache_bytes = 2T",
         "1:18: bigcache_bytes: \"2T\" is too large, expected a size "
         "from 0 to 1T, as in 64K or 2M, or a percentage; using 256M",
         "bigcache_bytes", "256M"},
        {"trim_interval = 500",
         "1:17: trim_interval: \"500\" has no unit, expected a time "
         "from 0 to 1h, as in 500ms or 10s; using 200ms",
         "trim_interval", "200ms"},
        {"shards = many",
         "1:10: shards: \"many\" is not a whole number, expected a whole "
         "number from 0 to 256; using 0",
         "shards", "0"},
        {"shards =",
         "1:9: shards: \"\" is not a whole number, expected a whole number from "
         "0 to 256; using 0",
         "shards", "0"},
        {"page_purge = perhaps",
         "1:14: page_purge: \"perhaps\" is neither yes nor no, "
         "expected yes or no; using no",
         "page_purge", "no"},
        {"thp = always",
         "1:7: thp: \"always\" is not one of its values, expected never, "
         "inherit or advise; using inherit",
         "thp", "inherit"},
        {"refill_target = 64:1 32:1",
         "1:22: refill_target: \"32:1\" is not above the size before it, expected at "
         "most 8 "
         "ascending pairs size:count, counts from 1 to 2048, as in 64:128 1K:32; using "
         "64:64 256:32 1K:16 4K:4 32K:2",
         "refill_target", "64:64 256:32 1K:16 4K:4 32K:2"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char said[512];

        snprintf(said, sizeof said, "hakmem: text:%s\n", cases[i].said);
        assert_string_equal(load(cases[i].text), said);
        assert_string_equal(value(cases[i].option), cases[i].value);
    }
}

static void an_invalid_value_falls_back_to_the_ancestors(void **state)
{
    (void)state;
    assert_string_equal(
        load("profile = mine\n[profile mine]\ninherits = low-memory\n"
             "empty_reserve = none\n"),
        "hakmem: text:4:17: empty_reserve: \"none\" is not a whole number, "
        "expected a whole number from 0 to 1024; using 0\n");
    assert_string_equal(ORIGIN(empty_reserve), "profile low-memory");
}

static void sections_that_are_not_in_force_are_checked_too(void **state)
{
    (void)state;
    assert_string_equal(
        load("[profile mine]\nshards = x\n"),
        "hakmem: text:2:10: shards: \"x\" is not a whole number, expected a "
        "whole number from 0 to 256; ignored\n");
}

static void errors_in_hakmem_options_have_a_column(void **state)
{
    (void)state;
    assert_string_equal(
        load_env("",
                 "HAKMEM_OPTIONS=shards=4,prewarm=2000,sharts=1,oops,"
                 "shards=300",
                 NULL, NULL),
        "hakmem: HAKMEM_OPTIONS:1:18: prewarm: \"2000\" is too large, "
        "expected a whole number from 0 to 1024; using 0\n"
        "hakmem: HAKMEM_OPTIONS:1:23: unknown option \"sharts\", expected "
        "one of hakmem.conf(5) (did you mean shards?); ignored\n"
        "hakmem: HAKMEM_OPTIONS:1:32: \"oops\" has no \"=\", expected key = "
        "value; ignored\n"
        "hakmem: HAKMEM_OPTIONS:1:44: shards: \"300\" is too large, expected "
        "a whole number from 0 to 256; using 4\n");
    assert_string_equal(value("shards"), "4");
    assert_string_equal(
        load_env("", "HAKMEM_OPTIONS=profile=throughput", NULL, NULL),
        "hakmem: HAKMEM_OPTIONS:1:1: unknown option \"profile\", expected "
        "one of hakmem.conf(5); ignored\n");
}

static void contradicting_bounds_are_reconciled(void **state)
{
    (void)state;
    assert_string_equal(
        load_env("tls_cache_min = 64\n", "HAKMEM_OPTIONS=tls_cache_max=32", NULL, NULL),
        "hakmem: text:1: tls_cache_min 64 is above tls_cache_max 32 (HAKMEM_OPTIONS), "
        "expected at most that; using 32\n");
    assert_string_equal(value("tls_cache_min"), "32");
    assert_string_equal(value("tls_cache_max"), "32");
    assert_string_equal(ORIGIN(tls_cache_min), "HAKMEM_OPTIONS");
}

/* ---- on_error ------------------------------------------------------------------------
 */

static void mistakes_can_be_ignored(void **state)
{
    (void)state;
    assert_string_equal(load_env("nonsense\non_error = ignore\nshards = 2\n",
                                 "HAKMEM_PROFILE=nosuch", "HAKMEM_NONSENSE=1",
                                 "HAKMEM_OPTIONS=prewarm=x"),
                        "");
    assert_string_equal(value("shards"), "2");
    assert_string_equal(load("[profile a]\non_error = ignore\n[app:a]\non_error=ignore\n"
                             "nonsense\n"),
                        "hakmem: text:5:1: \"nonsense\" has no \"=\", expected key = "
                        "value; ignored\n");
    /* From the first block on, warnings are warnings again. */
    load("on_error = ignore\n");
    struct capture c = capture_begin();
    hm_warn("later");
    assert_string_equal(capture_end(c), "hakmem: later\n");
}

static void load_here(void *start)
{
    const char *text = "prewarm = 1\n\non_error = abort\nnonsense\n";

    hm_conf_load_text(start, text, strlen(text));
}

static void mistakes_can_end_the_process(void **state)
{
    const char *envp[] = {"HAKMEM_OPTIONS=shards=x", NULL};
    struct hm_sys_start start = {.envp = (char **)(void *)envp, .page_size = 4096};
    struct outcome out = in_child(load_here, &start);

    (void)state;
    assert_true(WIFSIGNALED(out.status) && WTERMSIG(out.status) == SIGABRT);
    assert_string_equal(
        out.err, "hakmem: text:4:1: \"nonsense\" has no \"=\", expected key = value; "
                 "ignored\n"
                 "hakmem: HAKMEM_OPTIONS:1:8: shards: \"x\" is not a whole number, "
                 "expected a whole number from 0 to 256; using 0\n"
                 "hakmem: 2 mistakes in the configuration, expected none; on_error is "
                 "abort (text:3)\n");
    start.secure = true; /* says no more than why it ends */
    out = in_child(load_here, &start);
    assert_true(WIFSIGNALED(out.status) && WTERMSIG(out.status) == SIGABRT);
    assert_string_equal(out.err, "hakmem: 1 mistake in the configuration, expected "
                                 "none; on_error is abort (text:3)\n");
}

static void without_a_mistake_nothing_ends(void **state)
{
    (void)state;
    assert_string_equal(
        load_env("?nosuch = 1\n", "HAKMEM_OPTIONS=on_error=abort", NULL, NULL), "");
    assert_string_equal(ORIGIN(on_error), "HAKMEM_OPTIONS");
}

/* ---- Broken choices ------------------------------------------------------------------
 */

#define SHIPPED "default, throughput, low-memory, high-contention, hardened"

static void an_unknown_profile_names_the_known_ones(void **state)
{
    (void)state;
    assert_string_equal(
        load_env("profile = low-memory\n[profile mine]\n", "HAKMEM_PROFILE=fast", NULL,
                 NULL),
        "hakmem: HAKMEM_PROFILE:1:1: unknown profile \"fast\", expected one of " SHIPPED
        ", mine; using low-memory\n");
    assert_string_equal(hm_conf_profile(), "low-memory");
    assert_string_equal(
        load("profile = throughput\nprofile = slow\n"),
        "hakmem: text:2:11: unknown profile \"slow\", expected one of " SHIPPED
        "; using throughput\n");
    assert_string_equal(hm_conf_profile(), "throughput");
}

static void a_long_list_of_profiles_is_cut(void **state)
{
    char text[2048] = "";

    (void)state;
    for (int i = 0; i < 40; i++)
        sprintf(text + strlen(text), "[profile a-rather-long-name-number-%d]\n", i % 20);
    const char *said = load_env(text, "HAKMEM_PROFILE=none", NULL, NULL);
    assert_non_null(strstr(said, "a-rather-long-name-number-6, ...; using default\n"));
}

static void an_unknown_parent_means_default(void **state)
{
    (void)state;
    assert_string_equal(
        load_env("shards = 2\n[profile mine]\nprewarm = 3\n"
                 "inherits = thruput\n[profile default]\nempty_reserve = 9\n",
                 "HAKMEM_PROFILE=mine", NULL, NULL),
        "hakmem: text:4:12: unknown profile \"thruput\", expected one "
        "of " SHIPPED ", mine; using profile default\n");
    assert_string_equal(hm_conf_profile(), "default");
    assert_string_equal(value("prewarm"), "0");
    assert_string_equal(value("shards"), "2");
    assert_string_equal(value("empty_reserve"), "9");
}

static void a_cycle_means_default(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"[profile a]\ninherits = a\n", "2:12: profile \"a\""},
        {"[profile a]\ninherits = b\n[profile b]\ninherits = a\n", "4:12: profile \"a\""},
        {"[profile a]\ninherits = b\n[profile b]\ninherits = c\n[profile c]\ninherits = "
         "b\n",
         "4:12: profile \"c\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char said[256];

        snprintf(said, sizeof said,
                 "hakmem: text:%s inherits from itself, expected no cycle; using profile "
                 "default\n",
                 cases[i].said);
        assert_string_equal(load_env(cases[i].text, "HAKMEM_PROFILE=a", NULL, NULL),
                            said);
        assert_string_equal(hm_conf_profile(), "default");
    }
    /* As long as nobody picks them, nobody minds. */
    assert_string_equal(load(cases[1].text), "");
}

static void a_broken_default_leaves_the_table(void **state)
{
    (void)state;
    assert_string_equal(
        load("[profile default]\nshards = 2\nprewarm = x\ninherits = default\n"),
        "hakmem: text:4:12: profile \"default\" inherits from itself, "
        "expected no cycle; using the built-in defaults\n"
        "hakmem: text:3:11: prewarm: \"x\" is not a whole number, expected a "
        "whole number from 0 to 1024; ignored\n");
    assert_string_equal(hm_conf_profile(), "default");
    assert_string_equal(value("shards"), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_syntax_error_is_one_line),
        cmocka_unit_test(the_longest_name_is_a_name),
        cmocka_unit_test(lines_below_a_broken_header_do_not_count_for_another_section),
        cmocka_unit_test(unknown_options_are_named_with_the_nearest),
        cmocka_unit_test(other_keys_profiles_and_values_are_guessed_too),
        cmocka_unit_test(lines_have_a_longest_length),
        cmocka_unit_test(binary_files_are_refused_once),
        cmocka_unit_test(a_flood_of_errors_ends),
        cmocka_unit_test(an_invalid_value_leaves_the_previous_one_in_force),
        cmocka_unit_test(an_invalid_value_falls_back_to_the_ancestors),
        cmocka_unit_test(sections_that_are_not_in_force_are_checked_too),
        cmocka_unit_test(errors_in_hakmem_options_have_a_column),
        cmocka_unit_test(contradicting_bounds_are_reconciled),
        cmocka_unit_test(mistakes_can_be_ignored),
        cmocka_unit_test(mistakes_can_end_the_process),
        cmocka_unit_test(without_a_mistake_nothing_ends),
        cmocka_unit_test(an_unknown_profile_names_the_known_ones),
        cmocka_unit_test(a_long_list_of_profiles_is_cut),
        cmocka_unit_test(an_unknown_parent_means_default),
        cmocka_unit_test(a_cycle_means_default),
        cmocka_unit_test(a_broken_default_leaves_the_table),
    };

    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    return RUN_TESTS(tests);
}
