/* SPDX-License-Identifier: MIT */
/* sizeclass: what the header promises, for every size and every offset there is. */
#include "support.h"

#include "sizeclass.h"

#define SMALL_MAX ((size_t)1024)
#define LINEAR_MAX ((size_t)HM_LINEAR_CLASSES << HM_SMALL_SHIFT)

/* Two to a doubling: 384, 512, 768, 1024 … 32 KiB. */
static void classes_are_coarse_at_first(void **state)
{
    (void)state;
    for (size_t size = LINEAR_MAX + 1; size <= HM_LARGE_MAX; size++) {
        unsigned cls = hm_class_of(size);

        assert_int_equal((cls - HM_LINEAR_CLASSES) % 4, 0);
        if (hm_classes[cls].size < size)
            fail_msg("%zu bytes do not fit class %u", size, cls);
        if (cls >= HM_LINEAR_CLASSES + 4 && hm_classes[cls - 4].size >= size)
            fail_msg("%zu bytes fit class %u already", size, cls - 4);
    }
}

static void one_coarse_class_becomes_four(void **state)
{
    (void)state;
    static const size_t sizes[] = {300, 1000, 2000};

    for (size_t i = 0; i < COUNT(sizes); i++) {
        unsigned coarse = hm_class_of(sizes[i]);

        hm_class_refine(coarse);
        for (unsigned cls = coarse - 3; cls <= coarse; cls++) {
            assert_int_equal(hm_class_of(hm_classes[cls - 1].size + 1), cls);
            assert_int_equal(hm_class_of(hm_classes[cls].size), cls);
        }
        assert_int_equal(hm_class_of(hm_classes[coarse - 4].size), coarse - 4);
        assert_int_equal(hm_class_of(hm_classes[coarse].size + 1), coarse + 4);
    }
}

static void linear_ones_are_fine(void **state)
{
    (void)state;
    hm_class_refine(1);
    hm_class_refine(HM_LINEAR_CLASSES);
    assert_int_equal(hm_class_of(LINEAR_MAX), HM_LINEAR_CLASSES);
    assert_int_equal((hm_class_of(500) - HM_LINEAR_CLASSES) % 4, 0);
}

static void every_size_has_the_smallest_class_that_holds_it(void **state)
{
    (void)state;
    hm_classes_refine();
    for (size_t size = 0; size <= HM_LARGE_MAX; size++) {
        unsigned cls = hm_class_of(size);

        assert_in_range(cls, 1, HM_CLASSES - 1);
        if (hm_classes[cls].size < size)
            fail_msg("%zu bytes do not fit class %u", size, cls);
        if (cls > 1 && hm_classes[cls - 1].size >= size)
            fail_msg("%zu bytes fit class %u already", size, cls - 1);
    }
}

static void what_is_larger_has_none(void **state)
{
    (void)state;
    assert_int_equal(hm_class_of(HM_LARGE_MAX + 1), 0);
    assert_int_equal(hm_class_of(SIZE_MAX / 2), 0);
    /* Adding 15 to these wraps. */
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(hm_class_of(SIZE_MAX - i), 0);
}

static void classes_ascend_without_a_gap(void **state)
{
    (void)state;
    assert_int_equal(hm_classes[1].size, 16);
    assert_int_equal(hm_classes[HM_LINEAR_CLASSES].size, LINEAR_MAX);
    assert_int_equal(hm_classes[HM_SMALL_CLASSES].size, SMALL_MAX);
    assert_int_equal(hm_classes[HM_CLASSES - 1].size, HM_LARGE_MAX);
    for (unsigned cls = 2; cls < HM_CLASSES; cls++)
        assert_true(hm_classes[cls].size > hm_classes[cls - 1].size);
    for (unsigned cls = 1; cls < HM_CLASSES; cls++)
        assert_int_equal(hm_class_is_small(cls), hm_classes[cls].size <= SMALL_MAX);
}

static void waste_is_15_bytes_or_an_eighth(void **state)
{
    (void)state;
    for (size_t size = 1; size <= HM_LARGE_MAX; size++) {
        size_t waste = hm_classes[hm_class_of(size)].size - size;

        if (waste > (size <= 256 ? 15 : (size - 1) / 8 + 1))
            fail_msg("%zu of %zu bytes are wasted", waste, size);
    }
}

/* free finds the state of a block by its address: blocks begin on its granules. */
static void blocks_begin_on_the_granules_of_their_states(void **state)
{
    (void)state;
    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        unsigned shift = hm_class_is_small(cls) ? HM_SMALL_SHIFT : HM_LARGE_SHIFT;

        assert_int_equal(hm_classes[cls].size % (1u << shift), 0);
        assert_int_equal(hm_classes[cls].size % HM_ALIGNMENT, 0);
    }
}

static void the_blocks_of_a_slab_fill_it(void **state)
{
    (void)state;
    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        const struct hm_class *c = &hm_classes[cls];
        size_t room = (size_t)c->units << HM_UNIT_SHIFT,
               used = (size_t)c->blocks * c->size;

        assert_true(used <= room);
        assert_true(room - used < c->size);
        assert_in_range(c->blocks, 4, HM_SLAB_BLOCKS_MAX);
    }
}

static void the_index_is_exact_for_every_offset(void **state)
{
    (void)state;
    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        size_t room = (size_t)hm_classes[cls].units << HM_UNIT_SHIFT;

        for (size_t offset = 0; offset < room; offset++) {
            if (hm_class_index(cls, offset) != offset / hm_classes[cls].size)
                fail_msg("class %u, offset %zu", cls, offset);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_coarse_at_first),
        cmocka_unit_test(one_coarse_class_becomes_four),
        cmocka_unit_test(linear_ones_are_fine),
        cmocka_unit_test(every_size_has_the_smallest_class_that_holds_it),
        cmocka_unit_test(what_is_larger_has_none),
        cmocka_unit_test(classes_ascend_without_a_gap),
        cmocka_unit_test(waste_is_15_bytes_or_an_eighth),
        cmocka_unit_test(blocks_begin_on_the_granules_of_their_states),
        cmocka_unit_test(the_blocks_of_a_slab_fill_it),
        cmocka_unit_test(the_index_is_exact_for_every_offset),
    };

    return RUN_TESTS(tests);
}
