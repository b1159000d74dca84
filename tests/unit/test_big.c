/* SPDX-License-Identifier: MIT */
/* big: extents, and BigCache that keeps them. */
#include "extents.h"

#define ABSURD (SIZE_MAX / 16 * 15) /* the kernel lives there */

static bool is_nobodys(const void *p)
{
    return hm_owner_kind(hm_region_get(p)) == HM_OWNER_NONE;
}

static bool is_mapped(const char *p, size_t size)
{
    unsigned char resident[HM_REGION_GRANULE / 4096 * 4];

    REQUIRE(size / 4096 <= sizeof resident);
    return mincore((void *)(uintptr_t)p, size, resident) == 0;
}

/* ---- Taking and giving --------------------------------------------------------------- */

IN_CHILD(a_block_is_whole_granules_and_owns_them)
{
    static const size_t sizes[] = {0, 1, G - 1, G, G + 1, 3 * G, 8 * HM_MIB + 1};

    layers_up(CONF);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *p = take(sizes[i]);
        struct hm_big *b = extent(p);

        REQUIRE(b->base == p && b->size >= sizes[i] && b->size > 0 && b->size % G == 0);
        REQUIRE(b->size < sizes[i] + G || sizes[i] == 0);
        for (size_t at = 0; at < b->size; at += G)
            REQUIRE(extent(p + at) == b && extent(p + at + G - 1) == b);
        memset(p, 1, b->size);
    }
}

IN_CHILD(any_alignment_can_be_had)
{
    bool zeroed = false;

    layers_up(CONF);
    for (size_t align = HM_ALIGNMENT; align <= (WIDE ? HM_GIB : 16 * HM_MIB); align *= 2) {
        char *p = hm_big_take(3 * G, align, &zeroed);

        REQUIRE(p != NULL && is_aligned(p, align) && is_aligned(p, G));
        REQUIRE(!zeroed || all_bytes(p, 3 * G, 0));
        memset(p, 1, 3 * G);
        give(p);
    }
}

IN_CHILD(absurd_sizes_are_refused)
{
    bool zeroed = false;

    layers_up(CONF);
    REQUIRE(hm_big_take(SIZE_MAX, 16, &zeroed) == NULL);
    REQUIRE(hm_big_take(PTRDIFF_MAX, 16, &zeroed) == NULL);
    REQUIRE(hm_big_take(ABSURD, 16, &zeroed) == NULL);
    REQUIRE(hm_big_take(G, SIZE_MAX / 4 + 1, &zeroed) == NULL);
    REQUIRE(hm_big_take_detour(SIZE_MAX, 16) == NULL);
    REQUIRE(hm_big_take_detour(ABSURD, 16) == NULL);
    REQUIRE(hm_big_take_detour(G, SIZE_MAX / 4 + 1) == NULL);
    REQUIRE(live() == 0);
    give(take(G)); /* and nothing is broken */
}

IN_CHILD(what_was_given_is_not_live)
{
    layers_up(CONF);
    char *p = take(2 * G);
    struct hm_big *b = extent(p);

    REQUIRE(live() == 2 * G);
    REQUIRE(hm_big_give(b));
    REQUIRE(live() == 0 && cached() == 2 * G);
    REQUIRE(!hm_big_give(b));
    REQUIRE(live() == 0 && cached() == 2 * G);
}

IN_CHILD(zeroed_is_said_of_fresh_memory_only)
{
    bool zeroed = false;

    layers_up(CONF);
    char *p = hm_big_take(4 * G, 16, &zeroed);

    REQUIRE(zeroed);
    memset(p, 1, 4 * G);
    give(p);
    REQUIRE(hm_big_take(4 * G, 16, &zeroed) == p && !zeroed);
    give(p);
    hm_big_trim(UINT64_MAX, 0);
    p = hm_big_take(4 * G, 16, &zeroed);
    REQUIRE(zeroed && all_bytes(p, 4 * G, 0));
}

/* ---- BigCache: splitting and merging ------------------------------------------------- */

IN_CHILD(a_cached_extent_serves_smaller_requests)
{
    layers_up(CONF);
    char *p = take(10 * G);
    uint64_t misses = hm_load_relaxed(&hm_big_counts.misses);

    give(p);
    REQUIRE(take(3 * G) == p && cached() == 7 * G);
    REQUIRE(take(7 * G) == p + 3 * G && cached() == 0);
    REQUIRE(hm_load_relaxed(&hm_big_counts.misses) == misses);
    REQUIRE(hm_load_relaxed(&hm_big_counts.hits) == 2);
    REQUIRE(extent(p + 3 * G - 1) == extent(p) && extent(p + 3 * G) != extent(p));
}

