/* SPDX-License-Identifier: MIT */
/* compat/malloc.h: what <malloc.h> of glibc 2.33 and later declares, for C libraries whose
 * own does not. configure puts this directory before the system's only there. */
#ifndef HM_COMPAT_MALLOC_H
#define HM_COMPAT_MALLOC_H

#include_next <malloc.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if !defined(__GLIBC__)
struct mallinfo {
    int arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks,
        keepcost;
};
struct mallinfo mallinfo(void);
void *pvalloc(size_t size);
int mallopt(int param, int value);
int malloc_trim(size_t pad);
void malloc_stats(void);
int malloc_info(int options, FILE *out);
#define M_MXFAST 1
#define M_TRIM_THRESHOLD (-1)
#define M_TOP_PAD (-2)
#define M_MMAP_THRESHOLD (-3)
#define M_MMAP_MAX (-4)
#define M_CHECK_ACTION (-5)
#define M_PERTURB (-6)
#define M_ARENA_TEST (-7)
#define M_ARENA_MAX (-8)
#endif

struct mallinfo2 {
    size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks,
        keepcost;
};
struct mallinfo2 mallinfo2(void);

#ifdef __cplusplus
}
#endif
#endif
