/* SPDX-License-Identifier: MIT */
#include "cxx.h"
#include "fail.h"
#include "heap.h"

#include <dlfcn.h>

typedef void (*new_handler)(void);

/* Both C++ libraries export these. They are NULL when neither is loaded with the program.
 */
extern new_handler std_get_new_handler(void) __asm__("_ZSt15get_new_handlerv")
    __attribute__((weak));
extern void std_throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv")
    __attribute__((weak));

/* A symbol of the C++ library that the caller's object was linked with. An extension
 * module brings one along by dlopen(RTLD_LOCAL), invisible to weak references. Only
 * failure comes here, without any lock of ours, so the loader's allocations and locks do
 * no harm. */
static void *find_symbol(void *caller, const char *name)
{
    Dl_info info;
    if (dladdr(caller, &info) == 0)
        return NULL;
    void *object = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (object == NULL)
        object = dlopen(NULL, RTLD_LAZY | RTLD_NOLOAD); /* the program itself */
    if (object == NULL)
        return NULL;
    void *symbol = dlsym(object, name);
    dlclose(object);
    return symbol;
}

static new_handler current_handler(void *caller)
{
    new_handler (*get)(void) = std_get_new_handler;
    if (get == NULL)
        *(void **)&get = find_symbol(caller, "_ZSt15get_new_handlerv");
    return get == NULL ? NULL : get();
}

void *hm_cxx_new_failed(size_t size, size_t align, bool nothrow, void *caller)
{
    new_handler handler;
    while ((handler = current_handler(caller)) != NULL) {
        handler(); /* frees memory, or throws, or ends the program */
        void *block = hm_heap_memalign(align, size);
        if (block != NULL)
            return block;
    }
    if (nothrow)
        return NULL;
    void (*throw_bad_alloc)(void) = std_throw_bad_alloc;
    if (throw_bad_alloc == NULL)
        *(void **)&throw_bad_alloc = find_symbol(caller, "_ZSt17__throw_bad_allocv");
    if (throw_bad_alloc != NULL)
        throw_bad_alloc();
    hm_fail_misuse("operator new", NULL, "out of memory, and no C++ library to throw");
}
