/* SPDX-License-Identifier: MIT */
/* report: the statistics add up: classes to totals, totals to what is mapped, and that to
 * what is resident; also while threads allocate. */
#include "layers.h"

#include "report.h"
#include "tcache.h"

void *hm_test_malloc(size_t size);
void hm_test_free(void *block);
size_t hm_test_malloc_usable_size(void *block);

#define take hm_test_malloc
#define give hm_test_free

static struct hm_report report(void)
{
    struct hm_report r;

    REQUIRE(hm_report_gather(&r));
    return r;
}

/* What holds at any time, whatever other threads do. */
static void adds_up(const struct hm_report *r)
{
    const struct hakmem_stats *s = &r->stats;
    uint64_t slabs = 0, bytes = 0, cached = 0;

    for (unsigned c = 1; c < HM_CLASSES; c++) {
        slabs += r->classes[c].slabs;
        bytes += r->classes[c].blocks * hm_classes[c].size;
        cached += r->classes[c].cached * hm_classes[c].size;
    }
    REQUIRE(slabs == s->slabs && bytes == s->small_bytes && cached == s->cached_bytes);
    REQUIRE(s->superslabs * hm_opt.superslab_size ==
            s->slab_bytes + s->medium_bytes + s->retained_bytes + s->returned_bytes);
    REQUIRE(s->mapped_bytes == s->superslabs * hm_opt.superslab_size + s->big_bytes +
                                   s->bigcache_bytes);
}

/* And what holds between the steps of the others. */
static void adds_up_alone(const struct hm_report *r)
{
    const struct hakmem_stats *s = &r->stats;

    adds_up(r);
    for (unsigned c = 1; c < HM_CLASSES; c++) {
        REQUIRE(r->classes[c].blocks <= r->classes[c].slabs * hm_classes[c].blocks);
        REQUIRE(r->classes[c].cached <= r->classes[c].blocks);
    }
    REQUIRE(s->small_bytes <= s->slab_bytes && s->cached_bytes <= s->small_bytes);
    REQUIRE(s->remote_frees <= s->flushed_blocks);
    REQUIRE(s->sampled_wanted <= s->sampled_granted);
}

static const size_t sizes[] = {1, 24, 100, 333, 777, 1500, 9000, 30000, 70000, 900000};
enum { EACH = 200 };
static void *held[COUNT(sizes)][EACH];

static size_t usable(size_t size)
{
    return hakmem_good_size(size);
}

IN_CHILD(what_the_program_holds_is_what_is_live)
{
    warm_up(take, give);
    struct hm_report before = report(), r;
    uint64_t mine = 0;

    adds_up_alone(&before);
    for (size_t k = 0; k < COUNT(sizes); k++)
        for (size_t i = 0; i < EACH; i++) {
            held[k][i] = take(sizes[k]);
            mine += hm_test_malloc_usable_size(held[k][i]);
        }
    r = report();
    adds_up_alone(&r);
    REQUIRE(r.stats.live_bytes - before.stats.live_bytes == mine);
    for (size_t k = 0; k < COUNT(sizes); k++)
        for (size_t i = 0; i < EACH; i++)
            give(held[k][i]);
    r = report();
    adds_up_alone(&r);
    REQUIRE(r.stats.live_bytes == before.stats.live_bytes);
}

/* A program that needs a few blocks of every size touches a few pages for them. */
IN_CHILD(the_first_blocks_of_all_small_sizes_share_slabs)
{
    uint64_t before = report().stats.slabs;

    for (size_t size = 16; size <= KIB; size += 16)
        REQUIRE(hm_test_malloc_usable_size(take(size)) >= usable(size));
    REQUIRE(report().stats.slabs - before <= 9);
    for (size_t size = KIB + 512; size <= 2 * KIB; size += 512)
        REQUIRE(hm_test_malloc_usable_size(take(size)) == 2 * KIB);
    REQUIRE(report().stats.slabs - before <= 10);
    warm_up(take, give);
    for (size_t size = 16; size <= 256; size += 16)
        REQUIRE(hm_test_malloc_usable_size(take(size)) == usable(size));
    REQUIRE(report().stats.slabs - before > 16);
}

