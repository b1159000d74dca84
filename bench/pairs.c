/* SPDX-License-Identifier: MIT */
/* pairs MODE COUNT SIZE: a loop of malloc and free, to be counted under callgrind at
 * COUNT and at twice COUNT: the difference is what COUNT pairs cost, loop included.
 * `bench/run --pairs` does so. It prints nothing and shares nothing with the other
 * programs, so that an instruction counted is either the loop's or the allocator's.
 *
 *   none     the loop alone
 *   lifo     a block is freed as soon as it is allocated
 *   aligned  the same with a block at a multiple of 64
 *   batch    a thousand blocks are allocated, then freed in the same order
 *   mixed    the block in one of 4,096 slots, at random, gives way to one of 16 … SIZE
 *            bytes */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1000, SLOTS = 4096, SMALLEST = 16 };

/* Volatile: the compiler may not conclude that nobody uses the block. */
static void *volatile sink;

static void none(long count)
{
    for (long i = 0; i < count; i++)
        sink = (void *)i;
}

static void lifo(long count, size_t size)
{
    for (long i = 0; i < count; i++) {
        sink = malloc(size);
        free(sink);
    }
}

static void aligned(long count, size_t size)
{
    for (long i = 0; i < count; i++) {
        void *block = NULL;
        if (posix_memalign(&block, 64, size) == 0)
            sink = block;
        free(sink);
    }
}

static void batch(long count, size_t size)
{
    void **blocks = calloc(BATCH, sizeof(*blocks));
    for (long i = 0; blocks != NULL && i < count / BATCH; i++) {
        for (int j = 0; j < BATCH; j++)
            blocks[j] = malloc(size);
        for (int j = 0; j < BATCH; j++)
            free(blocks[j]);
    }
}

static void mixed(long count, size_t size)
{
    void **blocks = calloc(SLOTS, sizeof(*blocks));
    uint64_t random = UINT64_C(88172645463325252);
    for (long i = 0; blocks != NULL && i < count; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        void **slot = &blocks[random % SLOTS];
        free(*slot);
        *slot = malloc(SMALLEST + (random >> 20) % (size - SMALLEST + 1));
        *(char *)*slot = 1;
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const char *mode = argv[1];
    long count = atol(argv[2]);
    size_t size = (size_t)atol(argv[3]);
    if (strcmp(mode, "none") == 0)
        none(count);
    else if (strcmp(mode, "lifo") == 0)
        lifo(count, size);
    else if (strcmp(mode, "aligned") == 0)
        aligned(count, size);
    else if (strcmp(mode, "batch") == 0)
        batch(count, size);
    else if (strcmp(mode, "mixed") == 0)
        mixed(count, size);
    else
        return 2;
    return 0;
}
