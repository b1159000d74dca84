/* SPDX-License-Identifier: MIT */
#include "cxx.h"
#include "fail.h"
#include "heap.h"
#include "symbol.h"

typedef void (*new_handler)(void);
typedef void *(*nothrow_new)(size_t size, const void *tag);
typedef void *(*nothrow_aligned_new)(size_t size, size_t align, const void *tag);

#if SIZE_MAX > UINT32_MAX
#define NOTHROW_NEW "_ZnwmRKSt9nothrow_t"
#define NOTHROW_ALIGNED_NEW "_ZnwmSt11align_val_tRKSt9nothrow_t"
#else
#define NOTHROW_NEW "_ZnwjRKSt9nothrow_t"
#define NOTHROW_ALIGNED_NEW "_ZnwjSt11align_val_tRKSt9nothrow_t"
#endif

/* Both C++ libraries export these. They are NULL when neither is loaded with the program.
 */
extern new_handler std_get_new_handler(void) __asm__("_ZSt15get_new_handlerv")
    __attribute__((weak));
extern void std_throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv")
    __attribute__((weak));

/* Otherwise a symbol is looked for in the C++ library that the caller's object was linked
 * with: an extension module brings one along by dlopen(RTLD_LOCAL), invisible to weak
 * references. Only failure comes here, without any lock of ours, so the loader's
 * allocations and locks do no harm. */

typedef new_handler (*handler_getter)(void);

static handler_getter find_handler_getter(void *caller)
{
    handler_getter get = std_get_new_handler;
    if (get == NULL)
        *(void **)&get = hm_symbol_find(caller, "_ZSt15get_new_handlerv");
    return get;
}

/* A handler may throw, and a nothrow new then returns NULL; but C cannot catch. The C++
 * library's own nothrow new can: it calls the throwing new, which is ours, and catches.
 * False: there is none to call. */
static bool catching_new(size_t size, size_t align, const void *in_library, void **block)
{
    static const char tag; /* std::nothrow is an empty object */
    bool aligned = align > HM_ALIGNMENT;
    void *symbol =
        hm_symbol_find(in_library, aligned ? NOTHROW_ALIGNED_NEW : NOTHROW_NEW);
    if (symbol == NULL || !hm_symbol_same_object(symbol, in_library))
        return false;
    nothrow_new plain;
    nothrow_aligned_new with_align;
    *(void **)&plain = *(void **)&with_align = symbol;
    *block = aligned ? with_align(size, align, &tag) : plain(size, &tag);
    return true;
}

void *hm_cxx_new_failed(size_t size, size_t align, bool nothrow, void *caller)
{
    handler_getter get = find_handler_getter(caller);
    new_handler handler;
    void *block;
    while (get != NULL && (handler = get()) != NULL) {
        if (nothrow && catching_new(size, align, *(void **)&get, &block))
            return block;
        handler(); /* frees memory, or throws, or ends the program */
        block = hm_heap_memalign(align, size);
        if (block != NULL)
            return block;
    }
    if (nothrow)
        return NULL;
    void (*throw_bad_alloc)(void) = std_throw_bad_alloc;
    if (throw_bad_alloc == NULL)
        *(void **)&throw_bad_alloc = hm_symbol_find(caller, "_ZSt17__throw_bad_allocv");
    if (throw_bad_alloc != NULL)
        throw_bad_alloc();
    hm_fail_misuse("operator new", NULL, "out of memory, and no C++ library to throw");
}
