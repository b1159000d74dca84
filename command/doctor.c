/* SPDX-License-Identifier: MIT */
/* hakmem doctor: what of the machine, of a process or of a program matters to the
 * library, and what to do about it. */
#include "commands.h"
#include "diag.h"
#include "machine.h"
#include "out.h"
#include "program.h"
#include "view.h"
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: hakmem doctor [--json] [--root=DIRECTORY] [PID | COMMAND]\n"
    "Show what matters to libhakmem, and what to do about it: facts about the machine\n"
    "and the limits of this process, or of process PID; and whether COMMAND can run\n"
    "under the library.\n\n"
    "  --json            as JSON\n"
    "  --root=DIRECTORY  read the copies of /proc, /sys and /etc below DIRECTORY\n"
    "  --help            show this\n\n"
    "The exit code is 1 if there is something to do.\n";

/* What is found: a fact, and advice if it is not as it should be. */
enum state { GOOD, REMARK, PROBLEM };

struct finding {
    const char *name;
    char *value;
    enum state state;
    const char *advice; /* NULL: none */
};

struct report {
    struct finding *findings;
    size_t count;
};

static void add(struct report *r, const char *name, char *value, enum state state,
                const char *advice)
{
    r->findings = hm_out_realloc(r->findings, (r->count + 1) * sizeof *r->findings);
    r->findings[r->count++] = (struct finding){name, value, state, advice};
}

/* Values ----------------------------------------------------------------------------- */

static char *size_text(long long bytes)
{
    static const char units[] = " KMGTPE";
    double value = (double)bytes;
    unsigned unit = 0;

    if (bytes == HM_MACHINE_UNKNOWN)
        return hm_out_strdup("not known");
    if (bytes == HM_MACHINE_UNLIMITED)
        return hm_out_strdup("unlimited");
    for (; value >= 1024; unit++)
        value /= 1024;
    if (unit == 0)
        return hm_out_format("%lld", bytes);
    return hm_out_format("%.*f%c", value < 10 && value > (double)(int)value ? 1 : 0,
                         value, units[unit]);
}

static char *count_text(long long count)
{
    return count < 0 ? hm_out_strdup("not known") : hm_out_format("%lld", count);
}

/* The machine ------------------------------------------------------------------------ */

static void check_pages(struct report *r, const struct hm_machine *m)
{
    add(r, "page size", size_text(m->page_size), GOOD, NULL);
    add(r, "CPUs", count_text(m->cpus), GOOD, NULL);
    add(r, "memory", size_text(m->memory), GOOD, NULL);
    add(r, "swap", size_text(m->swap), GOOD, NULL);
}

static void check_huge_pages(struct report *r, const struct hm_machine *m)
{
    const char *name = "transparent huge pages";

    if (m->thp == NULL) {
        add(r, name, hm_out_strdup("none"), REMARK,
            "the kernel has none: the option thp has no effect");
        return;
    }
    if (strcmp(m->thp, "always") == 0)
        add(r, name, hm_out_strdup(m->thp), REMARK,
            "every program gets 2 MiB where it touches one byte; for small processes "
            "choose the profile low-memory or the option thp=never, or put madvise into "
            "/sys/kernel/mm/transparent_hugepage/enabled");
    else if (strcmp(m->thp, "never") == 0)
        add(r, name, hm_out_strdup(m->thp), REMARK,
            "thp=advise, as in the profile throughput, has no effect; to let it have "
            "one, "
            "put madvise into /sys/kernel/mm/transparent_hugepage/enabled");
    else
        add(r, name, hm_out_strdup(m->thp), GOOD, NULL);
    if (m->thp_defrag != NULL && strcmp(m->thp_defrag, "always") == 0)
        add(r, "huge page defragmentation", hm_out_strdup(m->thp_defrag), REMARK,
            "a page fault may wait until memory is compacted; defer+madvise in "
            "/sys/kernel/mm/transparent_hugepage/defrag avoids that");
}