/* Of all small requests some are sampled; here all are of one size. */
IN_CHILD(the_sample_tells_how_much_is_rounding)
{
    warm_up(take, give);
    struct hm_report before = report(), r;

    for (size_t i = 0; i < 10000; i++)
        REQUIRE(take(33) != NULL);
    r = report();
    uint64_t wanted = r.stats.sampled_wanted - before.stats.sampled_wanted;
    uint64_t granted = r.stats.sampled_granted - before.stats.sampled_granted;
    REQUIRE(wanted > 0 && wanted % 33 == 0 && granted == wanted / 33 * 48);
}

/* What is resident lies between what is live, all of which is touched here, and the
 * bound; but for the test's own stack and libc's, for which a MiB is plenty. */
static void within_bounds(size_t resident_before, const struct hakmem_stats *before)
{
    struct hm_report r = report();
    size_t grown = resident_bytes() - resident_before;

    REQUIRE(grown + MIB >= r.stats.live_bytes - before->live_bytes);
    REQUIRE(grown <= r.stats.resident_bound - before->resident_bound + MIB);
}

IN_CHILD(what_is_resident_is_within_the_stated_bound)
{
    warm_up(take, give);
    if (HM_TEST_SANITIZED)
        return;
    struct hm_report first = report();
    size_t before = resident_bytes();

    for (size_t k = 0; k < COUNT(sizes); k++)
        for (size_t i = 0; i < EACH; i++) {
            held[k][i] = take(sizes[k]);
            memset(held[k][i], 1, hm_test_malloc_usable_size(held[k][i]));
        }
    within_bounds(before, &first.stats);
    for (size_t k = 0; k < COUNT(sizes); k++)
        for (size_t i = k % 2; i < EACH; i += 2) {
            give(held[k][i]);
            held[k][i] = NULL;
        }
    within_bounds(before, &first.stats);
    hakmem_trim();
    within_bounds(before, &first.stats);
    for (size_t k = 0; k < COUNT(sizes); k++)
        for (size_t i = 0; i < EACH; i++)
            give(held[k][i]);
    hakmem_trim();
    within_bounds(before, &first.stats);
}

static _Atomic bool stop;
static void *churn(void *unused)
{
    void *blocks[256] = {NULL};
    size_t i = 0;

    for (; !atomic_load(&stop); i++) {
        give(blocks[i % 256]);
        blocks[i % 256] = take(sizes[i * 7919 % COUNT(sizes)]);
    }
    for (i = 0; i < COUNT(blocks); i++)
        give(blocks[i]);
    return unused;
}

IN_CHILD(they_add_up_while_threads_allocate)
{
    pthread_t threads[3];
    struct hm_report first = report();

    for (size_t i = 0; i < COUNT(threads); i++)
        REQUIRE(pthread_create(&threads[i], NULL, churn, NULL) == 0);
    for (long i = 0; i < scaled(1000); i++) {
        struct hm_report r = report();
        adds_up(&r);
        REQUIRE(r.stats.refilled_blocks >= first.stats.refilled_blocks);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    struct hm_report r = report();
    adds_up_alone(&r);
    REQUIRE(r.stats.live_bytes == first.stats.live_bytes);
}

/* The main thread holds a slab of the class as its own; another thread gives its blocks
 * back, and those that do not fit its cache are remote frees. */
static void *give_all(void *blocks)
{
    for (size_t i = 0; i < 20000; i++)
        give(((void **)blocks)[i]);
    hakmem_thread_flush();
    return NULL;
}

IN_CHILD(blocks_that_go_to_another_threads_slab_are_remote_frees)
{
    static void *blocks[20000];
    struct hm_report before = report(), r;
    pthread_t thread;

    for (size_t i = 0; i < COUNT(blocks); i++)
        blocks[i] = take(4000);
    r = report();
    REQUIRE(r.stats.remote_frees == before.stats.remote_frees);
    REQUIRE(pthread_create(&thread, NULL, give_all, blocks) == 0);
    pthread_join(thread, NULL);
    r = report();
    adds_up_alone(&r);
    REQUIRE(r.stats.remote_frees > before.stats.remote_frees);
    REQUIRE(r.stats.remote_frees - before.stats.remote_frees < COUNT(blocks));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_program_holds_is_what_is_live),
        cmocka_unit_test(the_first_blocks_of_all_small_sizes_share_slabs),
        cmocka_unit_test(the_sample_tells_how_much_is_rounding),
        cmocka_unit_test(what_is_resident_is_within_the_stated_bound),
        cmocka_unit_test(they_add_up_while_threads_allocate),
        cmocka_unit_test(blocks_that_go_to_another_threads_slab_are_remote_frees),
    };

    return RUN_TESTS(tests);
}
