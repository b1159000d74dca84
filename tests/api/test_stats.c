/* SPDX-License-Identifier: MIT */
/* hakmem.h: version, profile, options, statistics, trim, flush. That the statistics as
 * JSON are JSON is for tests/preload/statistics.t, which has a parser. */
#include "../support.h"

static void version_is_that_of_the_header(void **state)
{
    (void)state;
    char expected[32];
    snprintf(expected, sizeof(expected), "%d.%d.%d", HAKMEM_VERSION_MAJOR,
             HAKMEM_VERSION_MINOR, HAKMEM_VERSION_PATCH);
    assert_string_equal(hakmem_version(), expected);
}

static void profile_is_the_one_in_the_environment_or_default(void **state)
{
    (void)state;
    const char *asked = getenv("HAKMEM_PROFILE");
    assert_string_equal(hakmem_profile(), asked != NULL ? asked : "default");
}

static void option_get_returns_text_and_its_length(void **state)
{
    (void)state;
    char text[256], cut[3] = "??";
    int length = hakmem_option_get("superslab_size", text, sizeof(text));
    assert_true(length >= 2);
    assert_int_equal(length, (int)strlen(text));
    assert_int_equal(hakmem_option_get("superslab_size", NULL, 0), length);
    assert_int_equal(hakmem_option_get("superslab_size", cut, 2), length);
    assert_true(cut[0] == text[0] && cut[1] == '\0' && cut[2] == '\0');
}

static void option_get_of_an_unknown_name_is_enoent(void **state)
{
    (void)state;
    static const char *const unknown[] = {"",
                                          "nosuch",
                                          "SUPERSLAB_SIZE",
                                          "superslab_siz",
                                          "superslab_size ",
                                          "superslab_sizes"};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        char text[8] = "kept";
        errno = 0;
        assert_int_equal(hakmem_option_get(unknown[i], text, sizeof(text)), -1);
        assert_int_equal(errno, ENOENT);
    }
}

static void option_origin_tells_where_a_value_comes_from(void **state)
{
    (void)state;
    char text[64], old[256], cut[3] = "??";
    assert_int_equal(hakmem_option_origin("prewarm", text, sizeof(text)), 8);
    assert_string_equal(text, "built-in");
    assert_int_equal(hakmem_option_origin("prewarm", NULL, 0), 8);
    assert_int_equal(hakmem_option_origin("prewarm", cut, 2), 8);
    assert_true(cut[0] == 'b' && cut[1] == '\0' && cut[2] == '\0');
    assert_true(hakmem_option_origin("profile", text, sizeof(text)) > 0);
    assert_string_equal(text, getenv("HAKMEM_PROFILE") ? "HAKMEM_PROFILE" : "built-in");
    errno = 0;
    assert_int_equal(hakmem_option_origin("nosuch", text, sizeof(text)), -1);
    assert_int_equal(errno, ENOENT);
    hakmem_option_get("empty_reserve", old, sizeof(old));
    assert_int_equal(hakmem_option_set("empty_reserve", old), 0);
    hakmem_option_origin("empty_reserve", text, sizeof(text));
    assert_string_equal(text, "hakmem_option_set");
}

static void assert_option(const char *name, const char *expected)
{
    char text[256];
    assert_true(hakmem_option_get(name, text, sizeof(text)) >= 0);
    assert_string_equal(text, expected);
}

static void option_set_changes_what_may_change(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *shown;
    } rows[] = {
        {"tls_cache_bytes", "512K", "512K"}, {"tls_cache_bytes", "1048576", "1M"},
        {"bigcache_bytes", "0", "0"},        {"bigcache_bytes", "1GiB", "1G"},
        {"trim_interval", "1500ms", NULL},   {"trim_interval", "10s", "10s"},
        {"empty_reserve", "3", "3"},         {"page_purge", "yes", "yes"},
        {"page_purge", "no", "no"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char old[256];
        assert_true(hakmem_option_get(rows[i].name, old, sizeof(old)) >= 0);
        errno = EDOM;
        assert_int_equal(hakmem_option_set(rows[i].name, rows[i].value), 0);
        assert_int_equal(errno, EDOM);
        if (rows[i].shown != NULL)
            assert_option(rows[i].name, rows[i].shown);
        /* What get shows, set takes: a program may restore what it found. */
        assert_int_equal(hakmem_option_set(rows[i].name, old), 0);
        assert_option(rows[i].name, old);
    }
}

