/* SPDX-License-Identifier: MIT */
#include "next.h"
#include "symbol.h"

#ifdef PIC
/* Weak: NULL where libc has none. */
#define LIBC __attribute__((weak))
extern LIBC void *__libc_malloc(size_t size);
extern LIBC void *__libc_calloc(size_t count, size_t each);
extern LIBC void *__libc_memalign(size_t align, size_t size);
extern LIBC void *__libc_realloc(void *block, size_t size);
extern LIBC void __libc_free(void *block);
#define MALLOC_ADDRESS ((const void *)(uintptr_t)&__libc_malloc)

HM_ONCE bool hm_next_exists(void)
{
    return __libc_malloc != NULL && __libc_calloc != NULL && __libc_memalign != NULL &&
           __libc_realloc != NULL && __libc_free != NULL;
}
#else
/* In libhakmem.a these names are our own malloc's, and nobody comes here. */
#define __libc_malloc(size) ((void)(size), NULL)
#define __libc_calloc(count, each) ((void)(each), NULL)
#define __libc_memalign(align, size) ((void)(align), (void)(size), NULL)
#define __libc_realloc(block, size) ((void)(block), (void)(size), NULL)
#define __libc_free(block) ((void)(block))
#define MALLOC_ADDRESS NULL

bool hm_next_exists(void)
{
    return false;
}
#endif

/* What has no second name. [any, relaxed] Looked up by hm_next_load, or before it by the
 * first to ask: all find the same. */
enum next_name { USABLE, TRIM, MALLOPT, STATS, INFO, MALLINFO, NAMES };
static const char names[NAMES][20] = {
    "malloc_usable_size", "malloc_trim", "mallopt", "malloc_stats", "malloc_info",
    "mallinfo2"};
static _Atomic(void *) found[NAMES] HM_COLD_DATA;

/* NULL: the next malloc has no such function. */
static void *find(enum next_name which)
{
    void *function = hm_load_relaxed(&found[which]);
    if (function == NULL) {
        function = hm_symbol_find(MALLOC_ADDRESS, names[which]);
        if (hm_symbol_same_object(function, &found))
            function = NULL; /* ours, which would call us again */
        hm_store_relaxed(&found[which], function);
    }
    return function;
}

void hm_next_load(void)
{
    for (enum next_name which = 0; which < NAMES; which++)
        find(which);
}

void *hm_next_malloc(size_t size)
{
    return __libc_malloc(size);
}

void *hm_next_calloc(size_t size)
{
    return __libc_calloc(1, size);
}

void *hm_next_memalign(size_t align, size_t size)
{
    return align <= HM_ALIGNMENT ? __libc_malloc(size) : __libc_memalign(align, size);
}

void *hm_next_realloc(void *block, size_t size)
{
    return __libc_realloc(block, size);
}

void hm_next_free(void *block)
{
    __libc_free(block);
}

size_t hm_next_usable(const void *block)
{
    size_t (*function)(const void *);
    *(void **)&function = find(USABLE);
    return function != NULL ? function(block) : 0;
}

int hm_next_trim(size_t pad)
{
    int (*function)(size_t);
    *(void **)&function = find(TRIM);
    return function != NULL ? function(pad) : 0;
}

int hm_next_mallopt(int param, int value)
{
    int (*function)(int, int);
    *(void **)&function = find(MALLOPT);
    return function != NULL ? function(param, value) : 0;
}

void hm_next_stats(void)
{
    void (*function)(void);
    *(void **)&function = find(STATS);
    if (function != NULL)
        function();
}

int hm_next_info(int options, FILE *out)
{
    int (*function)(int, FILE *);
    *(void **)&function = find(INFO);
    return function != NULL ? function(options, out) : -1;
}

struct mallinfo2 hm_next_mallinfo(void)
{
    struct mallinfo2 (*function)(void);
    *(void **)&function = find(MALLINFO);
    return function != NULL ? function() : (struct mallinfo2){.arena = 0};
}
