/* SPDX-License-Identifier: MIT */
/* option: the table, and values from and to text. What holds for every option is tested
 * on every line of the table. */
#include "support.h"

#include "memlimit.h"
#include "option.h"
#include "os.h"

static struct hm_options o;

static const char *format(enum hm_option_id id)
{
    static char buf[HM_OPTION_TEXT_MAX];
    struct hm_text t;

    hm_text_init(&t, buf, sizeof buf, -1);
    hm_option_format(&o, id, &t);
    hm_text_flush(&t);
    assert_false(t.truncated);
    return buf;
}

static const char *expected(enum hm_option_id id)
{
    static char buf[HM_OPTION_TEXT_MAX];
    struct hm_text t;

    hm_text_init(&t, buf, sizeof buf, -1);
    hm_option_expected(id, &t);
    hm_text_flush(&t);
    assert_false(t.truncated);
    return buf;
}

/* The text is copied to the end of a block of its own, so that a read beyond it is seen.
 */
static bool parse(enum hm_option_id id, const char *text, struct hm_option_error *err)
{
    size_t len = strlen(text);
    char *copy = malloc(len + 1);
    bool ok;

    assert_non_null(copy);
    memcpy(copy + 1, text, len);
    ok = hm_option_parse(&o, id, copy + 1, len, err);
    free(copy);
    return ok;
}

/* Accepted, and written as `as`. */
static void accepts(enum hm_option_id id, const char *text, const char *as)
{
    assert_true(parse(id, text, NULL));
    assert_string_equal(format(id), as);
}

/* Refused for this reason; nothing changed. */
static void refuses(enum hm_option_id id, const char *text, const char *what)
{
    struct hm_options before = o;
    struct hm_option_error err = {.what = "nothing"};

    if (parse(id, text, &err))
        fail_msg("accepted \"%s\"", text);
    assert_string_equal(err.what, what);
    assert_true(err.at + err.len <= strlen(text));
    assert_memory_equal(&before, &o, sizeof o);
}

/* ---- Every option -------------------------------------------------------------------
 */

static bool has_range(enum hm_option_id id)
{
    return hm_option_table[id].min[0] != '\0';
}

static void every_default_is_valid_and_reads_back(void **state)
{
    (void)state;
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        char first[HM_OPTION_TEXT_MAX];

        assert_true(parse(id, hm_option_table[id].def, NULL));
        strcpy(first, format(id));
        assert_string_equal(first, hm_option_table[id].def);
        assert_true(parse(id, first, NULL));
        assert_string_equal(format(id), first);
    }
}

static void defaults_fill_every_field(void **state)
{
    (void)state;
    memset(&o, 0xa5, sizeof o);
    o.trim_thread = o.page_purge = o.zero_on_free = o.stats_at_exit = true;
    hm_option_defaults(&o);
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++)
        assert_string_equal(format(id), hm_option_table[id].def);
}

static void every_range_includes_its_ends(void **state)
{
    (void)state;
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        if (!has_range(id) || hm_option_table[id].type == HM_OPTION_SIZEMAP)
            continue;
        accepts(id, hm_option_table[id].min, hm_option_table[id].min);
        accepts(id, hm_option_table[id].max, hm_option_table[id].max);
    }
}

static void every_option_refuses_what_is_no_value(void **state)
{
    static const char *const never[] = {"",     " ",    "-1",  "+1",
                                        "#",    "x",    "1 2", "1.5M",
                                        "0x10", "yes!", "=",   "99999999999999999999T"};

    (void)state;
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        for (size_t i = 0; i < COUNT(never); i++)
            assert_false(parse(id, never[i], NULL));
    }
}

static void every_option_is_found_by_its_name_only(void **state)
{
    (void)state;
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        const char *name = hm_option_table[id].name;
        size_t len = strlen(name);

        assert_int_equal(hm_option_find(name, len), id);
        assert_int_equal(hm_option_find(name, len - 1), HM_OPTION_COUNT);
        assert_true(len <= HM_TEXT_WORD_MAX);
    }
    assert_int_equal(hm_option_find("", 0), HM_OPTION_COUNT);
    assert_int_equal(hm_option_find("SHARDS", 6), HM_OPTION_COUNT);
}

static void every_option_is_described(void **state)
{
    (void)state;
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++) {
        const char *sentence = hm_option_table[id].sentence;

        assert_int_equal(sentence[strlen(sentence) - 1], '.');
        assert_true(strlen(expected(id)) > 0);
    }
}

static void every_option_can_be_copied(void **state)
{
    static struct hm_options copy;

    (void)state;
    hm_option_defaults(&o);
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++)
        hm_option_copy(&copy, &o, id);
    o = copy;
    for (enum hm_option_id id = 0; id < HM_OPTION_COUNT; id++)
        assert_string_equal(format(id), hm_option_table[id].def);
}

