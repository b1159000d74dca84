/* SPDX-License-Identifier: MIT */
#include "symbol.h"

#include <dlfcn.h>

#ifdef PIC
void *hm_symbol_find(const void *in, const char *name)
{
    Dl_info info;
    if (dladdr(in, &info) == 0)
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
#else
void *hm_symbol_find(const void *in, const char *name)
{
    (void)in;
    (void)name;
    return NULL;
}
#endif

bool hm_symbol_same_object(const void *a, const void *b)
{
    Dl_info in_a, in_b;
    return dladdr(a, &in_a) != 0 && dladdr(b, &in_b) != 0 &&
           in_a.dli_fbase == in_b.dli_fbase;
}
