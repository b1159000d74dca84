/* SPDX-License-Identifier: MIT */
/* live: a running process's statistics page (page.h), from outside. */
#ifndef HM_LIVE_H
#define HM_LIVE_H

#include "out.h"
#include "page.h"

enum hm_live_figure {
#define HM_FIGURE(name, kind, unit, sentence) HM_LIVE_##name,
#include "report.def"
#undef HM_FIGURE
    HM_LIVE_FIGURES
};

struct hm_live_class {
    uint64_t size, slabs, blocks, cached; /* enum hm_page_column */
};

struct hm_live {
    long pid;
    struct hm_page *page;
    int fd;
    char *dir;                         /* where its files are */
    char *name;                        /* its file there */
    char *command;                     /* /proc/PID/comm */
    char library[16], profile[72];     /* as in struct hm_page */
    uint64_t patience;                 /* milliseconds that an answer may take */
    bool quiet;                        /* nothing is said about what it cannot do */
    uint64_t figures[HM_LIVE_FIGURES]; /* those that it does not know are zero */
    struct hm_live_class classes[HM_PAGE_CLASSES];
};

/* The process that an argument names; 0, after saying so: it is no number. */
long hm_live_pid(const char *command, const char *argument);
/* False, after saying why unless `quiet`: no such process, or it has no page. What
 * `quiet` is holds for the other functions, too. */
bool hm_live_open(struct hm_live *live, long pid, bool quiet);
void hm_live_close(struct hm_live *live);

/* Has the process do something, and waits until it has. False, after saying so: it does
 * not answer. `argument` may be NULL. */
bool hm_live_ask(struct hm_live *live, enum hm_page_kind kind, const char *argument,
                 int64_t *result);
/* Fills in figures and classes, as of now. False, after saying so: no answer. */
bool hm_live_read(struct hm_live *live);
/* All that the process has mapped, in the form of dump.h, for reading; NULL, after saying
 * so: it could not. To be closed by the caller. */
FILE *hm_live_dump(struct hm_live *live);

/* This user's processes that have a page, by number; how many. Stale files are removed.
 */
size_t hm_live_list(long **pids);

#endif
