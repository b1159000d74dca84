/* SPDX-License-Identifier: MIT */
/* hakmem top: running processes and their size classes, again and again. */
#include "commands.h"
#include "out.h"
#include "top_view.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "Usage: hakmem top [OPTION]... [PID]...\n"
    "Watch processes that run with stats_page = yes, as under 'hakmem run --stats';\n"
    "without a PID, all that this user has.\n\n"
    "  -d, --delay=SECONDS  time between two rounds; 1 if not given\n"
    "  -b, --batch          print each round, instead of a full-screen view\n"
    "  -n, --rounds=N       end after N rounds of -b\n"
    "      --help           show this\n\n"
    "In the full-screen view, q ends; up and down pick the process whose classes are\n"
    "shown; s and c change the order of processes and of classes; t trims.\n";

#define DELAY_MAX 3600.0

struct options {
    unsigned delay_ms;
    unsigned long rounds; /* 0: without end */
    bool batch;
};

static bool parse_number(const char *text, double min, double max, double *number)
{
    char *end;

    *number = strtod(text, &end);
    if (end != text && *end == '\0' && *number >= min && *number <= max)
        return true;
    hm_out_error("top: '%s' is not a number from %g to %g", text, min, max);
    return false;
}

/* -1: go on; else the exit code. */
static int parse(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {{"delay", required_argument, NULL, 'd'},
                                          {"batch", no_argument, NULL, 'b'},
                                          {"rounds", required_argument, NULL, 'n'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    double number;
    int c;

    while ((c = getopt_long(argc, argv, "d:bn:", longs, NULL)) != -1) {
        switch (c) {
        case 'd':
            if (!parse_number(optarg, 0.05, DELAY_MAX, &number))
                return HM_EXIT_USAGE;
            o->delay_ms = (unsigned)(number * 1000);
            break;
        case 'b':
            o->batch = true;
            break;
        case 'n':
            if (!parse_number(optarg, 1, 1e9, &number))
                return HM_EXIT_USAGE;
            o->rounds = (unsigned long)number;
            break;
        case 'h':
            fputs(help, stdout);
            return HM_EXIT_OK;
        default:
            return hm_out_usage("top");
        }
    }
    return -1;
}

static void wait_for(unsigned ms)
{
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000L};

    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        ;
}

static bool any_answers(const struct hm_top *top)
{
    for (size_t i = 0; i < top->count; i++)
        if (top->processes[i].answers)
            return true;
    return false;
}

static int batch(struct hm_top *top, const struct options *o)
{
    struct hm_top_line *lines;
    size_t count;

    for (unsigned long round = 0; o->rounds == 0 || round < o->rounds; round++) {
        if (round > 0) {
            wait_for(o->delay_ms);
            putchar('\n');
        }
        hm_top_refresh(top);
        count = hm_top_lines(top, &lines);
        for (size_t i = 0; i < count; i++) {
            if (lines[i].style == HM_TOP_HEADING)
                hm_out_styled(stdout, HM_BOLD, "%s", lines[i].text);
            else
                fputs(lines[i].text, stdout);
            putchar('\n');
        }
        hm_top_free_lines(lines, count);
        if (fflush(stdout) != 0)
            return HM_EXIT_FOUND;
    }
    return any_answers(top) ? HM_EXIT_OK : HM_EXIT_FOUND;
}

int hm_top_main(int argc, char **argv)
{
    struct options o = {.delay_ms = 1000};
    struct hm_top top = {.asked = NULL};
    int status = parse(&o, argc, argv);
    long *pids;

    if (status != -1)
        return status;
    if (optind < argc) {
        top.asked_count = (size_t)(argc - optind);
        pids = hm_out_alloc(top.asked_count * sizeof *pids);
        for (size_t i = 0; i < top.asked_count; i++) {
            pids[i] = hm_live_pid("top", argv[optind + (int)i]);
            if (pids[i] == 0)
                return HM_EXIT_USAGE;
        }
        top.asked = pids;
    }
    if (o.batch)
        return batch(&top, &o);
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        hm_out_error("top: not a terminal: see -b");
        return HM_EXIT_USAGE;
    }
    status = hm_top_screen(&top, o.delay_ms);
    if (status != -1)
        return status;
    hm_out_error("top: hakmem was built without ncurses: see -b");
    return HM_EXIT_USAGE;
}
