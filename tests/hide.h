/* SPDX-License-Identifier: MIT */
/* hide: hiding from the compiler what a test does. It knows malloc: it removes pairs whose
 * result nobody sees, believes that malloc does not fail, and warns of the very mistakes
 * that the misuse tests make. */
#ifndef HM_TEST_HIDE_H
#define HM_TEST_HIDE_H

#include <stddef.h>
#include <stdint.h>

static inline void *hide(const void *ptr)
{
    void *p = (void *)(uintptr_t)ptr;
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

static inline size_t hide_size(size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

#endif
