/* SPDX-License-Identifier: MIT */
/* conf: which files are read, and in which order. What is refused, and at what cost:
 * test_conf_refused. */
#include "conf_dir.h"

static void missing_files_are_not_mentioned(void **state)
{
    (void)state;
    assert_string_equal(load(), "");
    make_conf_d();
    assert_string_equal(load(), "");
    assert_string_equal(hm_conf_profile(), "default");
}

static void the_systems_file_counts(void **state)
{
    char origin[128];

    (void)state;
    put("hakmem.conf", "profile = mine\n\n[profile mine]\nshards = 2\n");
    assert_string_equal(load(), "");
    assert_string_equal(hm_conf_profile(), "mine");
    assert_int_equal(hm_opt.shards, 2);
    snprintf(origin, sizeof origin, "profile mine at %s:4", path_of("hakmem.conf"));
    comes_from(HM_OPT_shards, origin);
}

static void an_empty_file_is_in_order(void **state)
{
    (void)state;
    put("hakmem.conf", "");
    assert_string_equal(load(), "");
    assert_string_equal(load_named(path_of("hakmem.conf")), "");
}

static void the_directorys_files_follow_in_the_order_of_their_names(void **state)
{
    char origin[128];

    (void)state;
    make_conf_d();
    put("hakmem.conf", "shards = 1\nprewarm = 1\nrefill_start = 1\nempty_reserve = 1\n");
    put("hakmem.conf.d/b.conf", "prewarm = 3\nrefill_start = 3\nempty_reserve = 3\n");
    put("hakmem.conf.d/Z.conf", "prewarm = 2\nrefill_start = 2\nempty_reserve = 2\n");
    put("hakmem.conf.d/c.conf", "empty_reserve = 4\n");
    assert_string_equal(load(), "");
    assert_int_equal(hm_opt.shards, 1);
    assert_int_equal(hm_opt.prewarm, 3);
    assert_int_equal(hm_opt.refill_start, 3);
    assert_int_equal(hm_opt.empty_reserve, 4);
    snprintf(origin, sizeof origin, "%s:1", path_of("hakmem.conf.d/c.conf"));
    comes_from(HM_OPT_empty_reserve, origin);
}

static void only_names_in_conf_count(void **state)
{
    (void)state;
    make_conf_d();
    put("hakmem.conf.d/a.conf~", "nonsense\n");
    put("hakmem.conf.d/.hidden.conf", "nonsense\n");
    put("hakmem.conf.d/.conf", "nonsense\n");
    put("hakmem.conf.d/README", "nonsense\n");
    put("hakmem.conf.d/a.conf.dpkg-old", "nonsense\n");
    put("hakmem.conf.d/x.conf", "shards = 6\n");
    assert_string_equal(load(), "");
    assert_int_equal(hm_opt.shards, 6);
}

static void a_profile_can_span_files(void **state)
{
    (void)state;
    make_conf_d();
    put("hakmem.conf.d/10.conf", "[profile mine]\ninherits = low-memory\nshards = 3\n");
    put("hakmem.conf.d/20.conf", "profile = mine\n[profile mine]\nprewarm = 2\n");
    assert_string_equal(load(), "");
    assert_string_equal(hm_conf_profile(), "mine");
    assert_int_equal(hm_opt.shards, 3);
    assert_int_equal(hm_opt.prewarm, 2);
    assert_int_equal(hm_opt.thp, HM_THP_NEVER);
}

/* Created in an order that is not that of the names. */
static void the_first_64_names_of_a_directory_count(void **state)
{
    (void)state;
    make_conf_d();
    for (int i = 0; i < 80; i++) {
        char name[64], text[64];
        int number = i * 37 % 80;

        snprintf(name, sizeof name, "hakmem.conf.d/%03d.conf", number);
        snprintf(text, sizeof text, "prewarm = %d\n", number);
        put(name, text);
    }
    said_of(load(), "hakmem.conf.d",
            ":1:1: more than 64 files, expected at most as many; "
            "using those up to 063.conf");
    assert_int_equal(hm_opt.prewarm, 63);
}

static void exactly_64_files_are_not_too_many(void **state)
{
    (void)state;
    make_conf_d();
    for (int i = 0; i < 64; i++) {
        char name[64];

        snprintf(name, sizeof name, "hakmem.conf.d/%03d.conf", 63 - i);
        put(name, "prewarm = 1\n");
    }
    assert_string_equal(load(), "");
    assert_int_equal(hm_opt.prewarm, 1);
}

