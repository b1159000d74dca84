/* SPDX-License-Identifier: MIT */
/* meta: memory for descriptors. */
#include "layers.h"

static int set_up(void **state)
{
    (void)state;
    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    hm_meta_init();
    return 0;
}

static void every_size_is_aligned_and_apart(void **state)
{
    enum { MOST = 700 };
    static unsigned char *objects[MOST + 1];

    (void)state;
    for (size_t size = 1; size <= MOST; size++) {
        objects[size] = hm_meta_alloc(size);
        assert_non_null(objects[size]);
        assert_true(
            is_aligned(objects[size], size >= HM_CACHE_LINE ? HM_CACHE_LINE : 16));
        assert_true((uintptr_t)objects[size] % 4096 >= HM_CACHE_LINE);
        memset(objects[size], (int)(size % 251), size);
    }
    for (size_t size = 1; size <= MOST; size++)
        assert_true(all_bytes(objects[size], size, (unsigned char)(size % 251)));
    for (size_t size = 1; size <= MOST; size++)
        hm_meta_free(objects[size], size);
}

/* Around each power of two, where the free lists' classes meet. */
static void what_is_freed_is_used_again_at_its_size(void **state)
{
    (void)state;
    for (size_t step = 16; step <= HM_MIB; step *= 2) {
        for (size_t size = step - 1; size <= step + 1; size++) {
            char *p = hm_meta_alloc(size);
            size_t before = hm_meta_bytes();

            assert_non_null(p);
            hm_meta_free(p, size);
            assert_ptr_equal(hm_meta_alloc(size), p);
            assert_int_equal(hm_meta_bytes(), before);
            hm_meta_free(p, size);
        }
    }
}

/* An object of a size never serves a larger one. */
static void sizes_of_one_list_fit_each_other(void **state)
{
    struct rng r = rng_seed(3);

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t first = 1 + rng_size(&r, 14), second = 1 + rng_size(&r, 14);
        unsigned char *p = hm_meta_alloc(first), *behind = hm_meta_alloc(16);

        memset(behind, 0xee, 16);
        hm_meta_free(p, first);
        unsigned char *q = hm_meta_alloc(second);

        assert_non_null(q);
        memset(q, 0x11, second);
        assert_true(all_bytes(behind, 16, 0xee));
        hm_meta_free(q, second);
        hm_meta_free(behind, 16);
    }
}

static void new_is_zero_also_in_used_memory(void **state)
{
    (void)state;
    for (size_t size = 1; size < 5000; size += 37) {
        void *p = hm_meta_alloc(size);

        memset(p, 0xff, size);
        hm_meta_free(p, size);
        void *q = hm_meta_new(size);

        assert_ptr_equal(q, p);
        assert_true(all_bytes(q, size, 0));
        hm_meta_free(q, size);
    }
}

static void the_largest_descriptors_are_served(void **state)
{
    char *p = hm_meta_new(2 * HM_MIB);

    (void)state;
    assert_non_null(p);
    p[0] = p[2 * HM_MIB - 1] = 1;
    hm_meta_free(p, 2 * HM_MIB);
    assert_null(hm_meta_alloc(SIZE_MAX));
    assert_null(hm_meta_alloc(HM_GIB));
}

IN_CHILD(without_memory_the_answer_is_null_and_the_lock_is_free)
{
    static const int calls[] = {CALL_MMAP};

    if (!refuse_calls(calls, COUNT(calls), ENOMEM))
        return;
    for (size_t size = 2 * HM_MIB; size >= 16; size /= 2) {
        while (hm_meta_alloc(size) != NULL)
            ;
        REQUIRE(hm_lock_try(hm_meta_lock()));
        hm_lock_release(hm_meta_lock());
        REQUIRE(hm_meta_new(size) == NULL);
    }
}

static void *take_and_give(void *arg)
{
    uint64_t mine = *(uint64_t *)arg;
    struct rng r = rng_seed(mine);
    void *objects[64] = {NULL};
    size_t sizes[64] = {0};

    for (long i = 0; i < scaled(20000); i++) {
        size_t k = rng_below(&r, COUNT(objects));

        if (objects[k] != NULL) {
            REQUIRE(intact(objects[k], sizes[k], mine + k));
            hm_meta_free(objects[k], sizes[k]);
        }
        sizes[k] = 1 + rng_size(&r, 12);
        objects[k] = hm_meta_alloc(sizes[k]);
        REQUIRE(objects[k] != NULL);
        fill(objects[k], sizes[k], mine + k);
    }
    return NULL;
}

static void threads_never_share_an_object(void **state)
{
    uint64_t mine[4] = {100, 200, 300, 400};

    (void)state;
    run_threads(COUNT(mine), take_and_give, mine, sizeof mine[0]);
}

static void *free_both(void *objects)
{
    hm_meta_free(((void **)objects)[0], 16);
    hm_meta_free(((void **)objects)[1], 3000);
    return NULL;
}

static void what_is_freed_while_another_thread_forks_is_used_again(void **state)
{
    void *objects[2] = {hm_meta_alloc(16), hm_meta_alloc(3000)};

    (void)state;
    assert_true(objects[0] != NULL && objects[1] != NULL);
    hm_lock_fork_begin();
    hm_lock_fork_take(hm_meta_lock());
    run_threads(1, free_both, objects, 0);
    hm_lock_fork_give(hm_meta_lock());
    hm_lock_fork_end();
    assert_ptr_equal(hm_meta_alloc(3000), objects[1]);
    assert_ptr_equal(hm_meta_alloc(16), objects[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_aligned_and_apart),
        cmocka_unit_test(what_is_freed_is_used_again_at_its_size),
        cmocka_unit_test(sizes_of_one_list_fit_each_other),
        cmocka_unit_test(new_is_zero_also_in_used_memory),
        cmocka_unit_test(the_largest_descriptors_are_served),
        cmocka_unit_test(without_memory_the_answer_is_null_and_the_lock_is_free),
        cmocka_unit_test(threads_never_share_an_object),
        cmocka_unit_test(what_is_freed_while_another_thread_forks_is_used_again),
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, NULL);
}
