/* SPDX-License-Identifier: MIT */
/* Statistics of thread caches; apart from tcache.c, since most processes never ask. */
#include "tcache.h"

#include <string.h>

uint64_t hm_tcache_cached(struct hm_tcache *tc, uint64_t blocks[HM_CLASSES])
{
    uint64_t bytes = 0;
    for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
        struct hm_slot *bottom = hm_front_limit(&tc->bin_ends, cls) +
                                 hm_load_relaxed(&tc->bins[cls].capacity);
        /* While the bin moves to another array the two may not belong together. */
        ptrdiff_t count = bottom - hm_load_relaxed(&tc->bin_ends.top[cls]);
        if (count <= 0 || count > HM_BIN_MAX)
            continue;
        bytes += (uint64_t)count * hm_classes[cls].size;
        if (blocks != NULL)
            blocks[cls] += (uint64_t)count;
    }
    return bytes;
}

void hm_tcache_totals(struct hm_tcache_totals *out)
{
    memset(out, 0, sizeof *out);
    for (struct hm_tcache *tc = hm_tcache_first(); tc != NULL; tc = tc->next) {
        bool parked = hm_load_relaxed(&tc->parked);
        out->caches += !parked;
        out->parked += parked;
        out->refills += hm_load_relaxed(&tc->refills);
        out->refilled += hm_load_relaxed(&tc->refilled);
        out->flushes += hm_load_relaxed(&tc->flushes);
        out->flushed += hm_load_relaxed(&tc->flushed);
        out->remote += hm_load_relaxed(&tc->remote);
        out->wanted += hm_load_relaxed(&tc->wanted);
        out->granted += hm_load_relaxed(&tc->granted);
        out->cached_bytes += hm_tcache_cached(tc, NULL);
    }
}
