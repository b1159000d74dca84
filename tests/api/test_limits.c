/* SPDX-License-Identifier: MIT */
/* What the malloc family does when it cannot, and what it leaves alone: errno above all.
 */
#include "../support.h"

#define HALF ((size_t)PTRDIFF_MAX + 1)
#define ROOT ((size_t)1 << sizeof(size_t) * 4) /* its square is 1 too large */

/* More than any object may have: the difference of two pointers into it would overflow.
 * PTRDIFF_MAX itself is allowed, and beyond any machine's memory. */
static const size_t impossible[] = {
    PTRDIFF_MAX - 4096, PTRDIFF_MAX,      HALF,
    HALF + 1,           SIZE_MAX - 65536, SIZE_MAX - 4097,
    SIZE_MAX - 4096,    SIZE_MAX - 4095,  SIZE_MAX - 63,
    SIZE_MAX - 16,      SIZE_MAX - 15,    SIZE_MAX - 8,
    SIZE_MAX - 1,       SIZE_MAX,
};

static void assert_out_of_memory(const char *call, size_t size, void *result)
{
    if (result != NULL || errno != ENOMEM)
        fail_msg("%s, n = %zu: %p, errno %d", call, size, result, errno);
}

#define ASSERT_ENOMEM(size, call)                      \
    do {                                               \
        errno = 0;                                     \
        assert_out_of_memory(#call, size, hide(call)); \
    } while (0)

static void an_impossible_size_is_null_and_enomem_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(impossible); i++) {
        size_t n = hide_size(impossible[i]);
        ASSERT_ENOMEM(n, malloc(n));
        ASSERT_ENOMEM(n, calloc(1, n));
        ASSERT_ENOMEM(n, calloc(n, 1));
        ASSERT_ENOMEM(n, realloc(hide(NULL), n));
        ASSERT_ENOMEM(n, reallocarray(hide(NULL), 1, n));
        ASSERT_ENOMEM(n, valloc(n));
        ASSERT_ENOMEM(n, pvalloc(n));
        static const size_t alignments[] = {1, 8, 16, 32, 64, 4096, 65536, 2 * MIB};
        for (size_t a = 0; a < COUNT(alignments); a++) {
            ASSERT_ENOMEM(n, memalign(hide_size(alignments[a]), n));
            ASSERT_ENOMEM(n, aligned_alloc(hide_size(alignments[a]), n));
        }
    }
}

static void a_product_that_overflows_is_null_and_enomem(void **state)
{
    (void)state;
    static const size_t factors[][2] = {
        {SIZE_MAX, 2},
        {2, SIZE_MAX},
        {SIZE_MAX, SIZE_MAX},
        {HALF, 2},
        {ROOT, ROOT},
        {SIZE_MAX / 3 + 1, 3},
        {SIZE_MAX / 16 + 2, 16},
        {65536, SIZE_MAX / 65536 + 1},
    };
    for (size_t i = 0; i < COUNT(factors); i++) {
        size_t a = hide_size(factors[i][0]), b = hide_size(factors[i][1]);
        ASSERT_ENOMEM(i, calloc(a, b));
        ASSERT_ENOMEM(i, reallocarray(hide(NULL), a, b));
    }
}

static void a_failed_realloc_leaves_the_block_alone(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 8 * MIB; size = size * 3 + 5) {
        char *p = malloc(size);
        assert_non_null(p);
        fill(p, size, size);
        for (size_t i = 0; i < COUNT(impossible); i++) {
            ASSERT_ENOMEM(size, realloc(hide(p), hide_size(impossible[i])));
            ASSERT_ENOMEM(size,
                          reallocarray(hide(p), 2, hide_size(impossible[i] / 2 + 1)));
        }
        ASSERT_ENOMEM(size, reallocarray(hide(p), hide_size(HALF), 2));
        assert_true(malloc_usable_size(p) >= size);
        assert_true(intact(p, size, size));
        free(p);
    }
}

/* posix_memalign's errors are its result; errno and *memptr stay. */
static void posix_memalign_fails_without_a_trace(void **state)
{
    (void)state;
    void *const mark = (void *)state;
    static const size_t invalid[] = {0,  1,  2,  3,   5,    6,    7,       12,
                                     24, 40, 48, 100, 4095, 4097, 3 * MIB, SIZE_MAX};
    for (size_t i = 0; i < COUNT(invalid); i++) {
        for (size_t size = 0; size <= 100000; size = size * 10 + 1) {
            void *p = mark;
            errno = EDOM;
            assert_int_equal(posix_memalign(&p, hide_size(invalid[i]), size), EINVAL);
            assert_int_equal(errno, EDOM);
            assert_ptr_equal(p, mark);
        }
    }
    for (size_t i = 0; i < COUNT(impossible); i++) {
        for (size_t alignment = sizeof(void *); alignment <= 4 * MIB; alignment *= 2) {
            void *p = mark;
            errno = EDOM;
            int error = posix_memalign(&p, alignment, hide_size(impossible[i]));
            assert_int_equal(error, ENOMEM);
            assert_int_equal(errno, EDOM);
            assert_ptr_equal(p, mark);
        }
    }
}