static void hakmem_conf_replaces_the_systems_files(void **state)
{
    (void)state;
    make_conf_d();
    put("hakmem.conf", "shards = 2\n");
    put("hakmem.conf.d/x.conf", "prewarm = 2\n");
    put("mine", "refill_start = 2\n");
    assert_string_equal(load_named(path_of("mine")), "");
    assert_int_equal(hm_opt.shards, 0);
    assert_int_equal(hm_opt.prewarm, 0);
    assert_int_equal(hm_opt.refill_start, 2);
}

static void hakmem_conf_cannot_undo_a_lock(void **state)
{
    char line[1024];

    (void)state;
    put("hakmem.conf", "prewarm = 1\n!shards = 2\n");
    put("mine", "shards = 3\nprewarm = 3\n");
    snprintf(line, sizeof line,
             "hakmem: HAKMEM_CONF:1:1: the system's files lock \"shards\", expected no "
             "other file than %s:2; ignored\n",
             path_of("hakmem.conf"));
    assert_string_equal(load_named(path_of("mine")), line);
    assert_int_equal(hm_opt.shards, 2);
    assert_int_equal(hm_opt.prewarm, 1);
    assert_string_equal(load_named("/dev/null"), line);
    assert_int_equal(hm_opt.shards, 2);
}

static void an_included_file_counts_where_the_line_is(void **state)
{
    char origin[256];

    (void)state;
    put("hakmem.conf", "shards = 1\nprewarm = 1\n"
                       "include = more # and more\n"
                       "prewarm = 3\n[profile default]\nrefill_start = 3\n");
    put("more", "shards = 2\nprewarm = 2\n[profile default]\nempty_reserve = 2\n"
                "refill_start = 2\n");
    assert_string_equal(load(), "");
    assert_int_equal(hm_opt.shards, 2);
    assert_int_equal(hm_opt.prewarm, 3);
    assert_int_equal(hm_opt.empty_reserve, 2);
    assert_int_equal(hm_opt.refill_start, 3);
    snprintf(origin, sizeof origin, "%s:1", path_of("more"));
    comes_from(HM_OPT_shards, origin);
    snprintf(origin, sizeof origin, "%s:4", path_of("hakmem.conf"));
    comes_from(HM_OPT_prewarm, origin);
    snprintf(origin, sizeof origin, "profile default at %s:6", path_of("hakmem.conf"));
    comes_from(HM_OPT_refill_start, origin);
}

static void includes_are_found_from_the_includer_on(void **state)
{
    char text[512];

    (void)state;
    make_conf_d();
    mkdir(path_of("sub"), 0755);
    put("hakmem.conf.d/x.conf", "include = ../sub/a\n");
    put("sub/a", "include = b\nshards = 2");
    snprintf(text, sizeof text, "include = %s", path_of("sub/c"));
    put("sub/b", text);
    put("sub/c", "shards = 3\nprewarm = 3\n");
    assert_string_equal(load(), "");
    assert_int_equal(hm_opt.shards, 2);
    assert_int_equal(hm_opt.prewarm, 3);
    assert_string_equal(load_named(path_of("sub/b")), "");
    assert_int_equal(hm_opt.shards, 3);
}

static void an_include_that_fails_is_mentioned_at_its_line(void **state)
{
    char rest[512];

    (void)state;
    put("hakmem.conf", "shards = 1\n include = none\n?include = none\nprewarm = 3\n");
    snprintf(rest, sizeof rest,
             ":2:12: %s: no such file, expected a readable file; ignored",
             path_of("none"));
    said_of(load(), "hakmem.conf", rest);
    assert_int_equal(hm_opt.prewarm, 3);
    put("hakmem.conf", "include =\nprewarm = 4\n");
    assert_non_null(strstr(load(), "/:1:1: not a regular file, expected one; file "));
    assert_int_equal(hm_opt.prewarm, 4);
    put("hakmem.conf", "[profile a]\ninclude = none\n");
    said_of(load(), "hakmem.conf",
            ":2:1: \"include\" is in a section, expected it before the first; ignored");
    put("hakmem.conf", "!include = none\n");
    assert_non_null(strstr(load(), ":1:1: \"include\" cannot be locked, expected it "));
}

static void an_included_file_belongs_to_root_as_well(void **state)
{
    (void)state;
    NEED(geteuid() == 0, "root, to give a file away");
    put("hakmem.conf", "include = more\n");
    put("more", "shards = 2\n");
    assert_int_equal(chown(path_of("more"), 1, 1), 0);
    said_of(load(), "more", ":1:1: owned by user 1, expected user 0; file ignored");
    assert_int_equal(hm_opt.shards, 0);
    assert_string_equal(load_named(path_of("hakmem.conf")), "");
    assert_int_equal(hm_opt.shards, 2);
}

