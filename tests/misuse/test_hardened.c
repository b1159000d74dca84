/* SPDX-License-Identifier: MIT */
/* What the profile `hardened` notices, and its options one by one: each case runs in a
 * child of its own, which must die of SIGABRT after exactly one line on standard error,
 * or of SIGSEGV. And what it must not notice.
 *
 * The program runs itself under the profile, without samples, which are where they like;
 * and once more for each set of options. */
#include "../support.h"

#define MODE "HM_TEST_HARDENED_MODE"

#ifdef __LP64__
#define DELETE_SIZED _ZdlPvm
#else
#define DELETE_SIZED _ZdlPvj
#endif
void DELETE_SIZED(void *ptr, size_t size); /* operator delete(void *, size_t) */
void _ZdlPvSt11align_val_t(void *ptr, size_t align);

/* The child tells which block the message must name. */
static struct told {
    void *ptr;
} volatile *told;

static char *get(size_t size)
{
    size_t unit = size < 32 * KIB ? 16 * KIB : MIB;
    char *p;
    do /* in front of a SuperSlab or a slab is nothing to write to */
        p = malloc(size);
    while (((uintptr_t)p & (unit - 1)) == 0);
    REQUIRE(p != NULL);
    told->ptr = hide(p);
    return hide(p);
}

struct instance {
    void (*body)(const struct instance *it);
    size_t size;
    long at;         /* where the misuse begins */
    size_t count;    /* bytes written, or what else the case makes of it */
    const char *say; /* after the pointer; %zu: size, %ld: at. NULL: a fault */
    const char *call;
};

static void run_instance(void *arg)
{
    const struct instance *it = arg;
    it->body(it);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static bool happens(const struct instance *it)
{
    char what[200], expected[300] = "";
    struct outcome out = in_child(run_instance, (void *)(uintptr_t)it);
    int signal = WIFSIGNALED(out.status) ? WTERMSIG(out.status) : 0;
    if (it->say != NULL) {
        snprintf(what, sizeof(what), it->say, it->size, it->at);
        snprintf(expected, sizeof(expected), "hakmem: %s(0x%lx): %s (profile hardened)\n",
                 it->call, (unsigned long)told->ptr, what);
    }
    if (strcmp(out.err, expected) == 0 && signal == (it->say != NULL ? SIGABRT : SIGSEGV))
        return true;
    printf("# size %zu, at %ld, %zu: status %#x\n# expected: %s\n# got: %s\n", it->size,
           it->at, it->count, (unsigned)out.status, expected, out.err);
    return false;
}
#pragma GCC diagnostic pop

/* ---- Beside a block ------------------------------------------------------------------- */

static const size_t slab_sizes[] = {1, 24, 100, 1000, 1024, 5000, 20000};
static const size_t widths[] = {1, 8, 32};
/* On pages of their own: not whole ones, and whole ones. */
static const size_t guarded_sizes[] = {40005, 300000, 5000000, 65536, 4 << 20};

static void write_beside(const struct instance *it)
{
    char *p = get(it->size);
    memset(p + it->at, 1, it->count);
    free(p);
}

static void zero_beside(const struct instance *it)
{
    char *other = get(it->size), *p = get(it->size);
    memset(p + it->at, 0, it->count);
    free(p);
    free(other);
}

#define BESIDE "block of %zu bytes written to at offset %ld"

static void writing_beyond_a_block_is_seen_when_it_is_freed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(slab_sizes); i++)
        for (size_t w = 0; w < COUNT(widths); w++) {
            size_t size = slab_sizes[i];
            struct instance it = {write_beside, size, (long)size, widths[w], BESIDE, "free"};
            if (size % 16 + widths[w] < 32) /* else the size is overwritten, too */
                assert_true(happens(&it));
            it.body = zero_beside;
            it.count = 1;
            assert_true(happens(&it));
        }
}

static void writing_in_front_of_a_block_is_seen_when_it_is_freed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(slab_sizes); i++)
        for (size_t w = 0; w < COUNT(widths); w++) {
            struct instance it = {write_beside, slab_sizes[i],           -(long)widths[w],
                                  widths[w],    BESIDE, "free"};
            assert_true(happens(&it));
        }
}

