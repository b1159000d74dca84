/* SPDX-License-Identifier: MIT */
/* Processes that may not do everything: sandboxes by seccomp, as browsers and daemons
 * have them, a control group's limit on memory, no environment at all. */
#include "../support.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Blocks of every kind, some 40 MiB at once; all of it freed and given back. */
static void use_the_heap(uint64_t seed)
{
    static struct {
        unsigned char *p;
        size_t size;
    } block[3000];
    struct rng r = rng_seed(seed);
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i].size = rng_size(&r, i % 100 == 0 ? 22 : 14);
        block[i].p = malloc(block[i].size);
        REQUIRE(block[i].p != NULL);
        fill(block[i].p, block[i].size, i);
    }
    for (size_t i = 0; i < COUNT(block); i += 3) {
        size_t before = block[i].size, size = before * 2 + 1;
        unsigned char *p = realloc(block[i].p, size);
        REQUIRE(p != NULL && intact(p, before, i));
        fill(p, size, i);
        block[i].p = p;
        block[i].size = size;
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        REQUIRE(intact(block[i].p, block[i].size, i));
        free(block[i].p);
        unsigned char *zero = calloc(1, block[i].size + 1);
        REQUIRE(zero != NULL && all_bytes(zero, block[i].size + 1, 0));
        free(zero);
    }
    malloc_trim(0);
}

/* ---- seccomp ----------------------------------------------------------------------- */

