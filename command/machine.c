/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include "out.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files of the kernel are at most this long where it matters here. */
enum { FILE_SIZE = 16384 };

/* The file as a string without the newline at its end; NULL: it cannot be read. */
static char *read_file(char *path)
{
    FILE *in = fopen(path, "re");
    char *text = NULL;
    size_t len;

    free(path);
    if (in == NULL)
        return NULL;
    text = hm_out_alloc(FILE_SIZE);
    len = fread(text, 1, FILE_SIZE - 1, in);
    fclose(in);
    if (len > 0 && text[len - 1] == '\n')
        text[len - 1] = '\0';
    return text;
}

static long long to_number(const char *text)
{
    char *end;
    long long value;

    if (strncmp(text, "max", 3) == 0 || strncmp(text, "unlimited", 9) == 0)
        return HM_MACHINE_UNLIMITED;
    value = strtoll(text, &end, 10);
    return end != text && value >= 0 ? value : HM_MACHINE_UNKNOWN;
}

/* The number that a file begins with. */
static long long read_number(char *path)
{
    char *text = read_file(path);
    const long long value = text != NULL ? to_number(text) : HM_MACHINE_UNKNOWN;

    free(text);
    return value;
}

/* The line that begins with a key, behind it and the blanks. */
static const char *find_value(const char *text, const char *key)
{
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, strlen(key)) == 0)
            return line + strlen(key) + strspn(line + strlen(key), " \t");
    }
    return NULL;
}

static long long find_number(const char *text, const char *key)
{
    const char *value = text != NULL ? find_value(text, key) : NULL;

    return value != NULL ? to_number(value) : HM_MACHINE_UNKNOWN;
}

/* The word in brackets of "always [madvise] never". */
static char *read_choice(char *path)
{
    char *text = read_file(path);
    const char *open = text != NULL ? strchr(text, '[') : NULL;
    const char *close = open != NULL ? strchr(open, ']') : NULL;
    char *word = NULL;

    if (close != NULL)
        word = hm_out_strndup(open + 1, (size_t)(close - open - 1));
    free(text);
    return word;
}

static void read_memory(const char *root, struct hm_machine *out)
{
    char *text = read_file(hm_out_format("%s/proc/meminfo", root));

    out->memory = find_number(text, "MemTotal:");
    out->swap = find_number(text, "SwapTotal:");
    if (out->memory >= 0)
        out->memory *= 1024;
    if (out->swap >= 0)
        out->swap *= 1024;
    free(text);
}

/* Limits ----------------------------------------------------------------------------- */

static char *process_file(const char *root, long pid, const char *name)
{
    return pid == 0 ? hm_out_format("%s/proc/self/%s", root, name)
                    : hm_out_format("%s/proc/%ld/%s", root, pid, name);
}

static void read_limits(const char *root, long pid, struct hm_machine *out)
{
    char *text = read_file(process_file(root, pid, "limits"));

    out->address_limit = find_number(text, "Max address space");
    out->data_limit = find_number(text, "Max data size");
    out->locked_limit = find_number(text, "Max locked memory");
    free(text);
}

/* The lower of two limits, of which either may not be one. */
static long long tighter(long long a, long long b)
{
    if (a < 0 || b < 0)
        return a >= 0 ? a : b >= 0 ? b : a == HM_MACHINE_UNLIMITED ? a : b;
    return a < b ? a : b;
}

/* A cgroup's limits are those of all that it is in. */
static void read_cgroup(const char *root, long pid, struct hm_machine *out)
{
    char *text = read_file(process_file(root, pid, "cgroup"));
    const char *path = text != NULL ? find_value(text, "0::") : NULL;
    char *slash, *stat;

    out->memory_limit = out->memory_high = out->memory_used = HM_MACHINE_UNKNOWN;
    if (path == NULL) {
        free(text);
        return;
    }
    out->cgroup = hm_out_strndup(path, strcspn(path, "\n"));
    free(text);
    text = hm_out_strdup(out->cgroup);
    stat = read_file(hm_out_format("%s/sys/fs/cgroup%s/memory.stat", root, text));
    out->memory_used = find_number(stat, "anon ");
    free(stat);
    do {
        out->memory_limit = tighter(
            out->memory_limit,
            read_number(hm_out_format("%s/sys/fs/cgroup%s/memory.max", root, text)));
        out->memory_high = tighter(
            out->memory_high,
            read_number(hm_out_format("%s/sys/fs/cgroup%s/memory.high", root, text)));
        slash = strrchr(text, '/');
        if (slash != NULL)
            *slash = '\0';
    } while (slash != NULL && text[0] != '\0');
    /* In a container, the mount's own root may be the limited one. */
    out->memory_limit =
        tighter(out->memory_limit,
                read_number(hm_out_format("%s/sys/fs/cgroup/memory.max", root)));
    out->memory_high =
        tighter(out->memory_high,
                read_number(hm_out_format("%s/sys/fs/cgroup/memory.high", root)));
    free(text);
}

static char *read_preload(const char *root)
{
    char *text = read_file(hm_out_format("%s/etc/ld.so.preload", root));

    if (text != NULL && text[strspn(text, " \t\n")] != '\0')
        return text;
    free(text);
    return NULL;
}

bool hm_machine_read(const char *root, long pid, struct hm_machine *out)
{
    char *directory = process_file(root, pid, "");
    const bool exists = access(directory, F_OK) == 0;
    const bool here = root[0] == '\0';

    free(directory);
    if (pid != 0 && !exists)
        return false;
    *out = (struct hm_machine){
        .page_size = here ? sysconf(_SC_PAGESIZE) : HM_MACHINE_UNKNOWN,
        .cpus = here ? sysconf(_SC_NPROCESSORS_ONLN) : HM_MACHINE_UNKNOWN,
        .thp = read_choice(
            hm_out_format("%s/sys/kernel/mm/transparent_hugepage/enabled", root)),
        .thp_defrag = read_choice(
            hm_out_format("%s/sys/kernel/mm/transparent_hugepage/defrag", root)),
        .overcommit =
            read_number(hm_out_format("%s/proc/sys/vm/overcommit_memory", root)),
        .max_map_count = read_number(hm_out_format("%s/proc/sys/vm/max_map_count", root)),
        .preload = read_preload(root),
    };
    read_memory(root, out);
    read_limits(root, pid, out);
    read_cgroup(root, pid, out);
    return true;
}
