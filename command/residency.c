/* SPDX-License-Identifier: MIT */
#include "residency.h"

#include "out.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PRESENT = 1, EXCLUSIVE = 2 };

/* Of a word of pagemap. */
#define IS_PRESENT (UINT64_C(1) << 63)
#define IS_OF_FILE (UINT64_C(1) << 61)
#define IS_EXCLUSIVE (UINT64_C(1) << 56)

/* Mappings --------------------------------------------------------------------------- */

/* "START-END PERMS OFFSET DEVICE INODE   NAME". */
static bool read_head(const char *line, struct hm_mapping *m)
{
    int name = 0;

    *m = (struct hm_mapping){.start = 0};
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %n", &m->start, &m->end,
               m->perms, &name) != 3)
        return false;
    m->name = hm_out_strndup(line + name, strcspn(line + name, "\n"));
    return true;
}

static void read_size(const char *line, struct hm_mapping *m)
{
    uint64_t kib;

    if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
        m->rss = kib << 10;
    else if (sscanf(line, "Swap: %" SCNu64, &kib) == 1)
        m->swap = kib << 10;
    else if (sscanf(line, "AnonHugePages: %" SCNu64, &kib) == 1)
        m->huge = kib << 10;
}

static bool read_mappings(struct hm_residency *r, long pid)
{
    char *path = hm_out_format("/proc/%ld/smaps", pid);
    FILE *in = fopen(path, "re");
    struct hm_mapping m;
    char *line = NULL;
    size_t room = 0;

    if (in == NULL) {
        hm_out_error("%s: %s", path, strerror(errno));
        free(path);
        return false;
    }
    free(path);
    while (getline(&line, &room, in) > 0) {
        if (read_head(line, &m)) {
            r->mappings =
                hm_out_realloc(r->mappings, (r->count + 1) * sizeof *r->mappings);
            r->mappings[r->count++] = m;
        } else if (r->count > 0) {
            read_size(line, &r->mappings[r->count - 1]);
        }
    }
    free(line);
    fclose(in);
    return true;
}

bool hm_residency_open(struct hm_residency *r, long pid)
{
    char *path = hm_out_format("/proc/%ld/pagemap", pid);

    *r = (struct hm_residency){.page = (uint64_t)sysconf(_SC_PAGESIZE)};
    r->pagemap = open(path, O_RDONLY | O_CLOEXEC);
    if (r->pagemap < 0)
        hm_out_error("%s: %s", path, strerror(errno));
    free(path);
    return r->pagemap >= 0 && read_mappings(r, pid);
}

void hm_residency_close(struct hm_residency *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->mappings[i].name);
    free(r->mappings);
    close(r->pagemap);
}

/* The mapping that an address is in, or NULL. */
static struct hm_mapping *mapping_of(struct hm_residency *r, uint64_t address)
{
    size_t low = 0, high = r->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (r->mappings[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->count && r->mappings[low].start <= address ? &r->mappings[low] : NULL;
}

/* Pages ------------------------------------------------------------------------------ */

static uint8_t bits_of(uint64_t word)
{
    if ((word & IS_PRESENT) == 0)
        return 0;
    return (word & (IS_OF_FILE | IS_EXCLUSIVE)) != 0 ? PRESENT | EXCLUSIVE : PRESENT;
}

void hm_residency_read(struct hm_residency *r, uint64_t base, uint64_t size,
                       struct hm_pages *pages)
{
    const uint64_t first = base / r->page, end = (base + size + r->page - 1) / r->page;
    uint64_t words[512];

    pages->base = first * r->page;
    pages->count = (size_t)(end - first);
    pages->bits = hm_out_alloc(pages->count + 1);
    memset(pages->bits, 0, pages->count + 1);
    for (size_t at = 0; at < pages->count;) {
        const size_t want = hm_min(pages->count - at, HM_ARRAY_LEN(words));
        const ssize_t got = pread(r->pagemap, words, want * sizeof *words,
                                  (off_t)((first + at) * sizeof *words));

        if (got < (ssize_t)sizeof *words)
            break; /* it ended, or unmapped this meanwhile */
        for (size_t i = 0; i < (size_t)got / sizeof *words; i++)
            pages->bits[at++] = bits_of(words[i]);
    }
    for (size_t at = 0; at < pages->count; at++) {
        struct hm_mapping *m =
            pages->bits[at] != 0 ? mapping_of(r, pages->base + at * r->page) : NULL;

        if (m == NULL)
            continue;
        m->present += r->page;
        m->exclusive += (pages->bits[at] & EXCLUSIVE) != 0 ? r->page : 0;
    }
}

void hm_residency_settle(struct hm_residency *r, struct hm_pages *pages)
{
    for (size_t at = 0; at < pages->count; at++) {
        const uint8_t bits = pages->bits[at];
        struct hm_mapping *m =
            bits != 0 ? mapping_of(r, pages->base + at * r->page) : NULL;

        pages->bits[at] = 0;
        if (m == NULL || (m->present > m->rss && (bits & EXCLUSIVE) == 0))
            continue;
        pages->bits[at] = 1;
        m->settled += r->page;
    }
}

uint64_t hm_pages_resident(const struct hm_pages *pages, uint64_t page, uint64_t base,
                           uint64_t size)
{
    uint64_t bytes = 0;

    /* A page that is shared by two parts counts for the one that it begins in. */
    for (uint64_t at = (base + page - 1) / page * page; at < base + size; at += page) {
        const uint64_t i = (at - pages->base) / page;

        bytes += i < pages->count && pages->bits[i] != 0 ? page : 0;
    }
    return bytes;
}
