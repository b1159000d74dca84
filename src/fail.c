/* SPDX-License-Identifier: MIT */
#include "fail.h"

#include "sys.h"
#include "text.h"
#include <stdlib.h>

enum { MESSAGE_MAX = 1024 };

/* [const after hm_fail_init]. Silent until AT_SECURE is known. */
static const char *active_profile = "not yet known";
static bool is_quiet = true;
static _Atomic unsigned warnings;

struct message {
    struct hm_text text;
    char buf[MESSAGE_MAX];
};

static void message_begin(struct message *m)
{
    /* One byte stays for the newline, so that a message cut short is a line all the same.
     */
    hm_text_init(&m->text, m->buf, sizeof m->buf - 1, -1);
    hm_text_printf(&m->text, "hakmem: ");
}

static void message_end(struct message *m)
{
    m->buf[m->text.len] = '\n';
    hm_sys_write_all(2, m->buf, m->text.len + 1);
}

void hm_fail_init(const char *profile, bool quiet)
{
    active_profile = profile;
    is_quiet = quiet;
}

void hm_fail_misuse(const char *call, const void *ptr, const char *what, ...)
{
    struct message m;
    va_list args;

    message_begin(&m);
    hm_text_printf(&m.text, "%s(%p): ", call, ptr);
    va_start(args, what);
    hm_text_vprintf(&m.text, what, &args);
    va_end(args);
    hm_text_printf(&m.text, " (profile %s)", active_profile);
    message_end(&m);
    abort();
}

void hm_fail(const char *what, ...)
{
    struct message m;
    va_list args;

    message_begin(&m);
    va_start(args, what);
    hm_text_vprintf(&m.text, what, &args);
    va_end(args);
    message_end(&m);
    abort();
}

unsigned hm_warnings(void)
{
    return hm_load_relaxed(&warnings);
}

void hm_warn(const char *what, ...)
{
    struct message m;
    va_list args;

    hm_add_relaxed(&warnings, 1);
    if (is_quiet)
        return;
    message_begin(&m);
    va_start(args, what);
    hm_text_vprintf(&m.text, what, &args);
    va_end(args);
    message_end(&m);
}

void hm_assert_failed(const char *file, int line, const char *cond)
{
    struct message m;

    message_begin(&m);
    hm_text_printf(&m.text, "%s:%d: broken invariant: %s", file, line, cond);
    message_end(&m);
    abort();
}
