/* SPDX-License-Identifier: MIT */
/* hakmem map: a picture of the heap of a running process. */
#include "account.h"
#include "commands.h"
#include "figures.h"
#include "out.h"
#include "sizeclass.h"
#include "svg.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: hakmem map [OPTION]... PID\n"
    "Draw the heap of a process as SVG: its SuperSlabs, what their slabs are used\n"
    "for and how full they are, and which pages are in memory. The process must run\n"
    "with stats_page = yes, as under 'hakmem run --stats'.\n\n"
    "  -o, --output=FILE  write to FILE instead of standard output\n"
    "      --help         show this\n";

/* Where things are ---------------------------------------------------------------------
 *
 *   | margin | label | field: one row of memory after the other | margin |
 *
 * A row is a strip of what lies there, and below it one of its pages. */
static const double margin = 28, label_width = 122, field = 1024, field_x = 150;
static const double width = 1202;
static const double strip_height = 19, pages_height = 5, row_height = 33;
static const double section_height = 46;

enum {
    ROWS_MAX = 72, /* more: a row stands for more memory */
    CELLS = 512    /* of a row at most: smaller runs are drawn as one with neighbours */
};

#define INK "#1c2430"
#define FAINT "#6b7685"
#define GIVEN_BACK "#eceff3"
#define FREE_RESIDENT "#b4bcc7"
#define PAGE_RESIDENT "#39434f"
#define MEDIUM "#e2703a"
#define BIG "#a8487f"

struct map {
    struct hm_svg svg;
    const struct hm_snapshot *s;
    struct hm_account account;
    uint64_t row_bytes; /* memory in a row */
    uint64_t cell;      /* smaller runs are drawn together */
    double y;           /* where the section begins that is being drawn */
};

/* Colours -------------------------------------------------------------------------- */

/* A colour for a block size from 16 bytes to 32 KiB: equal steps for equal ratios. */
static struct hm_colour colour_of(uint64_t size)
{
    static const unsigned char ramp[][3] = {
        {56, 70, 163}, {52, 132, 190}, {44, 160, 150}, {104, 185, 90}, {214, 190, 62}};
    const unsigned log = size > 16 ? hm_log2((size_t)size) : 4;
    const double exact = log + (double)size / (double)((uint64_t)1 << log) - 1;
    const size_t last = HM_ARRAY_LEN(ramp) - 1;
    const double at = (exact - 4) / 11 * (double)last;
    const size_t i = at < 0 ? 0 : hm_min((size_t)at, last - 1);
    const double part = at - (double)i > 1 ? 1 : at - (double)i;
    struct hm_colour c;
    unsigned mixed[3];

    for (size_t k = 0; k < 3; k++)
        mixed[k] = (unsigned)(ramp[i][k] + part * (ramp[i + 1][k] - ramp[i][k]));
    snprintf(c.text, sizeof c.text, "#%02x%02x%02x", mixed[0] & 255, mixed[1] & 255,
             mixed[2] & 255);
    return c;
}

/* Strips --------------------------------------------------------------------------- */

/* A part of one row. */
struct piece {
    double x, y, width;
};

/* Splits what begins at `offset` bytes of a section by rows: the first piece; then
 * *offset and *size are what remains. */
static struct piece next_piece(const struct map *m, uint64_t *offset, uint64_t *size)
{
    const uint64_t in_row = *offset % m->row_bytes;
    const uint64_t bytes = *size < m->row_bytes - in_row ? *size : m->row_bytes - in_row;
    const uint64_t row = *offset / m->row_bytes;
    const double scale = field / (double)m->row_bytes;
    const struct piece p = {field_x + (double)in_row * scale,
                            m->y + (double)row * row_height,
                            (double)bytes * scale};

    *offset += bytes;
    *size -= bytes;
    return p;
}

static void put_rect(struct map *m, uint64_t offset, uint64_t size, double from,
                     double to, const char *fill, double opacity, const char *hint)
{
    while (size > 0) {
        const struct piece p = next_piece(m, &offset, &size);
        const double gap = p.width > 3 ? 0.8 : 0;

        hm_svg_rect(&m->svg, p.x, p.y + strip_height * (1 - to), p.width - gap,
                    strip_height * (to - from), fill, opacity, hint);
    }
}

