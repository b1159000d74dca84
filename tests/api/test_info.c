/* SPDX-License-Identifier: MIT */
/* The part of glibc's malloc interface that asks and tells: mallopt, mallinfo, mallinfo2,
 * malloc_info, malloc_stats, malloc_trim. Programs use them, so they must not be glibc's
 * own (which would start a second heap) and must tell the truth about ours. */
#include "../support.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* mallinfo, on purpose */

static void mallopt_accepts_every_known_parameter(void **state)
{
    (void)state;
    static const struct {
        int parameter, value;
    } rows[] = {
        {M_MXFAST, 64},         {M_TRIM_THRESHOLD, 128 * 1024},
        {M_TOP_PAD, 64 * 1024}, {M_MMAP_THRESHOLD, 256 * 1024},
        {M_MMAP_MAX, 65536},    {M_CHECK_ACTION, 3},
        {M_PERTURB, 0},         {M_ARENA_TEST, 2},
        {M_ARENA_MAX, 2},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(mallopt(rows[i].parameter, rows[i].value), 1);
}

static const char *trim_interval(void)
{
    static char value[64];
    assert_true(hakmem_option_get("trim_interval", value, sizeof value) > 0);
    return value;
}

/* What programs set that want no memory to go back, and what those for Android set. */
static void mallopt_decides_when_memory_goes_back(void **state)
{
    (void)state;
    char own[64], origin[64];
    strcpy(own, trim_interval());
    assert_int_equal(mallopt(M_TRIM_THRESHOLD, 1 << 20), 1);
    assert_string_equal(trim_interval(), own);
    assert_int_equal(mallopt(M_TRIM_THRESHOLD, -1), 1);
    assert_string_equal(trim_interval(), "1h");
    assert_true(hakmem_option_origin("trim_interval", origin, sizeof origin) > 0);
    assert_string_equal(origin, "hakmem_option_set");
    const int decay_time = -100;
    assert_int_equal(mallopt(decay_time, 0), 1);
    assert_string_equal(trim_interval(), "0");
    assert_int_equal(mallopt(decay_time, -1), 1);
    assert_string_equal(trim_interval(), "1h");
    assert_int_equal(mallopt(decay_time, 1), 1);
    assert_string_equal(trim_interval(), own);
    mallopt(M_TRIM_THRESHOLD, -1);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    assert_string_equal(trim_interval(), own);
}

static uint64_t retained(void)
{
    struct hakmem_stats s = {.version = HAKMEM_STATS_VERSION, .size = sizeof s};
    assert_int_equal(hakmem_stats(&s), 0);
    return s.bigcache_bytes + s.retained_bytes;
}

static void mallopt_purges_as_on_android(void **state)
{
    (void)state;
    enum { PURGE = -101, PURGE_ALL = -104 };
    static const int parameters[] = {PURGE, PURGE_ALL};
    mallopt(M_TRIM_THRESHOLD, -1);
    for (size_t i = 0; i < COUNT(parameters); i++) {
        free(hide(memset(malloc(3 * MIB), 1, 3 * MIB)));
        assert_true(retained() > 0);
        assert_int_equal(mallopt(parameters[i], 0), 1);
        assert_int_equal(retained(), 0);
    }
    assert_int_equal(mallopt(-102, 0), 0); /* M_LOG_STATS: not known */
    mallopt(M_TRIM_THRESHOLD, 0);
}

/* Bytes that the allocator says are in the program's hands: glibc counts mapped blocks
 * apart (hblkhd) from the rest (uordblks). */
static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void mallinfo2_moves_with_the_program(void **state)
{
    (void)state;
    /* Caches may hold a few blocks: the blocks here are ten times what they could. */
    static const struct {
        size_t size, count;
    } rows[] = {{64, 400000}, {1000, 60000}, {20000, 3000}, {300000, 200}, {8000000, 8}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t total = rows[i].size * rows[i].count;
        void **blocks = malloc(rows[i].count * sizeof(*blocks));
        size_t before = bytes_in_use();
        for (size_t k = 0; k < rows[i].count; k++) {
            blocks[k] = malloc(rows[i].size);
            assert_non_null(blocks[k]);
        }
        size_t during = bytes_in_use();
        for (size_t k = 0; k < rows[i].count; k++)
            free(blocks[k]);
        size_t after = bytes_in_use();
        if (during < before + total || during > before + 2 * total + 4 * MIB)
            fail_msg("%zu x %zu: %zu before, %zu during", rows[i].count, rows[i].size,
                     before, during);
        if (after > during - total / 10 * 8)
            fail_msg("%zu x %zu: %zu during, %zu after", rows[i].count, rows[i].size,
                     during, after);
        free(blocks);
    }
}

static void mallinfo2_adds_up(void **state)
{
    (void)state;
    void *p = malloc(100000);
    struct mallinfo2 info = mallinfo2();
    assert_true(info.uordblks > 0);
    assert_true(info.arena + info.hblkhd >= info.uordblks);
    assert_true(info.arena + info.hblkhd < (WIDE ? SIZE_MAX >> 24 : SIZE_MAX >> 2));
    free(hide(p));
}

/* The fields of mallinfo are int; programs still read them. */
static void mallinfo_agrees_with_mallinfo2(void **state)
{
    (void)state;
    void *p = malloc(3 * MIB);
    struct mallinfo2 wide = mallinfo2();
    struct mallinfo narrow = mallinfo();
    assert_int_equal(narrow.uordblks, (int)wide.uordblks);
    assert_int_equal(narrow.hblkhd, (int)wide.hblkhd);
    assert_int_equal(narrow.arena, (int)wide.arena);
    free(hide(p));
}

/* Whether the text is one XML element with properly nested children. Enough of XML for
 * what malloc_info writes: tags, attributes in double quotes, text without entities. */
static bool is_well_formed(const char *text)
{
    enum { DEPTH = 32, NAME = 32 };
    char open[DEPTH][NAME];
    size_t depth = 0, roots = 0;
    for (const char *at = strchr(text, '<'); at != NULL; at = strchr(at, '<')) {
        const char *end = strchr(at, '>');
        char name[NAME] = "";
        if (end == NULL || sscanf(at + 1 + (at[1] == '/'), "%31[a-zA-Z0-9_-]", name) != 1)
            return false;
        size_t quotes = 0;
        for (const char *c = at; c < end; c++)
            quotes += *c == '"';
        if (quotes % 2 != 0)
            return false;
        if (at[1] == '/') {
            if (depth == 0 || strcmp(open[--depth], name) != 0)
                return false;
        } else {
            roots += depth == 0;
            if (end[-1] != '/' && depth == DEPTH)
                return false;
            if (end[-1] != '/')
                strcpy(open[depth++], name);
        }
        at = end;
    }
    return depth == 0 && roots == 1;
}

static void malloc_info_writes_well_formed_xml(void **state)
{
    (void)state;
    void *keep[] = {malloc(10), malloc(1000), malloc(100000), malloc(10000000)};
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    assert_non_null(memory);
    assert_int_equal(malloc_info(0, memory), 0);
    fclose(memory);
    assert_int_equal(strncmp(text, "<malloc version=\"", strlen("<malloc version=\"")),
                     0);
    if (!is_well_formed(text))
        fail_msg("not well-formed: %s", text);
    free(text);
    for (size_t i = 0; i < COUNT(keep); i++)
        free(hide(keep[i]));
}

static void malloc_info_refuses_unknown_options(void **state)
{
    (void)state;
    FILE *sink = fopen("/dev/null", "w");
    assert_non_null(sink);
    assert_int_not_equal(malloc_info(1, sink), 0);
    fclose(sink);
}

static void print_stats(void *arg)
{
    (void)arg;
    free(hide(malloc(100)));
    malloc_stats();
}

static void malloc_stats_writes_to_standard_error(void **state)
{
    (void)state;
    struct outcome out = in_child(print_stats, NULL);
    assert_true(exited_cleanly(&out));
    assert_true(strlen(out.err) > 20);
    assert_non_null(strchr(out.err, '\n'));
}

static void print_stats_without_stderr(void *arg)
{
    close(2);
    print_stats(arg);
}

static void malloc_stats_survives_a_closed_standard_error(void **state)
{
    (void)state;
    ASSERT_CHILD(print_stats_without_stderr, NULL);
}

/* A quarter of a gigabyte of blocks below 1,200 bytes, as a server has after a peak. */
static void malloc_trim_returns_free_memory_to_the_system(void **state)
{
    (void)state;
    enum { BLOCKS = 400000 };
    static void *blocks[BLOCKS];
    struct rng r = rng_seed(1);
    size_t before = resident_bytes();
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 1 + rng_below(&r, 1200);
        blocks[i] = malloc(size);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, size);
    }
    size_t peak = resident_bytes();
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    malloc_trim(0);
    size_t after = resident_bytes();
    assert_true(peak > before + 200 * MIB);
    if (after > before + 16 * MIB)
        fail_msg("%zu resident before, %zu at the peak, %zu after", before, peak, after);
}

