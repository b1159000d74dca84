/* SPDX-License-Identifier: MIT */
#include "helper.h"
#include "option.h"
#include "sys.h"
#include "trim.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

enum { UNLOADED, ABSENT, STARTING, WAITING, IDLE, REFUSED };
static _Atomic uint32_t helper; /* [any] also the word that an idle helper sleeps on */
static const struct hm_helper_work *work; /* [const after hm_helper_load] */

/* Static thread-local storage, of whatever size, comes off the stack: this is plenty. */
#define HELPER_STACK (256 * HM_KIB)

/* Where code of libc and of the loader is. [const after hm_helper_load] */
static struct range {
    uintptr_t start, end;
} avoided[2] HM_COLD_DATA;

/* Notes the segment of an object that contains one of the addresses of interest. */
static int note_object(struct dl_phdr_info *info, size_t size, void *interest)
{
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        struct range r = {info->dlpi_addr + ph->p_vaddr,
                          info->dlpi_addr + ph->p_vaddr + ph->p_memsz};
        for (unsigned k = 0; k < HM_ARRAY_LEN(avoided); k++) {
            uintptr_t at = ((const uintptr_t *)interest)[k];
            if (ph->p_type == PT_LOAD && r.start <= at && at < r.end)
                avoided[k] = r;
        }
    }
    return 0;
}

static HM_HOT bool is_avoided(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    for (unsigned k = 0; k < HM_ARRAY_LEN(avoided); k++)
        if (avoided[k].start <= at && at < avoided[k].end)
            return true;
    return false;
}

/* Sleeping. `rung` is what rings() said before it was seen that nothing is to be done. */

static uint32_t rings(void)
{
    _Atomic uint32_t *bell = work->bell();
    return bell != NULL ? hm_load_acquire(bell) : 0;
}

/* `timeout` 0: without limit. */
static void rest(uint32_t rung, uint64_t timeout)
{
    static _Atomic uint32_t never HM_COLD_DATA; /* what a timed sleep waits for */
    _Atomic uint32_t *bell = work->bell();
    if (bell != NULL)
        hm_sys_futex_wait_shared(bell, rung, timeout);
    else if (timeout > 0)
        hm_sys_futex_wait(&never, 0, timeout);
    else
        hm_sys_futex_wait(&helper, IDLE, 0);
}

static void wake(void)
{
    _Atomic uint32_t *bell = work->bell();
    if (bell == NULL) {
        hm_sys_futex_wake(&helper, 1);
        return;
    }
    hm_add_relaxed(bell, 1);
    hm_sys_futex_wake_shared(bell, 1);
}

/* The thread. */

/* What could not be served because another thread forks is tried again so soon. */
#define AGAIN_MS 1

static void trim(uint32_t rung)
{
    rest(rung, work->waits() ? AGAIN_MS : hm_max(hm_clamp(HM_LIVE(trim_interval)), 1));
    if (hm_trim_pass() > 0 || hm_trim_anything_left())
        return;
    rung = rings();
    /* Full barriers, this one and those of the counters that whoever frees changes
     * before it looks at `helper`: one of the two sees what the other did. */
    atomic_exchange(&helper, IDLE);
    /* What was freed since then may have found it WAITING, and not have woken it. */
    if (!hm_trim_anything_left() && !work->waits())
        rest(rung, 0);
}

static void *helper_run(void *unused)
{
    for (;;) {
        hm_store_relaxed(&helper, WAITING);
        uint32_t rung = rings();
        work->serve();
        if (hm_opt.trim_thread)
            trim(rung);
        else if (work->bell() != NULL)
            rest(rung, work->waits() ? AGAIN_MS : 0);
        else
            break; /* a fork's child that cannot have a page */
    }
    hm_store_relaxed(&helper, REFUSED);
    return unused;
}

static void helper_start(void)
{
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_t thread;
    int saved = errno;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, HELPER_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool failed = pthread_create(&thread, &attr, helper_run, NULL) != 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    errno = saved;
    if (failed)
        hm_store_relaxed(&helper, REFUSED); /* by a sandbox or a limit: not asked again */
}

/* A function of libc that neither programs nor sanitizers have one of their own instead
 * of. */
#ifdef __GLIBC__
#define OF_LIBC gnu_get_libc_version
#else
#define OF_LIBC abort
#endif

/* With musl, the loader is libc, and has no such name. */
extern __attribute__((weak)) struct r_debug _r_debug;

static HM_NOINLINE void load(void)
{
    /* The loader's is its breakpoint for debuggers. */
    uintptr_t interest[] = {(uintptr_t)&OF_LIBC, (uintptr_t)&OF_LIBC};
    if (&_r_debug != NULL)
        interest[1] = (uintptr_t)_r_debug.r_brk;
    dl_iterate_phdr(note_object, interest);
    bool is_static = is_avoided((const void *)&hm_helper_load);
    bool now = !is_static && work->bell() != NULL;
    hm_store_relaxed(&helper, is_static ? REFUSED : now ? STARTING : ABSENT);
    if (now)
        helper_start();
}

HM_ONCE void hm_helper_load(const struct hm_helper_work *other)
{
    work = other;
    if (hm_opt.trim_thread || work->waits() || work->bell() != NULL)
        load();
}

static HM_HOT bool is_needed(void)
{
    return (hm_opt.trim_thread && hm_trim_anything_left()) || work->waits();
}

HM_HOT void hm_helper_tick(const void *caller)
{
    uint32_t seen = hm_load_relaxed(&helper);
    if ((seen != ABSENT && seen != IDLE && seen != REFUSED) || !is_needed())
        return;
    if (seen == REFUSED) {
        work->serve();
        return;
    }
    if (seen == ABSENT && (caller == NULL || is_avoided(caller)))
        return;
    if (!atomic_compare_exchange_strong_explicit(
            &helper, &seen, STARTING, memory_order_relaxed, memory_order_relaxed))
        return;
    if (seen == IDLE)
        wake();
    else
        helper_start();
}

bool hm_helper_exists(void)
{
    uint32_t seen = hm_load_relaxed(&helper);
    return seen == STARTING || seen == WAITING || seen == IDLE;
}

HM_HOT void hm_helper_fork_child(void)
{
    if (hm_helper_exists())
        hm_store_relaxed(&helper, ABSENT);
}