static void option_set_refuses_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        int error;
    } rows[] = {
        {"nosuch", "1", ENOENT},
        {"", "1", ENOENT},
        {"tls_cache_bytes", "", EINVAL},
        {"tls_cache_bytes", "many", EINVAL},
        {"tls_cache_bytes", "-1", EINVAL},
        {"tls_cache_bytes", "2G", EINVAL},
        {"tls_cache_bytes", "99999999999999999999999", EINVAL},
        {"trim_interval", "2h", EINVAL},
        {"trim_interval", "soon", EINVAL},
        {"empty_reserve", "1.5", EINVAL},
        {"page_purge", "perhaps", EINVAL},
        {"superslab_size", "2M", EPERM},
        {"shards", "2", EPERM},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char before[256] = "", after[256] = "";
        hakmem_option_get(rows[i].name, before, sizeof(before));
        errno = 0;
        int result = hakmem_option_set(rows[i].name, rows[i].value);
        if (result != -1 || errno != rows[i].error)
            fail_msg("%s = %s: %d, errno %d", rows[i].name, rows[i].value, result, errno);
        hakmem_option_get(rows[i].name, after, sizeof(after));
        assert_string_equal(before, after);
    }
}

/* ---- Statistics
 * ------------------------------------------------------------------------ */

static void stats_refuses_a_version_or_size_it_cannot_serve(void **state)
{
    (void)state;
    struct hakmem_stats stats;
    const uint32_t whole = sizeof(stats);
    const struct {
        uint32_t version, size;
    } rows[] = {{0, whole},
                {HAKMEM_STATS_VERSION + 1, whole},
                {HAKMEM_STATS_VERSION, 0},
                {HAKMEM_STATS_VERSION, 7}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(&stats, 0x77, sizeof(stats));
        stats.version = rows[i].version;
        stats.size = rows[i].size;
        errno = 0;
        assert_int_equal(hakmem_stats(&stats), -1);
        assert_int_equal(errno, EINVAL);
        assert_true(stats.small_bytes == UINT64_C(0x7777777777777777));
    }
}

/* A program compiled with an older header has a smaller struct. */
static void stats_writes_no_more_than_the_caller_has(void **state)
{
    (void)state;
    struct hakmem_stats stats;
    memset(&stats, 0x77, sizeof(stats));
    stats.version = HAKMEM_STATS_VERSION;
    stats.size = offsetof(struct hakmem_stats, medium_bytes);
    assert_int_equal(hakmem_stats(&stats), 0);
    assert_true(stats.small_bytes != UINT64_C(0x7777777777777777));
    assert_true(all_bytes(&stats.medium_bytes,
                          sizeof(stats) - offsetof(struct hakmem_stats, medium_bytes),
                          0x77));
}

/* And one compiled with a newer header a larger one. */
static void stats_clears_what_it_does_not_know(void **state)
{
    (void)state;
    struct {
        struct hakmem_stats known;
        uint64_t later[8];
    } larger;
    memset(&larger, 0x77, sizeof(larger));
    larger.known.version = HAKMEM_STATS_VERSION;
    larger.known.size = sizeof(larger);
    errno = EDOM;
    assert_int_equal(hakmem_stats(&larger.known), 0);
    assert_int_equal(errno, EDOM);
    assert_true(all_bytes(larger.later, sizeof(larger.later), 0));
    assert_int_equal(larger.known.version, HAKMEM_STATS_VERSION);
}

static void assert_adds_up(void)
{
    struct hakmem_stats s = stats_now();
    assert_true(s.cached_bytes <= s.small_bytes);
    assert_true(s.small_bytes + s.medium_bytes + s.big_bytes + s.bigcache_bytes <=
                s.mapped_bytes);
    assert_true(s.retained_bytes <= s.mapped_bytes);
    assert_true(s.mapped_bytes <= s.mapped_peak);
    assert_int_equal(s.superslabs, s.superslabs_mapped - s.superslabs_released);
    assert_true(s.superslabs <= s.superslabs_peak);
    assert_true(s.superslabs_peak <= s.superslabs_mapped);
    assert_true(s.flushed_blocks >= s.flushes);
    assert_true(s.refilled_blocks >= s.refills);
    assert_true(s.thread_caches >= 1);
    assert_true(s.mmap_calls >= 1 && s.metadata_bytes > 0);
}