static void a_guarded_block_faults_beyond_its_last_page(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(guarded_sizes); i++) {
        size_t size = guarded_sizes[i], rest = (16 - size % 16) % 16;
        struct instance it = {write_beside, size, (long)(size + rest), 1, NULL, NULL};
        assert_true(happens(&it));
        it.at = (long)size + MIB;
        assert_true(happens(&it));
        it.at = -(long)MIB;
        assert_true(happens(&it));
        struct instance slack = {write_beside, size, (long)size, 1, BESIDE, "free"};
        if (rest > 0)
            assert_true(happens(&slack));
        slack.at = -1;
        if (size % 4096 != 0)
            assert_true(happens(&slack));
    }
}

static void a_mib_beside_a_block_is_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(slab_sizes); i++) {
        struct instance it = {write_beside, slab_sizes[i], MIB, 1, NULL, NULL};
        assert_true(happens(&it));
        it.at = -(long)MIB;
        assert_true(happens(&it));
    }
}

/* On both sides of a slab of small blocks is a page without access; slabs of larger ones
 * may lie together, eight units at most. */
static void go_on_until_it_faults(const struct instance *it)
{
    volatile char *p = get(it->size);
    long step = it->at < 0 ? -16 : 16, end = it->at;
    for (long at = 0; at != end; at += step)
        REQUIRE(p[at] != 77);
}

static void what_runs_on_from_a_small_block_faults_where_its_slab_ends(void **state)
{
    (void)state;
    NEED(sysconf(_SC_PAGESIZE) <= (long)(16 * KIB), "pages no larger than a unit");
    struct instance it = {go_on_until_it_faults, 100, (long)(16 * KIB), 0, NULL, NULL};
    assert_true(happens(&it));
    it.at = -it.at;
    assert_true(happens(&it));
    struct instance larger = {go_on_until_it_faults, 5000, (long)(144 * KIB), 0, NULL,
                              NULL};
    assert_true(happens(&larger));
    larger.at = -larger.at;
    assert_true(happens(&larger));
}

static void read_at(const struct instance *it)
{
    volatile char *p = get(it->size);
    REQUIRE(p[it->at] != 77);
}

static void a_block_of_no_bytes_cannot_be_read(void **state)
{
    (void)state;
    struct instance it = {read_at, 0, 0, 0, NULL, NULL};
    assert_true(happens(&it));
}

static void resize_after(const struct instance *it)
{
    char *p = get(it->size);
    memset(p + it->at, 1, it->count);
    p = realloc(p, it->size * 3);
}

static void ask_after(const struct instance *it)
{
    char *p = get(it->size);
    memset(p + it->size, 1, 256);
    REQUIRE(malloc_usable_size(p) != 77777);
}

static void other_calls_see_it_too(void **state)
{
    (void)state;
    struct instance resize = {resize_after, 24, 24, 1, BESIDE, "realloc"};
    assert_true(happens(&resize));
    struct instance ask = {ask_after, 1000, 0, 0,
                           "block of 1120 bytes at most written to beyond its end",
                           "malloc_usable_size"};
    assert_true(happens(&ask));
}

static void leave_and_exit(const struct instance *it)
{
    char *p = get(it->size);
    p[it->at] = 1;
    exit(0);
}

static void a_block_that_is_never_freed_is_looked_at_in_the_end(void **state)
{
    (void)state;
    struct instance it = {leave_and_exit, 1000, 1000, 1, "written to beyond its end",
                          "exit"};
    assert_true(happens(&it));
    it.size = 40005;
    it.at = 40005;
    assert_true(happens(&it));
}

/* ---- After its life ------------------------------------------------------------------- */

static void write_after_free(const struct instance *it)
{
    char *p = get(it->size);
    free(p);
    p[it->at] = 1;
    for (size_t bytes = 0; bytes < 128 * MIB; bytes += it->size + 32)
        free(hide(malloc(it->size)));
}