/* The pages of a range below the strips: those that are in memory. */
static void put_pages(struct map *m, uint64_t offset, const struct hm_pages *pages,
                      uint64_t size)
{
    const uint64_t page = m->s->residency.page;
    const uint64_t step = m->row_bytes / 4096 > page ? m->row_bytes / 4096 : page;

    for (uint64_t at = 0, end; at < size; at = end) {
        const bool is_in = hm_pages_resident(pages, page, pages->base + at, step) > 0;

        for (end = at + step; end < size; end += step)
            if ((hm_pages_resident(pages, page, pages->base + end, step) > 0) != is_in)
                break;
        if (!is_in)
            continue;
        for (uint64_t from = offset + at, bytes = end - at; bytes > 0;) {
            const struct piece p = next_piece(m, &from, &bytes);

            hm_svg_strip_add(&m->svg, p.x, p.y + strip_height + 2, p.width,
                             pages_height);
        }
    }
}

static void put_label(struct map *m, uint64_t offset, uint64_t address)
{
    const uint64_t row = offset / m->row_bytes;
    char *text = hm_out_format("%" PRIx64, address);

    hm_svg_code(&m->svg, margin + label_width - 10,
                m->y + (double)row * row_height + 14, 11, HM_SVG_END, FAINT, text);
    free(text);
}

/* An address in front of every row of what begins at `offset`. */
static void put_labels(struct map *m, uint64_t offset, uint64_t base, uint64_t size)
{
    if (offset % m->row_bytes == 0)
        put_label(m, offset, base);
    for (uint64_t at = (offset / m->row_bytes + 1) * m->row_bytes; at < offset + size;
         at += m->row_bytes)
        put_label(m, at, base + (at - offset));
}

/* SuperSlabs ----------------------------------------------------------------------- */

/* A run, or several small ones: what is drawn of them. */
struct cell {
    uint64_t base, size; /* size 0: nothing yet */
    uint64_t largest;    /* of the run that it has the colour of */
    const struct hm_snap_run *run;
    double live, cached; /* bytes */
    uint64_t runs;
};

static char *hint_of(const struct cell *c)
{
    const struct hm_snap_run *run = c->run;
    char *size = hm_figures_bytes(c->size), *text;

    if (c->runs > 1)
        text = hm_out_format("%" PRIu64 " runs in %s, %.0f %% live", c->runs, size,
                             100 * c->live / (double)c->size);
    else if (run->kind == HM_RUN_MEDIUM)
        text = hm_out_format("medium block of %s", size);
    else
        text = hm_out_format("slab of %" PRIu64 "-byte blocks: of %" PRIu64 ", %" PRIu64
                             " live, %" PRIu64 " in thread caches, %" PRIu64 " free",
                             run->block_size, run->blocks, run->live,
                             run->out - run->live, run->blocks - run->out);
    free(size);
    return text;
}

static void put_cell(struct map *m, const struct hm_snap_superslab *ss, uint64_t offset,
                     struct cell *c)
{
    const double live = c->size > 0 ? c->live / (double)c->size : 0;
    const double cached = c->size > 0 ? c->cached / (double)c->size : 0;
    struct hm_colour colour = {MEDIUM};
    char *hint;

    if (c->size == 0)
        return;
    if (c->run->kind == HM_RUN_SLAB)
        colour = colour_of(c->run->block_size);
    offset += c->base - ss->base;
    hint = hint_of(c);
    put_rect(m, offset, c->size, 0, 1, colour.text, 0.2, hint);
    put_rect(m, offset, c->size, live, live + cached, colour.text, 0.55, hint);
    put_rect(m, offset, c->size, 0, live, colour.text, 1, hint);
    free(hint);
    c->size = 0;
}

static void put_runs(struct map *m, const struct hm_snap_superslab *ss, uint64_t offset)
{
    struct cell c = {.size = 0};

    for (size_t i = 0; i < ss->count; i++) {
        const struct hm_snap_run *run = &ss->runs[i];
        const uint64_t at = (run->base - ss->base) / m->cell;
        const bool joins = c.size > 0 && run->size < m->cell &&
                           (c.base - ss->base) / m->cell == at;

        if (!joins) {
            put_cell(m, ss, offset, &c);
            c = (struct cell){.base = run->base, .run = run};
        }
        c.size = run->base + run->size - c.base;
        c.live += (double)(run->live * run->block_size);
        c.cached += run->kind == HM_RUN_SLAB
                        ? (double)((run->out - run->live) * run->block_size)
                        : 0;
        c.runs++;
        if (run->size > c.largest) {
            c.largest = run->size;
            c.run = run;
        }
    }
    put_cell(m, ss, offset, &c);
}

