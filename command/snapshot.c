/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include "figures.h"
#include "live.h"
#include "out.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Reading the dump ------------------------------------------------------------------- */

#define X "%" SCNx64
#define U "%" SCNu64

/* One more element behind an array, all zero. */
#define MORE(array, count)                                                        \
    ((array) = hm_out_realloc((array), ((count) + 1) * sizeof *(array)),          \
     memset(&(array)[count], 0, sizeof *(array)), &(array)[(count)++])

static bool read_superslab(struct hm_snapshot *s, const char *line)
{
    struct hm_snap_superslab *ss = MORE(s->superslabs, s->superslab_count);
    char kind[8];

    if (sscanf(line, "superslab " X " " U " %7s %u " X " " U, &ss->base, &ss->size, kind,
               &ss->shard, &ss->state, &ss->state_size) != 6)
        return false;
    ss->is_small = strcmp(kind, "small") == 0;
    return true;
}

static struct hm_snap_run *add_run(struct hm_snapshot *s, enum hm_run_kind kind)
{
    struct hm_snap_superslab *ss;
    struct hm_snap_run *run;

    if (s->superslab_count == 0)
        return NULL;
    ss = &s->superslabs[s->superslab_count - 1];
    run = MORE(ss->runs, ss->count);
    run->kind = kind;
    return run;
}

static bool read_slab(struct hm_snapshot *s, const char *line)
{
    struct hm_snap_run *run = add_run(s, HM_RUN_SLAB);

    return run != NULL &&
           sscanf(line, "slab " X " " U " " U " " U " " U " " U " " U, &run->base,
                  &run->size, &run->cls, &run->block_size, &run->blocks, &run->out,
                  &run->live) == 7;
}

static bool read_medium(struct hm_snapshot *s, const char *line)
{
    struct hm_snap_run *run = add_run(s, HM_RUN_MEDIUM);

    if (run == NULL ||
        sscanf(line, "medium " X " " U " " U, &run->base, &run->size, &run->live) != 3)
        return false;
    run->block_size = run->size;
    return true;
}

static bool read_big(struct hm_snapshot *s, const char *line)
{
    struct hm_snap_big *big = MORE(s->bigs, s->big_count);
    char state[8];

    if (sscanf(line, "big " X " " U " %7s", &big->base, &big->size, state) != 3)
        return false;
    big->state = strcmp(state, "live") == 0 || strcmp(state, "detour") == 0
                     ? HM_SNAP_LIVE
                     : HM_SNAP_CACHED;
    return true;
}

static bool read_range(struct hm_snapshot *s, const char *line)
{
    struct hm_snap_range *range = MORE(s->ranges, s->range_count);

    return sscanf(line, "%*s " X " " U, &range->base, &range->size) == 2;
}

static bool read_window(struct hm_snapshot *s, const char *line)
{
    return sscanf(line, "window " X " " U, &s->window, &s->window_size) == 2;
}

static bool read_line(struct hm_snapshot *s, const char *line)
{
    static const struct {
        const char *word;
        bool (*read)(struct hm_snapshot *s, const char *line);
    } kinds[] = {
        {"superslab ", read_superslab}, {"slab ", read_slab},   {"medium ", read_medium},
        {"big ", read_big},             {"meta ", read_range},  {"region ", read_range},
        {"window ", read_window},
    };

    for (size_t i = 0; i < HM_ARRAY_LEN(kinds); i++) {
        if (strncmp(line, kinds[i].word, strlen(kinds[i].word)) == 0)
            return kinds[i].read(s, line);
    }
    return true; /* of a newer library */
}

static bool read_dump(struct hm_snapshot *s, FILE *in)
{
    char *line = NULL, profile[128];
    bool good, is_whole = false;
    size_t room = 0;

    good = getline(&line, &room, in) > 0 &&
           sscanf(line, "hakmem-dump 1 %*d %127s %*u " U, profile, &s->superslab_size) ==
               2;
    if (good)
        s->profile = hm_out_strdup(profile);
    while (good && getline(&line, &room, in) > 0) {
        is_whole = strncmp(line, "end ", 4) == 0;
        good = read_line(s, line);
    }
    free(line);
    return good && is_whole;
}

