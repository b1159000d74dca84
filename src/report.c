/* SPDX-License-Identifier: MIT */
#include "report.h"
#include "big.h"
#include "guard.h"
#include "heap.h"
#include "meta.h"
#include "option.h"
#include "os.h"
#include "quarantine.h"
#include "trim.h"
#include "walk.h"

#include <errno.h>
#include <string.h>

static void count_run(struct hm_slab *run, void *arg)
{
    struct hm_report *r = arg;
    uint64_t size = (uint64_t)run->units << HM_UNIT_SHIFT;
    if (run->cls == HM_STATE_MEDIUM) {
        r->stats.medium_bytes += size;
        return;
    }
    uint64_t blocks = hm_load_relaxed(&run->life) & HM_LIFE_COUNT;
    r->classes[run->cls].slabs++;
    r->classes[run->cls].blocks += blocks;
    r->stats.slabs++;
    r->stats.slab_bytes += size;
    r->stats.small_bytes += blocks * hm_classes[run->cls].size;
}

static void count_superslab(struct hm_superslab *ss, void *arg)
{
    struct hm_report *r = arg;
    struct hakmem_stats *s = &r->stats;
    uint64_t size = (uint64_t)ss->units << HM_UNIT_SHIFT, before = s->slab_bytes;
    before += s->medium_bytes;
    hm_walk_superslab(ss, count_run, r);
    uint64_t dirty = (uint64_t)ss->dirty_units << HM_UNIT_SHIFT;
    s->superslabs++;
    s->retained_bytes += dirty;
    /* With what is on its way to the system, which is in no run and not free. */
    s->returned_bytes += size - (s->slab_bytes + s->medium_bytes - before) - dirty;
    s->state_bytes += size >> ss->shift;
}

static bool gather_superslabs(struct hm_report *r)
{
    for (unsigned i = 0; i < hm_superslab_shards(); i++)
        if (!hm_superslab_each(i, count_superslab, r))
            return false;
    return true;
}

/* Address space with memory behind it, and the most there was of it. */
static void gather_mapped(struct hakmem_stats *s)
{
    static _Atomic uint64_t peak HM_COLD_DATA;
    s->mapped_bytes =
        s->superslabs * hm_opt.superslab_size + s->big_bytes + s->bigcache_bytes;
    uint64_t seen = hm_load_relaxed(&peak);
    while (s->mapped_bytes > seen &&
           !atomic_compare_exchange_weak_explicit(
               &peak, &seen, s->mapped_bytes, memory_order_relaxed, memory_order_relaxed))
        ;
    s->mapped_peak = hm_load_relaxed(&peak);
}

static void gather_caches(struct hm_report *r)
{
    struct hakmem_stats *s = &r->stats;
    struct hm_tcache_totals t;
    hm_tcache_totals(&t);
    for (struct hm_tcache *tc = hm_tcache_first(); tc != NULL; tc = tc->next) {
        uint64_t blocks[HM_CLASSES] = {0};
        s->cached_bytes += hm_tcache_cached(tc, blocks);
        for (unsigned cls = 1; cls < HM_CLASSES; cls++)
            r->classes[cls].cached += blocks[cls];
    }
    s->thread_caches = t.caches;
    s->parked_caches = t.parked;
    s->refills = t.refills;
    s->refilled_blocks = t.refilled;
    s->flushes = t.flushes;
    s->flushed_blocks = t.flushed;
    s->remote_frees = t.remote;
    s->sampled_wanted = t.wanted;
    s->sampled_granted = t.granted;
}

bool hm_report_gather(struct hm_report *r)
{
    hm_heap_init();
    memset(r, 0, sizeof *r);
    struct hakmem_stats *s = &r->stats;
    s->version = HAKMEM_STATS_VERSION;
    s->size = sizeof *s;
    bool whole = gather_superslabs(r);
    gather_caches(r);
    s->cached_bytes += hm_quarantine_held();
    s->big_bytes = hm_load_relaxed(&hm_big_counts.live_bytes) +
                   hm_load_relaxed(&hm_guard_counts.live_bytes);
    s->bigcache_bytes = hm_load_relaxed(&hm_big_counts.cached_bytes);
    s->bigcache_hits = hm_load_relaxed(&hm_big_counts.hits);
    s->bigcache_misses = hm_load_relaxed(&hm_big_counts.misses);
    s->superslabs_mapped = hm_load_relaxed(&hm_superslab_counts.mapped);
    s->superslabs_released = hm_load_relaxed(&hm_superslab_counts.released);
    s->superslabs_peak = hm_load_relaxed(&hm_superslab_counts.peak);
    s->metadata_bytes = hm_meta_bytes() + hm_region_bytes();
    s->trims = hm_load_relaxed(&hm_trim_counts.passes);
    s->trimmed_bytes = hm_load_relaxed(&hm_trim_counts.bytes);
    s->mmap_calls = hm_load_relaxed(&hm_os_counts.mmap);
    s->munmap_calls = hm_load_relaxed(&hm_os_counts.munmap);
    s->madvise_calls = hm_load_relaxed(&hm_os_counts.madvise);
    s->mprotect_calls = hm_load_relaxed(&hm_os_counts.mprotect);
    s->mremap_calls = hm_load_relaxed(&hm_os_counts.mremap);
    s->lock_waits = hm_load_relaxed(&hm_lock_waits);
    uint64_t idle = s->cached_bytes < s->small_bytes ? s->cached_bytes : s->small_bytes;
    s->live_bytes = s->small_bytes - idle + s->medium_bytes + s->big_bytes;
    s->resident_bound = s->slab_bytes + s->medium_bytes + s->retained_bytes +
                        s->state_bytes + s->big_bytes + s->bigcache_bytes +
                        s->metadata_bytes;
    gather_mapped(s);
    return whole;
}