/* Free units that are in memory: what of the range no run covers. */
static void put_free(struct map *m, const struct hm_snap_superslab *ss, uint64_t offset)
{
    const uint64_t page = m->s->residency.page;
    const uint64_t unit = hm_max(HM_UNIT, (size_t)page);
    uint64_t at = ss->base;

    for (size_t i = 0; i <= ss->count; i++) {
        const uint64_t end = i < ss->count ? ss->runs[i].base : ss->base + ss->size;

        while (at < end) {
            const uint64_t from = at;

            while (at < end && hm_pages_resident(&ss->pages, page, at, unit) > 0)
                at += unit;
            if (at > from)
                put_rect(m, offset + (from - ss->base), at - from, 0, 1, FREE_RESIDENT,
                         1, "free units, in memory");
            else
                at += unit;
        }
        if (i < ss->count)
            at = ss->runs[i].base + ss->runs[i].size;
    }
}

/* How many bytes of rows a section has: each SuperSlab begins at a multiple of its size,
 * each big block at a multiple of 64 KiB behind a gap. */
static uint64_t superslab_bytes(const struct hm_snapshot *s, bool small)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < s->superslab_count; i++)
        if (s->superslabs[i].is_small == small)
            bytes += s->superslabs[i].size;
    return bytes;
}

static uint64_t big_bytes(const struct hm_snapshot *s)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < s->big_count; i++)
        bytes += s->bigs[i].size + 64 * HM_KIB;
    return bytes;
}

static double height_of(const struct map *m, uint64_t bytes)
{
    const uint64_t rows = (bytes + m->row_bytes - 1) / m->row_bytes;

    return bytes > 0 ? section_height + (double)rows * row_height : 0;
}

static void begin_section(struct map *m, const char *title, size_t count, uint64_t bytes)
{
    char *size = hm_figures_bytes(bytes);
    char *text = hm_out_format("%s: %zu (%s)", title, count, size);

    hm_svg_heading(&m->svg, margin, m->y + 28, 14, text);
    m->y += section_height;
    free(text);
    free(size);
}

static void put_superslabs(struct map *m, bool small)
{
    const struct hm_snapshot *s = m->s;
    const uint64_t bytes = superslab_bytes(s, small);
    uint64_t offset = 0;
    size_t count = 0;

    if (bytes == 0)
        return;
    for (size_t i = 0; i < s->superslab_count; i++)
        count += s->superslabs[i].is_small == small;
    begin_section(m, small ? "SuperSlabs of small blocks"
                           : "SuperSlabs of large and medium blocks",
                  count, bytes);
    for (size_t i = 0; i < s->superslab_count; i++) {
        const struct hm_snap_superslab *ss = &s->superslabs[i];

        if (ss->is_small != small)
            continue;
        put_labels(m, offset, ss->base, ss->size);
        put_rect(m, offset, ss->size, 0, 1, GIVEN_BACK, 1, NULL);
        put_free(m, ss, offset);
        put_runs(m, ss, offset);
        offset += ss->size;
    }
    hm_svg_strip_begin(&m->svg, PAGE_RESIDENT);
    offset = 0;
    for (size_t i = 0; i < s->superslab_count; i++) {
        if (s->superslabs[i].is_small != small)
            continue;
        put_pages(m, offset, &s->superslabs[i].pages, s->superslabs[i].size);
        offset += s->superslabs[i].size;
    }
    hm_svg_strip_end(&m->svg);
    m->y += height_of(m, bytes) - section_height;
}

static void put_bigs(struct map *m)
{
    const struct hm_snapshot *s = m->s;
    const uint64_t bytes = big_bytes(s);
    uint64_t offset = 0;

    if (bytes == 0)
        return;
    begin_section(m, "Big blocks", s->big_count, bytes - s->big_count * 64 * HM_KIB);
    for (size_t i = 0; i < s->big_count; i++) {
        const struct hm_snap_big *big = &s->bigs[i];
        const bool is_live = big->state == HM_SNAP_LIVE;
        char *size = hm_figures_bytes(big->size);
        char *hint = hm_out_format("big block of %s at %" PRIx64 ", %s", size, big->base,
                                   is_live ? "live" : "freed, in BigCache");

        if (offset % m->row_bytes == 0 || i == 0)
            put_label(m, offset, big->base);
        put_rect(m, offset, big->size, 0, 1, BIG, is_live ? 1 : 0.3, hint);
        offset += big->size + 64 * HM_KIB;
        free(hint);
        free(size);
    }
    hm_svg_strip_begin(&m->svg, PAGE_RESIDENT);
    offset = 0;
    for (size_t i = 0; i < s->big_count; i++) {
        put_pages(m, offset, &s->bigs[i].pages, s->bigs[i].size);
        offset += s->bigs[i].size + 64 * HM_KIB;
    }
    hm_svg_strip_end(&m->svg);
    m->y += height_of(m, bytes) - section_height;
}

