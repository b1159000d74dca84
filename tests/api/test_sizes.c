/* SPDX-License-Identifier: MIT */
/* Every size: from 0 to 1 MiB one by one, at both sides of every size class's end, and by
 * steps to 64 MiB; zeroed by calloc, carried over by realloc. */
#include "../support.h"

/* 1,048,577 sizes, with the last blocks kept alive so that an overlap is seen. */
static void every_size_to_1_mib_is_served(void **state)
{
    (void)state;
    enum { LIVE = 32 };
    struct {
        unsigned char *block;
        size_t size;
    } live[LIVE] = {{NULL, 0}};
    for (size_t size = 0; size <= MIB + LIVE; size++) {
        size_t slot = size % LIVE;
        unsigned char *old = live[slot].block;
        if (old != NULL) {
            unsigned char mark = (unsigned char)(live[slot].size * 7 + 1);
            assert_int_equal(old[0], mark);
            assert_int_equal(old[live[slot].size - 1], mark);
            free(old);
            live[slot].block = NULL;
        }
        if (size > MIB)
            continue;
        unsigned char *p = malloc(hide_size(size));
        if (p == NULL || !is_aligned(p, 16) || malloc_usable_size(p) < size)
            fail_msg("malloc(%zu): %p, usable %zu", size, (void *)p,
                     malloc_usable_size(p));
        if (size == 0) {
            free(p);
            continue;
        }
        p[0] = p[size - 1] = (unsigned char)(size * 7 + 1);
        live[slot].block = p;
        live[slot].size = size;
    }
}

/* Several blocks of one size, filled and verified together. */
static void verify_blocks_of(size_t size)
{
    void *blocks[6];
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = malloc(size);
        assert_non_null(blocks[i]);
        assert_true(malloc_usable_size(blocks[i]) >= size);
        fill(blocks[i], size, size * 31 + i);
    }
    for (size_t i = 0; i < COUNT(blocks); i++) {
        if (!intact(blocks[i], size, size * 31 + i))
            fail_msg("size %zu, block %zu changed", size, i);
        free(blocks[i]);
    }
}

/* Every boundary to 32 KiB, where classes are; beyond, blocks are cut to the page and one
 * boundary in each 64th of the size will do. */
static void both_sides_of_every_class_boundary_hold_their_content(void **state)
{
    (void)state;
    size_t boundaries = 0;
    for (size_t size = 1; size <= 2 * MIB; boundaries++) {
        size_t end = good_size(size);
        if (end < size)
            fail_msg("good_size(%zu) = %zu", size, end);
        verify_blocks_of(end - 1);
        verify_blocks_of(end);
        verify_blocks_of(end + 1);
        size = end + 1 + (end > 32 * KIB ? end / 64 : 0);
    }
    assert_true(boundaries >= 20);
}

static void good_size_is_what_malloc_makes_usable(void **state)
{
    (void)state;
    NEED(HAVE(hakmem_good_size), "hakmem_good_size");
    size_t last = 0;
    warm_up(malloc, free);
    for (size_t size = 0; size <= 64 * MIB; size += 1 + size / 300) {
        size_t good = hakmem_good_size(size);
        if (good < size || good < last || hakmem_good_size(good) != good)
            fail_msg("good_size(%zu) = %zu", size, good);
        last = good;
        void *p = malloc(hide_size(size));
        assert_non_null(p);
        bool coarse = size > 256 && size <= 32 * KIB;
        bool lent = size >= 128 * KIB && size <= 512 * KIB;
        bool more = (coarse || lent) && malloc_usable_size(p) > good;
        if (malloc_usable_size(p) != good && !more)
            fail_msg("size %zu: good %zu, usable %zu", size, good, malloc_usable_size(p));
        free(p);
    }
}