#define AFTER "block of %zu bytes written to after it was freed, offset %ld"

static void writing_to_a_freed_block_is_seen_when_it_leaves_the_quarantine(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(slab_sizes); i++) {
        long last = (long)slab_sizes[i] - 1;
        struct instance it = {write_after_free, slab_sizes[i], last, 1, AFTER, "free"};
        assert_true(happens(&it));
    }
}

static void write_after_free_and_exit(const struct instance *it)
{
    char *p = get(it->size);
    free(p);
    p[it->at] = 1;
    exit(0);
}

static void what_is_still_there_at_exit_is_looked_at(void **state)
{
    (void)state;
    struct instance it = {write_after_free_and_exit, 100, 5, 1,
                          "written to after it was freed", "exit"};
    assert_true(happens(&it));
}

static void touch_after_free(const struct instance *it)
{
    char *p = get(it->size);
    free(p);
    p[it->at] += 1;
}

static void a_guarded_block_faults_after_its_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(guarded_sizes); i++) {
        struct instance it = {touch_after_free, guarded_sizes[i], 0, 1, NULL, NULL};
        assert_true(happens(&it));
        it.at = (long)guarded_sizes[i] - 1;
        assert_true(happens(&it));
    }
}

static void free_twice_much_later(const struct instance *it)
{
    char *p = get(it->size);
    free(p);
    for (int i = 0; i < 300; i++)
        free(hide(malloc(it->size)));
    free(p);
}

static void a_second_free_is_seen_whatever_came_between(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(slab_sizes); i++) {
        struct instance it = {free_twice_much_later, slab_sizes[i], 0, 0, "already free",
                              "free"};
        assert_true(happens(&it));
        it.size = guarded_sizes[i % COUNT(guarded_sizes)];
        assert_true(happens(&it));
    }
}

/* ---- What a free is told --------------------------------------------------------------- */

static void free_told_a_size(const struct instance *it)
{
    free_sized(get(it->size), (size_t)it->at);
}

static void delete_told_a_size(const struct instance *it)
{
    DELETE_SIZED(get(it->size), (size_t)it->at);
}

static void free_told_an_alignment(const struct instance *it)
{
    char *p = get(it->size);
    while ((uintptr_t)p % 8192 == 0)
        p = get(it->size);
    if (it->at != 0)
        free_aligned_sized(p, it->count, it->size);
    else
        _ZdlPvSt11align_val_t(p, it->count);
}

static void a_wrong_size_or_alignment_is_seen(void **state)
{
    (void)state;
    static const size_t sizes[] = {24, 1000, 20000, 40005};
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (long wrong = -8; wrong <= 8; wrong += 16) {
            char say[80];
            snprintf(say, sizeof(say), "freed as %ld bytes, allocated as %%zu",
                     (long)sizes[i] + wrong);
            struct instance it = {free_told_a_size, sizes[i], (long)sizes[i] + wrong, 0,
                                  say, "free"};
            assert_true(happens(&it));
            it.body = delete_told_a_size;
            assert_true(happens(&it));
        }
    for (long sized = 0; sized < 2; sized++) {
        struct instance it = {free_told_an_alignment, 100, sized, 8192,
                              "freed as aligned to 8192 bytes, which it is not", "free"};
        assert_true(happens(&it));
    }
}

/* ---- What is right -------------------------------------------------------------------- */

static void new_blocks_read_as_zero_and_are_as_large_as_asked_for(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++)
        for (size_t size = 1; size < 3 * MIB; size += size / 3 + 1) {
            unsigned char *p = malloc(size);
            assert_non_null(p);
            assert_int_equal(malloc_usable_size(p), size);
            assert_int_equal(hakmem_good_size(size), size);
            for (size_t k = 0; k < size; k++)
                if (p[k] != 0)
                    fail_msg("byte %zu of %zu is %d", k, size, p[k]);
            memset(p, 0xEE, size);
            p = realloc(p, size + size / 5 + 1);
            assert_non_null(p);
            for (size_t k = 0; k < size + size / 5 + 1; k++)
                if (p[k] != (k < size ? 0xEE : 0))
                    fail_msg("byte %zu of %zu resized is %d", k, size, p[k]);
            memset(p, 0xEE, malloc_usable_size(p));
            free(p);
        }
    assert_int_equal(hakmem_check_heap(), 0);
}

