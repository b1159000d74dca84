/* SPDX-License-Identifier: MIT */
/* guard: descriptors of guarded blocks, while another thread forks. What guarded blocks
 * find is in tests/misuse. */
#include "layers.h"

#include "guard.h"

static _Atomic int phase;

static void *fork_when_told(void *unused)
{
    WAIT_UNTIL(atomic_load(&phase) == 1);
    hm_lock_fork_begin();
    hm_lock_fork_take(hm_guard_lock());
    atomic_store(&phase, 2);
    WAIT_UNTIL(atomic_load(&phase) == 3);
    hm_lock_fork_give(hm_guard_lock());
    hm_lock_fork_end();
    return unused;
}

static void fork_in_the_middle(int signal)
{
    (void)signal;
    if (atomic_load(&phase) != 0)
        return;
    atomic_store(&phase, 1);
    WAIT_UNTIL(atomic_load(&phase) == 2);
}

static void add_one(struct hm_guarded *g, void *count)
{
    (void)g;
    ++*(int *)count;
}

/* The signal comes from the system call that gives a block's addresses back: from then on
 * there is no lock for its descriptor. */
IN_CHILD(a_descriptor_given_while_another_thread_forks_is_used_again)
{
    static const int calls[] = {SYS_munmap};
    pthread_t thread;
    int count = 0;

    layers_up("");
    hm_guard_init();
    signal(SIGSYS, fork_in_the_middle);
    void *block = hm_guard_take(100, 16);

    REQUIRE(block != NULL);
    REQUIRE(pthread_create(&thread, NULL, fork_when_told, NULL) == 0);
    if (!trap_calls(calls, COUNT(calls)))
        return;
    REQUIRE(hm_guard_give(hm_owner_ptr(hm_region_get(block))));
    hm_guard_flush();
    REQUIRE(atomic_load(&phase) == 2);
    atomic_store(&phase, 3);
    pthread_join(thread, NULL);
    hm_guard_flush();
    REQUIRE(hm_guard_take(100, 16) != NULL);
    hm_guard_each(add_one, &count);
    REQUIRE(count == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_given_while_another_thread_forks_is_used_again),
    };

    return RUN_TESTS(tests);
}
