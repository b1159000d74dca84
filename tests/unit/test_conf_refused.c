/* SPDX-License-Identifier: MIT */
/* conf: which files are refused, and what is said then; what reading takes. */
#include "conf_dir.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#define IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define IS_SANITIZED false
#endif

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(files_of_other_owners_are_refused),
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
