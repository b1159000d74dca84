/* SPDX-License-Identifier: MIT */
/* A set-user-ID program, as far as it can be had without one: the start facts say so, and
 * the machine's hakmem.conf wants a statistics page for every process.
 *
 * Linked with --wrap of the functions that would find that out. */
#include "layers.h"

/* "no" or "yes": a process for which that is so. */
#define SECURE_VARIABLE "HM_TEST_SECURE"

void __real_hm_sys_start_facts(struct hm_sys_start *out);
void __wrap_hm_sys_start_facts(struct hm_sys_start *out);
void __real_hm_conf_load(const struct hm_sys_start *start);
void __wrap_hm_conf_load(const struct hm_sys_start *start);
void *hm_test_malloc(size_t size);

static bool is_secure(void)
{
    const char *text = getenv(SECURE_VARIABLE);
    return text != NULL && strcmp(text, "yes") == 0;
}

void __wrap_hm_sys_start_facts(struct hm_sys_start *out)
{
    __real_hm_sys_start_facts(out);
    out->secure |= is_secure();
}

void __wrap_hm_conf_load(const struct hm_sys_start *start)
{
    __real_hm_conf_load(start);
    hm_opt.stats_page = getenv(SECURE_VARIABLE) != NULL;
}

static bool has_page(void)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/hakmem-%u/%d", (unsigned)geteuid(),
             (int)getpid());
    return access(path, F_OK) == 0;
}

/* In the process that was started anew. */
static int look(void)
{
    REQUIRE(hm_test_malloc(100) != NULL);
    if (is_secure()) {
        REQUIRE(!hm_opt.stats_page && !has_page());
        REQUIRE(HM_TEST_SANITIZED || hm_sys_is_only_thread());
    } else {
        REQUIRE(hm_opt.stats_page);
        alarm(60);
        WAIT_UNTIL(has_page());
    }
    return 0;
}

static void start_as(void *secure)
{
    setenv(SECURE_VARIABLE, secure, 1);
    start_again(NULL);
}

static void a_process_has_a_statistics_page_if_it_is_wanted(void **state)
{
    (void)state;
    NEED(access("/dev/shm", W_OK) == 0, "a place for it");
    ASSERT_CHILD(start_as, (void *)(uintptr_t) "no");
}

static void a_secure_process_has_none_and_no_thread_for_it(void **state)
{
    (void)state;
    ASSERT_CHILD(start_as, (void *)(uintptr_t) "yes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_has_a_statistics_page_if_it_is_wanted),
        cmocka_unit_test(a_secure_process_has_none_and_no_thread_for_it),
    };

    return getenv(SECURE_VARIABLE) != NULL ? look() : RUN_TESTS(tests);
}
