/* SPDX-License-Identifier: MIT */
/* whichmalloc: says which object in this process malloc and its closest kin come from, so
 * that nobody measures libc's allocator and believes it is another. One line for each:
 * "malloc /usr/lib/…/libc.so.6"; and "profile NAME" when libhakmem is in the process.
 *
 * The functions' addresses are those that this program was linked to: dlsym would also
 * find a malloc whose symbol version keeps every program from using it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    const struct {
        const char *name;
        void *address;
    } functions[] = {
        {"malloc", (void *)malloc},
        {"free", (void *)free},
        {"calloc", (void *)calloc},
        {"realloc", (void *)realloc},
        {"posix_memalign", (void *)posix_memalign},
        {"malloc_usable_size", (void *)malloc_usable_size},
    };
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        Dl_info info;
        if (dladdr(functions[i].address, &info) == 0)
            return 1;
        printf("%s %s\n", functions[i].name, info.dli_fname);
    }
    const char *(*profile)(void) =
        (const char *(*)(void))dlsym(RTLD_DEFAULT, "hakmem_profile");
    if (profile != NULL)
        printf("profile %s\n", profile());
    return 0;
}
