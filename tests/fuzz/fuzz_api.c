/* SPDX-License-Identifier: MIT */
/* fuzz_api: any sequence of malloc, calloc, realloc, memalign, free, malloc_usable_size and
 * trims, against a shadow of what ought to be there: each block's size and content.
 *
 * An input is a list of operations of four bytes: what, which block, and the size as a
 * mantissa and an exponent, so that all kinds of block are as likely. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base.h"
#include "hakmem/hakmem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCKS = 64, SIZE_LOG2_MAX = 22 };

static struct shadow {
    unsigned char *block;
    size_t size;
    unsigned char mark;
} shadows[BLOCKS];

static void require(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* Content: the first and last bytes, so that a fuzzer is not kept busy by large blocks. */
enum { EDGE = 256 };

static unsigned char byte_at(const struct shadow *s, size_t i)
{
    return (unsigned char)(s->mark + i * 31);
}

static void put(struct shadow *s)
{
    for (size_t i = 0; i < s->size; i = i == EDGE && s->size > 2 * EDGE ? s->size - EDGE
                                                                         : i + 1)
        s->block[i] = byte_at(s, i);
}

/* The first `size` bytes are as they were put. */
static void verify(const struct shadow *s, const unsigned char *block, size_t size)
{
    for (size_t i = 0; i < size && i < EDGE; i++)
        require(block[i] == byte_at(s, i));
    if (s->size > 2 * EDGE)
        for (size_t i = s->size - EDGE + 1; i < size; i++)
            require(block[i] == byte_at(s, i));
}

static void drop(struct shadow *s)
{
    if (s->block != NULL)
        verify(s, s->block, s->size);
    free(s->block);
    s->block = NULL;
    s->size = 0;
}

static void have(struct shadow *s, void *block, size_t size)
{
    static unsigned char marks;
    require(block != NULL && ((uintptr_t)block & 15) == 0);
    require(malloc_usable_size(block) >= size);
    *s = (struct shadow){block, size, marks++};
    put(s);
}

static void zeroed(struct shadow *s, size_t size)
{
    unsigned char *p = calloc(1, size);
    require(p != NULL);
    for (size_t i = 0; i < size; i++)
        require(p[i] == 0);
    have(s, p, size);
}

static void resize(struct shadow *s, size_t size)
{
    unsigned char *p = realloc(s->block, size);
    if (s->block != NULL && size == 0) {
        require(p == NULL);
        *s = (struct shadow){NULL, 0, 0};
        return;
    }
    require(p != NULL);
    if (s->block != NULL)
        verify(s, p, size < s->size ? size : s->size);
    have(s, p, size);
}

static void impossible(void)
{
    volatile size_t much = PTRDIFF_MAX; /* else the compiler objects */
    require(malloc(much) == NULL && calloc(much, 3) == NULL);
}

static void step(unsigned what, struct shadow *s, size_t size)
{
    switch (what % 16) {
    case 0:
        hakmem_thread_flush();
        break;
    case 1:
        if (what >= 240) /* it takes longer than everything else */
            malloc_trim(0);
        else
            impossible();
        break;
    case 2:
    case 3:
        drop(s);
        zeroed(s, size);
        break;
    case 4:
    case 5:
        drop(s);
        have(s, memalign((size_t)1 << what / 16, size), size);
        require(((uintptr_t)s->block & (((size_t)1 << what / 16) - 1)) == 0);
        break;
    case 6:
    case 7:
    case 8:
        resize(s, size);
        break;
    case 9:
    case 10:
    case 11:
    case 12:
        drop(s);
        break;
    default:
        drop(s);
        have(s, malloc(size), size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (; size >= 4; data += 4, size -= 4) {
        size_t exponent = data[3] % (SIZE_LOG2_MAX - 7);
        step(data[0], &shadows[data[1] % BLOCKS], (size_t)data[2] << exponent >> 1);
    }
    require(hakmem_check_heap() == 0);
    for (size_t i = 0; i < BLOCKS; i++)
        drop(&shadows[i]);
    return 0;
}

#define FUZZ_SEEDS "seeds-api"
#include "replay.h"