/* Of few blocks, few sizes waste less than many. What there is by then stays as it is. */
static void sizes_become_finer_when_there_are_many(void **state)
{
    (void)state;
    NEED(HAVE(hakmem_good_size), "hakmem_good_size");
    enum { BLOCKS = 2000, SIZE = 17000 };
    static void *blocks[BLOCKS];
    size_t good = hakmem_good_size(SIZE);
    assert_in_range(good, SIZE, SIZE + SIZE / 8);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SIZE);
        assert_non_null(blocks[i]);
        fill(blocks[i], SIZE, i);
    }
    size_t coarse = malloc_usable_size(blocks[0]);
    NEED(coarse > good, "a size of which there were few");
    assert_int_equal(malloc_usable_size(blocks[BLOCKS - 1]), good);
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_true(intact(blocks[i], SIZE, i));
        free(blocks[i]);
    }
}

static void good_size_of_an_impossible_size_is_zero(void **state)
{
    (void)state;
    NEED(HAVE(hakmem_good_size), "hakmem_good_size");
    assert_int_equal(hakmem_good_size((size_t)PTRDIFF_MAX + 1), 0);
    assert_int_equal(hakmem_good_size(SIZE_MAX - 4096), 0);
    assert_int_equal(hakmem_good_size(SIZE_MAX), 0);
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

/* The predecessor served 64 bytes from blocks of another class. */
static void blocks_of_64_bytes_take_exactly_64_bytes(void **state)
{
    (void)state;
    enum { BLOCKS = 1000 };
    static uintptr_t sorted[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        void *p = malloc(64);
        assert_non_null(p);
        if (HAVE(hakmem_good_size))
            assert_int_equal(malloc_usable_size(p), 64);
        fill(p, 64, (uintptr_t)p);
        sorted[i] = (uintptr_t)p;
    }
    if (HAVE(hakmem_good_size)) {
        assert_int_equal(hakmem_good_size(64), 64);
        assert_true(hakmem_good_size(65) > 64);
    }
    qsort(sorted, BLOCKS, sizeof(sorted[0]), by_address);
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_true(intact((void *)sorted[i], 64, sorted[i]));
        assert_true(i == 0 || sorted[i] - sorted[i - 1] >= 64);
        if (HAVE(hakmem_good_size) && i > 0)
            assert_int_equal((sorted[i] - sorted[i - 1]) % 64, 0);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        free((void *)sorted[i]);
}

/* Steps through sizes: each to 4,096, then by a 256th. */
static size_t step(size_t size)
{
    return size + 1 + (size > 4096 ? size / 256 : 0);
}

static void calloc_is_zero_in_memory_that_was_dirty(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 2 * MIB; size = step(size)) {
        /* Two, so that one comes from where the other was freed. */
        for (int i = 0; i < 2; i++) {
            void *p = malloc(size);
            assert_non_null(p);
            memset(p, 0xFF, malloc_usable_size(p));
            free(p);
            unsigned char *z = calloc(i ? 1 : size, i ? size : 1);
            assert_non_null(z);
            if (!all_bytes(z, size, 0))
                fail_msg("calloc of %zu bytes is not zero", size);
            memset(z, 0xFF, malloc_usable_size(z));
            free(z);
        }
    }
    for (size_t size = 2 * MIB; size <= 64 * MIB; size = size * 2 + 4096) {
        for (int i = 0; i < 3; i++) {
            unsigned char *z = calloc(1, size);
            assert_non_null(z);
            assert_true(all_bytes(z, size, 0));
            memset(z, 0xFF, malloc_usable_size(z));
            free(z);
        }
    }
}

