/* SPDX-License-Identifier: MIT */
/* hakmem why: where the resident memory of a process is, and what would make it less. */
#include "account.h"
#include "commands.h"
#include "figures.h"
#include "out.h"
#include "started.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: hakmem why [OPTION]... PID\n"
    "Show where the resident memory of a process is, and what would make it less. The\n"
    "process must run with stats_page = yes, as under 'hakmem run --stats'.\n\n"
    "      --json  as JSON\n"
    "      --help  show this\n";

/* Advice --------------------------------------------------------------------------- */

struct advice {
    uint64_t bytes; /* that it would save at most */
    const char *option;
    const char *text;
};

enum { ADVICE_MAX = 8 };

struct advices {
    struct advice list[ADVICE_MAX];
    size_t count;
};

/* What is less than a hundredth of the whole, or a few pages, is not worth a change. */
static bool is_worth(uint64_t bytes, uint64_t total)
{
    return bytes >= total / 100 && bytes >= 64 * HM_KIB;
}

static void add(struct advices *a, uint64_t total, uint64_t bytes, const char *option,
                const char *text)
{
    size_t at = a->count;

    if (!is_worth(bytes, total))
        return;
    for (; at > 0 && a->list[at - 1].bytes < bytes; at--)
        a->list[at] = a->list[at - 1];
    a->list[at] = (struct advice){bytes, option, text};
    a->count++;
}

/* Does the process pay for safety? Then a profile that does not is no advice. */
static bool is_hardened(const struct hm_options *options)
{
    return options->check != HM_CHECK_DEFAULT || options->quarantine_bytes > 0 ||
           options->redzone > 0;
}

static void advise(const struct hm_account *account, const struct hm_options *options,
                   const char *profile, struct advices *a)
{
    const uint64_t total = account->total;
    /* Without BigCache, freed big blocks are in quarantine. */
    const uint64_t big =
        options->bigcache_bytes > 0 ? account->bytes[HM_ACCOUNT_BIGCACHE] : 0;
    const uint64_t retained = account->bytes[HM_ACCOUNT_FREE_UNITS] + big;
    const uint64_t waiting = account->bytes[HM_ACCOUNT_CACHES];
    const uint64_t quarantined =
        hm_min((size_t)(waiting + account->bytes[HM_ACCOUNT_BIGCACHE] - big),
               options->quarantine_bytes);
    const uint64_t cached = waiting - (quarantined < waiting ? quarantined : waiting);
    const uint64_t whole = options->page_purge ? 0 : account->whole_pages;
    const uint64_t huge = options->thp == HM_THP_NEVER ? 0 : account->huge;
    const uint64_t loose = retained + account->bytes[HM_ACCOUNT_PARTIAL];

    *a = (struct advices){.count = 0};
    if (strcmp(profile, "low-memory") != 0 && !is_hardened(options))
        add(a, total, retained + cached / 2 + whole, "profile=low-memory",
            "gives free memory back within 50 ms, idle or not, and keeps small caches");
    if (!options->trim_thread)
        add(a, total, retained, "trim_thread=yes",
            "free memory goes back on time also while nobody allocates");
    else
        add(a, total, retained, "trim_interval=10ms",
            "free memory goes back sooner; it costs page faults");
    if (options->tls_cache_max > 32)
        add(a, total, cached, "tls_cache_max=32", "smaller thread caches, at some speed");
    add(a, total, quarantined, "quarantine_bytes=1M",
        "freed blocks wait less long before they are used again");
    add(a, total, whole, "page_purge=yes",
        "free pages within partly filled slabs go back, too");
    add(a, total, huge > loose ? loose : huge, "thp=never",
        "memory comes and goes by pages rather than by 2 MiB");
}

/* Writing -------------------------------------------------------------------------- */

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static void add_row(struct hm_table *t, const char *what, uint64_t bytes, uint64_t total)
{
    char *size = hm_figures_bytes(bytes);

    hm_table_add(t, "%s", what);
    hm_table_add(t, "%s", size);
    hm_table_add(t, "%.1f %%", percent(bytes, total));
    free(size);
}

