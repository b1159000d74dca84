/* SPDX-License-Identifier: MIT */
/* Every system call that maps memory fails, one after the other: first the first that the
 * process makes, then the second, and so on to the last; alone, and from there on all of
 * them. Whatever fails, a call of malloc's family returns a good block or NULL with ENOMEM,
 * contents stay, and when the system gives again everything is as usable as before.
 *
 * The script below goes through every layer: caches, slabs, SuperSlabs in and outside of
 * the window, medium and big blocks, BigCache, a thread, trimming. */
#include "inject.h"

#include "layers.h"

enum { SLOTS = 120 };

struct slot {
    char *block;
    size_t size;
    uint64_t seed;
};

static struct slot slots[SLOTS];
static uint64_t seeds;
/* What a failed call gave up, for the thread as well as for main. */
static _Atomic long failures;

/* A result of NULL needs a reason: a call of the system that failed within. */
static void judge(const void *result, long injected_before)
{
    if (result != NULL)
        return;
    REQUIRE(injected_here != injected_before);
    REQUIRE(errno == ENOMEM);
    failures++;
}

#define ATTEMPT(result, call)           \
    do {                                \
        long before_ = injected_here;   \
        errno = 0;                      \
        (result) = hide(call);          \
        judge((result), before_);       \
    } while (0)

static void check(const struct slot *s)
{
    if (s->block != NULL) {
        REQUIRE(intact(s->block, s->size, s->seed));
        REQUIRE(malloc_usable_size(s->block) >= s->size);
    }
}

static void drop(struct slot *s)
{
    check(s);
    errno = EDOM;
    free(s->block);
    REQUIRE(errno == EDOM);
    s->block = NULL;
}

static void keep(struct slot *s, void *block, size_t size)
{
    *s = (struct slot){block, size, ++seeds};
    if (block != NULL)
        fill(block, size, s->seed);
}

static void take(struct slot *s, size_t size)
{
    void *p;
    drop(s);
    ATTEMPT(p, malloc(size));
    keep(s, p, size);
}

static void take_zeroed(struct slot *s, size_t size)
{
    void *p;
    drop(s);
    ATTEMPT(p, calloc(1, size));
    if (p != NULL)
        REQUIRE(all_bytes(p, size, 0));
    keep(s, p, size);
}

static void take_aligned(struct slot *s, size_t align, size_t size)
{
    void *p;
    drop(s);
    ATTEMPT(p, memalign(align, size));
    REQUIRE(is_aligned(p, align));
    keep(s, p, size);
}

/* A realloc that fails leaves the block as it was. */
static void resize(struct slot *s, size_t size)
{
    void *p;
    size_t before = s->size;
    if (s->block == NULL)
        return;
    ATTEMPT(p, realloc(s->block, size));
    if (p != NULL) {
        REQUIRE(intact(p, before < size ? before : size, s->seed));
        keep(s, p, size);
    }
    check(s);
}

/* Sizes of every kind; with 512 KiB SuperSlabs blocks above 256 KiB are big. */
static const size_t sizes[] = {1,    16,    100,   1000,   2000,   8000,    32768,
                               40000, 70000, 150000, 250000, 300000, 700000};

static void take_all(size_t first)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        take(&slots[first + 2 * i], sizes[i]);
        take_zeroed(&slots[first + 2 * i + 1], sizes[i]);
    }
}

static void *use_in_a_thread(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT(sizes); i++)
        drop(&slots[2 * i]);
    take_all(3 * COUNT(sizes));
    hakmem_thread_flush();
    take(&slots[3 * COUNT(sizes)], 48);
    return NULL;
}

static void grow_and_shrink(struct slot *s)
{
    static const size_t steps[] = {10,     100,     5000,   50000,  100000, 200000, 400000,
                                   900000, 2000000, 700000, 300000, 120000, 60000,  10};
    take(s, 5);
    for (size_t i = 0; i < COUNT(steps); i++)
        resize(s, steps[i]);
}

/* What is cached, in parts, makes a block that is larger than each, and has it grow. */
static void compose(struct slot *s)
{
    for (size_t i = 0; i < 6; i++)
        take(&s[i], i % 2 == 0 ? 400000 : 300000);
    for (size_t i = 0; i < 6; i += 2)
        drop(&s[i]);
    take(s, 800000);
    resize(s, 1300000);
    drop(s);
}

static void drop_all(void)
{
    for (size_t i = 0; i < SLOTS; i++)
        drop(&slots[i]);
}

static void script(void)
{
    compose(&slots[93]); /* while BigCache is empty */
    take_all(0);
    for (size_t align = 32; align <= 2 * MIB; align *= 4)
        take_aligned(&slots[90], align, align / 2 + 1);
    take_aligned(&slots[91], 512 * KIB, 300000);
    grow_and_shrink(&slots[92]);
    pthread_t id;
    REQUIRE(pthread_create(&id, NULL, use_in_a_thread, NULL) == 0);
    REQUIRE(pthread_join(id, NULL) == 0);
    /* Slabs of one class, so that a batch of them is made and unmade. */
    for (size_t i = 93; i < SLOTS; i++)
        take(&slots[i], 4000);
    for (size_t i = 93; i < SLOTS; i += 2)
        drop(&slots[i]);
    malloc_trim(0);
    grow_and_shrink(&slots[93]);
    drop_all();
    malloc_trim(0);
}

/* The injected failures are over: all must go well, and again and again in the memory that
 * the process has by then. */
