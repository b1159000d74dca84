/* SPDX-License-Identifier: MIT */
/* fence: what of a SuperSlab has access, with guard_pages, and how long. */
#include "superslab_runs.h"

#include "medium.h"
#include "random.h"

#define FENCED CONF "guard_pages = yes\nshards = 1\n"

static int ends[2]; /* of a pipe */

static void fences_up(const char *conf)
{
    layers_up(conf);
    hm_random_init();
    REQUIRE(pipe(ends) == 0);
}

/* Asks the kernel, which does not fault; nor does a sanitizer look at it. */
static bool has_access(const char *p)
{
    char c;

    if (syscall(SYS_write, ends[1], p, 1) != 1) {
        REQUIRE(errno == EFAULT);
        return false;
    }
    REQUIRE(read(ends[0], &c, 1) == 1);
    return true;
}

/* A run without gaps in it, and whether there is nothing beside it. */
static bool stands_alone(const struct hm_slab *run)
{
    const char *base = run->base;

    for (size_t at = 0; at < bytes(run); at += HM_UNIT)
        REQUIRE(has_access(base + at) && has_access(base + at + HM_UNIT - 1));
    return !has_access(base - 1) && !has_access(base + bytes(run));
}

/* A sanitizer's shadow memory has mappings of its own: 0. */
static size_t mappings(void)
{
    if (HM_TEST_SANITIZED)
        return 0;
    FILE *f = fopen("/proc/self/maps", "re");
    size_t lines = 0;
    int c;

    REQUIRE(f != NULL);
    while ((c = getc(f)) != EOF)
        lines += c == '\n';
    fclose(f);
    return lines;
}

#define NEED_SMALL_PAGES \
    if (hm_os_page > HM_UNIT) \
    return /* nothing is promised */

IN_CHILD(a_slab_of_any_size_has_nothing_beside_it)
{
    fences_up(FENCED);
    NEED_SMALL_PAGES;
    for (uint32_t units = 1; units <= 8; units *= 2)
        for (unsigned i = 0; i < 100 / units; i++) {
            struct hm_slab *small = take(1, 1, HM_UNIT, NULL);
            REQUIRE(small != NULL && stands_alone(small));
            struct hm_slab *large = take(HM_SMALL_CLASSES + 1, units, HM_UNIT, NULL);
            REQUIRE(large != NULL);
            memset(large->base, 1, bytes(large));
            REQUIRE(stands_alone(large)); /* no larger ones were there before */
        }
}

IN_CHILD(nothing_has_fences_without_the_option)
{
    fences_up("shards = 1\n" CONF);
    for (unsigned i = 0; i < UNITS; i++) {
        struct hm_slab *run = take(1, 1, HM_UNIT, NULL);
        REQUIRE(run->unit == i && run->owner->gap == 0 && has_access(run->base));
    }
    REQUIRE(mapped() == 1);
}

/* Every size and alignment has a place in a SuperSlab that is mapped for it. */
IN_CHILD(medium_blocks_have_a_place_all_the_same)
{
    bool zeroed = false;

    fences_up(FENCED);
    for (size_t size = 1; size <= hm_medium_max(); size += HM_UNIT / 2 + 1)
        for (size_t align = 16; align <= hm_medium_max(); align *= 4) {
            char *p = hm_medium_take(0, size, align, &zeroed);

            REQUIRE(p != NULL && is_aligned(p, align));
            memset(p, 1, hm_medium_usable(p));
            atomic_store(hm_window_state(p), 0);
            if (size % 3 == 0)
                hm_medium_give(p);
        }
}

/* The block in front grows into no fence. */
IN_CHILD(a_run_grows_up_to_a_fence)
{
    bool zeroed = false;

    fences_up(FENCED);
    NEED_SMALL_PAGES;
    struct hm_slab *four = take_units(4), *three = take_units(3);

    REQUIRE(three->owner == four->owner && four->owner->gap == 4);
    REQUIRE(!hm_run_grow(four, 5, &zeroed) && four->units == 4);
    REQUIRE(hm_run_grow(three, 4, &zeroed) && !hm_run_grow(three, 5, &zeroed));
    REQUIRE(stands_alone(three));
    hm_run_shrink(three, 1);
    REQUIRE(!hm_run_grow(three, 5, &zeroed) && hm_run_grow(three, 4, &zeroed));
}

/* E1: many more SuperSlabs come and go than may have fences at once. */
IN_CHILD(fences_go_with_their_superslab)
{
    enum { EACH = UNITS / 2, AT_ONCE = 8, ROUNDS = HM_FENCES / EACH / AT_ONCE + 8 };
    struct hm_slab *runs[EACH * AT_ONCE];

    fences_up(FENCED);
    NEED_SMALL_PAGES;
    size_t before = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < COUNT(runs); i++) {
            runs[i] = take(1, 1, HM_UNIT, NULL);
            REQUIRE(runs[i] != NULL && runs[i]->owner->gap == 1);
        }
        REQUIRE(mapped() == AT_ONCE && stands_alone(runs[0]));
        for (size_t i = 0; i < COUNT(runs); i++)
            hm_run_give(runs[i]);
        hm_superslab_trim(now() + HM_CLOCK_FORCED, 0);
        REQUIRE(mapped() == 0);
        before = round == 0 ? mappings() : before;
    }
    REQUIRE(mappings() <= before + 4); /* nor do they leave mappings behind */
}

IN_CHILD(there_are_no_more_fences_than_the_kernel_has_mappings_for)
{
    enum { EACH = UNITS / 2 };
    size_t taken = 0, fenced = 0;

    fences_up(FENCED);
    NEED_SMALL_PAGES;
    size_t before = mappings();
    while (taken < HM_FENCES / EACH * (size_t)UNITS) {
        struct hm_slab *run = take(1, 1, HM_UNIT, NULL);
        REQUIRE(run != NULL);
        fenced += run->owner->gap != 0;
        REQUIRE(has_access(run->base));
        taken++;
    }
    REQUIRE(fenced == HM_FENCES); /* as many as there are slabs between two */
    /* E1, and each SuperSlab is two: it has nothing beside it. */
    REQUIRE(mappings() <= before + 2 * (size_t)HM_FENCES + 2 * mapped() + 64);
}

/* E2: who is not let have fences has slabs. */
IN_CHILD(a_fence_that_is_refused_is_nobodys_all_the_same)
{
    static const int calls[] = {SYS_mprotect};

    fences_up(FENCED "address_window = 0\n");
    if (!refuse_calls(calls, COUNT(calls), EPERM))
        return;
    NEED_SMALL_PAGES;
    for (unsigned i = 0; i < UNITS; i++) {
        struct hm_slab *run = take(1, 1, HM_UNIT, NULL);
        REQUIRE(run != NULL && run->unit % 2 == 0 && has_access(run->base));
        memset(run->base, 1, HM_UNIT);
        REQUIRE(all_bytes(run->base + HM_UNIT, HM_UNIT, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slab_of_any_size_has_nothing_beside_it),
        cmocka_unit_test(nothing_has_fences_without_the_option),
        cmocka_unit_test(medium_blocks_have_a_place_all_the_same),
        cmocka_unit_test(a_run_grows_up_to_a_fence),
        cmocka_unit_test(fences_go_with_their_superslab),
        cmocka_unit_test(there_are_no_more_fences_than_the_kernel_has_mappings_for),
        cmocka_unit_test(a_fence_that_is_refused_is_nobodys_all_the_same),
    };

    return RUN_TESTS(tests);
}