static void print_rows(const struct hm_account *a)
{
    struct hm_table t = {.align = "lrr"};

    hm_table_add(&t, "what");
    hm_table_add(&t, "resident");
    hm_table_add(&t, "of all");
    for (enum hm_account_row row = 0; row < HM_ACCOUNT_ROWS; row++) {
        if (row == HM_ACCOUNT_LIBRARY + 1)
            add_row(&t, "libhakmem, together", a->ours, a->total);
        if (a->bytes[row] > 0)
            add_row(&t, hm_account_label(row), a->bytes[row], a->total);
    }
    add_row(&t, "all", a->total, a->total);
    hm_table_print(&t);
}

static void print_text(const struct hm_snapshot *s, const struct hm_account *a,
                       const struct advices *advices)
{
    char *total = hm_figures_bytes(a->total);

    hm_out_styled(stdout, HM_BOLD, "%s (%ld)", s->command, s->pid);
    printf(", profile %s, has %s in memory\n\n", s->profile, total);
    free(total);
    print_rows(a);
    if (a->swap > 0) {
        char *swap = hm_figures_bytes(a->swap);

        printf("\nBesides, %s are swapped out.\n", swap);
        free(swap);
    }
    puts(advices->count > 0 ? "\nWhat would make it less, and by how much at most:"
                            : "\nNo option would make it noticeably less.");
    for (size_t i = 0; i < advices->count; i++) {
        char *bytes = hm_figures_bytes(advices->list[i].bytes);

        printf("  %10s  ", bytes);
        hm_out_styled(stdout, HM_BOLD, "%-20s", advices->list[i].option);
        printf("  %s\n", advices->list[i].text);
        free(bytes);
    }
}

static void print_json(const struct hm_snapshot *s, const struct hm_account *a,
                       const struct advices *advices)
{
    struct hm_json j = {0};

    hm_json_object(&j, NULL);
    hm_json_integer(&j, "pid", s->pid);
    hm_json_string(&j, "command", s->command);
    hm_json_string(&j, "profile", s->profile);
    hm_json_integer(&j, "resident", (long long)a->total);
    hm_json_integer(&j, "libhakmem", (long long)a->ours);
    hm_json_integer(&j, "swapped", (long long)a->swap);
    hm_json_object(&j, "parts");
    for (enum hm_account_row row = 0; row < HM_ACCOUNT_ROWS; row++)
        hm_json_integer(&j, hm_account_key(row), (long long)a->bytes[row]);
    hm_json_end(&j);
    hm_json_array(&j, "advice");
    for (size_t i = 0; i < advices->count; i++) {
        hm_json_object(&j, NULL);
        hm_json_string(&j, "option", advices->list[i].option);
        hm_json_integer(&j, "bytes", (long long)advices->list[i].bytes);
        hm_json_string(&j, "effect", advices->list[i].text);
        hm_json_end(&j);
    }
    hm_json_end(&j);
    hm_json_end(&j);
}

int hm_why_main(int argc, char **argv)
{
    static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct hm_account account;
    struct hm_snapshot snapshot;
    struct hm_view_env env;
    struct advices advices;
    bool json = false;
    char **envp;
    long pid;
    int c;

    while ((c = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
        if (c == 'h') {
            fputs(help, stdout);
            return HM_EXIT_OK;
        }
        if (c != 'j')
            return hm_out_usage("why");
        json = true;
    }
    if (argc - optind != 1) {
        hm_out_error("why: which process?");
        return hm_out_usage("why");
    }
    pid = hm_live_pid("why", argv[optind]);
    if (pid == 0)
        return HM_EXIT_USAGE;
    if (!hm_snapshot_take(&snapshot, pid) || !hm_started_env(pid, &envp, &env))
        return HM_EXIT_FOUND;
    hm_account_make(&snapshot, &account);
    hm_view_load(&env);
    advise(&account, &hm_opt, snapshot.profile, &advices);
    if (json)
        print_json(&snapshot, &account, &advices);
    else
        print_text(&snapshot, &account, &advices);
    return HM_EXIT_OK;
}
