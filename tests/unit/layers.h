/* SPDX-License-Identifier: MIT */
/* layers: the allocator's layers brought up by hand, for tests that look at one of them.
 *
 * What is initialised once in the life of a process is initialised here once in a child:
 * each test has a process, and options, of its own. heap.c's prepare() is the model. */
#ifndef HM_TEST_LAYERS_H
#define HM_TEST_LAYERS_H

#include "support.h"

#include "big.h"
#include "conf.h"
#include "meta.h"
#include "option.h"
#include "os.h"
#include "region.h"
#include "slab.h"
#include "sys.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>

/* Everything up to slabs and big blocks. `conf` is text as in hakmem.conf. */
static UNUSED void layers_up(const char *conf)
{
    struct hm_sys_start start = {.page_size = (size_t)sysconf(_SC_PAGESIZE)};

    hm_os_init(start.page_size);
    hm_clock_update();
    hm_meta_init();
    hm_conf_load_text(&start, conf, strlen(conf));
    hm_window_init(hm_opt.superslab_size, hm_opt.address_window);
    hm_superslab_init(hm_opt.shards);
    hm_slab_init(hm_opt.shards);
    hm_big_init();
}

/* From now on the kernel does not execute these system calls of this process but does
 * `action`. False: it cannot be asked to. */
static UNUSED bool filter_calls(const int *numbers, size_t count, uint32_t action)
{
    struct sock_filter code[16];
    size_t n = 0;

    REQUIRE(count + 3 <= COUNT(code));
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                             offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++)
        code[n++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i], (uint8_t)(count - i), 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    struct sock_fprog program = {(unsigned short)n, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* They fail with this error. */
static UNUSED bool refuse_calls(const int *numbers, size_t count, int error)
{
    return filter_calls(numbers, count, SECCOMP_RET_ERRNO | (uint32_t)error);
}

/* They raise SIGSYS, in their midst. */
static UNUSED bool trap_calls(const int *numbers, size_t count)
{
    return filter_calls(numbers, count, SECCOMP_RET_TRAP);
}

/* A sanitizer's shadow memory makes what is resident no measure of ours. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HM_TEST_SANITIZED true
#elif defined(__has_feature)
#define HM_TEST_SANITIZED \
    (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define HM_TEST_SANITIZED false
#endif

/* Waits, without a bound on time but the child's alarm, until a condition holds. */
#define WAIT_UNTIL(cond)   \
    do {                   \
        while (!(cond))    \
            sched_yield(); \
    } while (0)

#endif
