/* SPDX-License-Identifier: MIT */
/* catalogue: programs that misuse the heap, and what becomes of it, under any allocator.
 *
 *     catalogue          runs each program in a process of its own; a line for each:
 *                        NAME caught|harmless|missed|absent
 *     catalogue NAME     runs this one, here: dies, or prints how it ended
 *
 * The allocator is whichever the process was started with. None is asked what it is, and
 * the definitions are the same for all:
 *
 * caught    The process died by a signal before it came to use anything that the misuse
 *           may have damaged.
 * harmless  It went on, and nothing came of it: no byte of another live block has
 *           changed, none of another live block's or of a freed block's bytes was read,
 *           and from then on allocation gives blocks that lie apart from each other, from
 *           all live blocks and from memory that is not the allocator's, and zeroed ones
 *           from calloc.
 * missed    Neither. A hang counts as this too.
 * absent    The allocator does not have the function that is misused.
 *
 * After a write outside a block, the program frees that block before it looks at any
 * other: an allocator that does not see accesses cannot tell earlier.
 *
 * Where it matters what lies beside a block, the case takes, of many blocks, the one
 * whose neighbour is nearest: placement at random helps only if it leaves room
 * everywhere. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "catalogue.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- How a case ends -------------------------------------------------------------- */

static noreturn void end(const char *how)
{
    _exit(write(1, how, strlen(how)) > 0 ? 0 : 99);
}

noreturn void missed(void)
{
    end("missed\n");
}

noreturn void absent(void)
{
    end("absent\n");
}

noreturn void unfit(const char *what)
{
    dprintf(2, "catalogue: %s\n", what);
    _exit(99);
}

/* ---- Live blocks ------------------------------------------------------------------ */

static struct block {
    unsigned char *p;
    size_t size;
    unsigned char value; /* of each of its bytes */
} live[4096];
static size_t count;

static void *remember(void *p, size_t size)
{
    if (p == NULL || count == sizeof(live) / sizeof(live[0]))
        unfit("out of memory, or of room for blocks");
    unsigned char value = (unsigned char)(1 + count % 60);
    live[count++] = (struct block){p, size, value};
    memset(p, value, size);
    return p;
}

void *get(size_t size)
{
    return remember(hide(malloc(size)), size);
}

void *get_from(void *p, size_t size)
{
    return remember(hide(p), size);
}

size_t how_many(size_t size)
{
    return size <= 1024 ? 512 : size <= 512 * KIB ? 24 : 6;
}

void populate(size_t size)
{
    for (size_t i = how_many(size); i > 0; i--)
        get(size);
}

void forget(const void *p)
{
    for (size_t i = 0; i < count; i++)
        if (live[i].p == p) {
            live[i] = live[--count];
            return;
        }
    unfit("no such block");
}

void give(void *p)
{
    forget(p);
    free(p);
}

bool is_live(const void *from, size_t size)
{
    const unsigned char *p = from;
    for (size_t i = 0; i < count; i++)
        if (p < live[i].p + live[i].size && live[i].p < p + size)
            return true;
    return false;
}

void *nearest(bool after, size_t size)
{
    size_t best = SIZE_MAX;
    unsigned char *found = live[count / 2].p;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            const struct block *low = &live[after ? i : k], *high = &live[after ? k : i];
            if (i == k || low->p > high->p || live[i].size != size)
                continue;
            size_t gap = (size_t)(high->p - (low->p + low->size));
            if (gap < best) {
                best = gap;
                found = live[i].p;
            }
        }
    return found;
}

/* ---- What came of it -------------------------------------------------------------- */

static bool all_bytes(const unsigned char *p, size_t size, unsigned char value)
{
    return p[0] == value && memcmp(p, p + 1, size - 1) == 0;
}

static void check_live(void)
{
    for (size_t i = 0; i < count; i++)
        if (!all_bytes(live[i].p, live[i].size, live[i].value))
            missed();
}