static void a_misspelt_name_finds_the_nearest(void **state)
{
    static const struct {
        const char *typed;
        enum hm_option_id meant;
    } cases[] = {
        {"superslabsize", HM_OPT_superslab_size},
        {"trim-interval", HM_OPT_trim_interval},
        {"tls_cache_mix", HM_OPT_tls_cache_min},
        {"shard", HM_OPT_shards},
        {"Trim_Thread", HM_OPT_trim_thread},
        {"big_cache_bytes", HM_OPT_bigcache_bytes},
        {"nothing_like_it", HM_OPTION_COUNT},
        {"", HM_OPTION_COUNT},
        {"x", HM_OPTION_COUNT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(hm_option_nearest(cases[i].typed, strlen(cases[i].typed)),
                         cases[i].meant);
}

/* ---- Each type ----------------------------------------------------------------------
 */

static void sizes(void **state)
{
    const enum hm_option_id id = HM_OPT_bigcache_bytes; /* 0 to 1T */

    (void)state;
    assert_string_equal(expected(id),
                        "a size from 0 to 1T, as in 64K or 2M, or a percentage");
    accepts(id, "0", "0");
    accepts(id, "0K", "0");
    accepts(id, "1", "1");
    accepts(id, "4096", "4K");
    accepts(id, "4097", "4097");
    accepts(id, "64K", "64K");
    accepts(id, "64k", "64K");
    accepts(id, "64KB", "64K");
    accepts(id, "64KiB", "64K");
    accepts(id, "64kib", "64K");
    accepts(id, "2M", "2M");
    accepts(id, "2MiB", "2M");
    accepts(id, "2mb", "2M");
    accepts(id, "1024M", "1G");
    accepts(id, "3GiB", "3G");
    accepts(id, "1TB", "1T");
    accepts(id, "1024gb", "1T");
    accepts(id, "0000000000000000000000000000001", "1");
    assert_int_equal(o.bigcache_bytes, 1);
    refuses(id, "1025G", "is too large");
    refuses(id, "18446744073709551615", "is too large");
    refuses(id, "18446744073709551616", "is too large");
    refuses(id, "16777216T", "is too large"); /* 2^64: the product overflows */
    refuses(id, "99999999999999999999", "is too large");
    refuses(id, "K", "is not a size");
    refuses(id, "64X", "is not a size");
    refuses(id, "64 K", "is not a size");
    refuses(id, "64KiBs", "is not a size");
    refuses(id, "1.5M", "is not a size");
    refuses(id, "-1", "is not a size");
    refuses(id, "", "is not a size");
}

static void shares_of_the_memory(void **state)
{
    const uint64_t percent = hm_memlimit() / 100;

    (void)state;
    assert_true(parse(HM_OPT_bigcache_bytes, "10%", NULL));
    assert_int_equal(o.bigcache_bytes, hm_round_down(percent * 10, 64 * HM_KIB));
    assert_true(parse(HM_OPT_bigcache_bytes, "0%", NULL));
    assert_int_equal(o.bigcache_bytes, 0);
    assert_true(parse(HM_OPT_tls_cache_bytes, "100%", NULL)); /* at most 1G */
    assert_int_equal(o.tls_cache_bytes,
                     hm_min(hm_round_down(percent * 100, 64 * HM_KIB), HM_GIB));
    refuses(HM_OPT_bigcache_bytes, "101%", "is more than 100%");
    refuses(HM_OPT_bigcache_bytes, "99999999999999999999%", "is not a percentage");
    refuses(HM_OPT_bigcache_bytes, "%", "is not a percentage");
    refuses(HM_OPT_bigcache_bytes, "1K%", "is not a percentage");
    refuses(HM_OPT_bigcache_bytes, "10 %", "is not a percentage");
    refuses(HM_OPT_bigcache_bytes, "1.5%", "is not a percentage");
    refuses(HM_OPT_bigcache_bytes, "%10", "is not a size");
    refuses(HM_OPT_superslab_size, "10%", "is not a size");
    refuses(HM_OPT_refill_start, "10%", "is not a size");
    refuses(HM_OPT_shards, "10%", "is not a whole number");
}

static void powers_of_two(void **state)
{
    const enum hm_option_id id = HM_OPT_superslab_size; /* 512K to 32M */

    (void)state;
    assert_string_equal(expected(id), "a power of two from 512K to 32M");
    accepts(id, "512K", "512K");
    accepts(id, "1048576", "1M");
    accepts(id, "32M", "32M");
    refuses(id, "3M", "is not a power of two");
    refuses(id, "1048577", "is not a power of two");
    refuses(id, "524287", "is too small");
    refuses(id, "256K", "is too small");
    refuses(id, "33554433", "is too large");
    refuses(id, "64M", "is too large");
}

static void times(void **state)
{
    const enum hm_option_id id = HM_OPT_trim_interval; /* 0 to 1h */

    (void)state;
    assert_string_equal(expected(id), "a time from 0 to 1h, as in 500ms or 10s");
    accepts(id, "0", "0");
    accepts(id, "00", "0");
    accepts(id, "0s", "0");
    accepts(id, "500ms", "500ms");
    accepts(id, "1500ms", "1500ms");
    accepts(id, "10s", "10s");
    accepts(id, "10S", "10s");
    accepts(id, "60s", "1m");
    accepts(id, "90s", "90s");
    accepts(id, "5m", "5m");
    assert_int_equal(o.trim_interval, 300000);
    accepts(id, "60m", "1h");
    accepts(id, "1h", "1h");
    refuses(id, "500", "has no unit");
    refuses(id, "99999999999999999999", "has no unit");
    refuses(id, "3600001ms", "is too large");
    refuses(id, "2h", "is too large");
    refuses(id, "18446744073709551615h", "is too large");
    refuses(id, "1d", "is not a time");
    refuses(id, "1.5s", "is not a time");
    refuses(id, "ms", "is not a time");
    refuses(id, "", "is not a time");
}

static void whole_numbers(void **state)
{
    const enum hm_option_id id = HM_OPT_tls_cache_min; /* 4 to 2048 */

    (void)state;
    assert_string_equal(expected(id), "a whole number from 4 to 2048");
    accepts(id, "4", "4");
    accepts(id, "0064", "64");
    accepts(id, "2048", "2048");
    assert_int_equal(o.tls_cache_min, 2048);
    refuses(id, "3", "is too small");
    refuses(id, "2049", "is too large");
    refuses(id, "4294967300", "is too large"); /* 4 when cut to 32 bits */
    refuses(id, "18446744073709551620", "is too large");
    refuses(id, "1K", "is not a whole number");
    refuses(id, "1e3", "is not a whole number");
    refuses(id, "", "is not a whole number");
}

static void booleans(void **state)
{
    const enum hm_option_id id = HM_OPT_page_purge;
    static const char *const yes[] = {"yes", "on", "true", "1", "YES", "On", "tRuE"};
    static const char *const no[] = {"no", "off", "false", "0", "NO", "Off", "False"};

    (void)state;
    assert_string_equal(expected(id), "yes or no");
    for (size_t i = 0; i < COUNT(yes); i++)
        accepts(id, yes[i], "yes");
    assert_true(o.page_purge);
    for (size_t i = 0; i < COUNT(no); i++)
        accepts(id, no[i], "no");
    assert_false(o.page_purge);
    refuses(id, "maybe", "is neither yes nor no");
    refuses(id, "ye", "is neither yes nor no");
    refuses(id, "yess", "is neither yes nor no");
    refuses(id, "2", "is neither yes nor no");
    refuses(id, "", "is neither yes nor no");
}

static void enums(void **state)
{
    (void)state;
    assert_string_equal(expected(HM_OPT_thp), "never, inherit or advise");
    accepts(HM_OPT_thp, "never", "never");
    accepts(HM_OPT_thp, "inherit", "inherit");
    accepts(HM_OPT_thp, "Advise", "advise");
    assert_int_equal(o.thp, HM_THP_ADVISE);
    refuses(HM_OPT_thp, "always", "is not one of its values");
    refuses(HM_OPT_thp, "full", "is not one of its values");
    refuses(HM_OPT_thp, "", "is not one of its values");

    assert_string_equal(expected(HM_OPT_check), "default or full");
    accepts(HM_OPT_check, "default", "default");
    accepts(HM_OPT_check, "full", "full");
    assert_int_equal(o.check, HM_CHECK_FULL);
    refuses(HM_OPT_check, "never", "is not one of its values");

    assert_string_equal(expected(HM_OPT_on_error), "ignore, warn or abort");
    accepts(HM_OPT_on_error, "ABORT", "abort");
    assert_int_equal(o.on_error, HM_ON_ERROR_ABORT);
}

static void a_nul_byte_is_no_end_of_a_word(void **state)
{
    (void)state;
    assert_false(hm_option_parse(&o, HM_OPT_page_purge, "no\0", 3, NULL));
    assert_false(
        hm_option_parse(&o, HM_OPT_page_purge, "no\0\0\0\0\0\0\0\0\0", 11, NULL));
    assert_false(hm_option_parse(&o, HM_OPT_bigcache_bytes, "1\0", 2, NULL));
}

static void size_maps(void **state)
{
    const enum hm_option_id id = HM_OPT_refill_target; /* counts from 1 to 2048 */

    (void)state;
    assert_string_equal(expected(id),
                        "at most 8 ascending pairs size:count, counts from 1 "
                        "to 2048, as in 64:128 1K:32");
    accepts(id, "64:128", "64:128");
    accepts(id, "  64:128\t 1024:32  ", "64:128 1K:32");
    accepts(id, "1:1 1G:2048", "1:1 1G:2048");
    accepts(id, "1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1", "1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1");
    refuses(id, "1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1", "is one pair too many");
    refuses(id, "", "has no size:count");
    refuses(id, "  ", "has no size:count");
    refuses(id, "64", "is not size:count");
    refuses(id, "64:128,1K:32", "does not end with a count");
    refuses(id, "64:", "does not end with a count");
    refuses(id, "64:1K", "does not end with a count");
    refuses(id, "64:1:1", "does not end with a count");
    refuses(id, ":1", "does not begin with a size");
    refuses(id, "x:1", "does not begin with a size");
    refuses(id, "0:1", "has a size out of range");
    refuses(id, "1025M:1", "has a size out of range");
    refuses(id, "4294967360:1", "has a size out of range"); /* 64 when cut to 32 bits */
    refuses(id, "64:0", "has a count out of range");
    refuses(id, "64:2049", "has a count out of range");
    refuses(id, "64:4294967297", "has a count out of range");
    refuses(id, "64:2 64:1", "is not above the size before it");
    refuses(id, "1K:2 64:1", "is not above the size before it");
}

static void a_size_map_error_points_at_the_pair(void **state)
{
    struct hm_option_error err;

    (void)state;
    assert_false(parse(HM_OPT_refill_target, "64:8  128:4 96:2 1K:1", &err));
    assert_int_equal(err.at, 12);
    assert_int_equal(err.len, 4);
}

static void a_size_map_is_looked_up_by_upper_bounds(void **state)
{
    const struct hm_sizemap *m = &o.refill_target;

    (void)state;
    accepts(HM_OPT_refill_target, "64:128 256:64 1K:32", "64:128 256:64 1K:32");
    assert_int_equal(hm_sizemap_get(m, 0), 128);
    assert_int_equal(hm_sizemap_get(m, 64), 128);
    assert_int_equal(hm_sizemap_get(m, 65), 64);
    assert_int_equal(hm_sizemap_get(m, 256), 64);
    assert_int_equal(hm_sizemap_get(m, 257), 32);
    assert_int_equal(hm_sizemap_get(m, 1024), 32);
    assert_int_equal(hm_sizemap_get(m, 1025), 32);
    assert_int_equal(hm_sizemap_get(m, SIZE_MAX), 32);
}

/* A thread may read while another sets: whatever mix of old and new it sees is valid. */
static void the_unused_end_of_a_size_map_repeats_the_last_pair(void **state)
{
    (void)state;
    accepts(HM_OPT_refill_target, "64:128 256:64", "64:128 256:64");
    for (size_t i = 2; i < HM_SIZEMAP_MAX; i++) {
        assert_int_equal(o.refill_target.upto[i], 256);
        assert_int_equal(o.refill_target.count[i], 64);
    }
}

static void the_longest_value_fits_its_bound(void **state)
{
    (void)state;
    accepts(HM_OPT_refill_target,
            "1073741801:2001 1073741802:2002 1073741803:2003 1073741805:2005 "
            "1073741806:2006 1073741807:2007 1073741809:2009 1073741811:2011",
            "1073741801:2001 1073741802:2002 1073741803:2003 1073741805:2005 "
            "1073741806:2006 1073741807:2007 1073741809:2009 1073741811:2011");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_every_field),
        cmocka_unit_test(every_default_is_valid_and_reads_back),
        cmocka_unit_test(every_range_includes_its_ends),
        cmocka_unit_test(every_option_refuses_what_is_no_value),
        cmocka_unit_test(every_option_is_found_by_its_name_only),
        cmocka_unit_test(every_option_is_described),
        cmocka_unit_test(every_option_can_be_copied),
        cmocka_unit_test(a_misspelt_name_finds_the_nearest),
        cmocka_unit_test(sizes),
        cmocka_unit_test(shares_of_the_memory),
        cmocka_unit_test(powers_of_two),
        cmocka_unit_test(times),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(booleans),
        cmocka_unit_test(enums),
        cmocka_unit_test(a_nul_byte_is_no_end_of_a_word),
        cmocka_unit_test(size_maps),
        cmocka_unit_test(a_size_map_error_points_at_the_pair),
        cmocka_unit_test(a_size_map_is_looked_up_by_upper_bounds),
        cmocka_unit_test(the_unused_end_of_a_size_map_repeats_the_last_pair),
        cmocka_unit_test(the_longest_value_fits_its_bound),
    };

    hm_os_init((size_t)sysconf(_SC_PAGESIZE));
    return RUN_TESTS(tests);
}
