/* SPDX-License-Identifier: MIT */
#include "measure.h"

#include "out.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_CANNOT_RUN = 126, SHOWN_MAX = 4096 };

/* Running ---------------------------------------------------------------------------- */

static void set_or_unset(const char *name, const char *value)
{
    if (value != NULL)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static noreturn void run_child(const struct hm_variant *variant, char **command, int err)
{
    const int null = open("/dev/null", O_RDWR);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(err, STDERR_FILENO) < 0)
        _exit(EXIT_CANNOT_RUN);
    if (null > STDERR_FILENO)
        close(null);
    set_or_unset("LD_PRELOAD", variant->preload);
    set_or_unset("HAKMEM_PROFILE", variant->profile);
    execvp(command[0], command);
    dprintf(STDERR_FILENO, "%s: %s\n", command[0], strerror(errno));
    _exit(EXIT_CANNOT_RUN);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

/* What a process wrote to standard error, its end. */
static char *read_end(int fd)
{
    char *text = hm_out_alloc(SHOWN_MAX + 1);
    off_t size = lseek(fd, 0, SEEK_END);
    const off_t from = size > SHOWN_MAX ? size - SHOWN_MAX : 0;

    if (pread(fd, text, SHOWN_MAX, from) < 0)
        text[0] = '\0';
    return text;
}

/* False, and an error was printed. */
static bool is_success(const struct hm_variant *variant, char **command, int status,
                       const char *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        /* The dynamic linker goes on without what it cannot preload. */
        if (variant->preload == NULL || strstr(err, "cannot be preloaded") == NULL)
            return true;
        hm_out_error("%s: %s cannot be preloaded", variant->name, variant->preload);
    } else if (WIFSIGNALED(status)) {
        hm_out_error("%s: %s was ended by signal %d", variant->name, command[0],
                     WTERMSIG(status));
    } else {
        hm_out_error("%s: %s exited with %d", variant->name, command[0],
                     WEXITSTATUS(status));
    }
    fputs(err, stderr);
    return false;
}

bool hm_measure_run(const struct hm_variant *variant, char **command,
                    struct hm_sample *out)
{
    const int err = memfd_create("stderr", MFD_CLOEXEC);
    const double start = now();
    struct rusage usage;
    bool good;
    char *text;
    int status;
    pid_t pid;

    if (err < 0 || (pid = fork()) < 0) {
        hm_out_error("cannot start a process: %s", strerror(errno));
        if (err >= 0)
            close(err);
        return false;
    }
    if (pid == 0)
        run_child(variant, command, err);
    while (wait4(pid, &status, 0, &usage) < 0) {
        if (errno != EINTR) {
            hm_out_error("cannot wait for a process: %s", strerror(errno));
            close(err);
            return false;
        }
    }
    out->value[HM_TIME] = now() - start;
    out->value[HM_CPU] = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    out->value[HM_MEMORY] = (double)usage.ru_maxrss * 1024;
    out->value[HM_FAULTS] = (double)(usage.ru_minflt + usage.ru_majflt);
    text = read_end(err);
    close(err);
    good = is_success(variant, command, status, text);
    free(text);
    return good;
}

/* Summing up ------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The value below which a part of the sorted ones lies; between two of them if need be.
 */
static double quantile(const double *sorted, size_t count, double part)
{
    const double at = part * (double)(count - 1);
    const size_t below = (size_t)at;
    const size_t above = below + 1 < count ? below + 1 : below;

    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

struct hm_summary hm_measure_summary(const struct hm_sample *samples, size_t count,
                                     enum hm_quantity quantity)
{
    double *values = hm_out_alloc(count * sizeof *values);
    struct hm_summary summary;

    for (size_t i = 0; i < count; i++)
        values[i] = samples[i].value[quantity];
    qsort(values, count, sizeof *values, compare);
    summary =
        (struct hm_summary){quantile(values, count, 0.5), quantile(values, count, 0.25),
                            quantile(values, count, 0.75)};
    free(values);
    return summary;
}
