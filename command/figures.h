/* SPDX-License-Identifier: MIT */
/* figures: what the numbers of a statistics page mean, and what follows from them. */
#ifndef HM_FIGURES_H
#define HM_FIGURES_H

#include "live.h"

struct hm_figure {
    const char *name;
    bool is_counter; /* since the process started; else: what is now */
    bool is_bytes;
    const char *sentence;
};
extern const struct hm_figure hm_figures[HM_LIVE_FIGURES];

/* Ratios, or -1 where nothing has happened yet.
 *
 * At least this part of all allocations found a block in their thread's cache: each
 * refill brings several blocks for one that did not. Those that are freed and used again
 * within a cache are not counted anywhere, so the true part is higher. */
double hm_figures_cache_hits(const struct hm_live *live);
/* This part of the requests for big blocks was served from BigCache. */
double hm_figures_big_hits(const struct hm_live *live);
/* This part of the bytes of small blocks was not asked for, by a sample. */
double hm_figures_rounding(const struct hm_live *live);

/* "1.5 MiB"; to be freed. */
char *hm_figures_bytes(uint64_t bytes);
/* "97.5 %", or "-"; to be freed. */
char *hm_figures_percent(double ratio);

#endif
