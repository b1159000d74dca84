/* SPDX-License-Identifier: MIT */
/* The malloc family does what its manual pages, C23 and glibc promise, when it succeeds.
 * Failures are in test_limits.c, sizes in test_sizes.c, alignments in test_align.c. */
#include "../support.h"

/* Every allocating function behind one signature; each returns a block for `size` bytes.
 */
static void *by_malloc(size_t size)
{
    return malloc(size);
}

static void *by_calloc(size_t size)
{
    return calloc(size, 1);
}

static void *by_calloc_of_one(size_t size)
{
    return calloc(1, size);
}

static void *by_realloc_of_null(size_t size)
{
    return realloc(hide(NULL), size);
}

static void *by_reallocarray_of_null(size_t size)
{
    return reallocarray(hide(NULL), 1, size);
}

static void *by_memalign(size_t size)
{
    return memalign(64, size);
}

static void *by_aligned_alloc(size_t size)
{
    return aligned_alloc(32, size);
}

static void *by_posix_memalign(size_t size)
{
    void *p = NULL;
    return posix_memalign(&p, 128, size) == 0 ? p : NULL;
}

static void *by_valloc(size_t size)
{
    return valloc(size);
}

static void *by_pvalloc(size_t size)
{
    return pvalloc(size);
}

static const struct {
    const char *name;
    void *(*get)(size_t size);
    size_t alignment;
} allocators[] = {
    {"malloc", by_malloc, 16},
    {"calloc(n, 1)", by_calloc, 16},
    {"calloc(1, n)", by_calloc_of_one, 16},
    {"realloc(NULL, n)", by_realloc_of_null, 16},
    {"reallocarray(NULL, 1, n)", by_reallocarray_of_null, 16},
    {"memalign(64, n)", by_memalign, 64},
    {"aligned_alloc(32, n)", by_aligned_alloc, 32},
    {"posix_memalign(128, n)", by_posix_memalign, 128},
    {"valloc", by_valloc, 4096},
    {"pvalloc", by_pvalloc, 4096},
};

/* The next size of a walk that visits every size to 2 KiB and, beyond, each power of two,
 * its neighbours and the middle before the next, up to 64 MiB. */
static size_t next_size(size_t size)
{
    if (size < 2 * KIB)
        return size + 1;
    size_t power = (size_t)1 << (63 - __builtin_clzll(size));
    if (size == power)
        return power + 1;
    if (size == power + 1)
        return power + power / 2;
    return size == 2 * power - 1 ? 2 * power : 2 * power - 1;
}

static void every_function_aligns_to_16_bytes_at_every_size(void **state)
{
    (void)state;
    for (size_t f = 0; f < COUNT(allocators); f++) {
        for (size_t size = 0; size <= 64 * MIB; size = next_size(size)) {
            /* Three at a time: the first block of a slab is aligned in any allocator. */
            void *blocks[3];
            for (size_t i = 0; i < COUNT(blocks); i++) {
                blocks[i] = allocators[f].get(hide_size(size));
                if (blocks[i] == NULL || !is_aligned(blocks[i], allocators[f].alignment))
                    fail_msg("%s, n = %zu: %p", allocators[f].name, size, blocks[i]);
            }
            for (size_t i = 0; i < COUNT(blocks); i++)
                free(blocks[i]);
        }
    }
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

static void size_zero_gives_unique_blocks_from_every_function(void **state)
{
    (void)state;
    enum { EACH = 300, TOTAL = EACH * (int)COUNT(allocators) };
    static uintptr_t sorted[TOTAL];
    size_t n = 0;
    for (size_t f = 0; f < COUNT(allocators); f++) {
        for (int i = 0; i < EACH; i++) {
            void *p = allocators[f].get(hide_size(0));
            if (p == NULL)
                fail_msg("%s with n = 0 returned NULL", allocators[f].name);
            sorted[n++] = (uintptr_t)p;
        }
    }
    qsort(sorted, n, sizeof(sorted[0]), by_address);
    for (size_t i = 1; i < n; i++)
        assert_int_not_equal(sorted[i - 1], sorted[i]);
    for (size_t i = 0; i < n; i++)
        free((void *)sorted[i]);
}

static void every_usable_byte_is_writable_and_ours_alone(void **state)
{
    (void)state;
    enum { LIVE = 8 };
    for (size_t f = 0; f < COUNT(allocators); f++) {
        for (size_t size = 0; size <= 4 * MIB; size = next_size(size)) {
            void *blocks[LIVE];
            size_t usable[LIVE];
            for (size_t i = 0; i < LIVE; i++) {
                blocks[i] = allocators[f].get(hide_size(size));
                assert_non_null(blocks[i]);
                usable[i] = malloc_usable_size(blocks[i]);
                assert_true(usable[i] >= size);
                fill(blocks[i], usable[i], size + i);
            }
            for (size_t i = 0; i < LIVE; i++) {
                if (!intact(blocks[i], usable[i], size + i))
                    fail_msg("%s, n = %zu: block %zu changed", allocators[f].name, size,
                             i);
                free(blocks[i]);
            }
        }
    }
}

static void usable_size_of_null_is_zero(void **state)
{
    (void)state;
    assert_int_equal(malloc_usable_size(hide(NULL)), 0);
}

static void free_of_null_does_nothing(void **state)
{
    (void)state;
    free(hide(NULL));
    if (HAVE(cfree))
        cfree(hide(NULL));
    if (HAVE(free_sized))
        free_sized(hide(NULL), 100);
    if (HAVE(free_aligned_sized))
        free_aligned_sized(hide(NULL), 64, 128);
}

static void calloc_multiplies_and_zeroes(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t members = 1; members <= 300; members += 7) {
            for (size_t size = 1; size <= 300; size += 11) {
                void *p = calloc(members, size);
                assert_non_null(p);
                assert_true(malloc_usable_size(p) >= members * size);
                assert_true(all_bytes(p, members * size, 0));
                /* The second round meets these bytes again. */
                memset(p, 0xA5, malloc_usable_size(p));
                free(p);
            }
        }
    }
}

