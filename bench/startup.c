/* SPDX-License-Identifier: MIT */
/* startup: runs `true` a thousand times. It inherits the environment and so the preloaded
 * allocator: what every process of every shell script pays for it. */
#define _GNU_SOURCE
#include "bench.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static long runs = 1000;

static const struct bench_param params[] = {
    {"runs", &runs, BENCH_WORK, "times that `true` is run"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

int main(int argc, char **argv)
{
    char name[] = "true";
    char *const command[] = {name, NULL};
    bench_begin(argc, argv, params);
    for (long i = 0; i < runs; i++) {
        pid_t pid;
        int status;
        if (posix_spawnp(&pid, command[0], NULL, NULL, command, environ) != 0)
            bench_fail("cannot run true");
        if (waitpid(pid, &status, 0) != pid || status != 0)
            bench_fail("true did not end as it should");
    }
    bench_end((uint64_t)runs, 0);
    return 0;
}
