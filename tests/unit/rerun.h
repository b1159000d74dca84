/* SPDX-License-Identifier: MIT */
/* rerun: a test program once more, with other options. They are read when a process
 * starts, from the environment that the kernel passed, so it takes an exec. */
#ifndef HM_TEST_RERUN_H
#define HM_TEST_RERUN_H

#include "support.h"

/* Is this process such a second run? */
static UNUSED bool is_rerun(void)
{
    return getenv("HAKMEM_OPTIONS") != NULL;
}

/* Runs the program with these options; true when all of its tests passed. What it reports
 * goes to standard error: the program has but one TAP stream. */
static UNUSED bool passes_with(const char *options)
{
    fflush(stdout);
    pid_t pid = fork();
    int status;

    REQUIRE(pid >= 0);
    if (pid == 0) {
        become_plain_child(300);
        setenv("HAKMEM_OPTIONS", options, 1);
        dup2(2, 1);
        start_again(NULL);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
