/* SPDX-License-Identifier: MIT */
#include "trim.h"
#include "big.h"
#include "option.h"
#include "sys.h"

#include <pthread.h>
#include <signal.h>

struct hm_trim_counts hm_trim_counts;
static _Atomic uint64_t last_pass; /* hm_clock */

static size_t pass(uint64_t deadline, size_t bigcache_keep)
{
    hm_tcache_trim_parked(deadline);
    size_t bytes = hm_big_trim(deadline, bigcache_keep);
    if (HM_LIVE(page_purge))
        bytes += hm_slab_purge_pages();
    bytes += hm_superslab_trim(deadline, HM_LIVE(empty_reserve));
    hm_add_relaxed(&hm_trim_counts.passes, 1);
    hm_add_relaxed(&hm_trim_counts.bytes, bytes);
    return bytes;
}

/* The helper thread. */

enum { UNLOADED, ABSENT, STARTING, WAITING, IDLE, REFUSED };
static _Atomic uint32_t helper; /* [any] also the word that an idle helper sleeps on */

/* Threads of any size of static TLS get along with this. */
#define HELPER_STACK (256 * HM_KIB)

static bool anything_retained(void)
{
    return hm_load_relaxed(&hm_superslab_counts.dirty_units) > 0 ||
           hm_load_relaxed(&hm_big_counts.cached_bytes) > 0;
}

static void *helper_run(void *unused)
{
    static _Atomic uint32_t never; /* what a timed sleep waits for */
    for (;;) {
        hm_store_relaxed(&helper, WAITING);
        uint64_t interval = hm_max(HM_LIVE(trim_interval), 1);
        hm_sys_futex_wait(&never, 0, interval);
        pass(hm_clock_update() - interval, HM_LIVE(bigcache_bytes));
        if (anything_retained())
            continue;
        hm_store_relaxed(&helper, IDLE);
        hm_sys_futex_wait(&helper, IDLE, 0);
    }
    return unused;
}

static void helper_start(void)
{
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    if (pthread_attr_init(&attr) != 0)
        return;
    pthread_attr_setstacksize(&attr, HELPER_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool failed = pthread_create(&thread, &attr, helper_run, NULL) != 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (failed)
        hm_store_relaxed(&helper, REFUSED); /* by a sandbox or a limit: not asked again */
}

/* Starts or wakes the helper when there is something for it to do. */
static void helper_tick(void)
{
    uint32_t seen = hm_load_relaxed(&helper);
    if ((seen != ABSENT && seen != IDLE) || !anything_retained())
        return;
    if (!atomic_compare_exchange_strong_explicit(
            &helper, &seen, STARTING, memory_order_relaxed, memory_order_relaxed))
        return;
    if (seen == IDLE)
        hm_sys_futex_wake(&helper, 1);
    else
        helper_start();
}

void hm_trim_loaded(void)
{
    hm_store_relaxed(&helper, ABSENT);
}

bool hm_trim_has_thread(void)
{
    uint32_t seen = hm_load_relaxed(&helper);
    return seen == STARTING || seen == WAITING || seen == IDLE;
}

void hm_trim_fork_child(void)
{
    if (hm_trim_has_thread())
        hm_store_relaxed(&helper, ABSENT);
}

void hm_trim_tick_slow(struct hm_tcache *tc)
{
    uint64_t now = hm_clock_update(), interval = HM_LIVE(trim_interval);
    if (now - tc->aged_at >= interval) {
        tc->aged_at = now;
        hm_tcache_age(tc);
    }
    if (hm_opt.trim_thread)
        helper_tick();
    /* Twice an interval, so that nothing waits for much longer than one. */
    uint64_t last = hm_load_relaxed(&last_pass);
    if (now - last >= interval / 2 &&
        atomic_compare_exchange_strong_explicit(
            &last_pass, &last, now, memory_order_relaxed, memory_order_relaxed))
        pass(now - interval, HM_LIVE(bigcache_bytes));
}

size_t hm_trim_now(struct hm_tcache *tc)
{
    if (tc != NULL)
        hm_tcache_flush(tc);
    return pass(hm_clock_update() + HM_CLOCK_FORCED, 0);
}
