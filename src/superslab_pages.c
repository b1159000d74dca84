/* SPDX-License-Identifier: MIT */
/* Where pages of the kernel are larger than units; apart from superslab.c, since most
 * kernels have none. */
#include "bits.h"
#include "superslab.h"

uint32_t hm_superslab_page_units = 1;

/* The units of a page then go back all together: superslab.c claims whole pages only.
 * What shares a page with a run is stuck until that run is freed. */
void hm_superslab_settle_slow(struct hm_superslab *ss, uint32_t at, uint32_t count,
                              bool after)
{
    uint32_t page = hm_superslab_page_units, fresh = 0;
    uint32_t from = (uint32_t)hm_round_down(at, page);
    uint32_t end = (uint32_t)hm_round_up(at + count, page);
    for (uint32_t u = from; after && u < end; u++) {
        bool inside = u >= at && u < at + count;
        if (inside || hm_bits_count(ss->free_map, u, 1) == 0 ||
            hm_bits_count(ss->dirty_map, u, 1) != 0)
            continue;
        hm_bits_change(ss->dirty_map, u, 1, true);
        ss->freed_at[u] = (uint32_t)hm_load_relaxed(&hm_clock);
        fresh++;
    }
    ss->dirty_units += fresh;
    hm_add_relaxed(&hm_superslab_counts.dirty_units, fresh);
    uint64_t stuck = hm_bits_partial(ss->dirty_map, from, end - from, page);
    hm_add_relaxed(&hm_superslab_counts.stuck_units, after ? stuck : -stuck);
}
