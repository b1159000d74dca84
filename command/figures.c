/* SPDX-License-Identifier: MIT */
#include "figures.h"

#define GAUGE false
#define COUNTER true
#define bytes true
#define one false

const struct hm_figure hm_figures[HM_LIVE_FIGURES] = {
#define HM_FIGURE(name, kind, unit, sentence) {#name, kind, unit, sentence},
#include "report.def"
#undef HM_FIGURE
};

#undef bytes
#undef one

static double ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? -1 : (double)part / (double)whole;
}

double hm_figures_cache_hits(const struct hm_live *live)
{
    uint64_t blocks = live->figures[HM_LIVE_refilled_blocks];
    uint64_t refills = live->figures[HM_LIVE_refills];

    return ratio(blocks - hm_min(refills, blocks), blocks);
}

double hm_figures_big_hits(const struct hm_live *live)
{
    uint64_t hits = live->figures[HM_LIVE_bigcache_hits];

    return ratio(hits, hits + live->figures[HM_LIVE_bigcache_misses]);
}

double hm_figures_rounding(const struct hm_live *live)
{
    uint64_t granted = live->figures[HM_LIVE_sampled_granted];
    uint64_t wanted = live->figures[HM_LIVE_sampled_wanted];

    return ratio(granted - hm_min(wanted, granted), granted);
}

char *hm_figures_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;

    for (; value >= 1024 && unit + 1 < HM_ARRAY_LEN(units); unit++)
        value /= 1024;
    return hm_out_format(unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

char *hm_figures_percent(double part)
{
    return part < 0 ? hm_out_strdup("-") : hm_out_format("%.1f %%", 100 * part);
}
