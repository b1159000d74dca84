/* SPDX-License-Identifier: MIT */
/* heap: sizes × alignments, and where realloc leaves a block. The whole library, under
 * its own names; once with an address window and once without. */
#include "rerun.h"

#include "medium.h"
#include "option.h"
#include "os.h"
#include "region.h"
#include "tcache.h"

void *hm_test_malloc(size_t size);
void *hm_test_calloc(size_t count, size_t each);
void *hm_test_realloc(void *block, size_t size);
void hm_test_free(void *block);
void *hm_test_memalign(size_t align, size_t size);
size_t hm_test_malloc_usable_size(void *block);

#define take hm_test_malloc
#define resize hm_test_realloc
#define give hm_test_free
#define usable hm_test_malloc_usable_size

/* Around every limit between two ways to serve a request. */
static const size_t sizes[] = {0,      1,      15,      16,      17,      64,      1008,
                               1024,   1025,   1152,    4096,    4097,    16384,   32767,
                               32768,  32769,  49152,   65536,   100000,  524287,  524288,
                               524289, 589824, 1048576, 1048577, 3000000, 33554432};

static void every_size_at_every_alignment(void **state)
{
    (void)state;
    for (size_t align = 1; align <= 16 * MIB; align *= 2) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            char *p = hm_test_memalign(align, sizes[i]),
                 *q = hm_test_memalign(align, sizes[i]);

            assert_true(p != NULL && q != NULL && p != q);
            assert_true(is_aligned(p, align) && is_aligned(q, align));
            assert_true(is_aligned(p, 16) && is_aligned(q, 16));
            assert_true(usable(p) >= sizes[i] && usable(q) >= sizes[i]);
            memset(p, 1, hm_min(usable(p), 8192));
            if (usable(p) > 0)
                memset(p + usable(p) - 1, 1, 1);
            memset(q, 2, hm_min(usable(q), 8192));
            assert_true(all_bytes(p, hm_min(usable(p), 8192), 1));
            give(p);
            give(q);
        }
    }
}

/* Of 256 bytes to 32 KiB a block may be of a coarser class, while there are few. */
static void check_good_size(void *p, size_t size)
{
    size_t good = hakmem_good_size(size);

    if (size > 256 && size <= 32 * KIB)
        assert_true(usable(p) >= good);
    else
        assert_int_equal(usable(p), good);
}

static void the_good_size_is_the_usable_size(void **state)
{
    (void)state;
    warm_up(take, give);
    for (size_t size = 0; size < 40000; size += size < 2000 ? 1 : 61) {
        void *p = take(size);

        check_good_size(p, size);
        give(p);
    }
    for (size_t i = 0; i < COUNT(sizes); i++) {
        void *p = take(sizes[i]);

        check_good_size(p, sizes[i]);
        assert_int_equal(hakmem_good_size(usable(p)), usable(p));
        give(p);
    }
}

static void calloc_is_zero_in_used_memory(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            char *p = hm_test_calloc(1, sizes[i]);

            assert_true(p != NULL && all_bytes(p, sizes[i], 0));
            memset(p, 0xff, usable(p));
            give(p);
        }
    }
}

/* ---- realloc ------------------------------------------------------------------------- */

static void realloc_keeps_the_content_from_any_size_to_any_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (size_t k = 0; k < COUNT(sizes); k++) {
            size_t from = sizes[i], to = sizes[k];
            char *p = take(from);

            fill(p, from, i);
            p = resize(p, to);
            assert_true(to == 0 ? p == NULL : p != NULL && usable(p) >= to);
            assert_true(intact(p, hm_min(from, to) / 8 * 8, i));
            give(p);
        }
    }
}

static void a_block_that_fits_well_stays(void **state)
{
    (void)state;
    NEED(hakmem_good_size(1) > 1, "blocks that hold more than was asked for");
    for (size_t i = 1; i < COUNT(sizes); i++) {
        char *p = take(sizes[i]);
        size_t have = usable(p);

        assert_ptr_equal(resize(p, have), p);
        assert_ptr_equal(resize(p, have - have / 4), p);
        assert_ptr_equal(resize(p, have), p);
        give(p);
    }
}