/* Dirty memory that went through a trim, whose madvise may or may not have zeroed it. */
static void calloc_is_zero_after_a_trim(void **state)
{
    (void)state;
    static void *blocks[200];
    for (size_t size = 100; size <= 200000; size *= 3) {
        for (size_t i = 0; i < COUNT(blocks); i++) {
            blocks[i] = malloc(size);
            assert_non_null(blocks[i]);
            memset(blocks[i], 0xFF, malloc_usable_size(blocks[i]));
        }
        for (size_t i = 0; i < COUNT(blocks); i++)
            free(blocks[i]);
        malloc_trim(0);
        for (size_t i = 0; i < COUNT(blocks); i++) {
            blocks[i] = calloc(1, size);
            assert_non_null(blocks[i]);
            assert_true(all_bytes(blocks[i], size, 0));
        }
        for (size_t i = 0; i < COUNT(blocks); i++)
            free(blocks[i]);
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void *resize(void *p, size_t from, size_t to, uint64_t seed)
{
    void *q = realloc(p, to);
    assert_non_null(q);
    assert_true(is_aligned(q, 16) && malloc_usable_size(q) >= to);
    if (!intact(q, smaller(from, to), seed))
        fail_msg("realloc from %zu to %zu changed the content", from, to);
    return q;
}

static void realloc_grows_and_shrinks_to_64_mib_with_the_content(void **state)
{
    (void)state;
    void *p = malloc(1);
    void *neighbour = NULL;
    assert_non_null(p);
    fill(p, 1, 7);
    size_t size = 1;
    while (size < 64 * MIB) {
        size_t to = smaller(size + 1 + size / 3, 64 * MIB);
        p = resize(p, size, to, 7);
        fill(p, to, 7);
        /* Something behind it, so that it cannot always grow in place. */
        free(neighbour);
        neighbour = malloc(size);
        size = to;
    }
    while (size > 1) {
        size_t to = size - 1 - size / 4;
        p = resize(p, size, to == 0 ? 1 : to, 7);
        size = to == 0 ? 1 : to;
    }
    free(neighbour);
    free(p);
}

static void realloc_walks_any_size_to_any_other(void **state)
{
    (void)state;
    enum { LIVE = 12 };
    struct {
        void *block;
        size_t size;
    } live[LIVE] = {{NULL, 0}};
    struct rng r = rng_seed(2);
    long steps = scaled(6000);
    for (long i = 0; i < steps; i++) {
        size_t slot = rng_below(&r, LIVE);
        size_t to = 1 + rng_size(&r, i % 64 == 0 ? 24 : 18);
        live[slot].block = resize(live[slot].block, live[slot].size, to, slot);
        live[slot].size = to;
        fill(live[slot].block, to, slot);
    }
    for (size_t i = 0; i < LIVE; i++)
        free(live[i].block);
}

/* A big buffer that grows by a page at a time, as a log or a string builder does. */
static void realloc_by_pages_keeps_the_content(void **state)
{
    (void)state;
    size_t size = 500 * KIB;
    char *p = malloc(size);
    assert_non_null(p);
    memset(p, 'x', size);
    while (size < 12 * MIB) {
        char *q = realloc(p, size + 4096);
        assert_non_null(q);
        p = q;
        assert_true(p[0] == 'x' && p[size / 2] == 'x' && p[size - 1] == 'x');
        memset(p + size, 'x', 4096);
        size += 4096;
    }
    assert_true(all_bytes(p, size, 'x'));
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_become_finer_when_there_are_many),
        cmocka_unit_test(every_size_to_1_mib_is_served),
        cmocka_unit_test(both_sides_of_every_class_boundary_hold_their_content),
        cmocka_unit_test(good_size_is_what_malloc_makes_usable),
        cmocka_unit_test(good_size_of_an_impossible_size_is_zero),
        cmocka_unit_test(blocks_of_64_bytes_take_exactly_64_bytes),
        cmocka_unit_test(calloc_is_zero_in_memory_that_was_dirty),
        cmocka_unit_test(calloc_is_zero_after_a_trim),
        cmocka_unit_test(realloc_grows_and_shrinks_to_64_mib_with_the_content),
        cmocka_unit_test(realloc_walks_any_size_to_any_other),
        cmocka_unit_test(realloc_by_pages_keeps_the_content),
    };
    return RUN_TESTS(tests);
}
