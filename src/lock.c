/* SPDX-License-Identifier: MIT */
#include "lock.h"
#include "alone.h"
#include "sys.h"

#include <errno.h>

enum { FREE = 0, HELD = 1, WAITED = 2, FORKED = 3, STATE = 3 };

/* Rounds of spinning before a thread sleeps. Critical sections are some tens of
 * instructions, so a holder that still runs is done by then; one that was preempted would
 * not be helped by more. */
#define SPIN_ROUNDS 64

_Atomic uint64_t hm_lock_waits;
static _Atomic uintptr_t fork_owner; /* the forking thread, or 0 */

/* What tells the calling thread from all others, in a fork's child as in its parent, and
 * costs no system call: where its errno is. Being an int, it leaves two bits free. */
static uintptr_t self(void)
{
    _Static_assert(_Alignof(int) > STATE, "two bits are free");
    return (uintptr_t)&errno;
}

static unsigned state_of(uintptr_t word)
{
    return (unsigned)word & STATE;
}

static uintptr_t holder_of(uintptr_t word)
{
    return word & ~(uintptr_t)STATE;
}

/* The kernel sleeps on 32 bits: those with the state. */
static _Atomic uint32_t *futex_of(struct hm_lock *l)
{
    _Atomic uint32_t *half = (_Atomic uint32_t *)(void *)&l->word;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    half += sizeof l->word / sizeof *half - 1;
#endif
    return half;
}

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
    return hm_load_relaxed(&fork_owner) == self();
}

bool hm_lock_fork_elsewhere(void)
{
    uintptr_t owner = hm_load_relaxed(&fork_owner);
    return owner != 0 && owner != self();
}

/* L3, L5 */
static bool may_pass(uintptr_t word)
{
    return holder_of(word) == 0 && fork_is_mine();
}

static bool try_as(struct hm_lock *l, unsigned state)
{
    uintptr_t expected = FREE;
    if (hm_is_alone()) {
        bool is_free = hm_load_relaxed(&l->word) == FREE;
        if (HM_LIKELY(is_free))
            hm_store_relaxed(&l->word, self() | state);
        return is_free;
    }
    return atomic_compare_exchange_strong_explicit(
        &l->word, &expected, self() | state, memory_order_acquire, memory_order_relaxed);
}

/* False: it is a fork's. */
static HM_NOINLINE bool wait_for(struct hm_lock *l)
{
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        if (hm_load_relaxed(&l->word) == FREE && try_as(l, HELD))
            return true;
        cpu_relax();
    }
    for (;;) {
        uintptr_t seen = hm_load_relaxed(&l->word);
        if (state_of(seen) == FORKED)
            return false;
        /* Once this thread has slept it cannot know who else does: it takes the lock as
         * WAITED, and its release wakes one more than needed at worst. */
        if (seen == FREE) {
            if (try_as(l, WAITED))
                return true;
            continue;
        }
        uintptr_t waited = holder_of(seen) | WAITED;
        if (state_of(seen) == HELD &&
            !atomic_compare_exchange_strong_explicit(
                &l->word, &seen, waited, memory_order_relaxed, memory_order_relaxed))
            continue;
        hm_add_relaxed(&hm_lock_waits, 1);
        hm_sys_futex_wait(futex_of(l), (uint32_t)waited, 0);
    }
}

bool hm_lock_acquire(struct hm_lock *l)
{
    if (HM_UNLIKELY(!try_as(l, HELD)) && !wait_for(l))
        return may_pass(hm_load_relaxed(&l->word));
    note_acquired(l);
    return true;
}

bool hm_lock_try(struct hm_lock *l)
{
    if (!try_as(l, HELD)) {
        uintptr_t seen = hm_load_relaxed(&l->word);
        return state_of(seen) == FORKED && may_pass(seen);
    }
    note_acquired(l);
    return true;
}

void hm_lock_release(struct hm_lock *l)
{
    if (HM_UNLIKELY(state_of(hm_load_relaxed(&l->word)) == FORKED))
        return; /* L3: the fork as a whole holds it */
    note_released(l);
    if (hm_is_alone())
        hm_store_relaxed(&l->word, FREE);
    else if (state_of(atomic_exchange_explicit(&l->word, FREE, memory_order_release)) ==
             WAITED)
        hm_sys_futex_wake(futex_of(l), 1);
}

HM_RARE void hm_lock_fork_begin(void)
{
    uintptr_t none = 0;
    /* libc runs the handlers of two forks side by side. It holds none of its locks yet,
     * so that waiting is safe here, and only here; and two threads that fork from signal
     * handlers at the same time are more than a program may do. */
    while (!atomic_compare_exchange_weak_explicit(
        &fork_owner, &none, self(), memory_order_acquire, memory_order_relaxed)) {
        none = 0;
        hm_sys_yield();
    }
}

HM_RARE void hm_lock_fork_take(struct hm_lock *l)
{
    /* L5. Others may make it WAITED meanwhile, but nobody takes it from us. */
    uintptr_t mine = self();
    if (holder_of(hm_load_relaxed(&l->word)) == mine)
        hm_store_relaxed(&l->word, mine | FORKED);
    else if (try_as(l, HELD) || wait_for(l))
        hm_store_relaxed(&l->word, FORKED);
    /* Sleepers wake, see FORKED, and go on without the lock. */
    hm_sys_futex_wake(futex_of(l), INT32_MAX);
}

HM_RARE void hm_lock_fork_give(struct hm_lock *l)
{
    uintptr_t holder = holder_of(hm_load_relaxed(&l->word));
    hm_store_release(&l->word, holder != 0 ? holder | HELD : FREE);
}

HM_RARE void hm_lock_fork_end(void)
{
    hm_store_release(&fork_owner, 0);
}