static void must_work_again(void)
{
    long before = failures;
    script();
    struct hakmem_stats once = stats_now();
    size_t space = status_bytes("VmSize:");
    script();
    REQUIRE(hakmem_check_heap() == 0);
    struct hakmem_stats again = stats_now();
    REQUIRE(failures == before);
    /* Where blocks are placed at random, that is not the same each time; and freed blocks
     * that were guarded keep their addresses for a while. */
    bool same = strstr(getenv("HAKMEM_OPTIONS"), "randomize=yes") == NULL;
    REQUIRE(again.mapped_bytes <= once.mapped_bytes + (same ? 0 : 2 * MIB));
    REQUIRE(again.small_bytes - again.cached_bytes <= 64 * KIB);
    REQUIRE(again.medium_bytes == 0 && again.big_bytes == 0);
    REQUIRE(HM_TEST_SANITIZED || !same || status_bytes("VmSize:") <= space + 4 * MIB);
}

enum { PASSED = 0, NOT_REACHED = 10 };

/* In the process that carries out a plan. */
static int carry_out(void)
{
    script();
    if (plan.seed != 0) /* dice: the more, the merrier */
        for (long i = scaled(20); i > 0; i--)
            script();
    long reached = injected;
    armed = false;
    REQUIRE(hakmem_check_heap() == 0);
    must_work_again();
    return reached > 0 ? PASSED : NOT_REACHED;
}

/* ---- The plans ------------------------------------------------------------------------ */

/* Trimming by age is off: every run of the script makes the same calls. */
#define OPTIONS "superslab_size=512K,trim_interval=1h,shards=2"

static const char *const options[] = {
    OPTIONS,
    OPTIONS ",address_window=0,shards=60", /* too many for the first chunk of meta */
    OPTIONS ",page_purge=yes,empty_reserve=0,bigcache_bytes=0,thp=never",
    OPTIONS ",check=full,zero_on_free=yes,bigcache_bytes=2M,prewarm=2",
    OPTIONS ",redzone=32,check_freed=yes,quarantine_bytes=64K,randomize=yes,guard_pages=yes,"
            "guard_from=100K,guard_sample=50",
};

/* Fails each call of these kinds in turn, or one in so many: others in each walk. Returns
 * how many there are, or a few more. */
static long walk(unsigned kinds, int error, bool alone, const char *with)
{
    static long walks;
    long stride = scaled(100) < 100 ? 100 / scaled(100) : 1;
    for (long n = 1 + walks++ % stride;; n += stride) {
        struct plan p = {kinds, n, alone ? n : LONG_MAX, error, 0, 1};
        int status = run_plan(&p, with);
        if (status == NOT_REACHED)
            return n - 1;
        if (status != PASSED)
            fail_msg("kinds %#x, call %ld %s, %s: status %d", kinds, n,
                     alone ? "alone" : "and all after", with, status);
    }
}

static void walk_all(unsigned kinds, int error, bool alone, size_t sets, long least)
{
    for (size_t i = 0; i < sets; i++) {
        long calls = walk(kinds, error, alone, options[i]);
        printf("# %ld calls failed %s, with %s\n", calls, alone ? "alone" : "and all after",
               options[i]);
        assert_true(calls >= least);
    }
}

static void each_call_may_fail_alone(void **state)
{
    (void)state;
    walk_all(ALL, ENOMEM, true, COUNT(options), 40);
}

static void from_each_call_on_all_may_fail(void **state)
{
    (void)state;
    walk_all(ALL, ENOMEM, false, 3, 40);
}

static void memory_may_be_out_from_each_call_on(void **state)
{
    (void)state;
    walk_all(MMAP | MPROTECT | MREMAP, ENOMEM, false, 2, 40);
}

/* Giving back fails at the limit on mappings; advice, when the kernel is short itself. */
static void nothing_may_be_given_back_from_each_call_on(void **state)
{
    (void)state;
    walk_all(MUNMAP, ENOMEM, false, 2, 10);
    walk_all(MADVISE, EAGAIN, false, 3, 5);
}

static void any_kind_may_fail_for_ever(void **state)
{
    (void)state;
    for (unsigned kind = MMAP; kind <= MREMAP; kind *= 2) {
        struct plan p = {kind, 1, LONG_MAX, EPERM, 0, 1};
        for (size_t i = 0; i < COUNT(options); i++) {
            int status = run_plan(&p, options[i]);
            /* Not every kind of call is needed with all of the options. */
            if (status != PASSED && (status != NOT_REACHED || i == 0))
                fail_msg("kind %#x, %s: status %d", kind, options[i], status);
        }
    }
}

static void calls_may_fail_at_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= (uint64_t)scaled(10); seed++) {
        for (size_t i = 0; i < COUNT(options); i++) {
            struct plan p = {ALL, 0, 0, ENOMEM, seed, seed % 2 ? 3 : 12};
            int status = run_plan(&p, options[i]);
            if (status != PASSED)
                fail_msg("seed %" PRIu64 ", %s: status %d", seed, options[i], status);
        }
    }
}

int main(void)
{
    if (getenv(PLAN_VARIABLE) != NULL)
        return carry_out();
    SKIP_ALL_UNDER_TSAN("it maps memory by libc's mmap");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_may_fail_alone),
        cmocka_unit_test(from_each_call_on_all_may_fail),
        cmocka_unit_test(memory_may_be_out_from_each_call_on),
        cmocka_unit_test(nothing_may_be_given_back_from_each_call_on),
        cmocka_unit_test(any_kind_may_fail_for_ever),
        cmocka_unit_test(calls_may_fail_at_random),
    };
    return RUN_TESTS(tests);
}