static const char names[][24] = {
#define HM_FIGURE(name, kind, unit, sentence) #name,
#include "report.def"
#undef HM_FIGURE
};
_Static_assert(sizeof(struct hakmem_stats) == offsetof(struct hakmem_stats, small_bytes) +
                                                  HM_ARRAY_LEN(names) * sizeof(uint64_t),
               "report.def has every field");

static void put_figures(struct hm_text *out, const struct hakmem_stats *s,
                        const char *format)
{
    const uint64_t *figures = &s->small_bytes;
    for (size_t i = 0; i < HM_ARRAY_LEN(names); i++)
        hm_text_printf(out, format, names[i], (unsigned long)figures[i], names[i]);
}

void hm_report_text(struct hm_text *out)
{
    struct hm_report r;
    hm_report_gather(&r);
    hm_text_printf(out, "hakmem %s, profile %s\n", hakmem_version(), hm_heap_profile());
    put_figures(out, &r.stats, "  %-20s %16lu\n");
    hm_text_printf(out, "  %8s %8s %10s %10s\n", "class", "slabs", "blocks", "cached");
    for (unsigned c = 1; c < HM_CLASSES; c++)
        if (r.classes[c].slabs != 0)
            hm_text_printf(out, "  %8u %8lu %10lu %10lu\n", hm_classes[c].size,
                           (unsigned long)r.classes[c].slabs,
                           (unsigned long)r.classes[c].blocks,
                           (unsigned long)r.classes[c].cached);
}

void hm_report_json(struct hm_text *out)
{
    struct hm_report r;
    hm_report_gather(&r);
    hm_text_printf(out, "{\"version\":\"%s\",\"profile\":\"%s\"", hakmem_version(),
                   hm_heap_profile());
    put_figures(out, &r.stats, ",\"%s\":%lu");
    hm_text_printf(out, ",\"classes\":[");
    const char *comma = "";
    for (unsigned c = 1; c < HM_CLASSES; c++) {
        if (r.classes[c].slabs == 0)
            continue;
        hm_text_printf(out, "%s{\"size\":%u,\"slabs\":%lu,\"blocks\":%lu,\"cached\":%lu}",
                       comma, hm_classes[c].size, (unsigned long)r.classes[c].slabs,
                       (unsigned long)r.classes[c].blocks,
                       (unsigned long)r.classes[c].cached);
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
    struct hm_report r;
    hm_report_gather(&r);
    char buf[16 * HM_KIB]; /* twice what is needed */
    struct hm_text text;
    hm_text_init(&text, buf, sizeof buf, -1);
    hm_text_printf(&text, "<malloc version=\"hakmem-1\">\n");
    put_figures(&text, &r.stats, "<%s>%lu</%s>\n");
    for (unsigned c = 1; c < HM_CLASSES; c++)
        if (r.classes[c].slabs != 0)
            hm_text_printf(&text,
                           "<class size=\"%u\" slabs=\"%lu\" blocks=\"%lu\" "
                           "cached=\"%lu\"/>\n",
                           hm_classes[c].size, (unsigned long)r.classes[c].slabs,
                           (unsigned long)r.classes[c].blocks,
                           (unsigned long)r.classes[c].cached);
    hm_text_printf(&text, "</malloc>\n");
    return fwrite(buf, 1, text.len, out) == text.len ? 0 : -1;
}

struct mallinfo2 hm_report_mallinfo(void)
{
    struct hm_report r;
    hm_report_gather(&r);
    const struct hakmem_stats *s = &r.stats;
    size_t small = (size_t)s->small_bytes;
    size_t live_small = small - hm_min(small, (size_t)s->cached_bytes);
    size_t in_superslabs = (size_t)s->superslabs * hm_opt.superslab_size;
    size_t live = live_small + (size_t)s->medium_bytes;
    return (struct mallinfo2){
        .arena = in_superslabs,
        .ordblks = (size_t)s->slabs,
        .hblkhd = (size_t)s->big_bytes,
        .uordblks = live,
        .fordblks = in_superslabs - hm_min(in_superslabs, live),
        .keepcost = (size_t)s->retained_bytes,
    };
}
