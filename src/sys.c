/* SPDX-License-Identifier: MIT */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <time.h>

/* What the calls below take for a time: the machine's words, whatever libc's time_t. */
struct kernel_time {
    long sec, nsec;
};

/* Exported by glibc's dynamic loader, set before any library is relocated; libc's own
 * environ is NULL until libc's constructor has run. Absent elsewhere, hence weak. */
extern void *__libc_stack_end __attribute__((weak));
extern char **environ __attribute__((weak));

/* AT_RANDOM's 16 bytes. [const after hm_sys_start_facts] */
static const void *auxv_random;

#if defined(__x86_64__)

long hm_sys_call(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

long hm_sys_call(long nr, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

#elif defined(__i386__) || defined(__arm__)

/* The registers of some arguments may be those of the frame and of position-independent
 * code, which no constraint can name; so the function is nothing but this. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
__attribute__((naked)) long hm_sys_call(long nr, long a, long b, long c, long d, long e,
                                        long f)
{
#ifdef __i386__
    __asm__("push %ebp\n\tpush %edi\n\tpush %esi\n\tpush %ebx\n\t"
            "mov 20(%esp), %eax\n\tmov 24(%esp), %ebx\n\tmov 28(%esp), %ecx\n\t"
            "mov 32(%esp), %edx\n\tmov 36(%esp), %esi\n\tmov 40(%esp), %edi\n\t"
            "mov 44(%esp), %ebp\n\tint $0x80\n\t"
            "pop %ebx\n\tpop %esi\n\tpop %edi\n\tpop %ebp\n\tret");
#else
    __asm__("push {r4, r5, r6, r7}\n\t"
            "mov r7, r0\n\tmov r0, r1\n\tmov r1, r2\n\tmov r2, r3\n\t"
            "ldr r3, [sp, #16]\n\tldr r4, [sp, #20]\n\tldr r5, [sp, #24]\n\t"
            "svc #0\n\tpop {r4, r5, r6, r7}\n\tbx lr");
#endif
}
#pragma GCC diagnostic pop

#else

/* syscall(2) is libc's, but neither a cancellation point nor one that anybody replaces.
 */
extern long syscall(long nr, ...);

long hm_sys_call(long nr, long a, long b, long c, long d, long e, long f)
{
    int saved = errno;
    long result = syscall(nr, a, b, c, d, e, f);

    if (result == -1)
        result = -errno;
    errno = saved;
    return result;
}

#endif

static long call3(long nr, long a, long b, long c)
{
    return hm_sys_call(nr, a, b, c, 0, 0, 0);
}

static HM_ONCE long open_at(const char *path, int flags)
{
    return hm_sys_call(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0, 0);
}

HM_ONCE long hm_sys_open_read(const char *path)
{
    return open_at(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

HM_ONCE bool hm_sys_exists(const char *path)
{
    const long f_ok = 0;

    return !hm_sys_failed(call3(SYS_faccessat, AT_FDCWD, (long)path, f_ok));
}

HM_ONCE long hm_sys_open_dir(const char *path)
{
    return open_at(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
}

HM_ONCE long hm_sys_read(int fd, void *buf, size_t len)
{
    long got;

    do {
        got = call3(SYS_read, fd, (long)buf, (long)len);
    } while (got == -EINTR);
    return got;
}

HM_ONCE long hm_sys_getdents(int fd, void *buf, size_t len)
{
    return call3(SYS_getdents64, fd, (long)buf, (long)len);
}

HM_ONCE long hm_sys_readlink(const char *path, char *buf, size_t len)
{
    return hm_sys_call(SYS_readlinkat, AT_FDCWD, (long)path, (long)buf, (long)len, 0, 0);
}

/* The kernel's struct stat is libc's only where words have 64 bits. */
#if SIZE_MAX > UINT32_MAX

HM_ONCE bool hm_sys_is_regular(int fd, uint64_t *size, uint32_t *uid)
{
    struct stat st = {.st_mode = 0};

    if (hm_sys_failed(call3(SYS_fstat, fd, (long)&st, 0)) || !S_ISREG(st.st_mode))
        return false;
    *size = (uint64_t)st.st_size;
    *uid = st.st_uid;
    return true;
}

#else

HM_ONCE bool hm_sys_is_regular(int fd, uint64_t *size, uint32_t *uid)
{
    struct statx st = {.stx_mask = 0};
    long flags = AT_EMPTY_PATH, mask = STATX_TYPE | STATX_SIZE | STATX_UID;

    if (hm_sys_failed(
            hm_sys_call(SYS_statx, fd, (long)"", flags, mask, (long)&st, 0)) ||
        !S_ISREG(st.stx_mode))
        return false;
    *size = st.stx_size;
    *uid = st.stx_uid;
    return true;
}

#endif

HM_ONCE void hm_sys_close(int fd)
{
    call3(SYS_close, fd, 0, 0);
}

HM_RARE void hm_sys_write_all(int fd, const char *buf, size_t len)
{
    while (len > 0) {
        long put = call3(SYS_write, fd, (long)buf, (long)len);

        if (put == -EINTR)
            continue;
        if (put <= 0)
            return;
        buf += put;
        len -= (size_t)put;
    }
}

HM_NOINLINE uint64_t hm_sys_monotonic_ms(void)
{
    struct kernel_time now = {0, 0};

    call3(SYS_clock_gettime, CLOCK_MONOTONIC_COARSE, (long)&now, 0);
    return (uint64_t)now.sec * 1000 + (uint32_t)now.nsec / 1000000;
}

_Atomic uint64_t hm_clock;

/* A counter that any program may read, in steps of a millisecond or less: how much less
 * is not known. */
#if defined(__x86_64__) || defined(__i386__)
#define HAVE_STEPS 1
static uint64_t steps(void)
{
    return __builtin_ia32_rdtsc() >> 20; /* from 1 GHz on */
}
#elif defined(__aarch64__)
#define HAVE_STEPS 1
static uint64_t steps(void)
{
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count >> 14; /* from 20 MHz on */
}
#else
#define HAVE_STEPS 0
static uint64_t steps(void)
{
    return 0;
}
#endif

uint64_t hm_clock_update(void)
{
    static _Atomic uint64_t last; /* step in which, at the latest, hm_clock was read */
    uint64_t step = steps();
    if (HAVE_STEPS && step == hm_load_acquire(&last))
        return hm_load_relaxed(&hm_clock);
    uint64_t now = hm_sys_monotonic_ms();
    hm_store_relaxed(&hm_clock, now);
    hm_store_release(&last, step);
    return now;
}

HM_ONCE unsigned hm_sys_cpu_count(void)
{
    unsigned long mask[8192 / (8 * sizeof(unsigned long))] = {0}; /* its NR_CPUS_MAX */
    long bytes = call3(SYS_sched_getaffinity, 0, sizeof mask, (long)mask);
    unsigned count = 0;

    if (hm_sys_failed(bytes))
        return 1;
    for (size_t i = 0; i < (size_t)bytes / sizeof mask[0]; i++)
        count += (unsigned)__builtin_popcountl(mask[i]);
    return count > 0 ? count : 1;
}

HM_COLD uint64_t hm_sys_random(void)
{
    const unsigned grnd_nonblock = 1; /* <sys/random.h> may be older than the kernel */
    uint64_t value = 0;
    struct kernel_time now = {0, 0};

    if (call3(SYS_getrandom, (long)&value, sizeof value, grnd_nonblock) == sizeof value)
        return value;
    call3(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0);
    value = hm_mix((uint64_t)now.nsec ^ ((uint64_t)now.sec << 32));
    value = hm_mix(value ^ (uint64_t)(uintptr_t)&value); /* the stack's random offset */
    if (auxv_random != NULL) {
        uint64_t seed[2];

        __builtin_memcpy(seed, auxv_random, sizeof seed);
        value = hm_mix(value ^ seed[0]) ^ seed[1];
    }
    return value;
}

HM_RARE int hm_sys_gettid(void)
{
    return (int)call3(SYS_gettid, 0, 0, 0);
}

HM_RARE int hm_sys_getpid(void)
{
    return (int)call3(SYS_getpid, 0, 0, 0);
}

/* /proc has an entry for each thread, and "." and "..". */
HM_COLD bool hm_sys_is_only_thread(void)
{
    _Alignas(uint64_t) char entries[512];
    long fd = hm_sys_open_dir("/proc/self/task");

    if (hm_sys_failed(fd))
        return false;
    unsigned count = 0;
    long got = hm_sys_getdents((int)fd, entries, sizeof entries);
    for (long at = 0; at < got; count++) {
        uint16_t length; /* struct linux_dirent64: after inode and offset */

        __builtin_memcpy(&length, entries + at + 16, sizeof length);
        at += length;
    }
    hm_sys_close((int)fd);
    return count == 3;
}

HM_RARE uint32_t hm_sys_geteuid(void)
{
    return (uint32_t)call3(SYS_geteuid, 0, 0, 0);
}

/* <linux/futex.h> has other names for them, but not every libc comes with it. */
enum { WAIT = 0, WAKE = 1, WAIT_PRIVATE = 128, WAKE_PRIVATE = 129 };

static void futex_wait(_Atomic uint32_t *word, int how, uint32_t expected,
                       uint64_t timeout_ms)
{
    struct kernel_time limit = {(long)(timeout_ms / 1000),
                                (long)(timeout_ms % 1000) * 1000000};

    hm_sys_call(SYS_futex, (long)word, how, (long)expected,
                timeout_ms > 0 ? (long)&limit : 0, 0, 0);
}

void hm_sys_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ms)
{
    futex_wait(word, WAIT_PRIVATE, expected, timeout_ms);
}

void hm_sys_futex_wake(_Atomic uint32_t *word, int count)
{
    call3(SYS_futex, (long)word, WAKE_PRIVATE, count);
}

HM_RARE void hm_sys_futex_wait_shared(_Atomic uint32_t *word, uint32_t expected,
                                      uint64_t timeout_ms)
{
    futex_wait(word, WAIT, expected, timeout_ms);
}

void hm_sys_futex_wake_shared(_Atomic uint32_t *word, int count)
{
    call3(SYS_futex, (long)word, WAKE, count);
}

void hm_sys_yield(void)
{
    call3(SYS_sched_yield, 0, 0, 0);
}

/* Reads at most max entries of the auxiliary vector; true when it is plausible, that is,
 * when it states a page size. */
static bool read_auxv(const ElfW(auxv_t) *auxv, size_t max, struct hm_sys_start *out)
{
    bool secure = true; /* not stated: assume the worse */
    size_t page_size = 0;
    const char *execfn = NULL;
    const void *random = NULL;

    for (size_t i = 0; i < max && auxv[i].a_type != AT_NULL; i++) {
        size_t value = auxv[i].a_un.a_val;

        if (auxv[i].a_type == AT_SECURE)
            secure = value != 0;
        else if (auxv[i].a_type == AT_PAGESZ)
            page_size = value;
        else if (auxv[i].a_type == AT_EXECFN)
            execfn = (const char *)value;
        else if (auxv[i].a_type == AT_RANDOM)
            random = (const void *)value;
    }
    if (page_size < 4096 || !hm_is_pow2(page_size))
        return false;
    out->secure = secure;
    out->page_size = page_size;
    out->execfn = execfn;
    auxv_random = random;
    return true;
}

/* envp is the array on the initial stack: the auxiliary vector follows it. */
static bool read_after_envp(char **envp, struct hm_sys_start *out)
{
    char **end = envp;

    while (*end != NULL)
        end++;
    if (!read_auxv((const void *)(end + 1), SIZE_MAX, out))
        return false;
    out->envp = envp;
    return true;
}

/* The initial stack is argc, that many pointers, NULL, envp, NULL, auxv. The loader's
 * __libc_stack_end points at argc; a static program's may lie up to two words below it,
 * by what _start pushed. argc is recognised as the word that counts those after it; on
 * ARM, where _start puts the address of argv in its place, as that, and a static
 * program's __libc_stack_end points at the word behind it. */
#ifdef __arm__
enum { ARGV_IS_PUSHED = 1 };
#else
enum { ARGV_IS_PUSHED = 0 };
#endif
static bool read_stack(struct hm_sys_start *out)
{
    uintptr_t *end = &__libc_stack_end != NULL ? __libc_stack_end : NULL;

    for (int i = -ARGV_IS_PUSHED; end != NULL && i < 3; i++) {
        uintptr_t *word = end + i;
        size_t count = 0;

        while (word[1 + count] != 0)
            count++;
        bool is_argc = i >= 0 && word[0] == count;
        bool is_argv = ARGV_IS_PUSHED && word[0] == (uintptr_t)(word + 1);
        if ((is_argc || is_argv) && read_after_envp((char **)(word + count + 2), out))
            return true;
    }
    return false;
}

/* Without the loader's help. environ is the initial array as long as it lies on the main
 * stack, which only the main thread can tell (above its own frame there is nothing else).
 */
static HM_COLD bool read_environ(struct hm_sys_start *out)
{
    char **envp = &environ != NULL ? environ : NULL;
    bool main_thread = hm_sys_gettid() == hm_sys_getpid();
    bool on_stack = (uintptr_t)envp > (uintptr_t)__builtin_frame_address(0);

    return envp != NULL && main_thread && on_stack && read_after_envp(envp, out);
}

static HM_COLD bool read_proc(struct hm_sys_start *out)
{
    ElfW(auxv_t) auxv[40] = {{.a_type = AT_NULL}};
    long fd = hm_sys_open_read("/proc/self/auxv");
    long got;

    if (hm_sys_failed(fd))
        return false;
    got = hm_sys_read((int)fd, auxv, sizeof auxv);
    hm_sys_close((int)fd);
    if (hm_sys_failed(got) || !read_auxv(auxv, (size_t)got / sizeof auxv[0], out))
        return false;
    out->envp = &environ != NULL ? environ : NULL;
    return true;
}

HM_ONCE void hm_sys_start_facts(struct hm_sys_start *out)
{
    /* A multiple of every page size that Linux has on these machines. */
    *out = (struct hm_sys_start){.secure = true, .page_size = 65536};
    if (!read_stack(out) && !read_environ(out))
        read_proc(out);
}