static void check_vm(struct report *r, const struct hm_machine *m)
{
    static const char *const overcommit[] = {"0 (heuristic)", "1 (always)", "2 (never)"};
    const bool known = m->overcommit >= 0 && m->overcommit <= 2;

    add(r, "vm.overcommit_memory",
        hm_out_strdup(known ? overcommit[m->overcommit] : "not known"),
        m->overcommit == 2 ? REMARK : GOOD,
        m->overcommit == 2 ? "memory that is kept for reuse is charged too: malloc fails "
                             "earlier; the profile low-memory keeps the least"
                           : NULL);
    if (m->max_map_count >= 0 && m->max_map_count < 65530)
        add(r, "vm.max_map_count", hm_out_format("%lld", m->max_map_count), PROBLEM,
            "below the kernel's default of 65530: a program with many mappings fails to "
            "get or return memory; set it with sysctl vm.max_map_count=65530");
    else
        add(r, "vm.max_map_count", count_text(m->max_map_count), GOOD, NULL);
}

static void check_cgroup(struct report *r, const struct hm_machine *m)
{
    const long long limit = m->memory_limit;

    if (m->cgroup == NULL) {
        add(r, "cgroup", hm_out_strdup("not known"), GOOD, NULL);
        return;
    }
    add(r, "cgroup", hm_out_strdup(m->cgroup), GOOD, NULL);
    if (limit >= 0 && m->memory_used >= 0 && m->memory_used > limit - limit / 10)
        add(r, "cgroup memory.max", size_text(limit), PROBLEM,
            "processes use more than nine tenths of it, and are killed at its end; raise "
            "it, or choose the profile low-memory");
    else if (limit >= 0 && limit <= (512LL << 20))
        add(r, "cgroup memory.max", size_text(limit), REMARK,
            "little memory: the profile low-memory returns what is free within 100 ms");
    else if (limit != HM_MACHINE_UNKNOWN) /* the machine's own cgroup has no such file */
        add(r, "cgroup memory.max", size_text(limit), GOOD, NULL);
    if (m->memory_high >= 0)
        add(r, "cgroup memory.high", size_text(m->memory_high), REMARK,
            "above it the kernel slows processes down; see the option trim_interval");
}

static void check_limits(struct report *r, const struct hm_machine *m)
{
    add(r, "limit of address space", size_text(m->address_limit),
        m->address_limit >= 0 ? REMARK : GOOD,
        m->address_limit >= 0
            ? "no address window is reserved, so free takes some more instructions; "
              "limit memory by a cgroup instead of ulimit -v"
            : NULL);
    add(r, "limit of data size", size_text(m->data_limit),
        m->data_limit >= 0 ? REMARK : GOOD,
        m->data_limit >= 0 ? "malloc fails there; a cgroup limits memory better" : NULL);
    add(r, "limit of locked memory", size_text(m->locked_limit), GOOD, NULL);
}

static void check_preload(struct report *r, const struct hm_machine *m)
{
    if (m->preload == NULL)
        return;
    for (char *at = m->preload; (at = strchr(at, '\n')) != NULL; at++)
        *at = ' ';
    if (strstr(m->preload, "malloc") != NULL && strstr(m->preload, "libhakmem") == NULL)
        add(r, "/etc/ld.so.preload", hm_out_strdup(m->preload), PROBLEM,
            "another allocator is in every process; what LD_PRELOAD names comes before");
    else
        add(r, "/etc/ld.so.preload", hm_out_strdup(m->preload), GOOD, NULL);
}

static void check_files(struct report *r)
{
    const struct hm_view_env env = hm_view_own_env();

    hm_view_load_environ(environ);
    if (hm_diag_count() > 0)
        add(r, "configuration", hm_out_format("%zu mistakes", hm_diag_count()), PROBLEM,
            "hakmem check shows them");
    else if (env.conf != NULL)
        add(r, "configuration", hm_out_strdup("HAKMEM_CONF, without mistakes"), GOOD,
            NULL);
    else
        add(r, "configuration", hm_out_strdup("without mistakes"), GOOD, NULL);
    add(r, "profile", hm_out_strdup(hm_view_profile()), GOOD, NULL);
}

/* A program -------------------------------------------------------------------------- */

