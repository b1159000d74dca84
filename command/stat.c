/* SPDX-License-Identifier: MIT */
/* hakmem stat: the statistics of running processes. */
#include "commands.h"
#include "figures.h"
#include "live.h"
#include "out.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: hakmem stat [OPTION]... [PID]...\n"
    "Show the statistics of processes that run with stats_page = yes, as under\n"
    "'hakmem run --stats'; without a PID, of all that this user has.\n\n"
    "      --format=FORMAT  as text, json or openmetrics\n"
    "      --json           the same as --format=json\n"
    "      --help           show this\n";

enum format { TEXT, JSON, OPENMETRICS };

static bool parse_format(const char *name, enum format *format)
{
    static const char *const names[] = {"text", "json", "openmetrics"};

    for (size_t i = 0; i < HM_ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *format = (enum format)i;
            return true;
        }
    }
    hm_out_error("stat: unknown format '%s', expected text, json or openmetrics", name);
    return false;
}

/* -1: go on; else the exit code. */
static int parse(enum format *format, int argc, char **argv)
{
    static const struct option longs[] = {{"format", required_argument, NULL, 'f'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'f':
            if (!parse_format(optarg, format))
                return HM_EXIT_USAGE;
            break;
        case 'j':
            *format = JSON;
            break;
        case 'h':
            fputs(help, stdout);
            return HM_EXIT_OK;
        default:
            return hm_out_usage("stat");
        }
    }
    return -1;
}

/* Text ------------------------------------------------------------------------------- */

static void add_row(struct hm_table *t, const char *name, char *value, const char *why)
{
    hm_table_add(t, "%s", name);
    hm_table_add(t, "%s", value);
    hm_table_add(t, "%s", why);
    free(value);
}

static void print_figures(const struct hm_live *live)
{
    struct hm_table t = {.align = "lrl"};
    const struct hm_figure *f;
    uint64_t value;

    add_row(&t, "figure", hm_out_strdup("value"), "meaning");
    for (size_t i = 0; i < HM_LIVE_FIGURES; i++) {
        f = &hm_figures[i];
        value = live->figures[i];
        add_row(&t, f->name,
                f->is_bytes ? hm_figures_bytes(value)
                            : hm_out_format("%llu", (unsigned long long)value),
                f->sentence);
    }
    add_row(&t, "cache hits", hm_figures_percent(hm_figures_cache_hits(live)),
            "Of allocations of small blocks, at least.");
    add_row(&t, "BigCache hits", hm_figures_percent(hm_figures_big_hits(live)),
            "Of allocations of big blocks.");
    add_row(&t, "rounding", hm_figures_percent(hm_figures_rounding(live)),
            "Of the bytes of small blocks, by a sample.");
    hm_table_print(&t);
}

static void print_classes(const struct hm_live *live)
{
    static const char *const heading[] = {"class", "slabs", "live", "cached",
                                          "bytes live"};
    struct hm_table t = {.align = "rrrrr"};
    char *size;

    for (size_t i = 0; i < HM_ARRAY_LEN(heading); i++)
        hm_table_add(&t, "%s", heading[i]);
    for (size_t c = 0; c < HM_PAGE_CLASSES; c++) {
        const struct hm_live_class *row = &live->classes[c];
        uint64_t blocks = row->blocks - hm_min(row->blocks, row->cached);

        if (row->size == 0)
            continue;
        hm_table_add(&t, "%llu", (unsigned long long)row->size);
        hm_table_add(&t, "%llu", (unsigned long long)row->slabs);
        hm_table_add(&t, "%llu", (unsigned long long)blocks);
        hm_table_add(&t, "%llu", (unsigned long long)row->cached);
        size = hm_figures_bytes(blocks * row->size);
        hm_table_add(&t, "%s", size);
        free(size);
    }
    putchar('\n');
    hm_table_print(&t);
}

static void print_text(const struct hm_live *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putchar('\n');
        hm_out_styled(stdout, HM_BOLD, "%s (%ld)", all[i].command, all[i].pid);
        printf(", libhakmem %s, profile %s\n\n", all[i].library, all[i].profile);
        print_figures(&all[i]);
        print_classes(&all[i]);
    }
}

/* JSON ------------------------------------------------------------------------------- */

static void print_ratio(struct hm_json *j, const char *key, double ratio)
{
    if (ratio < 0)
        hm_json_string(j, key, NULL);
    else
        hm_json_number(j, key, ratio);
}

static void print_json(const struct hm_live *all, size_t count)
{
    struct hm_json j = {0};

    hm_json_array(&j, NULL);
    for (size_t i = 0; i < count; i++) {
        const struct hm_live *live = &all[i];

        hm_json_object(&j, NULL);
        hm_json_integer(&j, "pid", live->pid);
        hm_json_string(&j, "command", live->command);
        hm_json_string(&j, "version", live->library);
        hm_json_string(&j, "profile", live->profile);
        for (size_t k = 0; k < HM_LIVE_FIGURES; k++)
            hm_json_integer(&j, hm_figures[k].name, (long long)live->figures[k]);
        print_ratio(&j, "cache_hits", hm_figures_cache_hits(live));
        print_ratio(&j, "bigcache_hit_ratio", hm_figures_big_hits(live));
        print_ratio(&j, "rounding", hm_figures_rounding(live));
        hm_json_array(&j, "classes");
        for (size_t c = 0; c < HM_PAGE_CLASSES; c++) {
            const struct hm_live_class *row = &live->classes[c];

            if (row->size == 0)
                continue;
            hm_json_object(&j, NULL);
            hm_json_integer(&j, "size", (long long)row->size);
            hm_json_integer(&j, "slabs", (long long)row->slabs);
            hm_json_integer(&j, "blocks", (long long)row->blocks);
            hm_json_integer(&j, "cached", (long long)row->cached);
            hm_json_end(&j);
        }
        hm_json_end(&j);
        hm_json_end(&j);
    }
    hm_json_end(&j);
}

