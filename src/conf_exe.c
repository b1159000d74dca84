/* SPDX-License-Identifier: MIT */
#include "conf_exe.h"

void hm_conf_exe_init(struct hm_conf_exe *exe, const struct hm_sys_start *start)
{
    *exe = (struct hm_conf_exe){.file = start->exe,
                                .invoked = start->secure ? NULL : start->execfn,
                                .asked = start->exe != NULL,
                                .secure = start->secure};
}

static void ask(struct hm_conf_exe *exe)
{
    static char path[1024] HM_COLD_DATA; /* a longer one stays unknown */
    long len = hm_sys_readlink("/proc/self/exe", path, sizeof path);

    exe->asked = true;
    if (hm_sys_failed(len) || (size_t)len == sizeof path || path[0] != '/')
        return;
    path[len] = '\0';
    exe->file = path;
}

/* What a star matched can only be wrong for the last star: those before it stand in parts
 * of the path that are matched already, or could only match less. */
static bool fits(struct hm_span pattern, const char *s)
{
    const char *star_s = NULL; /* where the last star's text ends for now */
    size_t star = 0;           /* the pattern behind that star */
    size_t p = 0;

    while (*s != '\0' || p < pattern.n) {
        if (p < pattern.n && pattern.s[p] == '*') {
            star = ++p;
            star_s = s;
        } else if (p < pattern.n && *s != '\0' &&
                   (pattern.s[p] == *s || (pattern.s[p] == '?' && *s != '/'))) {
            p++;
            s++;
        } else if (star_s != NULL && *star_s != '\0' && *star_s != '/') {
            s = ++star_s;
            p = star;
        } else {
            return false;
        }
    }
    return true;
}

static const char *last_part(const char *path)
{
    const char *last = path;

    for (const char *p = path; *p != '\0'; p++) {
        if (*p == '/')
            last = p + 1;
    }
    return last;
}

const char *hm_conf_exe_name(struct hm_conf_exe *exe)
{
    const char *path = exe->invoked;

    if (path == NULL && !exe->asked)
        ask(exe);
    if (path == NULL)
        path = exe->file;
    return path != NULL ? last_part(path) : NULL;
}

static bool matches(struct hm_span pattern, const char *path)
{
    if (path == NULL)
        return false;
    return fits(pattern, pattern.n > 0 && pattern.s[0] == '/' ? path : last_part(path));
}

bool hm_conf_exe_matches(struct hm_conf_exe *exe, struct hm_span pattern)
{
    if (matches(pattern, exe->invoked))
        return true;
    if (!exe->asked)
        ask(exe);
    return matches(pattern, exe->file);
}

bool hm_conf_exe_concerns(struct hm_conf_exe *exe, const struct hm_conf_item *item)
{
    switch (item->scope) {
    case HM_CONF_TOP:
        return true;
    case HM_CONF_APP:
        return hm_conf_exe_matches(exe, item->section);
    case HM_CONF_SECURE:
        return exe->secure;
    case HM_CONF_PROFILE:
        break;
    }
    return false;
}
