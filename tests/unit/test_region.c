/* SPDX-License-Identifier: MIT */
/* region: the map from addresses to owners. Its addresses are only numbers: no memory is
 * touched there, so that any will do. */
#include "layers.h"

#define GRANULE HM_REGION_GRANULE
/* What one leaf spans, where there are several. */
#define LEAF (WIDE ? 16 * HM_GIB : 16 * HM_MIB)
#define ADDR(n) ((const void *)(uintptr_t)(n))

static hm_owner owner_at(uintptr_t address)
{
    return hm_region_get(ADDR(address));
}

static void what_was_never_set_has_no_owner(void **state)
{
    static int here;

    (void)state;
    assert_int_equal(hm_region_get(NULL), 0);
    assert_int_equal(hm_region_get(&here), 0);
    assert_int_equal(hm_region_get((void *)owner_at), 0);
    for (unsigned bit = 0; bit < sizeof(uintptr_t) * 8; bit++)
        assert_int_equal(owner_at((uintptr_t)1 << bit), 0);
    assert_int_equal(owner_at(UINTPTR_MAX), 0);
}

static void every_byte_of_the_range_gets_the_owner(void **state)
{
    const uintptr_t at = 5 * LEAF + 7 * GRANULE;
    const hm_owner owner = 0x1234560 | HM_OWNER_BIG;

    (void)state;
    assert_true(hm_region_set(ADDR(at), 3 * GRANULE, owner));
    assert_int_equal(owner_at(at - 1), 0);
    for (uintptr_t p = at; p < at + 3 * GRANULE; p += GRANULE / 4)
        assert_int_equal(owner_at(p), owner);
    assert_int_equal(owner_at(at + 3 * GRANULE - 1), owner);
    assert_int_equal(owner_at(at + 3 * GRANULE), 0);
    assert_int_equal(hm_owner_kind(owner), HM_OWNER_BIG);
    assert_ptr_equal(hm_owner_ptr(owner), ADDR(0x1234560));
}

static void part_of_a_range_can_change_its_owner(void **state)
{
    const uintptr_t at = 6 * LEAF;

    (void)state;
    assert_true(hm_region_set(ADDR(at), 4 * GRANULE, 0x10));
    assert_true(hm_region_set(ADDR(at + GRANULE), 2 * GRANULE, 0x20));
    assert_true(hm_region_set(ADDR(at + 2 * GRANULE), GRANULE, 0));
    assert_int_equal(owner_at(at), 0x10);
    assert_int_equal(owner_at(at + GRANULE), 0x20);
    assert_int_equal(owner_at(at + 2 * GRANULE), 0);
    assert_int_equal(owner_at(at + 3 * GRANULE), 0x10);
}

static void a_range_may_span_leaves(void **state)
{
    const uintptr_t at = 8 * LEAF - 2 * GRANULE;
    const size_t size = LEAF + 4 * GRANULE; /* of three leaves */

    (void)state;
    assert_true(hm_region_set(ADDR(at), size, 0x30));
    assert_int_equal(owner_at(at - 1), 0);
    assert_int_equal(owner_at(at), 0x30);
    assert_int_equal(owner_at(8 * LEAF), 0x30);
    assert_int_equal(owner_at(8 * LEAF + LEAF / 2), 0x30);
    assert_int_equal(owner_at(at + size - 1), 0x30);
    assert_int_equal(owner_at(at + size), 0);
    assert_true(hm_region_set(ADDR(at), size, 0));
    assert_int_equal(owner_at(8 * LEAF + LEAF / 2), 0);
    assert_int_equal(owner_at(at + size - 1), 0);
}

static void the_last_user_addresses_can_be_owned(void **state)
{
    const uintptr_t end = (uintptr_t)(UINT64_C(1) << 47);

    (void)state;
    NEED(WIDE, "addresses of 64 bits");
    assert_true(hm_region_set(ADDR(end - GRANULE), GRANULE, 0x40));
    assert_int_equal(owner_at(end - 1), 0x40);
    assert_int_equal(owner_at(end), 0);
}

static void the_kernels_addresses_cannot(void **state)
{
    static const uintptr_t kernel[] = {(uintptr_t)(UINT64_C(1) << 48),
                                       (uintptr_t)0xffff800000000000,
                                       UINTPTR_MAX - GRANULE + 1};

    (void)state;
    NEED(WIDE, "addresses of 64 bits");
    for (size_t i = 0; i < COUNT(kernel); i++) {
        assert_false(hm_region_set(ADDR(kernel[i]), GRANULE, 0x50));
        assert_int_equal(owner_at(kernel[i]), 0);
        assert_true(hm_region_set(ADDR(kernel[i]), GRANULE, 0));
    }
}

static void clearing_needs_no_memory(void **state)
{
    size_t before = hm_region_bytes();

    (void)state;
    NEED(WIDE, "more leaves than one");
    assert_true(hm_region_set(ADDR(100 * LEAF), 2 * LEAF, 0));
    assert_int_equal(hm_region_bytes(), before);
    assert_true(hm_region_set(ADDR(100 * LEAF), GRANULE, 0x60));
    assert_true(hm_region_bytes() > before);
    before = hm_region_bytes();
    assert_true(hm_region_set(ADDR(100 * LEAF + 5 * GRANULE), GRANULE, 0x60));
    assert_int_equal(hm_region_bytes(), before);
}