static void includes_end(void **state)
{
    char rest[512];
    const char *said;

    (void)state;
    put("hakmem.conf", "include = b\nshards = 1\n");
    put("b", "include = hakmem.conf\nprewarm = 2\n");
    snprintf(rest, sizeof rest, ":1:11: %s: includes itself, expected no cycle; ignored",
             path_of("hakmem.conf"));
    said_of(load(), "b", rest);
    assert_int_equal(hm_opt.shards, 1);
    assert_int_equal(hm_opt.prewarm, 2);
    /* Each includes the next under two names: 2^20 files, if nobody counted. */
    for (int i = 0; i < 20; i++) {
        char name[16], text[64];

        snprintf(name, sizeof name, "c%d", i);
        snprintf(text, sizeof text, "include = c%d\ninclude = ./c%d\n", i + 1, i + 1);
        put(name, text);
    }
    put("c20", "empty_reserve = 5\n");
    put("hakmem.conf", "include = c0\n");
    said = load();
    assert_non_null(strstr(said, ": more than 64 included files, expected at most as "
                                 "many; ignored\n"));
    assert_int_equal(hm_opt.empty_reserve, 5);
}

static const char *load_exe(const char *execfn, const char *exe, bool secure)
{
    struct hm_sys_start start = {
        .page_size = 4096, .execfn = execfn, .exe = exe, .secure = secure};
    struct capture c = capture_begin();

    hm_conf_load_from(&start, &(struct hm_conf_dirs){dir, path_of("apps.d"), geteuid()});
    return capture_end(c);
}

static void a_vendors_file_is_found_by_the_name_that_was_executed(void **state)
{
    char origin[256];

    (void)state;
    mkdir(path_of("apps.d"), 0755);
    put("apps.d/python3.conf", "[app:python3*]\nprofile = throughput\nshards = 2\n");
    put("apps.d/other.conf", "nonsense\n");
    put("apps.d/.conf", "nonsense\n");
    assert_string_equal(load_exe("/usr/bin/python3", "/usr/bin/python3.11", false), "");
    assert_int_equal(hm_opt.shards, 2);
    assert_string_equal(hm_conf_profile(), "throughput");
    snprintf(origin, sizeof origin, "[app:python3*] at %s:3",
             path_of("apps.d/python3.conf"));
    comes_from(HM_OPT_shards, origin);
    load_exe("python3", "/x", false);
    assert_int_equal(hm_opt.shards, 2);
    assert_string_equal(load_exe("/usr/bin/python3.11", "/usr/bin/python3.11", false),
                        "");
    assert_int_equal(hm_opt.shards, 0);
    assert_string_equal(load_exe(NULL, "/usr/bin/python3", false), "");
    assert_int_equal(hm_opt.shards, 2);
    assert_string_equal(load_exe("/usr/bin/", "/", false), "");
    /* Of a secure process, the file's own. */
    load_exe("/tmp/python3", "/usr/bin/su", true);
    assert_int_equal(hm_opt.shards, 0);
    load_exe("/tmp/su", "/usr/bin/python3", true);
    assert_int_equal(hm_opt.shards, 2);
}

static void hakmem_conf_replaces_the_vendors_file_too(void **state)
{
    char variable[512];
    const char *envp[] = {variable, NULL};
    struct hm_sys_start start = {
        .page_size = 4096, .exe = "/bin/cat", .envp = (char **)(void *)envp};

    (void)state;
    mkdir(path_of("apps.d"), 0755);
    put("apps.d/cat.conf", "shards = 2\n");
    put("mine", "prewarm = 2\n");
    snprintf(variable, sizeof variable, "HAKMEM_CONF=%s", path_of("mine"));
    hm_conf_load_from(&start, &(struct hm_conf_dirs){dir, path_of("apps.d"), geteuid()});
    assert_int_equal(hm_opt.shards, 0);
    assert_int_equal(hm_opt.prewarm, 2);
}

/* Writes the vendor's and the machine's file, loads, and tells the value of shards. */
static uint32_t shards_of(struct hm_sys_start *start, const char *vendor,
                          const char *machine)
{
    put("apps.d/cat.conf", vendor);
    put("hakmem.conf", machine);
    hm_conf_load_from(start, &(struct hm_conf_dirs){dir, path_of("apps.d"), geteuid()});
    return hm_opt.shards;
}