/* Head ----------------------------------------------------------------------------- */

/* The account of all resident memory in six parts. */
static const struct {
    const char *label, *fill;
    enum hm_account_row first, last;
} parts[] = {
    {"live blocks", "#2f6fb0", HM_ACCOUNT_LIVE, HM_ACCOUNT_ROUNDING},
    {"thread caches", "#7fb0dc", HM_ACCOUNT_CACHES, HM_ACCOUNT_CACHES},
    {"partly filled slabs", "#c9dff2", HM_ACCOUNT_PARTIAL, HM_ACCOUNT_PARTIAL},
    {"free, retained", FREE_RESIDENT, HM_ACCOUNT_FREE_UNITS, HM_ACCOUNT_BIGCACHE},
    {"libhakmem's own", "#8a7fb5", HM_ACCOUNT_STATE, HM_ACCOUNT_LIBRARY},
    {"not libhakmem's", "#dcd6cb", HM_ACCOUNT_CODE, HM_ACCOUNT_ANONYMOUS},
};

static void put_account(struct map *m)
{
    const double total = m->account.total > 0 ? (double)m->account.total : 1;
    const size_t count = HM_ARRAY_LEN(parts);
    const double each = (field_x + field - margin) / (double)count;
    double x = margin, label_x = margin;

    for (size_t i = 0; i < HM_ARRAY_LEN(parts); i++) {
        uint64_t bytes = 0;
        double share;
        char *size, *hint;

        for (enum hm_account_row row = parts[i].first; row <= parts[i].last; row++)
            bytes += m->account.bytes[row];
        share = (double)bytes / total * (field_x + field - margin);
        size = hm_figures_bytes(bytes);
        hint = hm_out_format("%s: %s", parts[i].label, size);
        hm_svg_rect(&m->svg, x, 84, share, 26, parts[i].fill, 1, hint);
        hm_svg_rect(&m->svg, label_x, 122, 12, 12, parts[i].fill, 1, NULL);
        hm_svg_text(&m->svg, label_x + 18, 132, 12.5, HM_SVG_START, INK, parts[i].label);
        hm_svg_heading(&m->svg, label_x + 18, 150, 12.5, size);
        x += share;
        label_x += each;
        free(hint);
        free(size);
    }
}

static void put_swatch(struct map *m, double *x, const char *fill, double opacity,
                       const char *label, double room)
{
    hm_svg_rect(&m->svg, *x, 176, 14, 14, fill, opacity, NULL);
    hm_svg_text(&m->svg, *x + 20, 187.5, 12, HM_SVG_START, INK, label);
    *x += room;
}

static void put_legend(struct map *m)
{
    static const char *const sizes[] = {"16", "128", "1K", "8K", "32K"};
    static const double exponents[] = {4, 7, 10, 13, 15};
    const double ramp_x = margin + 128, ramp_width = 230;
    double x = ramp_x + ramp_width + 34;

    hm_svg_text(&m->svg, margin, 187.5, 12, HM_SVG_START, INK, "slabs, by block size");
    for (unsigned i = 0; i < 46; i++) {
        const unsigned log = 4 + i / 4;
        const uint64_t size = ((uint64_t)4 + i % 4) << (log - 2);
        const double step = ramp_width / 46;

        hm_svg_rect(&m->svg, ramp_x + step * i, 176, step + 0.3, 14,
                    colour_of(size).text, 1, NULL);
    }
    for (size_t i = 0; i < HM_ARRAY_LEN(sizes); i++)
        hm_svg_text(&m->svg, ramp_x + (exponents[i] - 4) / 11 * ramp_width, 203, 10,
                    HM_SVG_MIDDLE, FAINT, sizes[i]);
    put_swatch(m, &x, MEDIUM, 1, "medium block", 118);
    put_swatch(m, &x, BIG, 1, "big block", 94);
    put_swatch(m, &x, BIG, 0.3, "in BigCache", 106);
    put_swatch(m, &x, FREE_RESIDENT, 1, "free, in memory", 128);
    put_swatch(m, &x, GIVEN_BACK, 1, "free, given back", 132);
    hm_svg_rect(&m->svg, x, 180.5, 14, pages_height, PAGE_RESIDENT, 1, NULL);
    hm_svg_text(&m->svg, x + 20, 187.5, 12, HM_SVG_START, INK, "page in memory");
    hm_svg_text(&m->svg, margin, 222, 12, HM_SVG_START, FAINT,
                "A slab is filled from below: in full colour what is live, paler what "
                "waits in thread caches, palest what is free. The line under each row "
                "shows its pages.");
}