/* Half of the block may be wasted, and a granule or unit of rounding, but no more. */
static void a_block_that_shrinks_much_gives_memory_back(void **state)
{
    (void)state;
    warm_up(take, give);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (size_t k = 1; k < COUNT(sizes); k++) {
            if (sizes[k] >= sizes[i])
                continue;
            char *p = resize(take(sizes[i]), sizes[k]);

            if (usable(p) > 2 * hakmem_good_size(sizes[k]) + 1)
                fail_msg("%zu bytes, then %zu, hold %zu", sizes[i], sizes[k], usable(p));
            give(p);
        }
    }
}

static void a_growing_block_is_seldom_copied(void **state)
{
    (void)state;
    char *p = take(1);
    unsigned moves = 0;

    for (size_t size = 2; size < 64 * MIB; size += size / 16 + 1) {
        char *q = resize(p, size);

        moves += q != p;
        p = q;
        p[size - 1] = 1;
    }
    give(p);
    assert_true(moves < 260);
}

/* Of what a big block leaves, rather than of new memory. */
static void freed_big_blocks_serve_smaller_ones(void **state)
{
    (void)state;
    NEED(!is_rerun(), "a BigCache, and an address for what was freed");
    char *big = take(16 * MIB);

    give(big);
    hakmem_trim();
    big = take(16 * MIB);
    memset(big, 1, 16 * MIB);
    give(big);
    uint64_t mapped = stats_now().mapped_bytes;
    char *p = take(300000), *q = hm_test_calloc(3, 100000);

    REQUIRE(p >= big && p < big + 16 * MIB && q > p && q < big + 16 * MIB);
    REQUIRE(usable(p) == 5 * HM_REGION_GRANULE && all_bytes(q, 300000, 0));
    REQUIRE(stats_now().medium_bytes == 0);
    fill(p, 300000, 5);
    give(q);
    REQUIRE(resize(p, 500000) == p && usable(p) >= 500000 && intact(p, 300000, 5));
    q = resize(p, 100000); /* less than lending is for */
    REQUIRE(q != p && usable(q) < HM_REGION_GRANULE * 2 && intact(q, 100000, 5));
    give(q);
    REQUIRE(stats_now().mapped_bytes <= mapped + hm_opt.superslab_size);
}

static void what_cannot_be_resized_is_unchanged(void **state)
{
    (void)state;
    for (size_t i = 1; i < COUNT(sizes); i++) {
        char *p = take(sizes[i]);

        fill(p, sizes[i], i);
        errno = 0;
        assert_null(resize(p, SIZE_MAX - 100));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(resize(p, SIZE_MAX / 16 * 15));
        assert_int_equal(errno, ENOMEM);
        assert_true(intact(p, sizes[i], i));
        give(p);
    }
}

/* ---- Blocks between threads ---------------------------------------------------------- */

static void *resize_and_free(void *arg)
{
    char **blocks = arg;

    for (size_t i = 1; i < COUNT(sizes); i++) {
        REQUIRE(intact(blocks[i], sizes[i], i));
        blocks[i] = resize(blocks[i], sizes[i] * 2);
        REQUIRE(blocks[i] != NULL && intact(blocks[i], sizes[i], i));
        give(blocks[i]);
    }
    return NULL;
}

static void another_thread_may_resize_and_free(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        char *blocks[COUNT(sizes)];

        for (size_t i = 1; i < COUNT(sizes); i++) {
            blocks[i] = take(sizes[i]);
            fill(blocks[i], sizes[i], i);
        }
        run_threads(1, resize_and_free, blocks, sizeof blocks);
    }
}

