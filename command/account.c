/* SPDX-License-Identifier: MIT */
#include "account.h"

#include <string.h>

static const struct {
    const char *key, *label;
} rows[HM_ACCOUNT_ROWS] = {
    [HM_ACCOUNT_LIVE] = {"live", "live blocks"},
    [HM_ACCOUNT_ROUNDING] = {"rounding", "rounding of small blocks, about"},
    [HM_ACCOUNT_CACHES] = {"caches", "free blocks in caches, quarantine"},
    [HM_ACCOUNT_PARTIAL] = {"partial", "free blocks in partly filled slabs"},
    [HM_ACCOUNT_FREE_UNITS] = {"free_units", "free units of SuperSlabs"},
    [HM_ACCOUNT_BIGCACHE] = {"bigcache", "freed big blocks that are kept"},
    [HM_ACCOUNT_STATE] = {"state", "state bytes"},
    [HM_ACCOUNT_DESCRIPTORS] = {"descriptors", "descriptors, map of addresses"},
    [HM_ACCOUNT_LIBRARY] = {"library", "libhakmem.so itself"},
    [HM_ACCOUNT_CODE] = {"code", "program and libraries: code"},
    [HM_ACCOUNT_DATA] = {"data", "program and libraries: data"},
    [HM_ACCOUNT_LIBC_HEAP] = {"libc_heap", "libc's own heap"},
    [HM_ACCOUNT_STACKS] = {"stacks", "stacks"},
    [HM_ACCOUNT_FILES] = {"files", "other files"},
    [HM_ACCOUNT_SHARED] = {"shared", "shared memory"},
    [HM_ACCOUNT_ANONYMOUS] = {"anonymous", "other anonymous memory"},
};

const char *hm_account_key(enum hm_account_row row)
{
    return rows[row].key;
}

const char *hm_account_label(enum hm_account_row row)
{
    return rows[row].label;
}

/* What libhakmem has --------------------------------------------------------------- */

/* Moves up to `want` bytes from what is left into a row. */
static void take(struct hm_account *a, enum hm_account_row row, uint64_t want,
                 uint64_t *left)
{
    if (want > *left)
        want = *left;
    a->bytes[row] += want;
    *left -= want;
}

/* How much of a slab is probably in pages in which no block is out: as if free blocks lay
 * at random, and all that a page has a part of have to be free. */
static uint64_t whole_pages(const struct hm_snap_run *run, uint64_t page)
{
    const double share = (double)(run->blocks - run->out) / (double)run->blocks;
    const uint64_t of_a_page = run->block_size >= page ? 2 : page / run->block_size + 1;
    double bytes = (double)run->resident;

    for (uint64_t i = 0; i < of_a_page; i++)
        bytes *= share;
    return (uint64_t)bytes;
}

/* Which blocks of a slab are resident is not known, only how much of it is: live ones
 * first, since the program uses them, then those that were out of the slab lately. */
static void add_slab(struct hm_account *a, const struct hm_snap_run *run, uint64_t page)
{
    uint64_t left = run->resident;

    take(a, HM_ACCOUNT_LIVE, run->live * run->block_size, &left);
    take(a, HM_ACCOUNT_CACHES, (run->out - run->live) * run->block_size, &left);
    a->bytes[HM_ACCOUNT_PARTIAL] += left;
    if (run->blocks > 0 && run->out <= run->blocks)
        a->whole_pages += whole_pages(run, page);
}

static void add_slabs(struct hm_account *a, const struct hm_snap_superslab *ss,
                      uint64_t page)
{
    for (size_t i = 0; i < ss->count; i++)
        if (ss->runs[i].kind == HM_RUN_SLAB)
            add_slab(a, &ss->runs[i], page);
}

/* Medium blocks and free units. */
static void add_rest(struct hm_account *a, const struct hm_snap_superslab *ss)
{
    uint64_t free_units = ss->resident;

    for (size_t i = 0; i < ss->count; i++) {
        const struct hm_snap_run *run = &ss->runs[i];

        free_units -= run->resident;
        if (run->kind == HM_RUN_MEDIUM)
            a->bytes[run->live != 0 ? HM_ACCOUNT_LIVE : HM_ACCOUNT_FREE_UNITS] +=
                run->resident;
    }
    a->bytes[HM_ACCOUNT_FREE_UNITS] += free_units;
    a->bytes[HM_ACCOUNT_STATE] += ss->state_resident;
}

/* What blocks of slabs have beyond what was asked for, by a sample of requests. */
static void add_rounding(struct hm_account *a, double share)
{
    const uint64_t bytes =
        share > 0 ? (uint64_t)(share * (double)a->bytes[HM_ACCOUNT_LIVE]) : 0;

    a->bytes[HM_ACCOUNT_LIVE] -= bytes;
    a->bytes[HM_ACCOUNT_ROUNDING] += bytes;
}