IN_CHILD(neighbours_are_merged_whatever_the_order)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    layers_up(CONF);
    for (size_t o = 0; o < COUNT(orders); o++) {
        char *whole = take(9 * G), *parts[3];

        give(whole);
        for (int i = 0; i < 3; i++) {
            parts[i] = take(3 * G);
            REQUIRE(parts[i] == whole + i * 3 * G);
        }
        REQUIRE(cached() == 0);
        for (int i = 0; i < 3; i++)
            give(parts[orders[o][i]]);
        REQUIRE(cached() == 9 * G);
        REQUIRE(take(9 * G) == whole); /* in one piece */
        give(whole);
    }
}

IN_CHILD(a_larger_extent_is_cut_only_when_no_better_fits)
{
    layers_up("bigcache_bytes = 1G\n" CONF);
    char *large = take(40 * G);
    char *wall = take(G);
    char *small = take(5 * G);

    REQUIRE(wall != NULL);
    give(large);
    give(small);
    if (large + 40 * G == small || small + 5 * G == large)
        return; /* they met after all */
    REQUIRE(take(5 * G) == small);
    REQUIRE(take(5 * G) == large);
}

/* Content tells whether two extents overlap; the sums tell whether anything gets lost. */
IN_CHILD(random_work_loses_nothing)
{
    enum { BLOCKS = 40 };
    static struct {
        char *p;
        size_t size;
        uint64_t seed;
    } held[BLOCKS];
    struct rng r = rng_seed(5);
    size_t sum = 0;

    layers_up("bigcache_bytes = 4M\n" CONF);
    for (long step = 0; step < scaled(6000); step++) {
        size_t k = rng_below(&r, BLOCKS), size = G * (1 + rng_size(&r, 4));

        if (held[k].p == NULL) {
            held[k].p = take(size);
            held[k].size = size;
            sum += size;
        } else if (rng_below(&r, 2)) {
            REQUIRE(intact(held[k].p, held[k].size, held[k].seed));
            give(held[k].p);
            sum -= held[k].size;
            held[k].p = NULL;
            REQUIRE(cached() <= 4 * HM_MIB);
            continue;
        } else {
            char *p = resize(held[k].p, size);

            REQUIRE(intact(p, hm_min(size, held[k].size), held[k].seed));
            sum += size - held[k].size;
            held[k].p = p;
            held[k].size = size;
        }
        REQUIRE(extent(held[k].p)->size == size && live() == sum);
        held[k].seed = rng_next(&r);
        fill(held[k].p, size, held[k].seed);
        if (step % 100 == 0)
            hm_big_trim(UINT64_MAX, 0);
    }
    for (size_t k = 0; k < BLOCKS; k++) {
        if (held[k].p != NULL)
            give(held[k].p);
    }
    REQUIRE(live() == 0);
    hm_big_trim(UINT64_MAX, 0);
    REQUIRE(cached() == 0);
}

/* ---- BigCache: bound and age --------------------------------------------------------- */

IN_CHILD(the_bound_is_kept)
{
    char *blocks[32];

    layers_up("bigcache_bytes = 1M\n" CONF);
    for (size_t i = 0; i < COUNT(blocks); i++)
        blocks[i] = take(4 * G);
    for (size_t i = 0; i < COUNT(blocks); i++) {
        give(blocks[i]);
        REQUIRE(cached() <= HM_MIB);
    }
    char *large = take(2 * HM_MIB);

    give(large); /* larger than the bound: not cached at all */
    REQUIRE(cached() <= HM_MIB && is_nobodys(large));
}

IN_CHILD(without_bigcache_nothing_is_kept)
{
    layers_up("bigcache_bytes = 0\n" CONF);
    char *p = take(4 * G);

    give(p);
    REQUIRE(cached() == 0 && is_nobodys(p) && !is_mapped(p, G));
}

IN_CHILD(the_old_goes_and_the_young_stays)
{
    layers_up(CONF);
    char *whole = take(9 * G);

    give(whole);
    char *old = take(3 * G), *wall = take(3 * G), *young = take(3 * G);

    REQUIRE(wall == whole + 3 * G);
    hm_store_relaxed(&hm_clock, 1000);
    give(old);
    hm_store_relaxed(&hm_clock, 2000);
    give(young);
    REQUIRE(hm_big_trim(999, SIZE_MAX) == 0);
    REQUIRE(hm_big_trim(1999, SIZE_MAX) == 3 * G);
    REQUIRE(is_nobodys(old) && !is_mapped(old, G));
    REQUIRE(extent(young) != NULL && is_mapped(young, 3 * G));
    REQUIRE(hm_big_trim(2000, SIZE_MAX) == 3 * G);
    REQUIRE(is_mapped(wall, 3 * G) && cached() == 0);
}