IN_CHILD(without_memory_nothing_is_set)
{
    static const int calls[] = {CALL_MMAP};
    const uintptr_t known =
        200 * LEAF - GRANULE; /* the range's first leaf is there already */

    if (!WIDE)
        return; /* there is but one leaf */
    REQUIRE(hm_region_set(ADDR(known - GRANULE), GRANULE, 0x70));
    if (!refuse_calls(calls, COUNT(calls), ENOMEM))
        return;
    REQUIRE(!hm_region_set(ADDR(known), 2 * GRANULE, 0x80));
    REQUIRE(owner_at(known) == 0);
    REQUIRE(owner_at(known + GRANULE) == 0);
    REQUIRE(owner_at(known - GRANULE) == 0x70);
}

/* The range of places: at 7 of 16 units from a leaf's start, PLACES of them. */
#define PLACE (16 * GRANULE)
#define PLACES ((uintptr_t)8)
#define RANGE (60 * LEAF + 7 * PLACE)

static uintptr_t expected_granule, granules_seen;

static void see_granule(char *granule, hm_owner owner, void *arg)
{
    (void)arg;
    if ((uintptr_t)granule - RANGE >= PLACES * PLACE)
        return; /* another test's */
    REQUIRE((uintptr_t)granule == expected_granule);
    REQUIRE(owner == ((uintptr_t)granule - RANGE) / PLACE + 1);
    expected_granule += GRANULE;
    granules_seen++;
}

IN_CHILD(a_place_has_one_owner)
{
    const size_t room = 100;
    char *end = hm_region_places(ADDR(RANGE), PLACES * PLACE, PLACE, room);

    REQUIRE(end != NULL && all_bytes(end - room, room, 0));
    memset(end - room, 0xff, room);
    REQUIRE(hm_region_prepare(ADDR(RANGE), PLACES * PLACE));
    for (uintptr_t i = 0; i < PLACES; i++) {
        REQUIRE(owner_at(RANGE + i * PLACE) == 0);
        REQUIRE(hm_region_set(ADDR(RANGE + i * PLACE), PLACE, i + 1));
    }
    for (uintptr_t p = RANGE; p < RANGE + PLACES * PLACE; p += GRANULE / 2)
        REQUIRE(owner_at(p) == (p - RANGE) / PLACE + 1);
    REQUIRE(owner_at(RANGE - 1) == 0 && owner_at(RANGE + PLACES * PLACE) == 0);
    REQUIRE(all_bytes(end - room, room, 0xff));
    expected_granule = RANGE;
    hm_region_each(see_granule, NULL);
    REQUIRE(granules_seen == PLACES * PLACE / GRANULE);
    REQUIRE(hm_region_set(ADDR(RANGE + 3 * PLACE), PLACE, 0));
    REQUIRE(owner_at(RANGE + 3 * PLACE - 1) == 3 && owner_at(RANGE + 3 * PLACE) == 0);
    REQUIRE(owner_at(RANGE + 4 * PLACE - 1) == 0 && owner_at(RANGE + 4 * PLACE) == 5);
    REQUIRE(hm_region_set(ADDR(RANGE - GRANULE), GRANULE, 0x90));
    REQUIRE(owner_at(RANGE - 1) == 0x90 && owner_at(RANGE) == 1);
}

/* Threads that are the first in a leaf, all at once: whoever loses uses the winner's. */
static pthread_barrier_t barrier;
#define FIRST ((uintptr_t)(WIDE ? 300 : 30))

static void *set_in_new_leaves(void *arg)
{
    uintptr_t mine = *(uintptr_t *)arg;

    for (uintptr_t leaf = FIRST; leaf < FIRST + 8; leaf++) {
        pthread_barrier_wait(&barrier);
        REQUIRE(hm_region_set(ADDR(leaf * LEAF + mine * GRANULE), GRANULE, mine << 4));
    }
    return NULL;
}

static void threads_share_a_new_leaf(void **state)
{
    uintptr_t mine[4] = {1, 2, 3, 4};

    (void)state;
    pthread_barrier_init(&barrier, NULL, COUNT(mine));
    run_threads(COUNT(mine), set_in_new_leaves, mine, sizeof mine[0]);
    for (uintptr_t leaf = FIRST; leaf < FIRST + 8; leaf++) {
        for (uintptr_t i = 1; i <= COUNT(mine); i++)
            assert_int_equal(owner_at(leaf * LEAF + i * GRANULE), i << 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_set_has_no_owner),
        cmocka_unit_test(every_byte_of_the_range_gets_the_owner),
        cmocka_unit_test(part_of_a_range_can_change_its_owner),
        cmocka_unit_test(a_range_may_span_leaves),
        cmocka_unit_test(the_last_user_addresses_can_be_owned),
        cmocka_unit_test(the_kernels_addresses_cannot),
        cmocka_unit_test(clearing_needs_no_memory),
        cmocka_unit_test(without_memory_nothing_is_set),
        cmocka_unit_test(a_place_has_one_owner),
        cmocka_unit_test(threads_share_a_new_leaf),
    };

    return RUN_TESTS(tests);
}
