/* SPDX-License-Identifier: MIT */
#include "report.h"
#include "big.h"
#include "heap.h"
#include "medium.h"
#include "meta.h"
#include "option.h"
#include "os.h"
#include "tcache.h"
#include "trim.h"

#include <errno.h>
#include <string.h>

struct walk {
    uint64_t small_bytes, slabs;
};

static void count_run(struct hm_slab *run, void *arg)
{
    struct walk *w = arg;
    if (run->cls == HM_STATE_MEDIUM)
        return;
    w->small_bytes +=
        (hm_load_relaxed(&run->life) & HM_LIFE_COUNT) * hm_classes[run->cls].size;
    w->slabs++;
}

/* Address space with memory behind it, and the most there was of it. */
static void gather_mapped(struct hakmem_stats *s)
{
    static _Atomic uint64_t peak;
    s->mapped_bytes =
        s->superslabs * hm_opt.superslab_size + s->big_bytes + s->bigcache_bytes;
    uint64_t seen = hm_load_relaxed(&peak);
    while (s->mapped_bytes > seen &&
           !atomic_compare_exchange_weak_explicit(
               &peak, &seen, s->mapped_bytes, memory_order_relaxed, memory_order_relaxed))
        ;
    s->mapped_peak = hm_load_relaxed(&peak);
}

static void gather_caches(struct hakmem_stats *s)
{
    struct hm_tcache_totals t;
    hm_tcache_totals(&t);
    s->thread_caches = t.caches;
    s->parked_caches = t.parked;
    s->cached_bytes = t.cached_bytes;
    s->refills = t.refills;
    s->refilled_blocks = t.refilled;
    s->flushes = t.flushes;
    s->flushed_blocks = t.flushed;
}

void hm_report_gather(struct hakmem_stats *s)
{
    hm_heap_init();
    memset(s, 0, sizeof *s);
    s->version = HAKMEM_STATS_VERSION;
    s->size = sizeof *s;
    struct walk w = {0, 0};
    hm_superslab_each(count_run, &w);
    s->small_bytes = w.small_bytes;
    s->slabs = w.slabs;
    gather_caches(s);
    s->medium_bytes = hm_load_relaxed(&hm_medium_bytes);
    s->big_bytes = hm_load_relaxed(&hm_big_counts.live_bytes);
    s->bigcache_bytes = hm_load_relaxed(&hm_big_counts.cached_bytes);
    s->bigcache_hits = hm_load_relaxed(&hm_big_counts.hits);
    s->bigcache_misses = hm_load_relaxed(&hm_big_counts.misses);
    s->retained_bytes = hm_load_relaxed(&hm_superslab_counts.dirty_units)
                        << HM_UNIT_SHIFT;
    s->superslabs_mapped = hm_load_relaxed(&hm_superslab_counts.mapped);
    s->superslabs_released = hm_load_relaxed(&hm_superslab_counts.released);
    s->superslabs_peak = hm_load_relaxed(&hm_superslab_counts.peak);
    s->superslabs = s->superslabs_mapped - s->superslabs_released;
    s->metadata_bytes = hm_meta_bytes() + hm_region_bytes();
    s->trims = hm_load_relaxed(&hm_trim_counts.passes);
    s->trimmed_bytes = hm_load_relaxed(&hm_trim_counts.bytes);
    s->mmap_calls = hm_load_relaxed(&hm_os_counts.mmap);
    s->munmap_calls = hm_load_relaxed(&hm_os_counts.munmap);
    s->madvise_calls = hm_load_relaxed(&hm_os_counts.madvise);
    s->mprotect_calls = hm_load_relaxed(&hm_os_counts.mprotect);
    s->mremap_calls = hm_load_relaxed(&hm_os_counts.mremap);
    s->lock_waits = hm_load_relaxed(&hm_lock_waits);
    gather_mapped(s);
}

/* Every number once: for the text, the JSON and malloc_info. */
/* clang-format off */
#define FIELDS(X) \
    X(small_bytes) X(cached_bytes) X(medium_bytes) X(big_bytes) X(bigcache_bytes) \
    X(retained_bytes) X(mapped_bytes) X(mapped_peak) X(metadata_bytes) \
    X(superslabs) X(superslabs_peak) X(superslabs_mapped) X(superslabs_released) \
    X(slabs) X(thread_caches) X(parked_caches) \
    X(refills) X(refilled_blocks) X(flushes) X(flushed_blocks) \
    X(bigcache_hits) X(bigcache_misses) X(trims) X(trimmed_bytes) \
    X(mmap_calls) X(munmap_calls) X(madvise_calls) X(mprotect_calls) X(mremap_calls) \
    X(lock_waits)