/* ---- Resizing ------------------------------------------------------------------------ */

IN_CHILD(shrinking_gives_the_rest_back_at_once)
{
    layers_up(CONF);
    char *p = take(8 * G);

    fill(p, 8 * G, 1);
    REQUIRE(hm_big_resize(extent(p), 3 * G) == p);
    REQUIRE(extent(p)->size == 3 * G && live() == 3 * G && cached() == 5 * G);
    REQUIRE(intact(p, 3 * G, 1));
    REQUIRE(take(5 * G) == p + 3 * G);
}

IN_CHILD(growing_absorbs_a_cached_neighbour_as_far_as_needed)
{
    layers_up(CONF);
    char *p = take(8 * G);

    fill(p, 8 * G, 1);
    hm_big_resize(extent(p), 2 * G);
    REQUIRE(cached() == 6 * G);
    uint64_t calls = hm_load_relaxed(&hm_os_counts.mremap);

    REQUIRE(hm_big_resize(extent(p), 5 * G) == p);
    REQUIRE(extent(p)->size == 5 * G && live() == 5 * G && cached() == 3 * G);
    REQUIRE(hm_load_relaxed(&hm_os_counts.mremap) == calls);
    REQUIRE(intact(p, 2 * G, 1));
    memset(p, 1, 5 * G);
    REQUIRE(extent(p + 5 * G - 1) == extent(p));
}

IN_CHILD(growing_moves_pages_and_keeps_the_content)
{
    layers_up(CONF);
    char *p = take(4 * HM_MIB);
    char *wall =
        mmap(p + 4 * HM_MIB, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    REQUIRE(wall != MAP_FAILED);
    fill(p, 4 * HM_MIB, 1);
    size_t before = resident_bytes();
    char *q = hm_big_resize(extent(p), 64 * HM_MIB);

    REQUIRE(q != NULL && intact(q, 4 * HM_MIB, 1));
    REQUIRE(all_bytes(q + 4 * HM_MIB, 60 * HM_MIB, 0));
    REQUIRE(extent(q)->base == q && extent(q + 64 * HM_MIB - 1) == extent(q));
    if (q != p)
        REQUIRE(is_nobodys(p) && !is_mapped(p, G));
    REQUIRE(HM_TEST_SANITIZED || resident_bytes() < before + 70 * HM_MIB);
    give(q);
}

/* Where an extent is more than one mapping for the kernel it cannot be moved: the caller
 * copies. */
IN_CHILD(an_extent_of_several_mappings_stays_as_it_is)
{
    layers_up(CONF);
    char *p = take(8 * G);

    fill(p, 8 * G, 1);
    REQUIRE(mprotect(p + 4 * G, 4 * G, PROT_READ) == 0); /* two mappings now */
    struct hm_big *b = extent(p);
    size_t before = status_bytes("VmSize:");
    char *q = hm_big_resize(b, 1000 * G);

    REQUIRE(status_bytes("VmSize:") < before + 100 * G); /* nor is address space lost */
    REQUIRE(q == NULL && b->base == p && b->size == 8 * G && live() == 8 * G);
    REQUIRE(extent(p + 8 * G - 1) == b && intact(p, 8 * G, 1));
    REQUIRE(mprotect(p + 4 * G, 4 * G, PROT_READ | PROT_WRITE) == 0);
    give(p);
}

IN_CHILD(what_cannot_grow_is_unchanged)
{
    static const int calls[] = {CALL_MMAP, SYS_mremap};

    layers_up(CONF);
    char *p = take(4 * G);

    fill(p, 4 * G, 1);
    REQUIRE(hm_big_resize(extent(p), SIZE_MAX) == NULL);
    REQUIRE(hm_big_resize(extent(p), ABSURD) == NULL);
    if (!refuse_calls(calls, COUNT(calls), ENOMEM))
        return;
    REQUIRE(hm_big_resize(extent(p), 100 * G) == NULL);
    REQUIRE(extent(p)->size == 4 * G && live() == 4 * G && intact(p, 4 * G, 1));
    REQUIRE(hm_big_resize(extent(p), 2 * G) == p);
}

/* ---- When the system refuses --------------------------------------------------------- */

IN_CHILD(without_memory_the_cache_is_emptied_and_then_the_answer_is_null)
{
    bool zeroed = false;
    struct rlimit limit;

    NEED_NO_EMULATOR("limits");
    layers_up("bigcache_bytes = 1G\n" CONF);
    char *p = take(64 * HM_MIB);

    give(p);
    REQUIRE(cached() == 64 * HM_MIB);
    limit.rlim_cur = limit.rlim_max = status_bytes("VmData:") + 8 * HM_MIB;
    REQUIRE(setrlimit(RLIMIT_DATA, &limit) == 0);
    /* A gap too small for the cached extent, unless it goes first. */
    char *q = hm_big_take(68 * HM_MIB, 16, &zeroed);

    REQUIRE(q != NULL && cached() == 0);
    REQUIRE(hm_big_take(HM_GIB, 16, &zeroed) == NULL);
    REQUIRE(live() == 68 * HM_MIB);
}

/* munmap fails at the limit on mappings, when it would have to split one. The memory goes
 * back all the same, and trimming ends. */
IN_CHILD(what_cannot_be_unmapped_is_purged_and_trimming_ends)
{
    static const int calls[] = {SYS_munmap};
    char *blocks[5], *walls[5];
    bool zeroed = false;

    layers_up(CONF);
    char *whole = take(50 * G);

    memset(whole, 1, 50 * G);
    give(whole);
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = take(4 * G);
        walls[i] = take(G);
    }
    if (!refuse_calls(calls, COUNT(calls), ENOMEM))
        return;
    for (size_t i = 0; i < COUNT(blocks); i++)
        give(blocks[i]);
    size_t before = resident_bytes(), all = cached();

    REQUIRE(hm_big_trim(UINT64_MAX, 0) >= 5 * 4 * G);
    REQUIRE(resident_bytes() + 4 * 4 * G < before);
    REQUIRE(cached() == all);
    REQUIRE(hm_big_trim(UINT64_MAX, 0) == 0);
    char *p = hm_big_take(4 * G, 16, &zeroed);

    REQUIRE(p != NULL && extent(p)->base == p && zeroed && all_bytes(p, 4 * G, 0));
    for (size_t i = 0; i < COUNT(walls); i++)
        REQUIRE(all_bytes(walls[i], G, 1));
    give(p);
}