/* The list of conf.h, from its end: what wins is taken away, and the next wins. */
static void what_counts_is_in_the_order_of_conf_h(void **state)
{
#define CHILD "[profile high-contention]\ninherits = throughput\n"
#define VENDOR_PROFILE "[profile high-contention]\nshards = 3\n"
#define VENDOR_TOP "shards = 4\n"
#define VENDOR_APP "[app:ca*]\nshards = 5\n"
#define VENDOR_SECURE "[secure]\nshards = 6\n"
#define PROFILE CHILD "shards = 7\n"
#define TOP "shards = 8\n"
#define APP "[app:ca*]\nshards = 9\n"
#define SECURE "[secure]\nshards = 10\n"
    const char *vendor = VENDOR_TOP VENDOR_PROFILE VENDOR_APP VENDOR_SECURE;
    const char *envp[] = {"HAKMEM_PROFILE=high-contention", "HAKMEM_OPTIONS=shards=11",
                          NULL};
    struct hm_sys_start start = {
        .page_size = 4096, .exe = "/bin/cat", .envp = (char **)(void *)envp};

    (void)state;
    mkdir(path_of("apps.d"), 0755);
    assert_int_equal(shards_of(&start, vendor, TOP PROFILE APP SECURE), 11);
    envp[1] = NULL;
    assert_int_equal(shards_of(&start, vendor, TOP PROFILE APP SECURE), 9);
    assert_int_equal(shards_of(&start, vendor, TOP PROFILE), 8);
    assert_int_equal(shards_of(&start, vendor, PROFILE), 5);
    assert_int_equal(shards_of(&start, VENDOR_TOP VENDOR_PROFILE, PROFILE), 4);
    assert_int_equal(shards_of(&start, VENDOR_PROFILE, PROFILE), 7);
    assert_int_equal(shards_of(&start, VENDOR_PROFILE, CHILD), 3);
    assert_int_equal(shards_of(&start, "", CHILD), 16); /* shipped */
    envp[0] = "HAKMEM_PROFILE=throughput";
    assert_int_equal(shards_of(&start, "",
                               "[profile throughput]\ninherits = "
                               "high-contention\n"),
                     16); /* an ancestor's */
    assert_int_equal(shards_of(&start, "", ""), 0);
    start.secure = true;
    assert_int_equal(shards_of(&start, vendor, TOP APP SECURE), 10);
    assert_int_equal(shards_of(&start, vendor, TOP), 8);
    assert_int_equal(shards_of(&start, vendor, ""), 6);
    assert_int_equal(shards_of(&start, VENDOR_TOP VENDOR_APP, ""), 5);
}

static void profiles_are_picked_in_the_same_order(void **state)
{
    (void)state;
    mkdir(path_of("apps.d"), 0755);
    put("apps.d/cat.conf", "profile = default\n[app:cat]\nprofile = low-memory\n");
    put("hakmem.conf", "profile = throughput\n[app:cat]\nprofile = high-contention\n");
    load_exe("cat", "/bin/cat", false);
    assert_string_equal(hm_conf_profile(), "high-contention");
    put("hakmem.conf", "profile = throughput\n");
    load_exe("cat", "/bin/cat", false);
    assert_string_equal(hm_conf_profile(), "throughput");
    put("hakmem.conf", "profile = nosuch\n");
    load_exe("cat", "/bin/cat", false);
    assert_string_equal(hm_conf_profile(), "low-memory");
    put("apps.d/cat.conf", "profile = high-contention\n");
    load_exe("cat", "/bin/cat", false);
    assert_string_equal(hm_conf_profile(), "high-contention");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(missing_files_are_not_mentioned),
        IN_DIR(the_systems_file_counts),
        IN_DIR(an_empty_file_is_in_order),
        IN_DIR(the_directorys_files_follow_in_the_order_of_their_names),
        IN_DIR(only_names_in_conf_count),
        IN_DIR(a_profile_can_span_files),
        IN_DIR(the_first_64_names_of_a_directory_count),
        IN_DIR(exactly_64_files_are_not_too_many),
        IN_DIR(hakmem_conf_replaces_the_systems_files),
        IN_DIR(hakmem_conf_cannot_undo_a_lock),
        IN_DIR(an_included_file_counts_where_the_line_is),
        IN_DIR(includes_are_found_from_the_includer_on),
        IN_DIR(an_include_that_fails_is_mentioned_at_its_line),
        IN_DIR(an_included_file_belongs_to_root_as_well),
        IN_DIR(includes_end),
        IN_DIR(a_vendors_file_is_found_by_the_name_that_was_executed),
        IN_DIR(hakmem_conf_replaces_the_vendors_file_too),
        IN_DIR(what_counts_is_in_the_order_of_conf_h),
        IN_DIR(profiles_are_picked_in_the_same_order),
    };

    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    return RUN_TESTS(tests);
}
