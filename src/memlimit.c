/* SPDX-License-Identifier: MIT */
#include "memlimit.h"

#include "os.h"
#include "sys.h"
#include "text.h"
#include <string.h>

/* 0: not yet [any, relaxed: everybody finds the same] */
static _Atomic uint64_t known HM_COLD_DATA;

struct work {
    char groups[8192]; /* /proc/self/cgroup: a line for each hierarchy */
    char path[8192];
    char value[32];
};

/* Bytes read, or 0; always terminated. */
static size_t read_file(const char *path, char *buf, size_t size)
{
    const long fd = hm_sys_open_read(path);
    long got;

    buf[0] = '\0';
    if (hm_sys_failed(fd))
        return 0;
    got = hm_sys_read((int)fd, buf, size - 1);
    hm_sys_close((int)fd);
    if (hm_sys_failed(got))
        return 0;
    buf[got] = '\0';
    return (size_t)got;
}

/* The number in a file; UINT64_MAX when it says "max", or nothing. */
static uint64_t read_limit(struct work *w)
{
    uint64_t value = 0;
    size_t i = 0;

    read_file(w->path, w->value, sizeof w->value);
    for (; w->value[i] >= '0' && w->value[i] <= '9'; i++) {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (unsigned)(w->value[i] - '0'), &value))
            return UINT64_MAX;
    }
    return i > 0 ? value : UINT64_MAX;
}

/* The lowest limit from a group up to the root of its hierarchy. In a container the path
 * may be one of the host's, of which only the root is there: that is the container's. */
static uint64_t lowest(struct work *w, const char *root, const char *mount,
                       const char *file, const char *group, size_t len)
{
    uint64_t limit = UINT64_MAX;

    for (;;) {
        struct hm_text path;
        uint64_t found;

        while (len > 0 && group[len - 1] == '/')
            len--;
        hm_text_init(&path, w->path, sizeof w->path, -1);
        hm_text_printf(&path, "%s%s%.*s/%s", root, mount, (int)len, group, file);
        hm_text_flush(&path);
        found = path.truncated ? UINT64_MAX : read_limit(w);
        if (found < limit)
            limit = found;
        if (len == 0)
            return limit;
        while (len > 0 && group[len - 1] != '/')
            len--;
    }
}

/* Whether a comma-separated list has the word "memory". */
static bool has_memory(const char *list, const char *end)
{
    static const char word[] = "memory";
    const size_t len = sizeof word - 1;

    for (const char *at = list; at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;

        if ((size_t)(stop - at) == len && memcmp(at, word, len) == 0)
            return true;
        at = stop + 1;
    }
    return false;
}

/* A line "ID:CONTROLLERS:GROUP"; version 2 has the ID 0 and names no controllers. */
static uint64_t limit_of_line(struct work *w, const char *root, const char *line,
                              const char *end)
{
    const char *list = memchr(line, ':', (size_t)(end - line));
    const char *group;

    if (list == NULL)
        return UINT64_MAX;
    list++;
    group = memchr(list, ':', (size_t)(end - list));
    if (group == NULL)
        return UINT64_MAX;
    if (group == list)
        return lowest(w, root, "/sys/fs/cgroup", "memory.max", group + 1,
                      (size_t)(end - group - 1));
    if (has_memory(list, group))
        return lowest(w, root, "/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                      group + 1, (size_t)(end - group - 1));
    return UINT64_MAX;
}

uint64_t hm_memlimit_from(const char *root)
{
    uint64_t limit = hm_os_memory();
    struct work *w = hm_os_scratch_map(sizeof *w);
    struct hm_text path;
    size_t len;

    if (w == NULL)
        return limit;
    hm_text_init(&path, w->path, sizeof w->path, -1);
    hm_text_printf(&path, "%s/proc/self/cgroup", root);
    hm_text_flush(&path);
    len = read_file(w->path, w->groups, sizeof w->groups);
    for (const char *at = w->groups; at < w->groups + len;) {
        const char *newline = memchr(at, '\n', (size_t)(w->groups + len - at));
        const char *end = newline != NULL ? newline : w->groups + len;
        const uint64_t found = limit_of_line(w, root, at, end);

        if (found < limit)
            limit = found;
        at = end + 1;
    }
    hm_os_scratch_unmap(w, sizeof *w);
    return limit;
}

uint64_t hm_memlimit(void)
{
    uint64_t limit = hm_load_relaxed(&known);

    if (limit == 0) {
        limit = hm_memlimit_from("");
        hm_store_relaxed(&known, limit);
    }
    return limit;
}