static const unsigned char *kept_from, *kept_to;

void keep_out(const void *from, size_t size)
{
    kept_from = from;
    kept_to = kept_from + size;
}

/* A block that was just allocated: it must lie apart from all others, which must not
 * notice that it is written to. */
static void check_new(void *block, size_t size)
{
    const unsigned char *p = block;
    if (p == NULL || is_live(p, size) || (p < kept_to && kept_from < p + size))
        missed();
    remember(block, size);
}

noreturn void harmless_unless_damaged(size_t size)
{
    const size_t sizes[] = {size, size, 24, 64, 100, 1000, 5000, 100000};
    check_live();
    for (int round = 0; round < 3; round++) {
        size_t first = count;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
            for (size_t n = sizes[i] > MIB ? 2 : 16; n > 0; n--) {
                bool zeroed = n % 4 == 2;
                unsigned char *p = hide(zeroed ? calloc(1, sizes[i]) : malloc(sizes[i]));
                if (p != NULL && zeroed && !all_bytes(p, sizes[i], 0))
                    missed();
                check_new(p, sizes[i]);
            }
        check_live();
        while (count > first + 3)
            give(live[first + (count - first) / 2].p);
    }
    check_live();
    end("harmless\n");
}

void *comes_again(const void *p, size_t size)
{
    for (int i = 0; i < REUSE; i++) {
        unsigned char *q = get(size);
        if (q <= (const unsigned char *)p && (const unsigned char *)p < q + size)
            return q;
    }
    return NULL;
}

/* A few equal bytes may be there by chance; a row of them may not. */
bool holds_secret(const void *from, size_t size)
{
    const volatile unsigned char *p = from;
    size_t row = 0, longest = 0;
    for (size_t i = 0; i < size; i++) {
        row = p[i] == SECRET ? row + 1 : 0;
        longest = row > longest ? row : longest;
    }
    return longest >= 6;
}

void *function(const char *name)
{
    static void *cxx;
    void *found = dlsym(RTLD_DEFAULT, name);
    if (found == NULL && name[0] == '_') {
        /* An allocator that leaves operator new and delete to the C++ library. */
        if (cxx == NULL)
            cxx = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL);
        found = cxx != NULL ? dlsym(cxx, name) : NULL;
    }
    if (found == NULL)
        absent();
    return found;
}

/* ---- Running ---------------------------------------------------------------------- */

static const struct misuse *find(const char *name)
{
    for (const struct misuse *it = catalogue; it->name != NULL; it++)
        if (strcmp(it->name, name) == 0)
            return it;
    return NULL;
}

static noreturn void run(const struct misuse *it)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(20);
    it->run(it);
    unfit("a case came to no end");
}

/* In a process that is as it was when it started, with its standard error thrown away. */
static const char *outcome(const char *exe, const char *name)
{
    static char text[32];
    int fds[2], status;
    memset(text, 0, sizeof(text));
    if (pipe(fds) != 0)
        unfit("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(fds[1], 1) < 0 || freopen("/dev/null", "w", stderr) == NULL)
            _exit(98);
        close(fds[0]);
        execl(exe, exe, name, (char *)NULL);
        _exit(97);
    }
    close(fds[1]);
    ssize_t n = read(fds[0], text, sizeof(text) - 1);
    close(fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        unfit("no child");
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGALRM ? "missed" : "caught";
    if (n <= 1 || WEXITSTATUS(status) != 0)
        return "failed";
    text[n - 1] = '\0';
    return text;
}

int main(int argc, char **argv)
{
    char exe[4096] = "";
    if (argc == 2) {
        const struct misuse *it = find(argv[1]);
        if (it == NULL)
            unfit("no such case");
        run(it);
    }
    if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) <= 0)
        unfit("/proc is needed");
    for (const struct misuse *it = catalogue; it->name != NULL; it++) {
        printf("%s %s\n", it->name, outcome(exe, it->name));
        fflush(stdout);
    }
    return 0;
}
