/* SPDX-License-Identifier: MIT */
/* Every alignment from 1 byte to 4 MiB, at sizes around it and around the classes. */
#include "../support.h"

#define MAX_ALIGNMENT (4 * MIB)

static void *by_memalign(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

static void *by_aligned_alloc(size_t alignment, size_t size)
{
    return aligned_alloc(alignment, size);
}

static void *by_posix_memalign(size_t alignment, size_t size)
{
    void *p = NULL;
    size_t least = sizeof(void *);
    return posix_memalign(&p, alignment < least ? least : alignment, size) == 0 ? p
                                                                                : NULL;
}

static void *(*const allocators[])(size_t, size_t) = {by_memalign, by_aligned_alloc,
                                                      by_posix_memalign};

/* Sizes to try with an alignment: small ones, and those at, beside and between multiples.
 */
static size_t sizes_for(size_t alignment, size_t sizes[32])
{
    static const size_t always[] = {0,     1,     8,     16,     17,     40,    64,
                                    100,   128,   256,   1000,   1024,   4096,  5000,
                                    32768, 65536, 70000, 262144, 524288, 600000};
    size_t n = 0;
    for (size_t i = 0; i < COUNT(always); i++)
        sizes[n++] = always[i];
    sizes[n++] = alignment / 2;
    sizes[n++] = alignment - 1;
    sizes[n++] = alignment;
    sizes[n++] = alignment + 1;
    sizes[n++] = alignment * 2;
    sizes[n++] = alignment * 2 + 1;
    sizes[n++] = alignment * 3 / 2;
    return n;
}

enum { LIVE = 4 };

static void get_blocks(size_t f, size_t alignment, size_t size, void *blocks[LIVE])
{
    for (size_t i = 0; i < LIVE; i++) {
        blocks[i] = allocators[f](alignment, size);
        if (blocks[i] == NULL || !is_aligned(blocks[i], alignment) ||
            !is_aligned(blocks[i], 16) || malloc_usable_size(blocks[i]) < size)
            fail_msg("function %zu, alignment %zu, size %zu: %p, usable %zu", f,
                     alignment, size, blocks[i], malloc_usable_size(blocks[i]));
        fill(blocks[i], malloc_usable_size(blocks[i]), size ^ i);
    }
}

static void for_every_alignment_and_size(void (*test)(size_t f, size_t a, size_t size))
{
    for (size_t f = 0; f < COUNT(allocators); f++) {
        for (size_t alignment = 1; alignment <= MAX_ALIGNMENT; alignment *= 2) {
            size_t sizes[32];
            size_t n = sizes_for(alignment, sizes);
            for (size_t i = 0; i < n; i++)
                test(f, alignment, sizes[i]);
        }
    }
}

static void hold_and_free(size_t f, size_t alignment, size_t size)
{
    void *blocks[LIVE];
    get_blocks(f, alignment, size, blocks);
    for (size_t i = 0; i < LIVE; i++) {
        assert_true(intact(blocks[i], malloc_usable_size(blocks[i]), size ^ i));
        free(blocks[i]);
    }
}

static void every_alignment_is_met_and_every_usable_byte_holds(void **state)
{
    (void)state;
    for_every_alignment_and_size(hold_and_free);
}

static void hold_and_realloc(size_t f, size_t alignment, size_t size)
{
    void *blocks[LIVE];
    get_blocks(f, alignment, size, blocks);
    for (size_t i = 0; i < LIVE; i++) {
        static const size_t numerators[LIVE] = {1, 4, 6, 24};
        size_t to = size * numerators[i] / 4 + 1;
        void *q = realloc(blocks[i], to);
        assert_non_null(q);
        assert_true(is_aligned(q, 16) && malloc_usable_size(q) >= to);
        assert_true(intact(q, to < size ? to : size, size ^ i));
        memset(q, 0x5A, malloc_usable_size(q));
        if (i % 2 == 0 && HAVE(free_sized))
            free_sized(q, to);
        else
            free(q);
    }
}

static void aligned_blocks_can_be_reallocated(void **state)
{
    (void)state;
    for_every_alignment_and_size(hold_and_realloc);
}

static void hold_and_free_sized(size_t f, size_t alignment, size_t size)
{
    void *blocks[LIVE];
    get_blocks(f, alignment, size, blocks);
    for (size_t i = 0; i < LIVE; i++) {
        assert_true(intact(blocks[i], malloc_usable_size(blocks[i]), size ^ i));
        free_aligned_sized(blocks[i], alignment, size);
    }
}

static void free_aligned_sized_takes_what_was_asked_for(void **state)
{
    (void)state;
    NEED(HAVE(free_aligned_sized), "free_aligned_sized");
    for_every_alignment_and_size(hold_and_free_sized);
}

/* mimalloc 2.0.9 returned 128-byte aligned blocks here: the class above the size fitted
 * the size, not the alignment. One block more than fit on a page, for each of the equal
 * pairs. */
static void a_size_equal_to_its_alignment_is_aligned_every_time(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static void *blocks[MANY];
    for (size_t n = 8; n <= 16 * KIB; n *= 2) {
        for (size_t extra = 0; extra < 3; extra++) {
            size_t size = n - 1 + extra;
            for (size_t i = 0; i < MANY; i++) {
                assert_int_equal(posix_memalign(&blocks[i], n, size), 0);
                if (!is_aligned(blocks[i], n))
                    fail_msg("posix_memalign(%zu, %zu): %p", n, size, blocks[i]);
                fill(blocks[i], size, i);
            }
            for (size_t i = 0; i < MANY; i++) {
                assert_true(intact(blocks[i], size, i));
                free(blocks[i]);
            }
        }
    }
}

/* Ordinary and aligned blocks of one size, in random order: whatever keeps them apart (or
 * does not) must know, at free, which is which. */
static void aligned_and_ordinary_blocks_mix(void **state)
{
    (void)state;
    enum { SLOTS = 256 };
    static struct {
        void *block;
        size_t size;
    } slot[SLOTS];
    struct rng r = rng_seed(3);
    long steps = scaled(60000);
    for (long i = 0; i < steps; i++) {
        size_t s = rng_below(&r, SLOTS);
        assert_true(intact(slot[s].block, slot[s].size, s));
        free(slot[s].block);
        size_t size = rng_size(&r, 15);
        size_t alignment = (size_t)1 << rng_below(&r, 14);
        slot[s].block = rng_below(&r, 2) ? malloc(size) : memalign(alignment, size);
        assert_non_null(slot[s].block);
        slot[s].size = size;
        fill(slot[s].block, size, s);
    }
    for (size_t s = 0; s < SLOTS; s++)
        free(slot[s].block);
}

/* Address space, not memory, is what these cost; refusing is right too. */
static void alignments_to_1_gib_are_met_or_refused(void **state)
{
    (void)state;
    for (size_t alignment = 8 * MIB; alignment <= GIB; alignment *= 2) {
        for (size_t size = 1; size <= 20 * MIB; size = size * 100 + 1) {
            errno = 0;
            char *p = memalign(alignment, size);
            if (p == NULL) {
                assert_int_equal(errno, ENOMEM);
                continue;
            }
            assert_true(is_aligned(p, alignment));
            p[0] = p[size - 1] = 1;
            free(p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_alignment_is_met_and_every_usable_byte_holds),
        cmocka_unit_test(aligned_blocks_can_be_reallocated),
        cmocka_unit_test(free_aligned_sized_takes_what_was_asked_for),
        cmocka_unit_test(a_size_equal_to_its_alignment_is_aligned_every_time),
        cmocka_unit_test(aligned_and_ordinary_blocks_mix),
        cmocka_unit_test(alignments_to_1_gib_are_met_or_refused),
    };
    return RUN_TESTS(tests);
}