static void put_head(struct map *m)
{
    const struct hm_snapshot *s = m->s;
    char *total = hm_figures_bytes(m->account.total);
    char *ours = hm_figures_bytes(m->account.ours);
    char *row = hm_figures_bytes(m->row_bytes);
    char *title = hm_out_format("%s (%ld)", s->command, s->pid);
    char *text = hm_out_format("profile %s; %s in memory, of which libhakmem has %s; a "
                               "row is %s of addresses",
                               s->profile, total, ours, row);

    hm_svg_heading(&m->svg, margin, 42, 22, title);
    hm_svg_text(&m->svg, margin, 66, 13.5, HM_SVG_START, FAINT, text);
    put_account(m);
    put_legend(m);
    free(text);
    free(title);
    free(row);
    free(ours);
    free(total);
}

/* All ------------------------------------------------------------------------------ */

static const double head_height = 226;

/* As much memory to a row that there are not too many. The height of it all. */
static double choose_scale(struct map *m)
{
    const uint64_t small = superslab_bytes(m->s, true), big = big_bytes(m->s);
    const uint64_t large = superslab_bytes(m->s, false);

    m->row_bytes = HM_MIB;
    while ((small + large + big) / m->row_bytes > ROWS_MAX)
        m->row_bytes *= 2;
    m->cell = m->row_bytes / CELLS > HM_UNIT ? m->row_bytes / CELLS : HM_UNIT;
    return head_height + height_of(m, small) + height_of(m, large) + height_of(m, big) +
           margin;
}

static void draw(struct map *m, FILE *out)
{
    const double height = choose_scale(m);
    char *title = hm_out_format("heap of %s (%ld)", m->s->command, m->s->pid);

    hm_svg_begin(&m->svg, out, width, height, title);
    put_head(m);
    m->y = head_height;
    put_superslabs(m, true);
    put_superslabs(m, false);
    put_bigs(m);
    hm_svg_end(&m->svg);
    free(title);
}

static bool write_picture(const struct hm_snapshot *s, const char *file)
{
    FILE *out = file != NULL ? fopen(file, "we") : stdout;
    struct map m = {.s = s};
    bool good;

    if (out == NULL) {
        hm_out_error("map: %s: %s", file, strerror(errno));
        return false;
    }
    hm_account_make(s, &m.account);
    draw(&m, out);
    if (file == NULL)
        return true; /* hm_out_finish sees to standard output */
    good = ferror(out) == 0;
    good = fclose(out) == 0 && good;
    if (!good)
        hm_out_error("map: %s: %s", file, strerror(errno));
    return good;
}

int hm_map_main(int argc, char **argv)
{
    static const struct option longs[] = {{"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct hm_snapshot snapshot;
    const char *file = NULL;
    long pid;
    int c;

    /* Options may stand behind the process: map PID -o FILE. */
    while ((c = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
        if (c == 'h') {
            fputs(help, stdout);
            return HM_EXIT_OK;
        }
        if (c != 'o')
            return hm_out_usage("map");
        file = optarg;
    }
    if (argc - optind != 1) {
        hm_out_error("map: which process?");
        return hm_out_usage("map");
    }
    if (file == NULL && isatty(1)) {
        hm_out_error("map: a picture is nothing for a terminal; -o FILE writes it");
        return hm_out_usage("map");
    }
    pid = hm_live_pid("map", argv[optind]);
    if (pid == 0)
        return HM_EXIT_USAGE;
    if (!hm_snapshot_take(&snapshot, pid) || !write_picture(&snapshot, file))
        return HM_EXIT_FOUND;
    return HM_EXIT_OK;
}
