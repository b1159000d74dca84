/* SPDX-License-Identifier: MIT */
/* memlimit: the limit is that of the tightest control group around the process. */
#include "support.h"

#include "memlimit.h"
#include "os.h"
#include <sys/stat.h>

static char root[64];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/hakmem-limit-XXXXXX");
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* Writes a file and makes the directories that it is in. */
static void put(const char *name, const char *text)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void without_control_groups_it_is_the_machines_memory(void **state)
{
    (void)state;
    assert_int_equal(hm_memlimit_from(root), hm_os_memory());
    put("proc/self/cgroup", "");
    assert_int_equal(hm_memlimit_from(root), hm_os_memory());
    put("proc/self/cgroup", "nonsense\n:\n::\n0:\n0::\n0::/a/b\n3:cpu,memories:/\n");
    assert_int_equal(hm_memlimit_from(root), hm_os_memory());
}

static void version_2_has_the_lowest_limit_of_all_ancestors(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/a/b/c\n");
    put("sys/fs/cgroup/a/memory.max", "8388608\n");
    put("sys/fs/cgroup/a/b/memory.max", "max\n");
    put("sys/fs/cgroup/a/b/c/memory.max", "16777216\n");
    assert_int_equal(hm_memlimit_from(root), 8388608);
    put("sys/fs/cgroup/a/b/c/memory.max", "4194304\n");
    assert_int_equal(hm_memlimit_from(root), 4194304);
    put("sys/fs/cgroup/memory.max", "65536"); /* as in a container */
    assert_int_equal(hm_memlimit_from(root), 65536);
}

static void version_1_is_found_among_its_hierarchies(void **state)
{
    (void)state;
    put("proc/self/cgroup", "9:cpu,cpuacct:/x\n4:hugetlb,memory:/a\n1:name=systemd:/y\n"
                            "0::/z\n");
    put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(hm_memlimit_from(root), hm_os_memory());
    put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1048576\n");
    assert_int_equal(hm_memlimit_from(root), 1048576);
}

/* The path may be the host's, while the container sees its own group as the root. */
static void the_root_counts_where_the_path_does_not_exist(void **state)
{
    (void)state;
    put("proc/self/cgroup", "4:memory:/docker/0123456789abcdef\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "2097152\n");
    assert_int_equal(hm_memlimit_from(root), 2097152);
}

static void nonsense_is_no_limit(void **state)
{
    static const char *const texts[] = {"", "\n", "-1\n", "many\n",
                                        "99999999999999999999999\n"};

    (void)state;
    put("proc/self/cgroup", "0::/\n");
    for (size_t i = 0; i < COUNT(texts); i++) {
        put("sys/fs/cgroup/memory.max", texts[i]);
        assert_int_equal(hm_memlimit_from(root), hm_os_memory());
    }
}

static void a_path_without_end_is_cut(void **state)
{
    static char line[9000];

    (void)state;
    memset(line, 'x', sizeof line - 1);
    for (size_t i = 0; i < sizeof line - 1; i += 100)
        line[i] = '/';
    memcpy(line, "0::/", 4);
    put("proc/self/cgroup", line);
    put("sys/fs/cgroup/memory.max", "3145728\n");
    assert_int_equal(hm_memlimit_from(root), 3145728);
}

static void it_is_found_on_this_machine(void **state)
{
    (void)state;
    assert_true(hm_memlimit() > 0 && hm_memlimit() <= hm_os_memory());
    assert_int_equal(hm_memlimit(), hm_memlimit());
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOT(without_control_groups_it_is_the_machines_memory),
        IN_ROOT(version_2_has_the_lowest_limit_of_all_ancestors),
        IN_ROOT(version_1_is_found_among_its_hierarchies),
        IN_ROOT(the_root_counts_where_the_path_does_not_exist),
        IN_ROOT(nonsense_is_no_limit),
        IN_ROOT(a_path_without_end_is_cut),
        IN_ROOT(it_is_found_on_this_machine),
    };

    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    return RUN_TESTS(tests);
}