/* Order ------------------------------------------------------------------------------ */

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_superslab(const void *a, const void *b)
{
    return compare(((const struct hm_snap_superslab *)a)->base,
                   ((const struct hm_snap_superslab *)b)->base);
}

static int by_run(const void *a, const void *b)
{
    return compare(((const struct hm_snap_run *)a)->base,
                   ((const struct hm_snap_run *)b)->base);
}

static int by_big(const void *a, const void *b)
{
    return compare(((const struct hm_snap_big *)a)->base,
                   ((const struct hm_snap_big *)b)->base);
}

static void sort(void *array, size_t count, size_t size,
                 int (*by)(const void *, const void *))
{
    if (count > 1)
        qsort(array, count, size, by);
}

/* Pages ------------------------------------------------------------------------------ */

static void read_pages(struct hm_snapshot *s)
{
    struct hm_residency *r = &s->residency;

    for (size_t i = 0; i < s->superslab_count; i++) {
        struct hm_snap_superslab *ss = &s->superslabs[i];

        hm_residency_read(r, ss->base, ss->size, &ss->pages);
        hm_residency_read(r, ss->state, ss->state_size, &ss->state_pages);
    }
    for (size_t i = 0; i < s->big_count; i++)
        hm_residency_read(r, s->bigs[i].base, s->bigs[i].size, &s->bigs[i].pages);
    for (size_t i = 0; i < s->range_count; i++)
        hm_residency_read(r, s->ranges[i].base, s->ranges[i].size, &s->ranges[i].pages);
}

/* Settles a range; bytes of it that are resident. */
static uint64_t settle(struct hm_snapshot *s, struct hm_pages *pages, uint64_t base,
                       uint64_t size)
{
    hm_residency_settle(&s->residency, pages);
    return hm_pages_resident(pages, s->residency.page, base, size);
}

static void settle_pages(struct hm_snapshot *s)
{
    for (size_t i = 0; i < s->superslab_count; i++) {
        struct hm_snap_superslab *ss = &s->superslabs[i];

        ss->resident = settle(s, &ss->pages, ss->base, ss->size);
        ss->state_resident = settle(s, &ss->state_pages, ss->state, ss->state_size);
        for (size_t k = 0; k < ss->count; k++)
            ss->runs[k].resident =
                hm_pages_resident(&ss->pages, s->residency.page, ss->runs[k].base,
                                  ss->runs[k].size);
    }
    for (size_t i = 0; i < s->big_count; i++)
        s->bigs[i].resident =
            settle(s, &s->bigs[i].pages, s->bigs[i].base, s->bigs[i].size);
    for (size_t i = 0; i < s->range_count; i++)
        s->ranges[i].resident =
            settle(s, &s->ranges[i].pages, s->ranges[i].base, s->ranges[i].size);
}

bool hm_snapshot_take(struct hm_snapshot *s, long pid)
{
    struct hm_live live;
    FILE *in;
    bool good;

    *s = (struct hm_snapshot){.pid = pid};
    if (!hm_live_open(&live, pid, false))
        return false;
    s->command = hm_out_strdup(live.command);
    in = hm_live_read(&live) ? hm_live_dump(&live) : NULL;
    s->rounding = hm_figures_rounding(&live);
    hm_live_close(&live);
    if (in == NULL)
        return false;
    good = read_dump(s, in);
    fclose(in);
    if (!good) {
        hm_out_error("process %ld has another version of the library", pid);
        return false;
    }
    if (!hm_residency_open(&s->residency, pid))
        return false;
    sort(s->superslabs, s->superslab_count, sizeof *s->superslabs, by_superslab);
    for (size_t i = 0; i < s->superslab_count; i++)
        sort(s->superslabs[i].runs, s->superslabs[i].count, sizeof *s->superslabs[i].runs,
             by_run);
    sort(s->bigs, s->big_count, sizeof *s->bigs, by_big);
    read_pages(s);
    settle_pages(s);
    return true;
}