static void malloc_trim_tells_whether_it_returned_anything(void **state)
{
    (void)state;
    static char *blocks[4000];
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = malloc(5000);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, 5000);
    }
    /* An allocator may have given some back while we free: the last blocks are its
     * latest. */
    for (size_t i = 0; i < COUNT(blocks); i++)
        free(blocks[i]);
    int first = malloc_trim(0), second = malloc_trim(0);
    assert_int_equal(first, 1);
    assert_true(second == 0 || second == 1);
    if (HAVE(hakmem_version))
        assert_int_equal(second, 0);
}

static void a_pad_keeps_malloc_trim_from_nothing_but_the_pad(void **state)
{
    (void)state;
    int result = malloc_trim(SIZE_MAX);
    assert_true(result == 0 || result == 1);
    void *p = malloc(100);
    assert_non_null(p);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mallopt_accepts_every_known_parameter),
        cmocka_unit_test(mallopt_decides_when_memory_goes_back),
        cmocka_unit_test(mallopt_purges_as_on_android),
        cmocka_unit_test(mallinfo2_moves_with_the_program),
        cmocka_unit_test(mallinfo2_adds_up),
        cmocka_unit_test(mallinfo_agrees_with_mallinfo2),
        cmocka_unit_test(malloc_info_writes_well_formed_xml),
        cmocka_unit_test(malloc_info_refuses_unknown_options),
        cmocka_unit_test(malloc_stats_writes_to_standard_error),
        cmocka_unit_test(malloc_stats_survives_a_closed_standard_error),
        cmocka_unit_test(malloc_trim_returns_free_memory_to_the_system),
        cmocka_unit_test(malloc_trim_tells_whether_it_returned_anything),
        cmocka_unit_test(a_pad_keeps_malloc_trim_from_nothing_but_the_pad),
    };
    return RUN_TESTS(tests);
}