static void a_freed_block_does_not_come_back_soon(void **state)
{
    (void)state;
    void *p = malloc(64), *alias = hide(p);
    free(p);
    for (int i = 0; i < 1000; i++) {
        p = malloc(64);
        assert_ptr_not_equal(p, alias);
        free(p);
    }
}

static void neighbours_cannot_be_foreseen(void **state)
{
    (void)state;
    enum { N = 300 };
    uintptr_t blocks[N];
    size_t ascending = 0;
    for (size_t i = 0; i < N; i++)
        blocks[i] = (uintptr_t)malloc(64);
    for (size_t i = 1; i < N; i++)
        ascending += blocks[i] - blocks[i - 1] <= 128;
    assert_true(ascending < N / 4);
    for (size_t i = 0; i < N; i++)
        free((void *)blocks[i]);
}

static void quarantine_is_bounded(void **state)
{
    (void)state;
    enum { N = 200000 };
    static void *blocks[N];
    for (size_t i = 0; i < N; i++)
        REQUIRE((blocks[i] = malloc(200)) != NULL);
    for (size_t i = 0; i < N; i++)
        free(blocks[i]);
    struct hakmem_stats s = {.version = HAKMEM_STATS_VERSION, .size = sizeof(s)};
    assert_int_equal(hakmem_stats(&s), 0);
    assert_true(s.cached_bytes > 4 * MIB && s.cached_bytes < 9 * MIB);
    assert_int_equal(hakmem_check_heap(), 0);
}

static void check_heap_finds(const struct instance *it)
{
    char *p = get(it->size);
    REQUIRE(hakmem_check_heap() == 0);
    p[it->at]++;
    unsigned found = hakmem_check_heap();
    p[it->at]--;
    REQUIRE(found == 1 && hakmem_check_heap() == 0);
    free(p);
}

static void hakmem_check_heap_finds_what_was_overwritten(void **state)
{
    (void)state;
    struct instance it = {check_heap_finds, 1000, 1000, 0, NULL, NULL};
    struct outcome out = in_child(run_instance, &it);
    assert_true(WIFEXITED(out.status) && WEXITSTATUS(out.status) == 0);
    assert_non_null(strstr(out.err, "heap check: written to beyond its end"));
}

static void *churn(void *arg)
{
    uint64_t seed = (uintptr_t)arg;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t size = (size_t)1 << (seed >> 60);
        char *p = malloc(size), *q = malloc(size / 2 + 1);
        REQUIRE(p != NULL && q != NULL && p[size - 1] == 0);
        memset(p, 1, size);
        free(p);
        memset(q, 1, size / 2 + 1);
        free_sized(q, size / 2 + 1);
    }
    return NULL;
}

