/* SPDX-License-Identifier: MIT */
/* sys: system calls, made directly.
 *
 * libc's wrappers may be replaced by another preloaded library, are cancellation points,
 * set errno and may call malloc (lessons of every interposing allocator); these do none
 * of that. Every function returns what the kernel returned: a value of 0 or more, or a
 * negated errno. Memory-mapping calls are not here but in os.h. */
#ifndef HM_SYS_H
#define HM_SYS_H

#include "base.h"
#include <sys/syscall.h>

long hm_sys_call(long nr, long a, long b, long c, long d, long e, long f);

HM_INLINE bool hm_sys_failed(long result)
{
    return (unsigned long)result > -4096ul;
}

/* Opens an existing file for reading, close-on-exec, never as controlling terminal, never
 * blocking on a FIFO. */
long hm_sys_open_read(const char *path);
/* Whether there is anything of this name, as far as this process can tell. */
bool hm_sys_exists(const char *path);
/* Opens a directory for hm_sys_getdents. */
long hm_sys_open_dir(const char *path);
long hm_sys_read(int fd, void *buf, size_t len); /* restarts after EINTR */
long hm_sys_getdents(int fd, void *buf, size_t len);
long hm_sys_readlink(const char *path, char *buf, size_t len); /* without a NUL */
bool hm_sys_is_regular(int fd, uint64_t *size,
                       uint32_t *uid); /* fstat: a regular file? its size, its owner */
void hm_sys_close(int fd);
void hm_sys_write_all(
    int fd, const char *buf,
    size_t len); /* whole buffer; gives up on the first error but EINTR */

uint64_t hm_sys_monotonic_ms(void);
/* The same as last read by anyone (hm_clock_update): cheap, late, good for ages. */
extern _Atomic uint64_t hm_clock;
/* Reads it, but for what was read within the last millisecond, where the processor has a
 * counter that tells: some ask at every call. */
uint64_t hm_clock_update(void);
unsigned
hm_sys_cpu_count(void); /* CPUs this process may run on; at least 1; start-up only */
uint64_t hm_sys_random(void); /* unpredictable where the kernel has entropy, else best
                                 effort; start-up only */
int hm_sys_gettid(void);
int hm_sys_getpid(void);
/* Has the process one thread, and no more? False also when there is no telling. */
bool hm_sys_is_only_thread(void);
uint32_t hm_sys_geteuid(void);

/* Sleeps while *word == expected, at most timeout_ms (0: without limit). Spurious returns
 * are possible. */
void hm_sys_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ms);
void hm_sys_futex_wake(_Atomic uint32_t *word, int count);
/* The same for a word in memory that processes share. */
void hm_sys_futex_wait_shared(_Atomic uint32_t *word, uint32_t expected,
                              uint64_t timeout_ms);
void hm_sys_futex_wake_shared(_Atomic uint32_t *word, int count);
void hm_sys_yield(void);

/* What the kernel handed to the process at exec, read from the initial stack or /proc:
 * usable before libc is ready. */
struct hm_sys_start {
    char **envp;        /* NULL-terminated, or NULL when unknown */
    bool secure;        /* AT_SECURE: set-user-ID or the like */
    size_t page_size;   /* AT_PAGESZ */
    const char *execfn; /* AT_EXECFN, or NULL */
    const char *exe;    /* the executable's path; NULL: /proc/self/exe tells */
    bool no_next;       /* there is no malloc but ours; not a fact that is read */
};
void hm_sys_start_facts(struct hm_sys_start *out);

#endif