IN_CHILD(the_bound_ends_a_free_even_if_nothing_can_be_unmapped)
{
    static const int calls[] = {SYS_munmap, SYS_madvise};
    char *blocks[16];

    layers_up("bigcache_bytes = 1M\n" CONF);
    for (size_t i = 0; i < COUNT(blocks); i++)
        blocks[i] = take(4 * G);
    if (!refuse_calls(calls, COUNT(calls), EAGAIN))
        return;
    for (size_t i = 0; i < COUNT(blocks); i++)
        give(blocks[i]);
    REQUIRE(cached() == COUNT(blocks) * 4 * G);
    take(4 * G);
}

/* ---- While another thread forks, and threads ----------------------------------------- */

static _Atomic int phase;

static void *hold_as_a_fork_does(void *unused)
{
    hm_lock_fork_begin();
    hm_lock_fork_take(hm_big_lock());
    hm_lock_fork_take(hm_meta_lock());
    atomic_store(&phase, 1);
    WAIT_UNTIL(atomic_load(&phase) == 2);
    hm_lock_fork_give(hm_big_lock());
    hm_lock_fork_give(hm_meta_lock());
    hm_lock_fork_end();
    return unused;
}

IN_CHILD(while_another_thread_forks_blocks_are_detours)
{
    pthread_t thread;
    bool zeroed = false;

    layers_up(CONF);
    char *before = take(4 * G), *moved = take(4 * G);

    REQUIRE(pthread_create(&thread, NULL, hold_as_a_fork_does, NULL) == 0);
    WAIT_UNTIL(atomic_load(&phase) == 1);
    char *p = hm_big_take(1, 16, &zeroed), *q = hm_big_take(3 * G, 4 * HM_MIB, &zeroed);

    REQUIRE(p != NULL && q != NULL && zeroed && is_aligned(q, 4 * HM_MIB));
    REQUIRE(all_bytes(p, G, 0) && all_bytes(q, 3 * G, 0));
    REQUIRE(hm_big_resize(extent(p), G) == p && hm_big_resize(extent(p), 2 * G) == NULL);
    memset(q, 1, 3 * G);
    give(p);
    REQUIRE(is_nobodys(p) && !is_mapped(p, G));
    give(before); /* comes back later */
    moved = hm_big_resize(extent(moved), 2 * G);
    moved = hm_big_resize(extent(moved), 100 * G);
    REQUIRE(moved != NULL);
    atomic_store(&phase, 2);
    pthread_join(thread, NULL);
    give(q);
    give(moved);
    hm_big_trim(UINT64_MAX, 0);
    REQUIRE(cached() == 0 && live() == 0);
    REQUIRE(!is_mapped(before, G) && !is_mapped(q, G));
}

