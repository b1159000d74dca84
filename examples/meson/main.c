/* SPDX-License-Identifier: MIT */
/* A buffer that grows by what the allocator can give without rounding anything away. */
#include <hakmem/hakmem.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    size_t capacity = 0;
    char *buffer = NULL;

    printf("profile %s\n", hakmem_profile());
    for (int step = 0; step < 4; step++) {
        size_t wanted = hakmem_good_size(capacity + capacity / 2 + 100);
        char *grown = realloc(buffer, wanted);

        if (grown == NULL) {
            free(buffer);
            return EXIT_FAILURE;
        }
        buffer = grown;
        capacity = wanted;
        printf("%zu bytes, all usable: %s\n", capacity,
               malloc_usable_size(buffer) >= capacity ? "yes" : "no");
    }
    free(buffer);
    return EXIT_SUCCESS;
}
