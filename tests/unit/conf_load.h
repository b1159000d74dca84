/* SPDX-License-Identifier: MIT */
/* conf_load: loading a text as if it were hakmem.conf, for the tests of conf. */
#ifndef HM_TEST_CONF_LOAD_H
#define HM_TEST_CONF_LOAD_H

#include "capture.h"
#include "support.h"

#include "conf.h"
#include "conf_origin.h"
#include "os.h"

static UNUSED const char *load_start(const char *text, const struct hm_sys_start *start)
{
    struct capture c = capture_begin();

    hm_conf_load_text(start, text, strlen(text));
    return capture_end(c);
}

/* Loads a text with up to three environment variables; returns what was said. */
static UNUSED const char *load_env(const char *text, const char *e1, const char *e2,
                                   const char *e3)
{
    const char *envp[] = {"PATH=/bin", e1, e2, e3, NULL};
    struct hm_sys_start start = {.envp = (char **)(void *)envp, .page_size = 4096};

    return load_start(text, &start);
}

static UNUSED const char *load(const char *text)
{
    return load_env(text, NULL, NULL, NULL);
}

static UNUSED const char *value(const char *name)
{
    static char bufs[4][HM_OPTION_TEXT_MAX];
    static unsigned next;
    char *buf = bufs[next++ % 4];
    struct hm_text t;

    hm_text_init(&t, buf, HM_OPTION_TEXT_MAX, -1);
    assert_true(hm_option_get(name, &t));
    hm_text_flush(&t);
    return buf;
}

static UNUSED const char *origin(const char *name)
{
    static char buf[HM_CONF_ORIGIN_MAX];
    struct hm_text t;

    hm_text_init(&t, buf, sizeof buf, -1);
    assert_true(hm_option_origin(name, &t));
    hm_text_flush(&t);
    assert_false(t.truncated);
    return buf;
}

#define ORIGIN(option) origin(#option)

#endif
