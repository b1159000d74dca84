/* SPDX-License-Identifier: MIT */
/* A C program, without libstdc++, loads a C++ module with RTLD_LOCAL. The allocator's
 * weak references to libstdc++ are NULL since start, and no global scope has it now:
 * whoever calls operator new must still get std::bad_alloc, as an exception it can catch.
 */
#include "../support.h"

#include <dlfcn.h>

struct plugin {
    void *handle;
    int (*new_throws)(size_t size);
    int (*nothrow_new_is_null)(size_t size);
    int (*handler_calls)(size_t size);
    size_t (*work)(void);
    char *(*hold)(size_t size);
};

static struct plugin plugin;

static void *symbol(const char *name)
{
    void *address = dlsym(plugin.handle, name);
    REQUIRE(address != NULL);
    return address;
}

static int load_plugin(void **state)
{
    (void)state;
    char path[4096];
    REQUIRE(find_beside("cxx_plugin.so", path, sizeof(path)));
    /* Otherwise this test would test what test_cxx.cc does. */
    REQUIRE(dlsym(RTLD_DEFAULT, "_ZSt17__throw_bad_allocv") == NULL);
    plugin.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(plugin.handle != NULL);
    *(void **)&plugin.new_throws = symbol("plugin_new_throws");
    *(void **)&plugin.nothrow_new_is_null = symbol("plugin_nothrow_new_is_null");
    *(void **)&plugin.handler_calls = symbol("plugin_handler_calls");
    *(void **)&plugin.work = symbol("plugin_work");
    return 0;
}

static const size_t impossible[] = {PTRDIFF_MAX - 4096, PTRDIFF_MAX - 64};

static void a_module_s_new_throws_bad_alloc_that_it_catches(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(impossible); i++)
        assert_int_equal(plugin.new_throws(impossible[i]), 1);
}

static void a_module_s_nothrow_new_returns_null(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(impossible); i++)
        assert_int_equal(plugin.nothrow_new_is_null(impossible[i]), 1);
}

static void a_module_s_new_handler_runs_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(impossible); i++)
        assert_int_equal(plugin.handler_calls(impossible[i]), 1);
}

static void a_module_s_ordinary_work_succeeds(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(plugin.work(), 999 * 1000 / 2);
    assert_int_equal(plugin.new_throws(1000), 0);
}

static void *fail_in_a_thread(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        REQUIRE(plugin.new_throws(impossible[0]) == 1);
    return NULL;
}

static void threads_catch_their_own_bad_alloc(void **state)
{
    (void)state;
    run_threads(4, fail_in_a_thread, NULL, 0);
}

static void *hold_in_the_module(void *arg)
{
    static const size_t sizes[] = {10, 3000, 100000, 2000000};
    char **block = arg;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        block[i] = plugin.hold(sizes[i]);
        REQUIRE(block[i] != NULL);
        memset(block[i], 'y', 10);
    }
    return NULL;
}

/* Threads that are dead by then had it allocate; what it holds its destructors free, and
 * what it has given away is the program's. */
static void a_module_that_holds_blocks_can_be_unloaded(void **state)
{
    for (int round = 0; round < 10; round++) {
        char *block[3][4];
        *(void **)&plugin.hold = symbol("plugin_hold");
        for (size_t t = 0; t < COUNT(block); t++)
            run_threads(1, hold_in_the_module, block[t], 0);
        assert_int_equal(dlclose(plugin.handle), 0);
        assert_true(is_sound());
        for (size_t t = 0; t < COUNT(block); t++)
            for (size_t i = 0; i < COUNT(block[0]); i++) {
                assert_true(all_bytes(block[t][i], 10, 'y'));
                free(block[t][i]);
            }
        assert_int_equal(load_plugin(state), 0);
    }
}

static void the_module_can_be_unloaded_and_loaded_again(void **state)
{
    for (int i = 0; i < 5; i++) {
        assert_int_equal(dlclose(plugin.handle), 0);
        plugin.handle = NULL;
        char path[4096];
        assert_true(find_beside("cxx_plugin.so", path, sizeof(path)));
        plugin.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        assert_non_null(plugin.handle);
        *(void **)&plugin.new_throws = symbol("plugin_new_throws");
        *(void **)&plugin.nothrow_new_is_null = symbol("plugin_nothrow_new_is_null");
        a_module_s_new_throws_bad_alloc_that_it_catches(state);
        a_module_s_nothrow_new_returns_null(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_module_s_new_throws_bad_alloc_that_it_catches),
        cmocka_unit_test(a_module_s_nothrow_new_returns_null),
        cmocka_unit_test(a_module_s_new_handler_runs_first),
        cmocka_unit_test(a_module_s_ordinary_work_succeeds),
        cmocka_unit_test(threads_catch_their_own_bad_alloc),
        cmocka_unit_test(a_module_that_holds_blocks_can_be_unloaded),
        cmocka_unit_test(the_module_can_be_unloaded_and_loaded_again),
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, load_plugin, NULL);
}