static void stats_add_up_at_every_moment(void **state)
{
    (void)state;
    enum { SLOTS = 2000 };
    static void *slot[SLOTS];
    struct rng r = rng_seed(4);
    for (int i = 0; i < 40000; i++) {
        size_t s = rng_below(&r, SLOTS);
        free(slot[s]);
        slot[s] = malloc(rng_size(&r, i % 500 == 0 ? 23 : 14));
        assert_non_null(slot[s]);
        if (i % 500 == 0)
            assert_adds_up();
    }
    for (size_t i = 0; i < SLOTS; i++) {
        free(slot[i]);
        slot[i] = NULL;
    }
    assert_adds_up();
    hakmem_trim();
    assert_adds_up();
}

/* What is live is counted, by kind, and nothing is counted for ever. */
static void stats_move_with_the_program(void **state)
{
    (void)state;
    static const struct {
        size_t size, count, field;
    } rows[] = {
        {100, 100000, offsetof(struct hakmem_stats, small_bytes)},
        {150000, 200, offsetof(struct hakmem_stats, medium_bytes)},
        {40000000, 3, offsetof(struct hakmem_stats, big_bytes)},
    };
    static void *blocks[100000];
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t total = rows[i].size * rows[i].count;
        struct hakmem_stats before = stats_now();
        for (size_t k = 0; k < rows[i].count; k++) {
            blocks[k] = malloc(rows[i].size);
            assert_non_null(blocks[k]);
        }
        struct hakmem_stats during = stats_now();
        for (size_t k = 0; k < rows[i].count; k++)
            free(blocks[k]);
        hakmem_thread_flush();
        struct hakmem_stats after = stats_now();
        uint64_t b, d, a;
        memcpy(&b, (char *)&before + rows[i].field, sizeof(b));
        memcpy(&d, (char *)&during + rows[i].field, sizeof(d));
        memcpy(&a, (char *)&after + rows[i].field, sizeof(a));
        assert_true(d >= b + total - total / 100);
        assert_true(d <= b + total + total / 2 + 4 * MIB);
        assert_true(a <= b + total / 100 + 64 * KIB);
    }
}

static void cumulative_counters_never_fall(void **state)
{
    (void)state;
    static const size_t counters[] = {
        offsetof(struct hakmem_stats, superslabs_mapped),
        offsetof(struct hakmem_stats, superslabs_released),
        offsetof(struct hakmem_stats, refills),
        offsetof(struct hakmem_stats, flushes),
        offsetof(struct hakmem_stats, refilled_blocks),
        offsetof(struct hakmem_stats, flushed_blocks),
        offsetof(struct hakmem_stats, bigcache_hits),
        offsetof(struct hakmem_stats, trims),
        offsetof(struct hakmem_stats, mmap_calls),
        offsetof(struct hakmem_stats, munmap_calls),
        offsetof(struct hakmem_stats, madvise_calls),
        offsetof(struct hakmem_stats, mapped_peak),
    };
    struct hakmem_stats last = stats_now();
    for (size_t size = 16; size <= 16 * MIB; size *= 4) {
        for (int i = 0; i < 20; i++)
            free(hide(malloc(size)));
        hakmem_trim();
        struct hakmem_stats now = stats_now();
        for (size_t i = 0; i < COUNT(counters); i++) {
            uint64_t was, is;
            memcpy(&was, (char *)&last + counters[i], sizeof(was));
            memcpy(&is, (char *)&now + counters[i], sizeof(is));
            assert_true(is >= was);
        }
        last = now;
    }
}

static void flush_empties_this_thread_s_cache(void **state)
{
    (void)state;
    static void *blocks[3000];
    for (size_t i = 0; i < COUNT(blocks); i++)
        assert_non_null(blocks[i] = malloc(200));
    for (size_t i = 0; i < COUNT(blocks); i++)
        free(blocks[i]);
    struct hakmem_stats before = stats_now();
    errno = EDOM;
    hakmem_thread_flush();
    assert_int_equal(errno, EDOM);
    struct hakmem_stats after = stats_now();
    assert_true(before.cached_bytes > 0);
    assert_true(after.flushed_blocks > before.flushed_blocks);
    assert_true(after.cached_bytes < before.cached_bytes);
    assert_true(after.small_bytes < before.small_bytes);
}