static void aligned_alloc_refuses_what_is_no_power_of_two(void **state)
{
    (void)state;
    static const size_t invalid[] = {0, 3, 6, 12, 24, 48, 100, 4095, 3 * MIB, SIZE_MAX};
    for (size_t i = 0; i < COUNT(invalid); i++) {
        errno = 0;
        assert_null(hide(aligned_alloc(hide_size(invalid[i]), 64)));
        assert_int_equal(errno, EINVAL);
    }
}

/* Not even the rounding up of such an alignment may overflow. */
static void an_impossible_alignment_is_refused(void **state)
{
    (void)state;
    static const size_t huge[] = {HALF / 2, HALF, HALF + 1, SIZE_MAX - 1, SIZE_MAX};
    for (size_t i = 0; i < COUNT(huge); i++) {
        errno = 0;
        assert_null(hide(memalign(hide_size(huge[i]), 1)));
        assert_true(errno == EINVAL || errno == ENOMEM);
    }
    for (size_t i = 0; i < 2; i++) {
        void *p = NULL;
        assert_int_equal(posix_memalign(&p, hide_size(huge[i]), 1), ENOMEM);
        ASSERT_ENOMEM(huge[i], aligned_alloc(hide_size(huge[i]), 1));
    }
}

/* One size of each kind of block: cached, not cached, runs of pages, mappings of their
 * own; twice, since the first use of a kind takes other paths than the second. */
static void use_every_function_and_keep_errno(void)
{
    for (size_t size = 0; size <= 16 * MIB; size = size < 64 ? size + 16 : size * 2 + 1) {
        for (int again = 0; again < 2; again++) {
            errno = EDOM;
            void *blocks[] = {
                malloc(size),        calloc(1, size),
                memalign(64, size),  aligned_alloc(8, size),
                valloc(size),        pvalloc(size),
                realloc(NULL, size), memalign(2 * MIB, size),
            };
            void *aligned = NULL;
            REQUIRE(posix_memalign(&aligned, 65536, size) == 0);
            REQUIRE(errno == EDOM);
            for (size_t i = 0; i < COUNT(blocks); i++) {
                REQUIRE(blocks[i] != NULL);
                blocks[i] = realloc(blocks[i], size * 2 + 1);
                REQUIRE(blocks[i] != NULL && errno == EDOM);
                blocks[i] = realloc(blocks[i], size / 2 + 1);
                REQUIRE(blocks[i] != NULL && errno == EDOM);
                REQUIRE(malloc_usable_size(blocks[i]) > 0 && errno == EDOM);
            }
            for (size_t i = 0; i < COUNT(blocks); i++) {
                free(blocks[i]);
                REQUIRE(errno == EDOM);
            }
            free(aligned);
            REQUIRE(errno == EDOM);
        }
    }
    malloc_trim(0);
    REQUIRE(errno == EDOM);
}

static void every_success_keeps_errno(void **state)
{
    (void)state;
    use_every_function_and_keep_errno();
}

static void *first_use_in_a_thread(void *arg)
{
    (void)arg;
    use_every_function_and_keep_errno();
    return NULL;
}

static void every_success_keeps_errno_in_a_new_thread(void **state)
{
    (void)state;
    run_threads(2, first_use_in_a_thread, NULL, 0);
}

/* Many blocks at once, so that freeing them empties slabs and unmaps memory. */
static void free_keeps_errno_when_it_returns_memory(void **state)
{
    (void)state;
    static void *blocks[20000];
    static const size_t sizes[] = {16, 500, 3000, 20000, 70000, 600000, 3000000};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        size_t count =
            60000000 / sizes[s] < COUNT(blocks) ? 60000000 / sizes[s] : COUNT(blocks);
        for (size_t i = 0; i < count; i++) {
            blocks[i] = malloc(sizes[s]);
            assert_non_null(blocks[i]);
        }
        errno = EDOM;
        for (size_t i = 0; i < count; i++)
            free(blocks[i]);
        assert_int_equal(errno, EDOM);
    }
}

/* ---- Running out, for real ------------------------------------------------------------
 */