/* False: the kernel cannot be asked to. */
static bool install(struct sock_filter *code, size_t steps)
{
    struct sock_fprog program = {(unsigned short)steps, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#define LOAD_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define UNLESS(number, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, skip)

static bool refuse(uint32_t number, uint32_t error)
{
    struct sock_filter code[] = {
        LOAD_NUMBER,
        UNLESS(number, 1),
        RETURN(SECCOMP_RET_ERRNO | error),
        RETURN(SECCOMP_RET_ALLOW),
    };
    return install(code, COUNT(code));
}

static bool can_filter(void)
{
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

static const struct refused {
    long number;
    int error;
} refused[] = {
    {SYS_madvise, EPERM},       {SYS_madvise, ENOSYS}, {SYS_madvise, EAGAIN},
    {SYS_mremap, EPERM},        {SYS_munmap, ENOMEM},  {SYS_futex, ENOSYS},
    {SYS_clock_gettime, EPERM},
};

static void work_without(void *arg)
{
    const struct refused *it = arg;
    use_the_heap(1);
    REQUIRE(refuse((uint32_t)it->number, (uint32_t)it->error));
    for (uint64_t round = 2; round < 5; round++)
        use_the_heap(round);
    REQUIRE(is_sound());
}

static void a_call_that_a_sandbox_refuses_is_done_without(void **state)
{
    (void)state;
    NEED(can_filter(), "seccomp");
    for (size_t i = 0; i < COUNT(refused); i++)
        ASSERT_CHILD(work_without, (void *)(uintptr_t)&refused[i]);
}

/* The first allocation of a process already happens in there. */
static char in_sandbox[] = "in-sandbox";

static void start_without_madvise(void *arg)
{
    REQUIRE(refuse(SYS_madvise, EPERM));
    execl("/proc/self/exe", "test_confined", (char *)arg, (char *)NULL);
}

static void a_process_may_start_in_a_sandbox_without_madvise(void **state)
{
    (void)state;
    NEED(can_filter(), "seccomp");
    ASSERT_CHILD(start_without_madvise, in_sandbox);
}

/* What docs/ARCHITECTURE.md says the library calls after start, and nothing else. */
static const uint32_t promised[] = {
    CALL_MMAP,  SYS_munmap,        SYS_mprotect, SYS_madvise,    SYS_mremap,
    SYS_futex, SYS_clock_gettime, SYS_write,    SYS_exit_group,
};

static void work_with_what_is_promised(void *arg)
{
    (void)arg;
    struct sock_filter code[2 * COUNT(promised) + 2] = {LOAD_NUMBER};
    size_t n = 1;
    for (size_t i = 0; i < COUNT(promised); i++) {
        code[n++] = (struct sock_filter)UNLESS(promised[i], 1);
        code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    }
    code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
    use_the_heap(1);
    REQUIRE(install(code, n));
    for (uint64_t round = 2; round < 5; round++)
        use_the_heap(round);
    syscall(SYS_exit_group, 0);
}

static void after_start_only_the_promised_system_calls_are_made(void **state)
{
    (void)state;
    NEED(can_filter(), "seccomp");
    ASSERT_CHILD(work_with_what_is_promised, NULL);
}

/* ---- No environment ---------------------------------------------------------------- */

static char no_environment[] = "no-environment";

static void start_without_an_environment(void *arg)
{
    char *argv[] = {(char *)"test_confined", arg, NULL};
    syscall(SYS_execve, "/proc/self/exe", argv, NULL);
}

static void a_process_may_start_without_an_environment(void **state)
{
    (void)state;
    ASSERT_CHILD(start_without_an_environment, no_environment);
}

static void forget_the_environment(void *arg)
{
    (void)arg;
    extern char **environ;
    environ = NULL;
    use_the_heap(1);
    REQUIRE(!HAVE(hakmem_option_set) || hakmem_option_set("trim_interval", "1s") == 0);
    REQUIRE(is_sound());
}

static void environ_may_become_null(void **state)
{
    (void)state;
    ASSERT_CHILD(forget_the_environment, NULL);
}

/* ---- A control group --------------------------------------------------------------- */

static char group[4096];

static bool put(const char *file, const char *text)
{
    char path[5000];
    snprintf(path, sizeof(path), "%s/%s", group, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return good;
}

/* Below this process's own group, of version 1 or 2. */
static bool make_group(const char *limit)
{
    char line[4096];
    bool made = false;
    FILE *in = fopen("/proc/self/cgroup", "re");
    while (!made && in != NULL && fgets(line, sizeof(line), in) != NULL) {
        char *path = strrchr(line, ':');
        bool first = strstr(line, ":memory:") != NULL, second = line[0] == '0';
        if (path == NULL || (!first && !second))
            continue;
        path[strcspn(path, "\n")] = '\0';
        snprintf(group, sizeof(group), "/sys/fs/cgroup%s%s/hakmem-test-%ld",
                 first ? "/memory" : "", path + 1, (long)getpid());
        if (mkdir(group, 0700) != 0)
            continue;
        made = put(first ? "memory.limit_in_bytes" : "memory.max", limit);
        if (!made)
            rmdir(group);
    }
    if (in != NULL)
        fclose(in);
    return made;
}

/* Gigabytes come and go, of one size after the other, a quarter of the limit each. */
static void churn_in_the_group(void *arg)
{
    (void)arg;
    static unsigned char *block[65536];
    REQUIRE(put("cgroup.procs", "0"));
    for (int round = 0; round < 4; round++)
        for (size_t size = 400; size <= 4 * MIB; size = size * 5 / 2) {
            size_t n = 24 * MIB / size < COUNT(block) ? 24 * MIB / size : COUNT(block);
            for (size_t i = 0; i < n; i++) {
                block[i] = malloc(size);
                REQUIRE(block[i] != NULL);
                memset(block[i], 1, size);
            }
            for (size_t i = 0; i < n; i++)
                free(block[i]);
        }
}

static void memory_serves_again_under_the_limit_of_a_control_group(void **state)
{
    (void)state;
    NEED(make_group("100663296"), "a control group for memory that can be made");
    struct outcome out = in_child(churn_in_the_group, NULL);
    rmdir(group);
    assert_true(exited_cleanly(&out));
}

int main(int argc, char **argv)
{
    if (argc == 2) { /* once more, as start_… wants it */
        use_the_heap(1);
        return is_sound() ? 0 : 1;
    }
    (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_a_sandbox_refuses_is_done_without),
        cmocka_unit_test(a_process_may_start_in_a_sandbox_without_madvise),
        cmocka_unit_test(after_start_only_the_promised_system_calls_are_made),
        cmocka_unit_test(a_process_may_start_without_an_environment),
        cmocka_unit_test(environ_may_become_null),
        cmocka_unit_test(memory_serves_again_under_the_limit_of_a_control_group),
    };
    return RUN_TESTS(tests);
}
