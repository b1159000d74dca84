/* SPDX-License-Identifier: MIT */
/* cmocka: as much of cmocka 1.1 as these tests use, for where configure finds none that can
 * be linked with: another architecture, another C library. A test that crashes ends the
 * program, and the TAP lines that are missing then are the failure. */
#ifndef HM_TEST_CMOCKA_H
#define HM_TEST_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
    void *state;
};
/* clang-format off */
#define cmocka_unit_test(test) { #test, test, NULL, NULL, NULL }
#define cmocka_unit_test_setup_teardown(test, setup, teardown) \
    { #test, test, setup, teardown, NULL }
/* clang-format on */

enum { CM_OUTPUT_TAP };
#define cmocka_set_message_output(output) ((void)(output))
#define cmocka_run_group_tests(tests, setup, teardown) \
    cmocka_run(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

static jmp_buf cmocka_failed;

#define fail_msg(...) cmocka_fail(__FILE__, __LINE__, __VA_ARGS__)
__attribute__((noreturn, unused, format(printf, 3, 4))) static void
cmocka_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# %s:%d: ", file, line);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    longjmp(cmocka_failed, 1);
}

__attribute__((unused)) static void cmocka_check(const char *file, int line, int holds,
                                                 const char *what)
{
    if (!holds)
        cmocka_fail(file, line, "not so: %s", what);
}

__attribute__((unused)) static void cmocka_numbers(const char *file, int line,
                                                   unsigned long long a,
                                                   unsigned long long b, int want_equal)
{
    if ((a == b) != want_equal)
        cmocka_fail(file, line, "%#llx %s %#llx", a, want_equal ? "is not" : "is", b);
}

__attribute__((unused)) static void cmocka_strings(const char *file, int line,
                                                   const char *a, const char *b)
{
    if (strcmp(a, b) != 0)
        cmocka_fail(file, line, "\"%s\" is not \"%s\"", a, b);
}

#define cmocka_number(n) ((unsigned long long)(n))
#define cmocka_address(p) ((unsigned long long)(uintptr_t)(p))
#define assert_true(holds) cmocka_check(__FILE__, __LINE__, !!(holds), #holds)
#define assert_false(holds) cmocka_check(__FILE__, __LINE__, !(holds), "not " #holds)
#define assert_null(p) cmocka_numbers(__FILE__, __LINE__, cmocka_address(p), 0, 1)
#define assert_non_null(p) cmocka_numbers(__FILE__, __LINE__, cmocka_address(p), 0, 0)
#define assert_ptr_equal(a, b) \
    cmocka_numbers(__FILE__, __LINE__, cmocka_address(a), cmocka_address(b), 1)
#define assert_ptr_not_equal(a, b) \
    cmocka_numbers(__FILE__, __LINE__, cmocka_address(a), cmocka_address(b), 0)
#define assert_int_equal(a, b) \
    cmocka_numbers(__FILE__, __LINE__, cmocka_number(a), cmocka_number(b), 1)
#define assert_int_not_equal(a, b) \
    cmocka_numbers(__FILE__, __LINE__, cmocka_number(a), cmocka_number(b), 0)
#define assert_string_equal(a, b) cmocka_strings(__FILE__, __LINE__, a, b)
#define assert_memory_equal(a, b, size) \
    cmocka_check(__FILE__, __LINE__, memcmp(a, b, size) == 0, #a " is " #b)
#define assert_in_range(n, least, most)                                                \
    cmocka_check(__FILE__, __LINE__,                                                   \
                 cmocka_number(n) - cmocka_number(least) <=                            \
                     cmocka_number(most) - cmocka_number(least),                       \
                 #n " is in [" #least ", " #most "]")

__attribute__((unused)) static int cmocka_run_one(const struct CMUnitTest *test)
{
    void *state = test->state;
    volatile int ok = 0;
    if (setjmp(cmocka_failed) == 0) {
        if (test->setup == NULL || test->setup(&state) == 0) {
            test->test(&state);
            ok = 1;
        }
    }
    if (test->teardown != NULL && setjmp(cmocka_failed) == 0 &&
        test->teardown(&state) != 0)
        ok = 0;
    return ok;
}

__attribute__((unused)) static int cmocka_run(const struct CMUnitTest *tests,
                                              size_t count, int (*setup)(void **),
                                              int (*teardown)(void **))
{
    int failed = 0;
    void *state = NULL;
    printf("1..%u\n", (unsigned)count);
    if (setup != NULL && setup(&state) != 0)
        return (int)count;
    for (size_t i = 0; i < count; i++) {
        int ok = cmocka_run_one(&tests[i]);
        printf("%sok %u - %s\n", ok ? "" : "not ", (unsigned)i + 1, tests[i].name);
        failed += !ok;
    }
    return teardown != NULL && teardown(&state) != 0 ? failed + 1 : failed;
}

#endif