/* What the process may have beyond what it has, while the tests below run. */
#define ALLOWANCE (64 * MIB)

/* Takes blocks until there are no more; each holds the address of the one before it. */
static size_t exhaust(size_t size, void **last)
{
    size_t count = 0;
    *last = NULL;
    for (;;) {
        errno = 0;
        void **p = malloc(size);
        if (p == NULL)
            break;
        fill(p, size, count);
        *p = *last;
        *last = p;
        count++;
        REQUIRE(count * size < 8 * ALLOWANCE); /* or else no limit is in force */
    }
    REQUIRE(errno == ENOMEM);
    return count;
}

static void give_back(size_t size, size_t count, void *last)
{
    while (last != NULL) {
        void **p = last;
        last = *p;
        fill(p, sizeof(*p), --count);
        REQUIRE(intact(p, size, count));
        free(p);
    }
    REQUIRE(count == 0);
}

/* Half of the allowance must serve, even with the overhead of the smallest blocks, and
 * what was freed must serve again: nine tenths of it, since caches may hold some. */
static void run_out_of(size_t size)
{
    size_t first = 0;
    for (int round = 0; round < 3; round++) {
        void *last;
        size_t count = exhaust(size, &last);
        if (round == 0)
            first = count;
        REQUIRE(count * size >= ALLOWANCE / (size < 64 ? 3 : 2));
        REQUIRE(count >= first / 10 * 9);
        REQUIRE(calloc(hide_size(200), MIB) == NULL && errno == ENOMEM);
        REQUIRE(realloc(hide(last), hide_size(200 * MIB)) == NULL && errno == ENOMEM);
        give_back(size, count, last);
    }
}

static void limit_and_run_out_of(void *size)
{
    limit_memory(ALLOWANCE);
    run_out_of(*(const size_t *)size);
}

/* As `ulimit -v` does: the allocator meets the limit when it starts. */
static void limit_and_start_again(void *size)
{
    struct rlimit limit = {2 * ALLOWANCE, 2 * ALLOWANCE};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    char text[32];
    snprintf(text, sizeof(text), "%zu", *(const size_t *)size);
    start_again(text);
}

static size_t exhausted_sizes[] = {16, 64, 1000, 8000, 40000, 300000, 2500000};

static void memory_that_ran_out_is_enomem_and_serves_again_when_freed(void **state)
{
    (void)state;
    NEED_NO_EMULATOR("limits");
    for (size_t i = 0; i < COUNT(exhausted_sizes); i++)
        ASSERT_CHILD(limit_and_run_out_of, &exhausted_sizes[i]);
}

static void a_process_started_under_a_limit_can_use_half_of_it(void **state)
{
    (void)state;
    NEED_NO_EMULATOR("limits");
    for (size_t i = 0; i < COUNT(exhausted_sizes); i++)
        ASSERT_CHILD(limit_and_start_again, &exhausted_sizes[i]);
}

/* After one size has taken everything and given it back, every other size can have it. */
static void trade_sizes(void *arg)
{
    (void)arg;
    static const size_t sizes[] = {48, 5000, 100000, 24, 3000000, 700, 30000};
    limit_memory(ALLOWANCE);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        void *last;
        size_t count = exhaust(sizes[i], &last);
        REQUIRE(count * sizes[i] >= ALLOWANCE / 3);
        give_back(sizes[i], count, last);
    }
}

static void memory_of_one_size_serves_every_other_when_freed(void **state)
{
    (void)state;
    NEED_NO_EMULATOR("limits");
    ASSERT_CHILD(trade_sizes, NULL);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        run_out_of(strtoul(argv[1], NULL, 10));
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_impossible_size_is_null_and_enomem_everywhere),
        cmocka_unit_test(a_product_that_overflows_is_null_and_enomem),
        cmocka_unit_test(a_failed_realloc_leaves_the_block_alone),
        cmocka_unit_test(posix_memalign_fails_without_a_trace),
        cmocka_unit_test(aligned_alloc_refuses_what_is_no_power_of_two),
        cmocka_unit_test(an_impossible_alignment_is_refused),
        cmocka_unit_test(every_success_keeps_errno),
        cmocka_unit_test(every_success_keeps_errno_in_a_new_thread),
        cmocka_unit_test(free_keeps_errno_when_it_returns_memory),
        cmocka_unit_test(memory_that_ran_out_is_enomem_and_serves_again_when_freed),
        cmocka_unit_test(a_process_started_under_a_limit_can_use_half_of_it),
        cmocka_unit_test(memory_of_one_size_serves_every_other_when_freed),
    };
    return RUN_TESTS(tests);
}