static void realloc_to_zero_frees_and_returns_null(void **state)
{
    (void)state;
    enum { ROUNDS = 10000 };
    size_t before = resident_bytes();
    for (int i = 0; i < ROUNDS; i++) {
        char *p = malloc(64 * KIB);
        assert_non_null(p);
        memset(p, 1, 64 * KIB);
        assert_null(realloc(hide(p), hide_size(0)));
    }
    /* 640 MB if the blocks were kept. */
    assert_true(resident_bytes() < before + 64 * MIB);
}

static void realloc_to_the_same_size_keeps_the_block(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 16 * MIB; size = size * 3 + 1) {
        void *p = malloc(size);
        assert_non_null(p);
        uintptr_t was = (uintptr_t)p;
        void *q = realloc(p, size);
        assert_int_equal((uintptr_t)q, was);
        free(q);
    }
}

static void realloc_grows_blocks_of_every_function(void **state)
{
    (void)state;
    for (size_t f = 0; f < COUNT(allocators); f++) {
        for (size_t size = 1; size <= MIB; size = size * 2 + 3) {
            void *p = allocators[f].get(size);
            assert_non_null(p);
            fill(p, size, size);
            p = realloc(p, size * 3);
            assert_non_null(p);
            assert_true(is_aligned(p, 16));
            assert_true(intact(p, size, size));
            p = realloc(p, size / 2 + 1);
            assert_non_null(p);
            assert_true(intact(p, size / 2 + 1, size));
            free(p);
        }
    }
}

static void reallocarray_multiplies(void **state)
{
    (void)state;
    char *p = reallocarray(NULL, 10, 10);
    assert_non_null(p);
    fill(p, 100, 1);
    p = reallocarray(p, 1000, 1000);
    assert_non_null(p);
    assert_true(malloc_usable_size(p) >= 1000 * 1000);
    assert_true(intact(p, 100, 1));
    free(p);
}

static void memalign_rounds_the_alignment_up_to_a_power_of_two(void **state)
{
    (void)state;
    static const struct {
        size_t asked, given;
    } rows[] = {{0, 16},      {1, 16},        {3, 16},       {17, 32},     {24, 32},
                {48, 64},     {65, 128},      {100, 128},    {1000, 1024}, {3000, 4096},
                {5000, 8192}, {12288, 16384}, {40000, 65536}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        void *blocks[8];
        for (size_t k = 0; k < COUNT(blocks); k++) {
            blocks[k] = memalign(hide_size(rows[i].asked), 100);
            assert_non_null(blocks[k]);
            assert_true(is_aligned(blocks[k], rows[i].given));
        }
        for (size_t k = 0; k < COUNT(blocks); k++)
            free(blocks[k]);
    }
}

static void aligned_alloc_takes_sizes_that_are_no_multiple(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size++) {
        void *p = aligned_alloc(256, size);
        assert_non_null(p);
        assert_true(is_aligned(p, 256));
        free(p);
    }
}

static void valloc_and_pvalloc_give_pages(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t size = 0; size <= 5 * page; size += page / 4) {
        void *v = valloc(size);
        void *p = pvalloc(size);
        assert_true(v != NULL && is_aligned(v, page));
        assert_true(p != NULL && is_aligned(p, page));
        size_t whole = size == 0 ? page : (size + page - 1) / page * page;
        assert_true(malloc_usable_size(p) >= whole);
        memset(p, 1, whole);
        free(v);
        free(p);
    }
}