static bool check_program(struct report *r, const char *name)
{
    struct hm_program program;
    int error;

    if (!hm_program_open(name, &program, &error))
        return false;
    if (program.count == 0)
        add(r, "program", program.path, GOOD, NULL);
    for (size_t i = 0; i < program.count; i++)
        add(r, "program", hm_out_strdup(hm_program_kind(program.notes[i].kind)), PROBLEM,
            program.notes[i].text);
    return true;
}

/* Writing ---------------------------------------------------------------------------- */

static void print_json(const struct report *r)
{
    static const char *const words[] = {"good", "remark", "problem"};
    struct hm_json j = {0};

    hm_json_array(&j, NULL);
    for (size_t i = 0; i < r->count; i++) {
        const struct finding *f = &r->findings[i];

        hm_json_object(&j, NULL);
        hm_json_string(&j, "name", f->name);
        hm_json_string(&j, "value", f->value);
        hm_json_string(&j, "state", words[f->state]);
        hm_json_string(&j, "advice", f->advice);
        hm_json_end(&j);
    }
    hm_json_end(&j);
}

/* Advice is below its fact, in lines of at most 80 characters. */
static void print_wrapped(const char *text)
{
    enum { INDENT = 6, WIDTH = 80 };
    size_t column = 0;

    while (*text != '\0') {
        const size_t word = strcspn(text, " ");

        if (column == 0 || column + 1 + word > WIDTH) {
            printf("%s%*s", column == 0 ? "" : "\n", INDENT, "");
            column = INDENT;
        } else {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)word, text);
        column += word;
        text += word + strspn(text + word, " ");
    }
    putchar('\n');
}

static void print_text(const struct report *r)
{
    static const struct {
        const char *sign;
        enum hm_style style;
    } shown[] = {{"ok", HM_GREEN}, {"--", HM_YELLOW}, {"!!", HM_RED}};

    for (size_t i = 0; i < r->count; i++) {
        const struct finding *f = &r->findings[i];

        hm_out_styled(stdout, shown[f->state].style, "%s", shown[f->state].sign);
        printf("  %-26s %s\n", f->name, f->value);
        if (f->advice != NULL)
            print_wrapped(f->advice);
    }
}

static bool has_problem(const struct report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->findings[i].state == PROBLEM)
            return true;
    }
    return false;
}

/* Whether the operand is a process's number; if so, *pid is. */
static bool is_pid(const char *operand, long *pid)
{
    char *end;

    if (!isdigit((unsigned char)operand[0]))
        return false;
    errno = 0;
    *pid = strtol(operand, &end, 10);
    return *end == '\0' && errno == 0 && *pid > 0;
}

int hm_doctor_main(int argc, char **argv)
{
    static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
                                          {"root", required_argument, NULL, 'r'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct report report = {NULL, 0};
    struct hm_machine machine;
    const char *root = "";
    bool json = false;
    long pid = 0;
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'h') {
            fputs(help, stdout);
            return HM_EXIT_OK;
        } else if (c == 'j') {
            json = true;
        } else if (c == 'r') {
            root = optarg;
        } else {
            return hm_out_usage("doctor");
        }
    }
    if (argc - optind > 1) {
        hm_out_error("doctor: one process or one command, not %d", argc - optind);
        return hm_out_usage("doctor");
    }
    if (optind < argc && !is_pid(argv[optind], &pid) &&
        !check_program(&report, argv[optind]))
        return HM_EXIT_USAGE;
    if (!hm_machine_read(root, pid, &machine)) {
        hm_out_error("there is no process %ld", pid);
        return HM_EXIT_USAGE;
    }
    check_pages(&report, &machine);
    check_huge_pages(&report, &machine);
    check_vm(&report, &machine);
    check_cgroup(&report, &machine);
    check_limits(&report, &machine);
    check_preload(&report, &machine);
    if (pid == 0 && root[0] == '\0')
        check_files(&report);
    if (json)
        print_json(&report);
    else
        print_text(&report);
    return has_problem(&report) ? HM_EXIT_FOUND : HM_EXIT_OK;
}
