/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static long call(long nr, long a, long b, long c, long d)
{
    return hm_sys_call(nr, a, b, c, d, 0, 0);
}

/* statx(2), whose struct is the same on every machine. */
static bool status(int dir, const char *name, struct statx *st)
{
    long flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    return !hm_sys_failed(
        hm_sys_call(SYS_statx, dir, (long)name, flags, STATX_BASIC_STATS, (long)st, 0));
}

static bool is_own(const struct statx *st, unsigned type)
{
    return (st->stx_mode & S_IFMT) == type && st->stx_uid == hm_sys_geteuid() &&
           (st->stx_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* Opens what is there; it must be this user's and of that type. */
static long open_own(int dir, const char *name, int flags, unsigned type)
{
    struct statx st;
    flags |= O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    long fd = call(SYS_openat, dir, (long)name, flags, 0);
    if (hm_sys_failed(fd))
        return fd;
    if (status((int)fd, "", &st) && is_own(&st, type))
        return fd;
    hm_sys_close((int)fd);
    return -EPERM;
}

long hm_file_private_dir(const char *path)
{
    /* EEXIST is as good; whatever else fails, opening fails too. */
    call(SYS_mkdirat, AT_FDCWD, (long)path, S_IRWXU, 0);
    return open_own(AT_FDCWD, path, O_DIRECTORY, S_IFDIR);
}

long hm_file_make(int dir, const char *name)
{
    long flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    return call(SYS_openat, dir, (long)name, flags, S_IRUSR | S_IWUSR);
}

long hm_file_open(int dir, const char *name)
{
    return open_own(dir, name, 0, S_IFREG);
}

long hm_file_reserve(int fd, size_t size)
{
    return call(SYS_fallocate, fd, 0, 0, (long)size);
}

long hm_file_rename(int dir, const char *from, const char *to)
{
    return hm_sys_call(SYS_renameat2, dir, (long)from, dir, (long)to, 0, 0);
}

void hm_file_remove(int dir, const char *name)
{
    call(SYS_unlinkat, dir, (long)name, 0, 0);
}

bool hm_file_is(int fd, int dir, const char *name)
{
    struct statx open, named;
    return status(fd, "", &open) && status(dir, name, &named) &&
           open.stx_ino == named.stx_ino && open.stx_dev_major == named.stx_dev_major &&
           open.stx_dev_minor == named.stx_dev_minor;
}