/* What is freed by any of the functions comes back: 400 MB go through each. */
static void every_freeing_function_frees(void **state)
{
    (void)state;
    NEED(HAVE(cfree) && HAVE(free_sized) && HAVE(free_aligned_sized),
         "sized frees, cfree");
    enum { SIZE = 40000, ROUNDS = 10000 };
    for (int f = 0; f < 3; f++) {
        size_t before = resident_bytes();
        for (int i = 0; i < ROUNDS; i++) {
            char *p = f == 2 ? aligned_alloc(64, SIZE) : malloc(SIZE);
            assert_non_null(p);
            memset(p, 1, SIZE);
            if (f == 0)
                cfree(p);
            else if (f == 1)
                free_sized(p, SIZE);
            else
                free_aligned_sized(p, 64, SIZE);
        }
        assert_true(resident_bytes() < before + 64 * MIB);
    }
}

/* Sized frees: the size asked for is right, so is the whole usable size, and after
 * realloc the size asked of realloc. The size selects nothing, so blocks stay apart. */
static void free_sized_takes_the_asked_and_the_usable_size(void **state)
{
    (void)state;
    NEED(HAVE(free_sized), "free_sized");
    for (size_t size = 0; size <= 2 * MIB; size = next_size(size)) {
        void *p = malloc(size);
        assert_non_null(p);
        free_sized(p, size);
        void *q = malloc(size);
        assert_non_null(q);
        free_sized(q, malloc_usable_size(q));
        void *r = realloc(calloc(1, size + 1), 2 * size + 1);
        assert_non_null(r);
        free_sized(r, 2 * size + 1);
    }
}

/* A program that lies about the size of a block must not make the allocator put it among
 * blocks of another size: gperftools, mimalloc, jemalloc and hardened_malloc each did. */
static void sizes_told_to_sized_frees_are_not_believed(void *arg)
{
    (void)arg;
    enum { LIVE = 512 };
    static const size_t lies[] = {0, 1, 16, 100, 4096, 100000, 10000000};
    static void *live[LIVE];
    for (size_t lie = 0; lie < COUNT(lies); lie++) {
        for (size_t size = 24; size <= 512 * KIB; size = size * 5) {
            free_sized(malloc(size), lies[lie]);
            free_aligned_sized(aligned_alloc(64, size), 16, lies[lie]);
            for (size_t i = 0; i < LIVE; i++) {
                size_t n = i % 2 ? size : lies[lie] % 5000;
                live[i] = malloc(n);
                REQUIRE(live[i] != NULL && malloc_usable_size(live[i]) >= n);
                fill(live[i], n, i);
            }
            for (size_t i = 0; i < LIVE; i++) {
                REQUIRE(intact(live[i], i % 2 ? size : lies[lie] % 5000, i));
                free(live[i]);
            }
        }
    }
}

static void a_wrong_size_told_to_a_sized_free_corrupts_nothing(void **state)
{
    (void)state;
    NEED(HAVE(free_sized) && HAVE(free_aligned_sized), "sized frees");
    ASSERT_CHILD(sizes_told_to_sized_frees_are_not_believed, NULL);
}

/* strdup, getline, asprintf … allocate inside libc what the program frees, and the other
 * way round: one allocator must serve both. */
static void blocks_from_inside_libc_are_ours(void **state)
{
    (void)state;
    char *copy = strdup("a string that libc copies");
    assert_non_null(copy);
    assert_true(malloc_usable_size(copy) >= strlen(copy) + 1);
    copy = realloc(copy, 1000);
    assert_non_null(copy);
    assert_string_equal(copy, "a string that libc copies");
    free(copy);

    char *text = NULL;
    assert_true(asprintf(&text, "%s %d", "number", 42) > 0);
    assert_string_equal(text, "number 42");
    free(text);

    /* getline reallocs a buffer that it did not allocate. */
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    size_t room = 2;
    char *line = malloc(room);
    while (getline(&line, &room, file) > 0)
        assert_true(malloc_usable_size(line) >= room);
    free(line);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_aligns_to_16_bytes_at_every_size),
        cmocka_unit_test(size_zero_gives_unique_blocks_from_every_function),
        cmocka_unit_test(every_usable_byte_is_writable_and_ours_alone),
        cmocka_unit_test(usable_size_of_null_is_zero),
        cmocka_unit_test(free_of_null_does_nothing),
        cmocka_unit_test(calloc_multiplies_and_zeroes),
        cmocka_unit_test(realloc_to_zero_frees_and_returns_null),
        cmocka_unit_test(realloc_to_the_same_size_keeps_the_block),
        cmocka_unit_test(realloc_grows_blocks_of_every_function),
        cmocka_unit_test(reallocarray_multiplies),
        cmocka_unit_test(memalign_rounds_the_alignment_up_to_a_power_of_two),
        cmocka_unit_test(aligned_alloc_takes_sizes_that_are_no_multiple),
        cmocka_unit_test(valloc_and_pvalloc_give_pages),
        cmocka_unit_test(every_freeing_function_frees),
        cmocka_unit_test(free_sized_takes_the_asked_and_the_usable_size),
        cmocka_unit_test(a_wrong_size_told_to_a_sized_free_corrupts_nothing),
        cmocka_unit_test(blocks_from_inside_libc_are_ours),
    };
    return RUN_TESTS(tests);
}
