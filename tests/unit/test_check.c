/* SPDX-License-Identifier: MIT */
/* hakmem_check_heap: silent about a sound heap, in use by others or not; and each kind of
 * damage, done here by hand, is found and called by the rule that it breaks. */
#include "layers.h"

#include "check.h"
#include "medium.h"
#include "slab.h"
#include "tcache.h"
#include "walk.h"

/* Blocks of every kind, half of them freed again. */
static void *kept[3000];

static void use_the_heap(void)
{
    struct rng r = rng_seed(7);
    for (size_t i = 0; i < COUNT(kept); i++) {
        kept[i] = malloc(rng_size(&r, i % 100 == 0 ? 21 : 14));
        REQUIRE(kept[i] != NULL);
    }
    for (size_t i = 0; i < COUNT(kept); i += 2) {
        free(kept[i]);
        kept[i] = NULL;
    }
}

/* What is said when `damage` has been done to a heap in use. */
static void damage_is_called(void (*damage)(void *), const char *expected)
{
    struct outcome out = in_child(damage, NULL);
    if (!exited_cleanly(&out) || strstr(out.err, expected) == NULL)
        fail_msg("expected %s, got: %s", expected, out.err);
}

#define DAMAGE(name, what)                   \
    static void name##_done(void *unused);   \
    static void name(void **state)           \
    {                                        \
        (void)state;                         \
        damage_is_called(name##_done, what); \
    }                                        \
    static void name##_done(void *unused UNUSED)

static void must_be_found(void)
{
    REQUIRE(hakmem_check_heap() > 0);
}

/* A partial slab that is LISTED. */
static struct hm_slab *listed;

static void note_listed(struct hm_slab *run, void *unused)
{
    (void)unused;
    if (run->cls < HM_CLASSES && (run->life & HM_LIFE_LISTED) != 0)
        listed = run;
}

static struct hm_slab *a_listed_slab(void)
{
    use_the_heap();
    hakmem_thread_flush();
    REQUIRE(hakmem_check_heap() == 0);
    hm_walk_runs(note_listed, NULL);
    REQUIRE(listed != NULL);
    return listed;
}

static unsigned first_free(struct hm_slab *slab)
{
    unsigned w = 0;
    while (slab->free_map[w] == 0)
        w++;
    return w * 64 + (unsigned)__builtin_ctzll(slab->free_map[w]);
}

DAMAGE(a_wrong_count_is_found, "B1: fewer blocks than there are")
{
    a_listed_slab()->life--;
    must_be_found();
}

#if !HM_TSAN
DAMAGE(a_lost_block_is_found, EMULATED ? "" : "B1: count and free_map disagree")
{
    struct hm_slab *slab = a_listed_slab();
    unsigned i = first_free(slab);
    slab->free_map[i / 64] &= ~((uint64_t)1 << i % 64);
    slab->life++; /* so that the count is not too low, and then too high */
    slab->life++;
    if (!EMULATED) /* one of its threads may be about to lower it */
        must_be_found();
}
#endif

DAMAGE(a_slab_missing_from_its_list_is_found, "B3: ")
{
    struct hm_slab *slab = a_listed_slab();
    slab->life -= HM_LIFE_LISTED;
    must_be_found();
}

DAMAGE(a_broken_list_is_found, "B3: ")
{
    struct hm_slab *slab = a_listed_slab();
    slab->prev = slab;
    must_be_found();
}

DAMAGE(a_free_block_marked_live_is_found, "W1: a block live and free")
{
    struct hm_slab *slab = a_listed_slab();
    size_t offset = (size_t)first_free(slab) * hm_classes[slab->cls].size;
    slab->state[offset >> slab->owner->shift] = slab->cls;
    must_be_found();
}

DAMAGE(a_state_inside_a_block_is_found, "W1: a state that no block can have")
{
    use_the_heap();
    char *p = malloc(100);
    struct hm_slab *slab = hm_slab_of(p);
    slab->state[(p + 16 - slab->base) >> slab->owner->shift] = 1;
    must_be_found();
}

DAMAGE(a_live_block_in_a_free_unit_is_found, "W1: a live block in a free unit")
{
    use_the_heap();
    hakmem_thread_flush(); /* cached blocks in there would be reported first */
    struct hm_superslab *ss = hm_slab_of(malloc(50000))->owner;
    uint32_t u = 0;
    while (!(ss->free_map[u / 64] >> u % 64 & 1))
        u++;
    ss->state[(size_t)u << (HM_UNIT_SHIFT - ss->shift)] = HM_STATE_MEDIUM;
    must_be_found();
}

DAMAGE(a_unit_free_and_in_use_is_found, "S1: a unit free and in a run")
{
    use_the_heap();
    struct hm_slab *run = hm_slab_of(malloc(50000));
    run->owner->free_map[run->unit / 64] |= (uint64_t)1 << run->unit % 64;
    must_be_found();
}

DAMAGE(a_dirty_unit_in_use_is_found, "S2: dirty but not free")
{
    use_the_heap();
    struct hm_slab *run = hm_slab_of(malloc(50000));
    run->owner->dirty_map[run->unit / 64] |= (uint64_t)1 << run->unit % 64;
    must_be_found();
}

DAMAGE(a_clean_unit_in_a_resident_page_is_found, "S2: clean in a page that is resident")
{
    use_the_heap();
    hm_superslab_page_units = 4;
    struct hm_slab *run = hm_slab_of(malloc(50000));
    run->owner->free_map[run->unit / 64] |= (uint64_t)3 << run->unit % 64;
    run->owner->dirty_map[run->unit / 64] |= (uint64_t)1 << run->unit % 64;
    must_be_found();
}

DAMAGE(a_wrong_number_of_free_units_is_found, "S3: free_units")
{
    use_the_heap();
    hm_slab_of(malloc(50000))->owner->free_units++;
    must_be_found();
}

DAMAGE(a_wrong_head_is_found, "S1: head of a unit")
{
    use_the_heap();
    struct hm_slab *run = hm_slab_of(malloc(50000));
    run->owner->head[run->unit + 1] = 0;
    must_be_found();
}

DAMAGE(a_granule_without_owner_is_found, "R2: ")
{
    use_the_heap();
    hakmem_thread_flush(); /* cached blocks in there would be reported first */
    struct hm_superslab *ss = hm_slab_of(malloc(50000))->owner;
    hm_region_set(ss->base + HM_REGION_GRANULE, HM_REGION_GRANULE, HM_OWNER_NONE);
    must_be_found();
}

DAMAGE(a_block_cached_twice_is_found, "C2: a block in two slots")
{
    use_the_heap();
    void *p = malloc(40), *q = malloc(40);
    free(q);
    free(p);
    hm_self.front->top[3][0] = hm_self.front->top[3][1];
    must_be_found();
}

DAMAGE(a_cached_block_marked_live_is_found, "C2: a block live and cached")
{
    use_the_heap();
    free(hide(malloc(40)));
    *hm_self.front->top[3][0].state = 3;
    must_be_found();
}

DAMAGE(a_bin_that_ends_elsewhere_is_found, "C1: ends of a bin")
{
    use_the_heap();
    free(hide(malloc(40)));
    hm_self.cache->bins[3].capacity = 1;
    must_be_found();
}

DAMAGE(a_lost_sentinel_is_found, "C1: a bin's sentinel")
{
    use_the_heap();
    struct hm_tcache *tc = hm_self.cache;
    tc->bin_ends.limit[3][tc->bins[3].capacity].block = &kept;
    must_be_found();
}

DAMAGE(a_bin_with_a_slab_that_is_not_current_is_found, "B4: ")
{
    struct hm_slab *slab = a_listed_slab();
    hm_self.cache->bins[slab->cls].current = slab;
    must_be_found();
}

static struct hm_big *a_cached_extent(void)
{
    use_the_heap();
    void *p = malloc(3 * MIB), *q = malloc(3 * MIB);
    struct hm_big *b = hm_owner_ptr(hm_region_get(p));
    REQUIRE(q != NULL);
    free(p);
    REQUIRE(b->life == HM_BIG_CACHED && hakmem_check_heap() == 0);
    return b;
}

DAMAGE(a_cached_extent_of_another_size_is_found, "G2: cached_bytes")
{
    a_cached_extent()->size -= HM_REGION_GRANULE;
    must_be_found();
}

DAMAGE(an_extent_off_its_lists_is_found, "G2: links of")
{
    struct hm_big *b = a_cached_extent();
    b->prev = b->older = b;
    must_be_found();
}

DAMAGE(an_extent_without_its_granules_is_found, "G1: a granule without its owner")
{
    struct hm_big *b = a_cached_extent();
    hm_region_set(b->base + HM_REGION_GRANULE, HM_REGION_GRANULE, HM_OWNER_NONE);
    must_be_found();
}

IN_CHILD(a_heap_in_use_is_sound)
{
    for (int i = 0; i < 3; i++) {
        use_the_heap();
        REQUIRE(hakmem_check_heap() == 0);
        for (size_t k = 1; k < COUNT(kept); k += 2)
            free(kept[k]);
        REQUIRE(hakmem_check_heap() == 0);
        malloc_trim(0);
        REQUIRE(hakmem_check_heap() == 0);
    }
}

static void *allocate_and_free(void *stop)
{
    struct rng r = rng_seed((uint64_t)(uintptr_t)&r);
    void *blocks[64] = {NULL};
    while (!*(_Atomic bool *)stop) {
        size_t i = rng_below(&r, COUNT(blocks));
        free(blocks[i]);
        blocks[i] = malloc(rng_size(&r, rng_below(&r, 50) == 0 ? 21 : 14));
    }
    for (size_t i = 0; i < COUNT(blocks); i++)
        free(blocks[i]);
    return NULL;
}

IN_CHILD(a_heap_that_others_use_is_sound)
{
    static _Atomic bool stop;
    pthread_t ids[3];
    for (size_t i = 0; i < COUNT(ids); i++)
        REQUIRE(pthread_create(&ids[i], NULL, allocate_and_free, &stop) == 0);
    for (long i = scaled(200); i > 0; i--)
        REQUIRE(hakmem_check_heap() == 0);
    stop = true;
    for (size_t i = 0; i < COUNT(ids); i++)
        REQUIRE(pthread_join(ids[i], NULL) == 0);
    REQUIRE(hakmem_check_heap() == 0);
}

static void *check_in_a_thread(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        REQUIRE(hakmem_check_heap() == 0);
    return NULL;
}

IN_CHILD(several_may_check_at_once)
{
    use_the_heap();
    run_threads(4, check_in_a_thread, NULL, 0);
}

IN_CHILD(errno_is_left_alone)
{
    errno = EDOM;
    hakmem_check_heap();
    REQUIRE(errno == EDOM);
}

DAMAGE(a_free_descriptor_that_was_written_to_is_found, "M1: a free object in no chunk")
{
    use_the_heap();
    void **object = hm_meta_alloc(1024);
    REQUIRE(object != NULL);
    hm_meta_free(object, 1024);
    object[0] = kept;
    must_be_found();
}

DAMAGE(a_descriptor_freed_twice_is_found, "M2: an object that is free twice")
{
    use_the_heap();
    void *object = hm_meta_alloc(1024);
    REQUIRE(object != NULL);
    hm_meta_free(object, 1024);
    hm_meta_free(object, 1024);
    must_be_found();
}

static void note_owner(struct hm_slab *run, void *unused)
{
    (void)unused;
    if (run->owner->kind == HM_KIND_SMALL)
        listed = run;
}

DAMAGE(a_superslab_at_a_place_that_is_free_is_found, "W4: a SuperSlab at a place")
{
    use_the_heap();
    hm_walk_runs(note_owner, NULL);
    REQUIRE(listed != NULL);
    hm_window_give(HM_KIND_SMALL, listed->owner->base, listed->owner->state);
    must_be_found();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heap_in_use_is_sound),
        cmocka_unit_test(a_heap_that_others_use_is_sound),
        cmocka_unit_test(several_may_check_at_once),
        cmocka_unit_test(errno_is_left_alone),
        cmocka_unit_test(a_wrong_count_is_found),
#if !HM_TSAN /* which has a thread of its own: a count is only exact without others */
        cmocka_unit_test(a_lost_block_is_found),
#endif
        cmocka_unit_test(a_slab_missing_from_its_list_is_found),
        cmocka_unit_test(a_broken_list_is_found),
        cmocka_unit_test(a_free_block_marked_live_is_found),
        cmocka_unit_test(a_state_inside_a_block_is_found),
        cmocka_unit_test(a_live_block_in_a_free_unit_is_found),
        cmocka_unit_test(a_unit_free_and_in_use_is_found),
        cmocka_unit_test(a_dirty_unit_in_use_is_found),
        cmocka_unit_test(a_clean_unit_in_a_resident_page_is_found),
        cmocka_unit_test(a_wrong_number_of_free_units_is_found),
        cmocka_unit_test(a_wrong_head_is_found),
        cmocka_unit_test(a_granule_without_owner_is_found),
        cmocka_unit_test(a_block_cached_twice_is_found),
        cmocka_unit_test(a_cached_block_marked_live_is_found),
        cmocka_unit_test(a_bin_that_ends_elsewhere_is_found),
        cmocka_unit_test(a_lost_sentinel_is_found),
        cmocka_unit_test(a_bin_with_a_slab_that_is_not_current_is_found),
        cmocka_unit_test(a_cached_extent_of_another_size_is_found),
        cmocka_unit_test(an_extent_off_its_lists_is_found),
        cmocka_unit_test(an_extent_without_its_granules_is_found),
        cmocka_unit_test(a_free_descriptor_that_was_written_to_is_found),
        cmocka_unit_test(a_descriptor_freed_twice_is_found),
        cmocka_unit_test(a_superslab_at_a_place_that_is_free_is_found),
    };
    return RUN_TESTS(tests);
}
