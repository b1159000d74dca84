/* SPDX-License-Identifier: MIT */
/* conf: which files are read, in which order, and which are refused. Each test has a
 * directory of its own in the place of SYSCONFDIR. */
#include "support.h"
#include "capture.h"

#include "conf.h"
#include "conf_origin.h"
#include "conf_source.h"
#include "os.h"
#include <limits.h>
#include <sys/stat.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#define IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define IS_SANITIZED false
#endif

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/hakmem-conf-XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, 512, "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text, size_t len)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static void put(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static void make_conf_d(void)
{
    assert_int_equal(mkdir(path_of("hakmem.conf.d"), 0755), 0);
}

static const char *load_as(uint32_t owner, bool secure, const char *e1, const char *e2)
{
    const char *envp[] = {e1, e2, NULL};
    struct hm_sys_start start = {
        .envp = (char **)(void *)envp, .secure = secure, .page_size = 4096};
    struct capture c = capture_begin();

    hm_conf_load_from(&start, &(struct hm_conf_dirs){dir, path_of("apps.d"), owner});
    return capture_end(c);
}

static void comes_from(enum hm_option_id id, const char *expected)
{
    char buf[HM_CONF_ORIGIN_MAX];
    struct hm_text t;

    hm_text_init(&t, buf, sizeof buf, -1);
    hm_conf_origin_put(id, &t);
    hm_text_flush(&t);
    assert_string_equal(buf, expected);
}

static const char *load(void)
{
    return load_as(geteuid(), false, NULL, NULL);
}

static const char *load_named(const char *path)
{
    char variable[1024];

    snprintf(variable, sizeof variable, "HAKMEM_CONF=%s", path);
    return load_as(geteuid(), false, variable, NULL);
}

/* What was said is this line about a file in the directory. */
static void said_of(const char *said, const char *name, const char *rest)
{
    char line[1024];

    snprintf(line, sizeof line, "hakmem: %s%s\n", path_of(name), rest);
    assert_string_equal(said, line);
}

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

