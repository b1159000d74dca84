/* SPDX-License-Identifier: MIT */
/* text: formatting without stdio; compared with snprintf where both can do it. */
#include "support.h"
#include "capture.h"

#include "fail.h"
#include "text.h"
#include <limits.h>

#define SAME_AS_SNPRINTF(...)                               \
    do {                                                    \
        char expected_[256], got_[256];                     \
        struct hm_text t_;                                  \
        snprintf(expected_, sizeof expected_, __VA_ARGS__); \
        hm_text_init(&t_, got_, sizeof got_, -1);           \
        hm_text_printf(&t_, __VA_ARGS__);                   \
        hm_text_flush(&t_);                                 \
        assert_string_equal(got_, expected_);               \
        assert_int_equal(t_.len, strlen(expected_));        \
        assert_false(t_.truncated);                         \
    } while (0)

static void formats_numbers_like_printf(void **state)
{
    (void)state;
    SAME_AS_SNPRINTF("%d %d %d %d", 0, 7, INT32_MAX, INT32_MIN);
    SAME_AS_SNPRINTF("%ld %ld", LONG_MAX, LONG_MIN);
    SAME_AS_SNPRINTF("%lld %lld", LLONG_MAX, LLONG_MIN);
    SAME_AS_SNPRINTF("%u %u", 0u, UINT32_MAX);
    SAME_AS_SNPRINTF("%lu %zu %llu", ULONG_MAX, SIZE_MAX, ULLONG_MAX);
    SAME_AS_SNPRINTF("%x %x %lx", 0u, 0xdeadbeefu, ULONG_MAX);
    SAME_AS_SNPRINTF("%llx", ULLONG_MAX);
    SAME_AS_SNPRINTF("%p", (void *)(uintptr_t)0x12345678);
    SAME_AS_SNPRINTF("%p", (void *)UINTPTR_MAX);
}

static void formats_text_like_printf(void **state)
{
    (void)state;
    SAME_AS_SNPRINTF("plain");
    SAME_AS_SNPRINTF("100%% of %s", "it");
    SAME_AS_SNPRINTF("%c%c", 'a', 'z');
    SAME_AS_SNPRINTF("%.*s|", 3, "abcdef");
    SAME_AS_SNPRINTF("%.*s|", 9, "abc");
    SAME_AS_SNPRINTF("%.*s|", 0, "abc");
}

static void pads_like_printf(void **state)
{
    (void)state;
    SAME_AS_SNPRINTF("[%5s][%-5s][%2s]", "abc", "abc", "abc");
    SAME_AS_SNPRINTF("[%5d][%-5d][%1d]", -42, -42, -42);
    SAME_AS_SNPRINTF("[%8lu][%-8lu]", 1234ul, 1234ul);
    SAME_AS_SNPRINTF("[%12zu][%-6x]", (size_t)9, 0xabu);
    SAME_AS_SNPRINTF("[%8.*s][%-8.*s]", 2, "abc", 2, "abc");
}

static void a_null_pointer_is_written_in_hexadecimal(void **state)
{
    char buf[16];
    struct hm_text t;

    (void)state;
    hm_text_init(&t, buf, sizeof buf, -1);
    hm_text_printf(&t, "%p", (void *)hide(NULL));
    hm_text_flush(&t);
    assert_string_equal(buf, "0x0");
}

static void without_a_file_the_rest_is_dropped(void **state)
{
    char buf[8];
    struct hm_text t;

    (void)state;
    hm_text_init(&t, buf, sizeof buf, -1);
    hm_text_printf(&t, "%s", "1234567");
    assert_false(t.truncated);
    hm_text_printf(&t, "%s", "89");
    hm_text_flush(&t);
    assert_true(t.truncated);
    assert_string_equal(buf, "1234567");
}

static void the_smallest_buffer_holds_the_empty_string(void **state)
{
    char buf[1] = {'x'};
    struct hm_text t;

    (void)state;
    hm_text_init(&t, buf, sizeof buf, -1);
    hm_text_printf(&t, "%d", 5);
    hm_text_flush(&t);
    assert_true(t.truncated);
    assert_int_equal(buf[0], '\0');
}

static void with_a_file_nothing_is_lost(void **state)
{
    char buf[4];
    struct hm_text t;
    struct capture c;

    (void)state;
    c = capture_begin();
    hm_text_init(&t, buf, sizeof buf, 2);
    for (int i = 0; i < 100; i++)
        hm_text_printf(&t, "%d,", i % 10);
    hm_text_flush(&t);
    const char *out = capture_end(c);
    assert_int_equal(strlen(out), 200);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(out[i], i % 2 == 1 ? ',' : '0' + (int)(i / 2 % 10));
}

