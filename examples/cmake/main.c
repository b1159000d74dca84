/* SPDX-License-Identifier: MIT */
/* What a block costs, by the allocator's own statistics. */
#include <hakmem/hakmem.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t live_bytes(void)
{
    struct hakmem_stats stats = {.version = HAKMEM_STATS_VERSION, .size = sizeof(stats)};

    return hakmem_stats(&stats) == 0 ? stats.live_bytes : 0;
}

int main(void)
{
    const size_t size = 10 << 20;
    uint64_t before = live_bytes();
    char *block = malloc(size);

    if (block == NULL)
        return EXIT_FAILURE;
    memset(block, 1, size);
    printf("profile %s\n", hakmem_profile());
    printf("%zu bytes cost %" PRIu64 "\n", size, live_bytes() - before);
    free(block);
    return EXIT_SUCCESS;
}
