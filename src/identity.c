/* SPDX-License-Identifier: MIT */
#include "identity.h"

#define START_TIME_FIELD 22

uint64_t hm_identity_number(const char *text, const char **end)
{
    uint64_t n = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (uint64_t)(*text - '0');
    *end = text;
    return n;
}

/* The second field is a name in parentheses, which may contain anything. */
static uint64_t start_time_in(const char *stat, size_t length)
{
    const char *at = stat + length;
    while (at > stat && *at != ')')
        at--;
    for (unsigned field = 2; field < START_TIME_FIELD; at++) {
        if (*at == '\0')
            return 0;
        field += *at == ' ';
    }
    return hm_identity_number(at, &at);
}

uint64_t hm_identity_start_time(unsigned pid)
{
    char path[sizeof "/proc//stat" + 10], stat[1024]; /* half of it is needed */
    struct hm_text text;
    hm_text_init(&text, path, sizeof path, -1);
    if (pid == 0)
        hm_text_printf(&text, "/proc/self/stat");
    else
        hm_text_printf(&text, "/proc/%u/stat", pid);
    hm_text_flush(&text);
    long fd = hm_sys_open_read(path);
    if (hm_sys_failed(fd))
        return 0;
    long got = hm_sys_read((int)fd, stat, sizeof stat - 1);
    hm_sys_close((int)fd);
    if (got <= 0)
        return 0;
    stat[got] = '\0';
    return start_time_in(stat, (size_t)got);
}

uint64_t hm_identity_namespace(void)
{
    static const char before[] = "pid:[";
    char link[64];
    long got = hm_sys_readlink("/proc/self/ns/pid", link, sizeof link - 1);
    if (got < (long)sizeof before)
        return 0;
    link[got] = '\0';
    const char *end;
    return hm_identity_number(link + sizeof before - 1, &end);
}