/* clang-format on */

/* Classes in use. */
struct class_row {
    uint32_t slabs, blocks;
};

static void count_class(struct hm_slab *run, void *arg)
{
    struct class_row *row = (struct class_row *)arg + run->cls;
    row->slabs++;
    row->blocks += (uint32_t)(hm_load_relaxed(&run->life) & HM_LIFE_COUNT);
}

void hm_report_text(struct hm_text *out)
{
    struct hakmem_stats s;
    hm_report_gather(&s);
    hm_text_printf(out, "hakmem %s, profile %s\n", hakmem_version(), hm_heap_profile());
#define PRINT(name) hm_text_printf(out, "  %-20s %16lu\n", #name, (unsigned long)s.name);
    FIELDS(PRINT)
#undef PRINT
    struct class_row rows[HM_STATES] = {{0, 0}};
    hm_superslab_each(count_class, rows);
    hm_text_printf(out, "  %8s %8s %10s\n", "class", "slabs", "blocks");
    for (unsigned c = 1; c < HM_CLASSES; c++)
        if (rows[c].slabs != 0)
            hm_text_printf(out, "  %8u %8u %10u\n", hm_classes[c].size, rows[c].slabs,
                           rows[c].blocks);
}

void hm_report_json(struct hm_text *out)
{
    struct hakmem_stats s;
    hm_report_gather(&s);
    hm_text_printf(out, "{\"version\":\"%s\",\"profile\":\"%s\"", hakmem_version(),
                   hm_heap_profile());
#define PRINT(name) hm_text_printf(out, ",\"%s\":%lu", #name, (unsigned long)s.name);
    FIELDS(PRINT)
#undef PRINT
    struct class_row rows[HM_STATES] = {{0, 0}};
    hm_superslab_each(count_class, rows);
    hm_text_printf(out, ",\"classes\":[");
    const char *comma = "";
    for (unsigned c = 1; c < HM_CLASSES; c++) {
        if (rows[c].slabs == 0)
            continue;
        hm_text_printf(out, "%s{\"size\":%u,\"slabs\":%u,\"blocks\":%u}", comma,
                       hm_classes[c].size, rows[c].slabs, rows[c].blocks);
        comma = ",";
    }
    hm_text_printf(out, "]}\n");
}

void hm_report_stats(void)
{
    char buf[1024];
    struct hm_text out;
    hm_text_init(&out, buf, sizeof buf, 2);
    hm_report_text(&out);
    hm_text_flush(&out);
}

int hm_report_info(int options, FILE *out)
{
    if (options != 0)
        return EINVAL; /* as glibc does */
    struct hakmem_stats s;
    hm_report_gather(&s);
    char buf[4096]; /* twice what is needed */
    struct hm_text text;
    hm_text_init(&text, buf, sizeof buf, -1);
    hm_text_printf(&text, "<malloc version=\"hakmem-1\">\n");
#define PRINT(name) \
    hm_text_printf(&text, "<%s>%lu</%s>\n", #name, (unsigned long)s.name, #name);
    FIELDS(PRINT)
#undef PRINT
    hm_text_printf(&text, "</malloc>\n");
    return fwrite(buf, 1, text.len, out) == text.len ? 0 : -1;
}

struct mallinfo2 hm_report_mallinfo(void)
{
    struct hakmem_stats s;
    hm_report_gather(&s);
    size_t small = (size_t)s.small_bytes;
    size_t live_small = small - hm_min(small, (size_t)s.cached_bytes);
    size_t in_superslabs = (size_t)s.superslabs * hm_opt.superslab_size;
    size_t live = live_small + (size_t)s.medium_bytes;
    return (struct mallinfo2){
        .arena = in_superslabs,
        .ordblks = (size_t)s.slabs,
        .hblkhd = (size_t)s.big_bytes,
        .uordblks = live,
        .fordblks = in_superslabs - hm_min(in_superslabs, live),
        .keepcost = (size_t)s.retained_bytes,
    };
}