static void quoting_hides_what_a_terminal_would_obey(void **state)
{
    char buf[128];
    struct hm_text t;

    (void)state;
    hm_text_init(&t, buf, sizeof buf, -1);
    hm_text_put_quoted(&t, "a\033[2J\xff\n", 7);
    hm_text_flush(&t);
    assert_string_equal(buf, "\"a?[2J??\"");
}

static void quoting_shortens(void **state)
{
    const char *forty = "0123456789012345678901234567890123456789";
    char buf[128];
    struct hm_text t;

    (void)state;
    hm_text_init(&t, buf, sizeof buf, -1);
    hm_text_put_quoted(&t, forty, 40);
    hm_text_flush(&t);
    assert_string_equal(buf, "\"0123456789012345678901234567890123456789\"");

    hm_text_init(&t, buf, sizeof buf, -1);
    hm_text_put_quoted(&t, "01234567890123456789012345678901234567890", 41);
    hm_text_flush(&t);
    assert_string_equal(buf, "\"0123456789012345678901234567890123456789...\"");
}

static size_t distance(const char *a, const char *b)
{
    return hm_text_distance(a, strlen(a), b, strlen(b));
}

static void distance_counts_edits(void **state)
{
    (void)state;
    assert_int_equal(distance("", ""), 0);
    assert_int_equal(distance("", "abc"), 3);
    assert_int_equal(distance("abc", ""), 3);
    assert_int_equal(distance("shards", "shards"), 0);
    assert_int_equal(distance("shard", "shards"), 1);
    assert_int_equal(distance("kitten", "sitting"), 3);
    assert_int_equal(distance("trim-interval", "trim_interval"), 1);
    char longest[42];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(hm_text_distance(longest, 40, "", 0), 40);
    assert_int_equal(hm_text_distance(longest, 41, "", 0), SIZE_MAX);
}

static void near_means_about_a_third(void **state)
{
    (void)state;
    assert_true(hm_text_is_near(1, 1));
    assert_false(hm_text_is_near(2, 5));
    assert_true(hm_text_is_near(2, 6));
    assert_false(hm_text_is_near(SIZE_MAX, 100));
}

static void warnings_are_silent_until_allowed(void **state)
{
    struct capture c;

    (void)state;
    c = capture_begin();
    hm_warn("too early");
    hm_fail_init("p", true);
    hm_warn("quiet");
    assert_string_equal(capture_end(c), "");
    hm_fail_init("p", false);
    c = capture_begin();
    hm_warn("%d of %s", 3, "these");
    assert_string_equal(capture_end(c), "hakmem: 3 of these\n");
}

static void a_long_warning_is_one_line(void **state)
{
    static char text[5000];
    struct capture c;
    const char *out;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    hm_fail_init("p", false);
    c = capture_begin();
    hm_warn("%s", text);
    out = capture_end(c);
    assert_in_range(strlen(out), 900, 1024);
    assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
}

static void misuse(void *arg)
{
    (void)arg;
    hm_fail_init("low-memory", true);
    hm_fail_misuse("free", (void *)(uintptr_t)0x1230, "block of %d bytes freed twice",
                   64);
}

static void misuse_speaks_and_aborts_even_when_quiet(void **state)
{
    struct outcome out = in_child(misuse, NULL);

    (void)state;
    assert_true(WIFSIGNALED(out.status));
    assert_int_equal(WTERMSIG(out.status), SIGABRT);
    assert_string_equal(out.err, "hakmem: free(0x1230): block of 64 bytes freed twice "
                                 "(profile low-memory)\n");
}

static void broken_invariant(void *arg)
{
    (void)arg;
    hm_assert_failed("slab.c", 12, "live <= count");
}

static void a_broken_invariant_aborts(void **state)
{
    struct outcome out = in_child(broken_invariant, NULL);

    (void)state;
    assert_true(WIFSIGNALED(out.status));
    assert_int_equal(WTERMSIG(out.status), SIGABRT);
    assert_string_equal(out.err, "hakmem: slab.c:12: broken invariant: live <= count\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warnings_are_silent_until_allowed),
        cmocka_unit_test(formats_numbers_like_printf),
        cmocka_unit_test(formats_text_like_printf),
        cmocka_unit_test(pads_like_printf),
        cmocka_unit_test(a_null_pointer_is_written_in_hexadecimal),
        cmocka_unit_test(without_a_file_the_rest_is_dropped),
        cmocka_unit_test(the_smallest_buffer_holds_the_empty_string),
        cmocka_unit_test(with_a_file_nothing_is_lost),
        cmocka_unit_test(quoting_hides_what_a_terminal_would_obey),
        cmocka_unit_test(quoting_shortens),
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(near_means_about_a_third),
        cmocka_unit_test(a_long_warning_is_one_line),
        cmocka_unit_test(misuse_speaks_and_aborts_even_when_quiet),
        cmocka_unit_test(a_broken_invariant_aborts),
    };

    return RUN_TESTS(tests);
}
