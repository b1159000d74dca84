/* SPDX-License-Identifier: MIT */
#include "process.h"
#include "alone.h"
#include "big.h"
#include "check.h"
#include "guard.h"
#include "heap.h"
#include "helper.h"
#include "meta.h"
#include "next.h"
#include "option.h"
#include "page.h"
#include "quarantine.h"
#include "report.h"
#include "sys.h"
#include "tcache.h"

#include <pthread.h>

static bool locks_taken; /* by the fork under way: [fork_owner] */

/* Every lock there is, in rank order. */
static HM_COLD void each_lock(void (*each)(struct hm_lock *))
{
    each(hm_check_lock());
    hm_tcache_fork(each);
    hm_quarantine_fork(each);
    hm_slab_fork(each);
    hm_superslab_fork(each);
    each(hm_big_lock());
    each(hm_guard_lock());
    hm_window_fork(each);
    each(hm_meta_lock());
}

/* Threads that have not yet allocated count too: they may do so at any moment of the
 * fork. */
static bool is_alone(void)
{
    return HM_LIBC_COUNTS_THREADS ? hm_is_alone() : hm_sys_is_only_thread();
}

static void fork_prepare(void)
{
    if (is_alone())
        return;
    hm_heap_init(); /* another thread may be at it, which the child would wait for */
    hm_lock_fork_begin();
    locks_taken = true;
    each_lock(hm_lock_fork_take);
}

static void fork_parent(void)
{
    if (!locks_taken)
        return;
    locks_taken = false;
    each_lock(hm_lock_fork_give);
    hm_lock_fork_end();
}

static void fork_child(void)
{
    if (hm_opt.stats_page)
        hm_page_fork_child();
    if (!locks_taken)
        return;
    locks_taken = false;
    hm_check_fork_child();
    hm_tcache_fork_child(); /* still with all locks: of those that it must do without */
    hm_helper_fork_child();
    each_lock(hm_lock_fork_give);
    hm_lock_fork_end();
}

static const struct hm_helper_work helper_work = {hm_page_bell, hm_page_waits,
                                                  hm_page_serve};

/* Until the first allocation the fast path of free may not run in two threads: it reads
 * what that sets up. glibc's pthread_create allocates before there is a second one, by
 * our calloc; musl's does not, nor is it ours where malloc has another name. */
#if defined __GLIBC__ && !defined HM_TEST_PREFIX
#define THREADS_ALLOCATE 1
#else
#define THREADS_ALLOCATE 0
#endif

HM_ONCE void hm_process_load(void)
{
    if (!hm_heap_configure()) {
        hm_next_load();
        return;
    }
    /* Prewarmed memory and statistics are for others to see, also without a block. */
    if (hm_opt.prewarm > 0 || hm_opt.stats_page || !THREADS_ALLOCATE)
        hm_heap_init();
    pthread_atfork(fork_prepare, fork_parent, fork_child);
    if (hm_opt.stats_page)
        hm_page_open();
    hm_helper_load(&helper_work);
}

void hm_process_unload(void)
{
    if (hm_opt.check_at_exit)
        hm_check_exit(is_alone());
    if (hm_opt.stats_page)
        hm_page_close();
    if (hm_opt.stats_at_exit)
        hm_report_stats();
}