static void files_of_other_owners_are_refused(void **state)
{
    char rest[128];

    (void)state;
    put("hakmem.conf", "shards = 2\n");
    snprintf(rest, sizeof rest, ":1:1: owned by user %u, expected user %u; file ignored",
             geteuid(), geteuid() + 1);
    said_of(load_as(geteuid() + 1, false, NULL, NULL), "hakmem.conf", rest);
    assert_int_equal(hm_opt.shards, 0);
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

static void an_empty_hakmem_conf_means_no_file(void **state)
{
    (void)state;
    put("hakmem.conf", "shards = 2\n");
    assert_string_equal(load_named(""), "");
    assert_int_equal(hm_opt.shards, 0);
    assert_string_equal(load_named("/dev/null"), "");
    assert_int_equal(hm_opt.shards, 0);
}

static void a_hakmem_conf_that_cannot_be_read_is_mentioned(void **state)
{
    (void)state;
    put("hakmem.conf", "shards = 2\n");
    said_of(load_named(path_of("none")), "none",
            ":1:1: no such file, expected a readable file; file ignored");
    assert_int_equal(hm_opt.shards, 0); /* not the system's files either */
    said_of(load_named(path_of("hakmem.conf/x")), "hakmem.conf/x",
            ":1:1: a part of the path is not a directory, expected a readable file; file "
            "ignored");
}

static void only_regular_files_are_read(void **state)
{
    (void)state;
    said_of(load_named(path_of("")), "",
            ":1:1: not a regular file, expected one; file ignored");
    assert_int_equal(mkfifo(path_of("hakmem.conf"), 0600), 0);
    said_of(load(), "hakmem.conf",
            ":1:1: not a regular file, expected one; file ignored");
    said_of(load_named(path_of("hakmem.conf")), "hakmem.conf",
            ":1:1: not a regular file, expected one; file ignored");
    assert_string_equal(load_named("/dev/zero"),
                        "hakmem: /dev/zero:1:1: not a regular file, "
                        "expected one; file ignored\n");
}

static void symbolic_links_are_followed_but_not_for_ever(void **state)
{
    (void)state;
    put("real", "shards = 2\n");
    assert_int_equal(symlink("real", path_of("hakmem.conf")), 0);
    assert_string_equal(load(), "");
    assert_int_equal(hm_opt.shards, 2);
    unlink(path_of("hakmem.conf"));
    assert_int_equal(symlink("hakmem.conf", path_of("hakmem.conf")), 0);
    said_of(load(), "hakmem.conf",
            ":1:1: too many symbolic links, expected a readable file; file ignored");
}

static void files_have_a_largest_size(void **state)
{
    static char text[64 * 1024 + 1];

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 64 == 63 ? '\n' : '#';
    memcpy(text + 64 * 1024 - 64, "\nshards = 2\n#", 13);
    write_file("hakmem.conf", text, sizeof text - 1);
    assert_string_equal(load(), "");
    assert_int_equal(hm_opt.shards, 2);
    write_file("hakmem.conf", text, sizeof text);
    said_of(load(), "hakmem.conf",
            ":1:1: larger than 64K, expected at most that; file ignored");
    assert_int_equal(hm_opt.shards, 0);
}

/* However many and long the names: none is lost, none runs into another. Each file is
 * called by a path longer than what is shown of it. */
static void every_option_can_come_from_a_file_of_its_own(void **state)
{
    char long_dir[200];
    struct hm_sys_start start = {.page_size = 4096};

    (void)state;
    memset(long_dir, '/', sizeof long_dir);
    strcpy(long_dir + sizeof long_dir - strlen(dir) - 1, dir);
    make_conf_d();
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        const struct hm_option_info *info = &hm_option_table[id];
        char name[64], text[256];

        snprintf(name, sizeof name, "hakmem.conf.d/%02d.conf", id);
        snprintf(text, sizeof text,
                 "profile = a-name-as-long-as-it-can-be-%d\n"
                 "[profile a-name-as-long-as-it-can-be-%d]\n%s = %s\n"
                 "inherits = a-name-as-long-as-it-can-be-%d\n",
                 id + 10, id + 10, info->name, info->def, id > 0 ? id + 9 : 10);
        if (id == 0)
            strcpy(strstr(text, "inherits"), "# the first\n");
        put(name, text);
    }
    hm_conf_load_from(&start, &(struct hm_conf_dirs){long_dir, long_dir, geteuid()});
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        char path[512], expected[HM_CONF_ORIGIN_MAX];

        snprintf(path, sizeof path, "%s/hakmem.conf.d/%02d.conf", long_dir, id);
        snprintf(expected, sizeof expected,
                 "profile a-name-as-long-as-it-can-be-%d at ...%s:3", id + 10,
                 path + strlen(path) - HM_CONF_NAME_SHOWN);
        comes_from(id, expected);
    }
}

static void garbage_is_mentioned_once(void **state)
{
    static char text[4096];
    struct rng r = rng_seed(1);

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)rng_next(&r);
    text[0] = 'x';
    text[1] = '\0';
    write_file("hakmem.conf", text, sizeof text);
    said_of(load(), "hakmem.conf",
            ":1:2: control character 0x0, expected text; file ignored");
}

static void unreadable_files_are_mentioned(void **state)
{
    (void)state;
    NEED(geteuid() != 0, "a user other than root");
    put("hakmem.conf", "shards = 2\n");
    chmod(path_of("hakmem.conf"), 0);
    said_of(load(), "hakmem.conf",
            ":1:1: permission denied, expected a readable file; file ignored");
}

static void a_long_path_is_shown_by_its_end(void **state)
{
    char path[600];
    const char *said;

    (void)state;
    memset(path, '/', sizeof path);
    strcpy(path + 400, "no/such/file");
    said = load_named(path);
    assert_ptr_equal(strstr(said, "hakmem: ...///"), said);
    assert_non_null(strstr(said, "/no/such/file:1:1: no such file, expected"));
    assert_true(strlen(said) < 250);
}

static void a_long_sysconfdir_is_no_trouble(void **state)
{
    struct hm_sys_start start = {.page_size = 4096};
    char path[600];
    struct capture c;

    (void)state;
    memset(path, '/', sizeof path);
    path[599] = '\0';
    c = capture_begin();
    hm_conf_load_from(&start, &(struct hm_conf_dirs){path, path, 0});
    assert_non_null(strstr(capture_end(c), "too long a path"));
}