/* One by one they lie beside others', and shall not share their cache lines. */
static void *take_a_few(void *arg)
{
    char *small[20];

    for (size_t i = 0; i < COUNT(small); i++) {
        small[i] = take(i + 1);
        REQUIRE(is_aligned(small[i], HM_CACHE_LINE) && usable(small[i]) >= i + 1);
        memset(small[i], 1, usable(small[i]));
    }
    REQUIRE(stats_now().thread_caches == *(uint64_t *)arg);
    for (size_t i = 0; i < COUNT(small); i++)
        give(small[i]);
    return NULL;
}

static void a_thread_that_takes_a_few_blocks_shares_no_line(void **state)
{
    (void)state;
    NEED(!is_rerun(), "no options");
    give(take(1));
    REQUIRE(stats_now().thread_caches == 1);
    uint64_t one = 1;

    run_threads(4, take_a_few, &one, 0);
}

/* The way of a mixed front (front.h, F2). */
static void small_and_large_blocks_in_no_order_keep_their_content(void **state)
{
    static struct {
        char *block;
        size_t size;
        uint64_t seed;
    } held[300];
    struct rng r = rng_seed(23);

    (void)state;
    mix_calls(take, give);
    REQUIRE(hm_front_mixes_blocks(&hm_self.cache->bin_ends));
    for (long i = 0; i < scaled(100000); i++) {
        size_t k = rng_below(&r, COUNT(held));

        REQUIRE(held[k].block == NULL ||
                intact(held[k].block, held[k].size, held[k].seed));
        give(held[k].block);
        held[k].size = rng_size(&r, 17);
        held[k].seed = rng_next(&r);
        held[k].block = take(held[k].size);
        REQUIRE(usable(held[k].block) >= held[k].size);
        fill(held[k].block, held[k].size, held[k].seed);
    }
    for (size_t k = 0; k < COUNT(held); k++)
        give(held[k].block);
    REQUIRE(is_sound());
}

static void the_same_without_an_address_window(void **state)
{
    (void)state;
    assert_true(is_rerun() || passes_with("address_window=0"));
}

static void the_same_with_every_call_checked(void **state)
{
    (void)state;
    assert_true(is_rerun() || passes_with("check=full,zero_on_free=yes"));
}

static void the_same_with_everything_hardened(void **state)
{
    (void)state;
    assert_true(is_rerun() ||
                passes_with("redzone=32,check_freed=yes,quarantine_bytes=1M,randomize=yes,"
                            "guard_pages=yes,guard_from=32K,guard_sample=100,"
                            "check_sized=yes,check_at_exit=yes"));
}

static void the_same_with_tiny_caches(void **state)
{
    (void)state;
    assert_true(is_rerun() ||
                passes_with("tls_cache_min=4,tls_cache_max=4,bigcache_bytes=0,"
                            "superslab_size=512K,trim_interval=0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_takes_a_few_blocks_shares_no_line),
        cmocka_unit_test(every_size_at_every_alignment),
        cmocka_unit_test(the_good_size_is_the_usable_size),
        cmocka_unit_test(calloc_is_zero_in_used_memory),
        cmocka_unit_test(realloc_keeps_the_content_from_any_size_to_any_other),
        cmocka_unit_test(a_block_that_fits_well_stays),
        cmocka_unit_test(a_block_that_shrinks_much_gives_memory_back),
        cmocka_unit_test(a_growing_block_is_seldom_copied),
        cmocka_unit_test(freed_big_blocks_serve_smaller_ones),
        cmocka_unit_test(what_cannot_be_resized_is_unchanged),
        cmocka_unit_test(another_thread_may_resize_and_free),
        cmocka_unit_test(small_and_large_blocks_in_no_order_keep_their_content),
        cmocka_unit_test(the_same_without_an_address_window),
        cmocka_unit_test(the_same_with_every_call_checked),
        cmocka_unit_test(the_same_with_everything_hardened),
        cmocka_unit_test(the_same_with_tiny_caches),
    };

    return RUN_TESTS(tests);
}
