/* SPDX-License-Identifier: MIT */
#include "process.h"
#include "big.h"
#include "heap.h"
#include "meta.h"
#include "option.h"
#include "report.h"
#include "tcache.h"
#include "trim.h"

#include <pthread.h>

static bool locks_taken; /* by the fork under way; only its thread looks */

/* Every lock there is, in rank order. */
static void each_lock(void (*each)(struct hm_lock *))
{
    hm_tcache_fork(each);
    hm_slab_fork(each);
    hm_superslab_fork(each);
    each(hm_big_lock());
    hm_window_fork(each);
    each(hm_meta_lock());
}

static void fork_prepare(void)
{
    locks_taken = hm_tcache_threads() > 1 || hm_trim_has_thread();
    if (!locks_taken)
        return;
    hm_lock_fork_begin();
    each_lock(hm_lock_fork_take);
}

static void fork_parent(void)
{
    if (!locks_taken)
        return;
    each_lock(hm_lock_fork_give);
    hm_lock_fork_end();
}

static void fork_child(void)
{
    if (!locks_taken)
        return;
    each_lock(hm_lock_fork_reset);
    hm_lock_fork_end();
    hm_tcache_fork_child();
    hm_trim_fork_child();
}

void hm_process_load(void)
{
    hm_heap_init();
    pthread_atfork(fork_prepare, fork_parent, fork_child);
    hm_trim_loaded();
}

void hm_process_unload(void)
{
    if (hm_opt.stats_at_exit)
        hm_report_stats();
}
