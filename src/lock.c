/* SPDX-License-Identifier: MIT */
#include "lock.h"
#include "sys.h"

enum { FREE = 0, HELD = 1, WAITED = 2, FORKED = 3 };

/* Rounds of spinning before a thread sleeps. Critical sections are some tens of
 * instructions, so a holder that still runs is done by then; one that was preempted would
 * not be helped by more. */
#define SPIN_ROUNDS 64

_Atomic uint64_t hm_lock_waits;
static _Atomic int fork_owner; /* thread id of the forking thread, or 0 */

/* Debug builds: ranks that this thread holds, as bits. Only referenced when HM_DEBUG, so
 * that a release build has no thread-local storage beyond the cache pointer. */
#ifdef HM_ENABLE_DEBUG
static _Thread_local uint32_t held_ranks;
#define HELD_RANKS held_ranks
#else
static uint32_t held_ranks_unused;
#define HELD_RANKS held_ranks_unused
#endif

static void note_acquired(const struct hm_lock *l)
{
    if (HM_DEBUG) {
        HM_ASSERT(HELD_RANKS >> l->rank == 0);
        HELD_RANKS |= 1u << l->rank;
    }
}

static void note_released(const struct hm_lock *l)
{
    if (HM_DEBUG) {
        HM_ASSERT(HELD_RANKS >> l->rank & 1);
        HELD_RANKS &= ~(1u << l->rank);
    }
}

HM_INLINE void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool fork_is_mine(void)
{
    return hm_load_relaxed(&fork_owner) == hm_sys_gettid();
}

bool hm_lock_fork_elsewhere(void)
{
    int owner = hm_load_relaxed(&fork_owner);
    return owner != 0 && owner != hm_sys_gettid();
}

static bool try_from(struct hm_lock *l, uint32_t to)
{
    uint32_t expected = FREE;
    return atomic_compare_exchange_strong_explicit(
        &l->word, &expected, to, memory_order_acquire, memory_order_relaxed);
}

static HM_NOINLINE bool acquire_slow(struct hm_lock *l)
{
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        if (hm_load_relaxed(&l->word) == FREE && try_from(l, HELD))
            return true;
        cpu_relax();
    }
    for (;;) {
        uint32_t seen = hm_load_relaxed(&l->word);
        if (seen == FORKED)
            return fork_is_mine();
        /* Once this thread has slept it cannot know who else does: it takes the lock as
         * WAITED, and its release wakes one more than needed at worst. */
        if (seen == FREE) {
            if (try_from(l, WAITED))
                return true;
            continue;
        }
        if (seen == HELD &&
            !atomic_compare_exchange_strong_explicit(
                &l->word, &seen, WAITED, memory_order_relaxed, memory_order_relaxed))
            continue;
        hm_add_relaxed(&hm_lock_waits, 1);
        hm_sys_futex_wait(&l->word, WAITED, 0);
    }
}

bool hm_lock_acquire(struct hm_lock *l)
{
    if (HM_UNLIKELY(!try_from(l, HELD)) && !acquire_slow(l))
        return false;
    note_acquired(l);
    return true;
}

bool hm_lock_try(struct hm_lock *l)
{
    if (!try_from(l, HELD) && !(hm_load_relaxed(&l->word) == FORKED && fork_is_mine()))
        return false;
    note_acquired(l);
    return true;
}

void hm_lock_release(struct hm_lock *l)
{
    note_released(l);
    if (HM_UNLIKELY(hm_load_relaxed(&l->word) == FORKED))
        return; /* L3: the fork as a whole holds it */
    if (atomic_exchange_explicit(&l->word, FREE, memory_order_release) == WAITED)
        hm_sys_futex_wake(&l->word, 1);
}

void hm_lock_fork_begin(void)
{
    int me = hm_sys_gettid(), none = 0;
    /* libc runs the handlers of two forks side by side. It holds none of its locks yet,
     * so that waiting is safe here, and only here. */
    while (!atomic_compare_exchange_weak_explicit(
        &fork_owner, &none, me, memory_order_acquire, memory_order_relaxed)) {
        none = 0;
        hm_sys_yield();
    }
}

void hm_lock_fork_take(struct hm_lock *l)
{
    if (hm_lock_acquire(l)) {
        note_released(l);
        hm_store_relaxed(&l->word, FORKED);
        /* Sleepers wake, see FORKED, and go on without the lock. */
        hm_sys_futex_wake(&l->word, INT32_MAX);
    }
}

void hm_lock_fork_give(struct hm_lock *l)
{
    hm_store_release(&l->word, FREE);
}

void hm_lock_fork_end(void)
{
    hm_store_release(&fork_owner, 0);
}