static void add_heap(struct hm_account *a, const struct hm_snapshot *s)
{
    for (size_t i = 0; i < s->superslab_count; i++)
        add_slabs(a, &s->superslabs[i], s->residency.page);
    add_rounding(a, s->rounding);
    for (size_t i = 0; i < s->superslab_count; i++)
        add_rest(a, &s->superslabs[i]);
    for (size_t i = 0; i < s->big_count; i++)
        a->bytes[s->bigs[i].state == HM_SNAP_LIVE ? HM_ACCOUNT_LIVE
                                                   : HM_ACCOUNT_BIGCACHE] +=
            s->bigs[i].resident;
    for (size_t i = 0; i < s->range_count; i++)
        a->bytes[HM_ACCOUNT_DESCRIPTORS] += s->ranges[i].resident;
}

/* What else there is --------------------------------------------------------------- */

static bool begins(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_file(const struct hm_mapping *m)
{
    return m->name[0] == '/' && !begins(m->name, "/dev/zero");
}

/* Is part of the file mapped to be run? Then it is a program or a library. */
static bool is_code(const struct hm_residency *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->mappings[i].perms[2] == 'x' && strcmp(r->mappings[i].name, name) == 0)
            return true;
    }
    return false;
}

static bool is_guard(const struct hm_residency *r, size_t i, uint64_t end)
{
    return i < r->count && r->mappings[i].end == end &&
           begins(r->mappings[i].perms, "---");
}

static enum hm_account_row file_row(const struct hm_residency *r,
                                    const struct hm_mapping *m)
{
    if (strstr(m->name, "/libhakmem.so") != NULL)
        return HM_ACCOUNT_LIBRARY;
    if (begins(m->name, "/dev/shm/") || begins(m->name, "/memfd:") ||
        begins(m->name, "/SYSV"))
        return HM_ACCOUNT_SHARED;
    if (!is_code(r, m->name))
        return HM_ACCOUNT_FILES;
    return m->perms[1] == 'w' ? HM_ACCOUNT_DATA : HM_ACCOUNT_CODE;
}

static bool has_state(const struct hm_snapshot *s, const struct hm_mapping *m)
{
    for (size_t i = 0; i < s->superslab_count; i++)
        if (s->superslabs[i].state - m->start < m->end - m->start)
            return true;
    return false;
}

/* What of a mapping is no block, cache or descriptor of libhakmem's. */
static enum hm_account_row row_of(const struct hm_snapshot *s, size_t i)
{
    enum { ARENA = 64 << 20 }; /* glibc's arenas beside the first begin at multiples */
    const struct hm_residency *r = &s->residency;
    const struct hm_mapping *m = &r->mappings[i];

    /* Of SuperSlabs that are gone. */
    if (m->start - s->window < s->window_size)
        return HM_ACCOUNT_FREE_UNITS;
    if (has_state(s, m))
        return HM_ACCOUNT_STATE;
    if (is_file(m))
        return file_row(r, m);
    if (strcmp(m->name, "[heap]") == 0)
        return HM_ACCOUNT_LIBC_HEAP;
    if (begins(m->name, "[stack"))
        return HM_ACCOUNT_STACKS;
    if (begins(m->name, "[v"))
        return HM_ACCOUNT_CODE; /* the kernel's part: vdso */
    if (m->perms[3] == 's')
        return HM_ACCOUNT_SHARED;
    if (i > 0 && is_file(&r->mappings[i - 1]) && r->mappings[i - 1].perms[1] == 'w' &&
        r->mappings[i - 1].end == m->start)
        return strstr(r->mappings[i - 1].name, "/libhakmem.so") != NULL
                   ? HM_ACCOUNT_LIBRARY
                   : HM_ACCOUNT_DATA; /* what is zero at first */
    if (m->start % ARENA == 0 && i + 1 < r->count &&
        begins(r->mappings[i + 1].perms, "---") && r->mappings[i + 1].start == m->end)
        return HM_ACCOUNT_LIBC_HEAP;
    if (i > 0 && is_guard(r, i - 1, m->start))
        return HM_ACCOUNT_STACKS; /* a thread's: a guard page below */
    return HM_ACCOUNT_ANONYMOUS;
}

static void add_mappings(struct hm_account *a, const struct hm_snapshot *s)
{
    const struct hm_residency *r = &s->residency;
    uint64_t excess = 0;

    for (size_t i = 0; i < r->count; i++) {
        const struct hm_mapping *m = &r->mappings[i];

        a->total += m->rss;
        a->swap += m->swap;
        if (m->settled > 0)
            a->huge += m->huge;
        if (m->rss >= m->settled)
            a->bytes[row_of(s, i)] += m->rss - m->settled;
        else
            excess += m->settled - m->rss;
    }
    /* Pages that came between the one reading and the other, while it runs. */
    for (enum hm_account_row row = HM_ACCOUNT_DESCRIPTORS; excess > 0; row--) {
        const uint64_t less = excess < a->bytes[row] ? excess : a->bytes[row];

        a->bytes[row] -= less;
        excess -= less;
        if (row == 0)
            break;
    }
}

void hm_account_make(const struct hm_snapshot *s, struct hm_account *account)
{
    *account = (struct hm_account){.total = 0};
    add_heap(account, s);
    add_mappings(account, s);
    for (enum hm_account_row row = 0; row <= HM_ACCOUNT_LIBRARY; row++)
        account->ours += account->bytes[row];
    if (account->whole_pages > account->bytes[HM_ACCOUNT_PARTIAL])
        account->whole_pages = account->bytes[HM_ACCOUNT_PARTIAL];
}
