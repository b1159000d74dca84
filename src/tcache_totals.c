/* SPDX-License-Identifier: MIT */
/* Statistics of thread caches; apart from tcache.c, since most processes never ask. */
#include "tcache.h"

#include <string.h>

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
