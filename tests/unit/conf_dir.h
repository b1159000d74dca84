/* SPDX-License-Identifier: MIT */
/* conf_dir: a directory in the place of SYSCONFDIR for each test, and loading from it. */
#ifndef HM_TEST_CONF_DIR_H
#define HM_TEST_CONF_DIR_H

#include "capture.h"
#include "support.h"

#include "conf.h"
#include "conf_origin.h"
#include "conf_source.h"
#include "os.h"
#include <limits.h>
#include <sys/stat.h>

static char dir[64];

static UNUSED int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/hakmem-conf-XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static UNUSED int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static UNUSED const char *path_of(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, 512, "%s/%s", dir, name);
    return path;
}

static UNUSED void write_file(const char *name, const char *text, size_t len)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static UNUSED void put(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static UNUSED void make_conf_d(void)
{
    assert_int_equal(mkdir(path_of("hakmem.conf.d"), 0755), 0);
}

static UNUSED const char *load_as(uint32_t owner, bool secure, const char *e1, const char *e2)
{
    const char *envp[] = {e1, e2, NULL};
    struct hm_sys_start start = {
        .envp = (char **)(void *)envp, .secure = secure, .page_size = 4096};
    struct capture c = capture_begin();

    hm_conf_load_from(&start, &(struct hm_conf_dirs){dir, path_of("apps.d"), owner});
    return capture_end(c);
}

static UNUSED void comes_from(enum hm_option_id id, const char *expected)
{
    char buf[HM_CONF_ORIGIN_MAX];
    struct hm_text t;

    hm_text_init(&t, buf, sizeof buf, -1);
    hm_conf_origin_put(id, &t);
    hm_text_flush(&t);
    assert_string_equal(buf, expected);
}

static UNUSED const char *load(void)
{
    return load_as(geteuid(), false, NULL, NULL);
}

static UNUSED const char *load_named(const char *path)
{
    char variable[1024];

    snprintf(variable, sizeof variable, "HAKMEM_CONF=%s", path);
    return load_as(geteuid(), false, variable, NULL);
}

/* What was said is this line about a file in the directory. */
static UNUSED void said_of(const char *said, const char *name, const char *rest)
{
    char line[1024];

    snprintf(line, sizeof line, "hakmem: %s%s\n", path_of(name), rest);
    assert_string_equal(said, line);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

#endif
