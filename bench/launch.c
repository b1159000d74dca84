/* SPDX-License-Identifier: MIT */
/* launch FD [NAME=VALUE]... COMMAND [ARGUMENT]...: runs a command with these additions to
 * its environment and writes one line about it to file descriptor FD:
 *
 *   status=0 wall=1.234567 user=1.100000 system=0.080000 peak=12345678 minor=3021 major=0
 *
 * A program's peak memory, as the kernel counts it, starts with that of the process it
 * was forked from: bench/run is a Python program, far bigger than what it measures. This
 * one is static and tiny, so nothing can be smaller. (vfork would not do: exec then
 * charges the child with its parent's whole peak.) The counts include what the command
 * waited for, as gcc does for cc1; of peaks, the highest single one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    int report = atoi(argv[1]);
    char **command = argv + 2;
    while (*command != NULL && strchr(*command, '=') != NULL)
        command++;
    if (*command == NULL || fcntl(report, F_SETFD, FD_CLOEXEC) != 0)
        return 2;
    double start = now();
    pid_t pid = fork();
    if (pid < 0)
        return 1;
    if (pid == 0) {
        /* Who kills this process means the command. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (char **setting = argv + 2; setting != command; setting++)
            putenv(*setting);
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    int status;
    struct rusage used;
    if (wait4(pid, &status, 0, &used) != pid)
        return 1;
    dprintf(report,
            "status=%d wall=%.6f user=%.6f system=%.6f peak=%ld minor=%ld major=%ld\n",
            WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status), now() - start,
            seconds(used.ru_utime), seconds(used.ru_stime), used.ru_maxrss * 1024,
            used.ru_minflt, used.ru_majflt);
    return 0;
}