static void trim_lowers_what_is_retained_and_says_by_how_much(void **state)
{
    (void)state;
    static char *blocks[3000];
    for (size_t i = 0; i < COUNT(blocks); i++) {
        assert_non_null(blocks[i] = malloc(9000));
        memset(blocks[i], 1, 9000);
    }
    for (size_t i = 0; i < COUNT(blocks); i++)
        free(blocks[i]);
    void *big = malloc(20 * MIB);
    assert_non_null(big);
    memset(big, 1, 20 * MIB);
    free(big);
    struct hakmem_stats before = stats_now();
    size_t resident = resident_bytes();
    errno = EDOM;
    size_t returned = hakmem_trim();
    assert_int_equal(errno, EDOM);
    struct hakmem_stats after = stats_now();
    assert_true(returned >= 8 * MIB);
    assert_int_equal(after.trimmed_bytes - before.trimmed_bytes, returned);
    assert_true(after.trims > before.trims);
    assert_true(after.retained_bytes + after.bigcache_bytes <
                before.retained_bytes + before.bigcache_bytes);
    assert_int_equal(after.bigcache_bytes, 0);
    assert_true(resident_bytes() + 8 * MIB <= resident);
}

/* ---- Printing
 * -------------------------------------------------------------------------- */

static size_t printed(enum hakmem_stats_format format, char *text, size_t size)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) > 0);
    errno = EDOM;
    assert_int_equal(hakmem_stats_print(fds[1], format), 0);
    assert_int_equal(errno, EDOM);
    close(fds[1]);
    size_t got = 0;
    ssize_t n;
    while ((n = read(fds[0], text + got, size - 1 - got)) > 0)
        got += (size_t)n;
    close(fds[0]);
    text[got] = '\0';
    return got;
}

static void print_writes_text_and_one_line_of_json(void **state)
{
    (void)state;
    static char text[256 * 1024];
    assert_true(printed(HAKMEM_STATS_TEXT, text, sizeof(text)) > 100);
    assert_int_equal(text[strlen(text) - 1], '\n');
    size_t length = printed(HAKMEM_STATS_JSON, text, sizeof(text));
    assert_true(length > 100);
    assert_true(text[0] == '{' && strcmp(text + length - 2, "}\n") == 0);
    assert_ptr_equal(strchr(text, '\n'), text + length - 1);
}

static void print_refuses_an_unknown_format_and_survives_a_bad_descriptor(void **state)
{
    (void)state;
    errno = 0;
    assert_int_equal(hakmem_stats_print(1, (enum hakmem_stats_format)7), -1);
    assert_int_equal(errno, EINVAL);
    hakmem_stats_print(-1, HAKMEM_STATS_TEXT);
    hakmem_stats_print(12345, HAKMEM_STATS_JSON);
    free(hide(malloc(10)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_is_that_of_the_header),
        cmocka_unit_test(profile_is_the_one_in_the_environment_or_default),
        cmocka_unit_test(option_get_returns_text_and_its_length),
        cmocka_unit_test(option_get_of_an_unknown_name_is_enoent),
        cmocka_unit_test(option_origin_tells_where_a_value_comes_from),
        cmocka_unit_test(option_set_changes_what_may_change),
        cmocka_unit_test(option_set_refuses_with_the_reason),
        cmocka_unit_test(stats_refuses_a_version_or_size_it_cannot_serve),
        cmocka_unit_test(stats_writes_no_more_than_the_caller_has),
        cmocka_unit_test(stats_clears_what_it_does_not_know),
        cmocka_unit_test(stats_add_up_at_every_moment),
        cmocka_unit_test(stats_move_with_the_program),
        cmocka_unit_test(cumulative_counters_never_fall),
        cmocka_unit_test(flush_empties_this_thread_s_cache),
        cmocka_unit_test(trim_lowers_what_is_retained_and_says_by_how_much),
        cmocka_unit_test(print_writes_text_and_one_line_of_json),
        cmocka_unit_test(print_refuses_an_unknown_format_and_survives_a_bad_descriptor),
    };
    return RUN_TESTS(tests);
}