static void a_secure_process_reads_the_systems_files_alone(void **state)
{
    char variable[512];

    (void)state;
    put("hakmem.conf", "shards = 2\nnonsense\n");
    put("mine", "shards = 3\n");
    snprintf(variable, sizeof variable, "HAKMEM_CONF=%s", path_of("mine"));
    assert_string_equal(load_as(geteuid(), true, variable, "HAKMEM_PROFILE=low-memory"),
                        "");
    assert_int_equal(hm_opt.shards, 2);
    assert_string_equal(hm_conf_profile(), "default");
    /* Silent even about files that it refuses. */
    assert_string_equal(load_as(geteuid() + 1, true, NULL, NULL), "");
    assert_int_equal(hm_opt.shards, 0);
}

static unsigned count_open_files(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void nothing_is_left_behind(void **state)
{
    const unsigned files = count_open_files();
    uint64_t maps;

    (void)state;
    make_conf_d();
    put("hakmem.conf", "shards = 2\n");
    put("hakmem.conf.d/a.conf", "shards = 2\ninclude = ../hakmem.conf\ninclude = x\n");
    put("hakmem.conf.d/b.conf", "\001");
    mkdir(path_of("hakmem.conf.d/c.conf"), 0755);
    load();
    assert_int_equal(count_open_files(), files);
    maps = hm_load_relaxed(&hm_os_counts.mmap) - hm_load_relaxed(&hm_os_counts.munmap);
    assert_int_equal(maps, 0);
}

static void *load_in_thread(void *arg)
{
    const struct hm_sys_start *start = arg;

    hm_conf_load_from(start, &(struct hm_conf_dirs){dir, path_of("apps.d"), geteuid()});
    return NULL;
}

/* The first malloc of a process may come from a thread with the smallest stack there is;
 * musl's would not hold a printf. */
#define STACK_MIN hm_max(PTHREAD_STACK_MIN, 16 * HM_KIB)
static void loading_takes_little_stack(void **state)
{
    const char *envp[] = {"HAKMEM_PROFILE=none", "HAKMEM_OPTIONS=shards=x,y=z", NULL};
    struct hm_sys_start start = {.envp = (char **)(void *)envp, .page_size = 4096};
    pthread_attr_t attr;
    pthread_t thread;
    struct capture c;

    (void)state;
    NEED(!IS_SANITIZED, "the stack frames of a build without sanitizers");
    make_conf_d();
    put("hakmem.conf", "refill_target = 64:128 1K\n[profile default]\nprewarm = x\n");
    put("hakmem.conf.d/a.conf", "shards = 3\n");
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, STACK_MIN), 0);
    c = capture_begin();
    assert_int_equal(pthread_create(&thread, &attr, load_in_thread, &start), 0);
    pthread_join(thread, NULL);
    assert_non_null(strstr(capture_end(c), "HAKMEM_OPTIONS:1:10: unknown option \"y\""));
    pthread_attr_destroy(&attr);
    assert_int_equal(hm_opt.shards, 3);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

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
        IN_DIR(files_of_other_owners_are_refused),
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
        IN_DIR(an_empty_hakmem_conf_means_no_file),
        IN_DIR(a_hakmem_conf_that_cannot_be_read_is_mentioned),
        IN_DIR(only_regular_files_are_read),
        IN_DIR(symbolic_links_are_followed_but_not_for_ever),
        IN_DIR(files_have_a_largest_size),
        IN_DIR(every_option_can_come_from_a_file_of_its_own),
        IN_DIR(garbage_is_mentioned_once),
        IN_DIR(unreadable_files_are_mentioned),
        IN_DIR(a_long_path_is_shown_by_its_end),
        IN_DIR(a_long_sysconfdir_is_no_trouble),
        IN_DIR(a_secure_process_reads_the_systems_files_alone),
        IN_DIR(nothing_is_left_behind),
        IN_DIR(loading_takes_little_stack),
    };

    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    return RUN_TESTS(tests);
}