static void *give_all(void *all)
{
    for (char **p = all; *p != NULL; p++)
        give(*p);
    return NULL;
}

/* Without BigCache they are unmapped at once; there is no lock for the descriptors. */
IN_CHILD(unmapping_while_another_thread_forks_loses_no_descriptor)
{
    static char *all[2001];
    size_t metadata = 0;

    layers_up("bigcache_bytes = 0\n" CONF);
    for (int round = 0; round < 3; round++) {
        uint64_t unmapped;

        for (size_t i = 0; i + 1 < COUNT(all); i++)
            all[i] = take(G);
        REQUIRE(round == 0 || hm_meta_bytes() == metadata);
        metadata = hm_meta_bytes();
        hm_lock_fork_begin();
        hm_lock_fork_take(hm_big_lock());
        unmapped = hm_load_relaxed(&hm_os_counts.munmap);
        run_threads(1, give_all, all, 0);
        hm_lock_fork_give(hm_big_lock());
        hm_lock_fork_end();
        REQUIRE(live() == 0 && cached() == 0);
        /* Not by is_mapped: what makes a thread may map something in their place. */
        REQUIRE(hm_load_relaxed(&hm_os_counts.munmap) == unmapped + COUNT(all) - 1);
    }
}

static void *work(void *arg)
{
    uint64_t mine = *(uint64_t *)arg;
    struct rng r = rng_seed(mine);
    char *held[8] = {NULL};
    size_t sizes[8];

    for (long step = 0; step < scaled(2000); step++) {
        size_t k = rng_below(&r, COUNT(held)), size = G * (1 + rng_size(&r, 4));

        if (held[k] != NULL && step % 3 == 0) {
            held[k] = resize(held[k], size);
            for (size_t at = 0; at < hm_min(size, sizes[k]); at += G)
                REQUIRE(intact(held[k] + at, 64, mine + k));
        } else if (held[k] != NULL) {
            for (size_t at = 0; at < sizes[k]; at += G)
                REQUIRE(intact(held[k] + at, 64, mine + k));
            give(held[k]);
            held[k] = NULL;
            continue;
        } else {
            held[k] = take(size);
        }
        sizes[k] = size;
        for (size_t at = 0; at < size; at += G)
            fill(held[k] + at, 64, mine + k);
    }
    for (size_t k = 0; k < COUNT(held); k++) {
        if (held[k] != NULL)
            give(held[k]);
    }
    return NULL;
}

IN_CHILD(threads_never_share_an_extent)
{
    uint64_t mine[3] = {1000, 2000, 3000};

    layers_up("bigcache_bytes = 2M\n" CONF);
    run_threads(COUNT(mine), work, mine, sizeof mine[0]);
    REQUIRE(live() == 0);
    hm_big_trim(UINT64_MAX, 0);
    REQUIRE(cached() == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_whole_granules_and_owns_them),
        cmocka_unit_test(any_alignment_can_be_had),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(what_was_given_is_not_live),
        cmocka_unit_test(zeroed_is_said_of_fresh_memory_only),
        cmocka_unit_test(a_cached_extent_serves_smaller_requests),
        cmocka_unit_test(neighbours_are_merged_whatever_the_order),
        cmocka_unit_test(a_larger_extent_is_cut_only_when_no_better_fits),
        cmocka_unit_test(random_work_loses_nothing),
        cmocka_unit_test(the_bound_is_kept),
        cmocka_unit_test(without_bigcache_nothing_is_kept),
        cmocka_unit_test(the_old_goes_and_the_young_stays),
        cmocka_unit_test(shrinking_gives_the_rest_back_at_once),
        cmocka_unit_test(growing_absorbs_a_cached_neighbour_as_far_as_needed),
        cmocka_unit_test(growing_moves_pages_and_keeps_the_content),
        cmocka_unit_test(an_extent_of_several_mappings_stays_as_it_is),
        cmocka_unit_test(what_cannot_grow_is_unchanged),
        cmocka_unit_test(without_memory_the_cache_is_emptied_and_then_the_answer_is_null),
        cmocka_unit_test(what_cannot_be_unmapped_is_purged_and_trimming_ends),
        cmocka_unit_test(the_bound_ends_a_free_even_if_nothing_can_be_unmapped),
        cmocka_unit_test(while_another_thread_forks_blocks_are_detours),
        cmocka_unit_test(unmapping_while_another_thread_forks_loses_no_descriptor),
        cmocka_unit_test(threads_never_share_an_extent),
    };

    return RUN_TESTS(tests);
}