/* OpenMetrics: families in one piece each, with all processes; a unit is the end of its
 * family's name, "_total" that of a counter's samples. ------------------------------- */

static void put_label(const char *name, const char *value)
{
    printf("%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            putchar('\\');
        fputs(*value == '\n' ? "\\n" : (char[]){*value, '\0'}, stdout);
    }
    putchar('"');
}

static void put_sample(const char *family, bool is_counter, const struct hm_live *live,
                       uint64_t size, uint64_t value)
{
    printf("%s%s{pid=\"%ld\",", family, is_counter ? "_total" : "", live->pid);
    put_label("command", live->command);
    putchar(',');
    put_label("profile", live->profile);
    if (size != 0)
        printf(",size=\"%llu\"", (unsigned long long)size);
    printf("} %llu\n", (unsigned long long)value);
}

static void put_head(const char *family, bool is_counter, bool is_bytes,
                     const char *sentence)
{
    printf("# TYPE %s %s\n", family, is_counter ? "counter" : "gauge");
    if (is_bytes)
        printf("# UNIT %s bytes\n", family);
    printf("# HELP %s %s\n", family, sentence);
}

static bool ends_in(const char *s, const char *end)
{
    return strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

static void print_family(const struct hm_live *all, size_t count, size_t figure)
{
    const struct hm_figure *f = &hm_figures[figure];
    bool lacks = f->is_bytes && !ends_in(f->name, "_bytes");
    char *family = hm_out_format("hakmem_%s%s", f->name, lacks ? "_bytes" : "");

    put_head(family, f->is_counter, f->is_bytes, f->sentence);
    for (size_t i = 0; i < count; i++)
        put_sample(family, f->is_counter, &all[i], 0, all[i].figures[figure]);
    free(family);
}

static void print_class_family(const struct hm_live *all, size_t count,
                               enum hm_page_column column, const char *name,
                               const char *sentence)
{
    put_head(name, false, false, sentence);
    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c < HM_PAGE_CLASSES; c++) {
            const struct hm_live_class *row = &all[i].classes[c];

            if (row->size != 0)
                put_sample(name, false, &all[i], row->size,
                           column == HM_PAGE_SLABS    ? row->slabs
                           : column == HM_PAGE_BLOCKS ? row->blocks
                                                      : row->cached);
        }
    }
}

static void print_openmetrics(const struct hm_live *all, size_t count)
{
    for (size_t k = 0; k < HM_LIVE_FIGURES; k++)
        print_family(all, count, k);
    print_class_family(all, count, HM_PAGE_SLABS, "hakmem_class_slabs",
                       "Slabs in use, by the size of their blocks.");
    print_class_family(all, count, HM_PAGE_BLOCKS, "hakmem_class_blocks",
                       "Blocks out of slabs, live or in thread caches.");
    print_class_family(all, count, HM_PAGE_CACHED, "hakmem_class_cached_blocks",
                       "Free blocks that thread caches hold.");
    puts("# EOF");
}

/* All of it -------------------------------------------------------------------------- */

/* The statistics of those that answer; how many. */
static size_t read_all(const long *pids, size_t count, struct hm_live *all, bool asked)
{
    size_t good = 0;

    for (size_t i = 0; i < count; i++)
        if (hm_live_open(&all[good], pids[i], !asked) && hm_live_read(&all[good]))
            good++;
    return good;
}

static bool parse_pids(int argc, char **argv, long *pids)
{
    for (int i = 0; i < argc; i++) {
        pids[i] = hm_live_pid("stat", argv[i]);
        if (pids[i] == 0)
            return false;
    }
    return true;
}

int hm_stat_main(int argc, char **argv)
{
    enum format format = TEXT;
    int status = parse(&format, argc, argv);
    size_t count, good;
    struct hm_live *all;
    long *pids;

    if (status != -1)
        return status;
    argc -= optind;
    argv += optind;
    if (argc > 0) {
        count = (size_t)argc;
        pids = hm_out_alloc(count * sizeof *pids);
        if (!parse_pids(argc, argv, pids))
            return HM_EXIT_USAGE;
    } else {
        count = hm_live_list(&pids);
    }
    all = hm_out_alloc((count + 1) * sizeof *all);
    good = read_all(pids, count, all, argc > 0);
    if (format == JSON)
        print_json(all, good);
    else if (format == OPENMETRICS)
        print_openmetrics(all, good);
    else
        print_text(all, good);
    if (argc == 0 && good == 0 && format == TEXT)
        hm_out_error("no process of this user has a statistics page: see "
                     "'hakmem run --stats'");
    return good == count && (good > 0 || format != TEXT) ? HM_EXIT_OK : HM_EXIT_FOUND;
}
