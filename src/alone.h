/* SPDX-License-Identifier: MIT */
/* alone: what a process of one thread can spare itself.
 *
 * A locked instruction costs some twenty cycles, whether there is anybody to lock out or
 * not, and one for each of the blocks that go back to their slabs one by one. libc knows
 * that there is no other thread, until it starts the first (glibc since 2.32; of other C
 * libraries nothing is assumed). What is a load and a store here may be torn by a signal
 * handler, which could not call malloc anyway.
 */
#ifndef HM_ALONE_H
#define HM_ALONE_H

#include "base.h"

#ifdef HAVE_SYS_SINGLE_THREADED_H
#include <sys/single_threaded.h>
#define HM_LIBC_COUNTS_THREADS 1
#else
#define HM_LIBC_COUNTS_THREADS 0
#endif

HM_INLINE bool hm_is_alone(void)
{
#if HM_LIBC_COUNTS_THREADS
    return __libc_single_threaded;
#else
    return false;
#endif
}

/* As the functions of <stdatomic.h>: all return what was there before. */

HM_INLINE uint64_t hm_fetch_and(_Atomic uint64_t *word, uint64_t bits, memory_order order)
{
    if (!hm_is_alone())
        return atomic_fetch_and_explicit(word, bits, order);
    uint64_t before = hm_load_relaxed(word);
    hm_store_relaxed(word, before & bits);
    return before;
}

HM_INLINE uint64_t hm_fetch_add(_Atomic uint64_t *word, uint64_t n, memory_order order)
{
    if (!hm_is_alone())
        return atomic_fetch_add_explicit(word, n, order);
    uint64_t before = hm_load_relaxed(word);
    hm_store_relaxed(word, before + n);
    return before;
}

#endif
