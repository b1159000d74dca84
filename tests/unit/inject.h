/* SPDX-License-Identifier: MIT */
/* inject: makes the system calls that map memory fail, where and when a test wants.
 *
 * A program that includes this is linked with -Wl,--wrap=hm_sys_call: every call of os.c
 * comes here first. Those of sys.c itself (futex, clock) do not. The library is made ready
 * before main, so the plan comes in the environment, and a case is an exec of its own. */
#ifndef HM_TEST_INJECT_H
#define HM_TEST_INJECT_H

#include "support.h"

#include "sys.h"
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>

enum kind { MMAP = 1, MUNMAP = 2, MPROTECT = 4, MADVISE = 8, MREMAP = 16, ALL = 31 };

/* Of the calls of these kinds, those from the first to the last fail; or, with a seed, as
 * the dice fall. */
struct plan {
    unsigned kinds;
    long first, last;
    int error;
    uint64_t seed;  /* 0: no dice */
    unsigned one_in; /* with dice: so many calls to a failure */
};

/* Set in a process that is to carry a plan out. */
#define PLAN_VARIABLE "HM_TEST_PLAN"

static struct plan plan;
static _Atomic bool armed;
static _Atomic long counted, injected;
/* Of the calling thread: an allocation may fail only if this changed meanwhile. */
static _Thread_local long injected_here;

long __real_hm_sys_call(long nr, long a, long b, long c, long d, long e, long f);
long __wrap_hm_sys_call(long nr, long a, long b, long c, long d, long e, long f);

static unsigned kind_of_call(long nr)
{
    return nr == CALL_MMAP       ? MMAP
           : nr == SYS_munmap   ? MUNMAP
           : nr == SYS_mprotect ? MPROTECT
           : nr == SYS_madvise  ? MADVISE
           : nr == SYS_mremap   ? MREMAP
                                : 0;
}

static bool is_due(long number)
{
    if (plan.seed == 0)
        return number >= plan.first && number <= plan.last;
    struct rng r = rng_seed(plan.seed + (uint64_t)number * 7919);
    rng_next(&r);
    return rng_below(&r, plan.one_in) == 0;
}

/* Text of the environment, before anything else of the program has run. */
static void read_plan(void)
{
    static _Atomic bool done;
    if (atomic_exchange(&done, true))
        return;
    const char *text = getenv(PLAN_VARIABLE);
    armed = text != NULL &&
            sscanf(text, "%u %ld %ld %d %" SCNu64 " %u", &plan.kinds, &plan.first,
                   &plan.last, &plan.error, &plan.seed, &plan.one_in) == 6;
}

long __wrap_hm_sys_call(long nr, long a, long b, long c, long d, long e, long f)
{
    read_plan();
    if (armed && (kind_of_call(nr) & plan.kinds) != 0 && is_due(++counted)) {
        injected++;
        injected_here++;
        return -plan.error;
    }
    return __real_hm_sys_call(nr, a, b, c, d, e, f);
}

/* Runs the program again under a plan; its exit status, or -1. */
static int run_plan(const struct plan *p, const char *options)
{
    fflush(stdout);
    pid_t pid = fork();
    int status;
    REQUIRE(pid >= 0);
    if (pid == 0) {
        char text[128];
        become_plain_child(300);
        snprintf(text, sizeof text, "%u %ld %ld %d %" PRIu64 " %u", p->kinds, p->first,
                 p->last, p->error, p->seed, p->one_in);
        setenv(PLAN_VARIABLE, text, 1);
        setenv("HAKMEM_OPTIONS", options, 1);
        dup2(2, 1);
        start_again(NULL);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
