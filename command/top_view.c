/* SPDX-License-Identifier: MIT */
#include "top_view.h"
#include "figures.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A process that is stopped may not hold up the others. */
enum { PATIENCE_MS = 500 };

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Sampling --------------------------------------------------------------------------- */

static uint64_t resident_of(long pid)
{
    char *path = hm_out_format("/proc/%ld/statm", pid);
    FILE *in = fopen(path, "re");
    unsigned long pages = 0;

    free(path);
    if (in == NULL)
        return 0;
    if (fscanf(in, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(in);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void sample(struct hm_top_process *p)
{
    uint64_t past[HM_LIVE_FIGURES];

    memcpy(past, p->live.figures, sizeof past);
    p->live.patience = PATIENCE_MS;
    p->answers = hm_live_read(&p->live);
    if (!p->answers) {
        /* It may have become another program, with a page of its own. */
        hm_live_close(&p->live);
        p->is_open = false;
        return;
    }
    p->has_past = p->at != 0;
    p->past_at = p->at;
    memcpy(p->past, past, sizeof past);
    p->at = now_ms();
    p->resident = resident_of(p->live.pid);
}

static struct hm_top_process *find(struct hm_top *top, long pid)
{
    for (size_t i = 0; i < top->count; i++)
        if (top->processes[i].live.pid == pid)
            return &top->processes[i];
    return NULL;
}

/* The process as it was known, or newly found. */
static struct hm_top_process taken_over(struct hm_top *top, long pid)
{
    struct hm_top_process *known = find(top, pid), p = {.is_open = false};

    if (known != NULL && known->is_open) {
        p = *known;
        known->is_open = false;
        return p;
    }
    p.is_open = hm_live_open(&p.live, pid, true);
    p.live.pid = pid;
    return p;
}

void hm_top_refresh(struct hm_top *top)
{
    long *found = NULL;
    size_t count = top->asked != NULL ? top->asked_count : hm_live_list(&found);
    const long *pids = top->asked != NULL ? top->asked : found;
    struct hm_top_process *processes = hm_out_alloc((count + 1) * sizeof *processes);
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        struct hm_top_process p = taken_over(top, pids[i]);

        if (p.is_open)
            sample(&p);
        if (p.is_open || top->asked != NULL)
            processes[used++] = p;
    }
    for (size_t i = 0; i < top->count; i++)
        if (top->processes[i].is_open)
            hm_live_close(&top->processes[i].live);
    free(top->processes);
    free(found);
    top->processes = processes;
    top->count = used;
    hm_top_sort(top);
}

/* Order ------------------------------------------------------------------------------ */

static int compare(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static int by_live(const void *a, const void *b)
{
    const struct hm_top_process *x = a, *y = b;

    return compare(x->live.figures[HM_LIVE_live_bytes],
                   y->live.figures[HM_LIVE_live_bytes]);
}

static int by_cached(const void *a, const void *b)
{
    const struct hm_top_process *x = a, *y = b;

    return compare(x->live.figures[HM_LIVE_cached_bytes],
                   y->live.figures[HM_LIVE_cached_bytes]);
}

static int by_resident(const void *a, const void *b)
{
    const struct hm_top_process *x = a, *y = b;

    return compare(x->resident, y->resident);
}

static int by_pid(const void *a, const void *b)
{
    const struct hm_top_process *x = a, *y = b;

    return -compare((uint64_t)x->live.pid, (uint64_t)y->live.pid);
}

void hm_top_sort(struct hm_top *top)
{
    static int (*const orders[])(const void *, const void *) = {by_live, by_cached,
                                                                by_resident, by_pid};

    if (top->count > 0)
        qsort(top->processes, top->count, sizeof *top->processes, orders[top->order]);
}

static uint64_t live_blocks(const struct hm_live_class *c)
{
    return c->blocks - hm_min(c->blocks, c->cached);
}

static int by_bytes(const void *a, const void *b)
{
    const struct hm_live_class *x = a, *y = b;

    return compare(live_blocks(x) * x->size, live_blocks(y) * y->size);
}

static int by_size(const void *a, const void *b)
{
    const struct hm_live_class *x = a, *y = b;

    return -compare(x->size, y->size);
}

static int by_slabs(const void *a, const void *b)
{
    const struct hm_live_class *x = a, *y = b;

    return compare(x->slabs, y->slabs);
}

struct hm_top_process *hm_top_selected(struct hm_top *top)
{
    struct hm_top_process *p = find(top, top->selected);

    return p != NULL ? p : top->count > 0 ? &top->processes[0] : NULL;
}

void hm_top_move(struct hm_top *top, int lines)
{
    struct hm_top_process *p = hm_top_selected(top);
    long to;

    if (p == NULL)
        return;
    to = p - top->processes + lines;
    if (to >= 0 && to < (long)top->count)
        top->selected = top->processes[to].live.pid;
}

/* Lines ------------------------------------------------------------------------------ */

struct lines {
    struct hm_top_line *all;
    size_t count;
};

static void add(struct lines *l, enum hm_top_style style, char *text)
{
    l->all = hm_out_realloc(l->all, (l->count + 1) * sizeof *l->all);
    for (char *c = text; *c != '\0'; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
    l->all[l->count++] = (struct hm_top_line){text, style};
}

/* What came since the last round, a second; "-": not known yet. */
static char *rate(const struct hm_top_process *p, enum hm_live_figure figure)
{
    uint64_t ms = p->at - p->past_at, now = p->live.figures[figure];

    if (!p->has_past || ms == 0 || now < p->past[figure])
        return hm_out_strdup("-");
    return hm_out_format("%.0f", (double)(now - p->past[figure]) * 1000 / (double)ms);
}

/* The same for hits: those since the last round, or the start if there were none. */
static char *hits(const struct hm_top_process *p)
{
    struct hm_live since = p->live;

    if (p->has_past && p->past[HM_LIVE_refills] < p->live.figures[HM_LIVE_refills]) {
        since.figures[HM_LIVE_refills] -= p->past[HM_LIVE_refills];
        since.figures[HM_LIVE_refilled_blocks] -= p->past[HM_LIVE_refilled_blocks];
    }
    return hm_figures_percent(hm_figures_cache_hits(&since));
}

static void add_process(struct lines *l, struct hm_top *top,
                        const struct hm_top_process *p)
{
    static const enum hm_live_figure sizes[] = {
        HM_LIVE_live_bytes, HM_LIVE_cached_bytes, HM_LIVE_retained_bytes,
        HM_LIVE_bigcache_bytes, HM_LIVE_returned_bytes};
    const struct hm_top_process *selected = hm_top_selected(top);
    const bool is_selected = selected != NULL && selected == p;
    enum hm_top_style style = is_selected ? HM_TOP_SELECTED : HM_TOP_PLAIN;
    char *cells[HM_ARRAY_LEN(sizes) + 5], *line, *longer;
    size_t n = 0;

    if (!p->answers) {
        add(l, style,
            hm_out_format("%8ld  does not answer, or has no page", p->live.pid));
        return;
    }
    cells[n++] = hm_figures_bytes(p->resident);
    for (size_t i = 0; i < HM_ARRAY_LEN(sizes); i++)
        cells[n++] = hm_figures_bytes(p->live.figures[sizes[i]]);
    cells[n++] =
        hm_out_format("%llu", (unsigned long long)p->live.figures[HM_LIVE_superslabs]);
    cells[n++] = hits(p);
    cells[n++] = rate(p, HM_LIVE_remote_frees);
    cells[n++] = rate(p, HM_LIVE_lock_waits);
    line = hm_out_format("%8ld  %-15.15s", p->live.pid, p->live.command);
    for (size_t i = 0; i < n; i++) {
        longer = hm_out_format("%s %10s", line, cells[i]);
        free(line);
        free(cells[i]);
        line = longer;
    }
    add(l, style, line);
}

static void add_classes(struct lines *l, struct hm_top *top, const struct hm_live *live)
{
    static int (*const orders[])(const void *, const void *) = {by_bytes, by_size,
                                                                by_slabs};
    struct hm_live_class classes[HM_PAGE_CLASSES];
    char *bytes;

    memcpy(classes, live->classes, sizeof classes);
    qsort(classes, HM_PAGE_CLASSES, sizeof classes[0], orders[top->class_order]);
    add(l, HM_TOP_HEADING,
        hm_out_format("%8s %10s %12s %12s %12s", "CLASS", "SLABS", "LIVE BLOCKS",
                      "CACHED", "LIVE BYTES"));
    for (size_t i = 0; i < HM_PAGE_CLASSES; i++) {
        const struct hm_live_class *c = &classes[i];

        if (c->size == 0)
            continue;
        bytes = hm_figures_bytes(live_blocks(c) * c->size);
        add(l, HM_TOP_PLAIN,
            hm_out_format("%8llu %10llu %12llu %12llu %12s", (unsigned long long)c->size,
                          (unsigned long long)c->slabs,
                          (unsigned long long)live_blocks(c),
                          (unsigned long long)c->cached, bytes));
        free(bytes);
    }
}

size_t hm_top_lines(struct hm_top *top, struct hm_top_line **lines)
{
    static const char *const heading[] = {"RESIDENT", "LIVE",     "CACHED",  "RETAINED",
                                          "BIGCACHE", "RETURNED", "SUPERSL", "HITS",
                                          "REMOTE/s", "WAITS/s"};
    const struct hm_top_process *selected = hm_top_selected(top);
    struct lines l = {.count = 0};
    char *line = hm_out_format("%8s  %-15s", "PID", "COMMAND"), *longer;

    for (size_t i = 0; i < HM_ARRAY_LEN(heading); i++) {
        longer = hm_out_format("%s %10s", line, heading[i]);
        free(line);
        line = longer;
    }
    add(&l, HM_TOP_HEADING, line);
    for (size_t i = 0; i < top->count; i++)
        add_process(&l, top, &top->processes[i]);
    if (top->count == 0)
        add(&l, HM_TOP_PLAIN,
            hm_out_strdup("no process of this user has a statistics "
                          "page: see 'hakmem run --stats'"));
    add(&l, HM_TOP_PLAIN, hm_out_strdup(""));
    if (selected != NULL && selected->answers)
        add_classes(&l, top, &selected->live);
    *lines = l.all;
    return l.count;
}

void hm_top_free_lines(struct hm_top_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(lines[i].text);
    free(lines);
}