/* Neighbours are freed and handed out while what is beside them is looked at. */
static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    pthread_t ids[4];
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_int_equal(pthread_create(&ids[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(hakmem_check_heap(), 0);
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_int_equal(pthread_join(ids[i], NULL), 0);
}

/* ---- Single options, under the default profile ------------------------------------------ */

/* How many of so many blocks have no access right behind them. */
static size_t faults_behind(size_t size, size_t count)
{
    int fds[2];
    char byte;
    size_t faults = 0;
    char **blocks = calloc(count, sizeof(*blocks));
    REQUIRE(blocks != NULL && pipe(fds) == 0);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(size);
        if (write(fds[1], blocks[i] + (size + 15) / 16 * 16, 1) == 1)
            REQUIRE(read(fds[0], &byte, 1) == 1);
        else
            faults += errno == EFAULT;
    }
    for (size_t i = 0; i < count; i++)
        free(blocks[i]);
    free(blocks);
    close(fds[0]);
    close(fds[1]);
    return faults;
}

static void one_in_a_hundred_is_guarded(void **state)
{
    (void)state;
    size_t faults = faults_behind(100, 20000);
    printf("# %zu of 20000\n", faults);
    assert_true(faults >= 60 && faults <= 600);
}

static void none_is_guarded(void **state)
{
    (void)state;
    assert_true(faults_behind(100, 20000) < 5);
    assert_true(faults_behind(100000, 100) < 5);
}

static void all_large_ones_are_guarded(void **state)
{
    (void)state;
    assert_int_equal(faults_behind(100000, 100), 100);
    assert_true(faults_behind(100, 1000) < 5);
}

/* ---- --------------------------------------------------------------------------------- */

static void restart(const char *mode, const char *profile, const char *options)
{
    setenv(MODE, mode, 1);
    setenv("HAKMEM_PROFILE", profile, 1);
    setenv("HAKMEM_OPTIONS", options, 1);
    execl("/proc/self/exe", "test_hardened", (char *)NULL);
    REQUIRE(false);
}

static bool passes(const char *mode, const char *options)
{
    fflush(stdout);
    pid_t pid = fork();
    int status;
    REQUIRE(pid >= 0);
    if (pid == 0) {
        become_plain_child(120);
        dup2(2, 1);
        restart(mode, "default", options);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void each_option_works_by_itself(void **state)
{
    (void)state;
    assert_true(passes("none", "trim_interval=1h"));
    assert_true(passes("sample", "guard_sample=100"));
    assert_true(passes("guard", "guard_from=64K"));
}

static int run_single(const char *mode)
{
    const struct CMUnitTest sample[] = {cmocka_unit_test(one_in_a_hundred_is_guarded)};
    const struct CMUnitTest guard[] = {cmocka_unit_test(all_large_ones_are_guarded)};
    const struct CMUnitTest none[] = {cmocka_unit_test(none_is_guarded)};
    if (strcmp(mode, "sample") == 0)
        return RUN_TESTS(sample);
    return strcmp(mode, "guard") == 0 ? RUN_TESTS(guard) : RUN_TESTS(none);
}

int main(void)
{
    const char *mode = getenv(MODE);
    if (mode == NULL)
        restart("all", "hardened", "guard_sample=0");
    if (strcmp(mode, "all") != 0)
        return run_single(mode);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_beyond_a_block_is_seen_when_it_is_freed),
        cmocka_unit_test(writing_in_front_of_a_block_is_seen_when_it_is_freed),
        cmocka_unit_test(a_guarded_block_faults_beyond_its_last_page),
        cmocka_unit_test(a_mib_beside_a_block_is_nothing),
        cmocka_unit_test(
            what_runs_on_from_a_small_block_faults_where_its_slab_ends),
        cmocka_unit_test(a_block_of_no_bytes_cannot_be_read),
        cmocka_unit_test(other_calls_see_it_too),
        cmocka_unit_test(a_block_that_is_never_freed_is_looked_at_in_the_end),
        cmocka_unit_test(writing_to_a_freed_block_is_seen_when_it_leaves_the_quarantine),
        cmocka_unit_test(what_is_still_there_at_exit_is_looked_at),
        cmocka_unit_test(a_guarded_block_faults_after_its_free),
        cmocka_unit_test(a_second_free_is_seen_whatever_came_between),
        cmocka_unit_test(a_wrong_size_or_alignment_is_seen),
        cmocka_unit_test(new_blocks_read_as_zero_and_are_as_large_as_asked_for),
        cmocka_unit_test(a_freed_block_does_not_come_back_soon),
        cmocka_unit_test(neighbours_cannot_be_foreseen),
        cmocka_unit_test(quarantine_is_bounded),
        cmocka_unit_test(hakmem_check_heap_finds_what_was_overwritten),
        cmocka_unit_test(threads_do_not_disturb_each_other),
        cmocka_unit_test(each_option_works_by_itself),
    };
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                -1, 0);
    REQUIRE(told != MAP_FAILED);
    return RUN_TESTS(tests);
}
