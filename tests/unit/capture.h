/* SPDX-License-Identifier: MIT */
/* capture: what a function writes to file descriptor 2, as a string. */
#ifndef HM_TEST_CAPTURE_H
#define HM_TEST_CAPTURE_H

#include "support.h"

struct capture {
    int saved; /* the real file descriptor 2 */
    int file;
};

static UNUSED struct capture capture_begin(void)
{
    struct capture c = {dup(2), memfd_create("capture", MFD_CLOEXEC)};

    REQUIRE(c.saved >= 0 && c.file >= 0);
    REQUIRE(dup2(c.file, 2) == 2);
    return c;
}

static UNUSED const char *capture_end(struct capture c)
{
    static char text[16384];
    ssize_t got = pread(c.file, text, sizeof text - 1, 0);

    dup2(c.saved, 2);
    close(c.saved);
    close(c.file);
    REQUIRE(got >= 0);
    text[got] = '\0';
    return text;
}

#endif
