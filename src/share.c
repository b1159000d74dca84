/* SPDX-License-Identifier: MIT */
#include "share.h"
#include "option.h"

/* To note takes a look at all bins: once for so much traffic one way, or for a sixteenth
 * of what is live. */
#define NOTE_BYTES (16 * HM_KIB)
#define NOTE_PART 16

/* A cache has turned over what it holds so often, or as if it held this much. */
#define OLD_TURNS 4
#define OLD_BYTES (512 * HM_KIB)

static _Atomic uint64_t live; /* [any] sum of all `net`; may be below zero */
/* [any, relaxed] the most it was since the last rotation, and in the time before that.
 * Two threads may overwrite each other's: a little less then counts, for a while. */
static _Atomic uint64_t peak, peak_before;
static _Atomic size_t room; /* [any] sum of all `bytes` */

static uint64_t positive(uint64_t bytes)
{
    return bytes > INT64_MAX ? 0 : bytes;
}

size_t hm_share_live(void)
{
    return hm_clamp(hm_max(hm_load_relaxed(&peak), hm_load_relaxed(&peak_before)));
}

static void add(uint64_t bytes)
{
    uint64_t now = positive(hm_add_relaxed(&live, bytes) + bytes);
    if (now > hm_load_relaxed(&peak))
        hm_store_relaxed(&peak, now);
}

bool hm_share_moved(struct hm_share *s, int64_t bytes)
{
    uint64_t step = hm_max(NOTE_BYTES, hm_share_live() / NOTE_PART);
    s->out += (uint64_t)bytes;
    s->traffic += (uint64_t)(bytes < 0 ? -bytes : bytes);
    return s->out - s->noted + step > 2 * step;
}

void hm_share_moved_single(int64_t bytes)
{
    add((uint64_t)bytes);
}

void hm_share_note(struct hm_share *s, uint64_t cached)
{
    uint64_t net = s->out - cached;
    add(net - s->net);
    s->net = net;
    s->noted = s->out;
}

bool hm_share_is_old(const struct hm_share *s)
{
    return s->traffic / OLD_TURNS >= hm_max(s->bytes, OLD_BYTES);
}

void hm_share_rotate(void)
{
    hm_store_relaxed(&peak_before, hm_load_relaxed(&peak));
    hm_store_relaxed(&peak, positive(hm_load_relaxed(&live)));
}

static size_t bound(size_t bytes, unsigned caches)
{
    size_t share = bytes / 100 * HM_LIVE(heap_cache_share);
    return hm_clamp(HM_LIVE(tls_cache_bytes)) + share / hm_max(caches, 1);
}

bool hm_share_allows(const struct hm_share *s, size_t more, unsigned caches)
{
    return s->bytes + more <= bound(hm_share_live(), caches) &&
           hm_load_relaxed(&room) + more <= HM_LIVE(process_cache_bytes);
}

/* Some MiB are not worth emptying it for. */
static bool is_over(const struct hm_share *s, size_t bytes, unsigned caches)
{
    return s->bytes > bound(bytes + 4 * HM_MIB, caches);
}

bool hm_share_is_over(const struct hm_share *s, unsigned caches)
{
    return is_over(s, hm_share_live(), caches);
}

bool hm_share_may_be_over(const struct hm_share *s, unsigned caches)
{
    return is_over(s, hm_clamp(positive(hm_load_relaxed(&live))), caches);
}

void hm_share_charge(struct hm_share *s, size_t bytes)
{
    s->bytes += bytes;
    hm_add_relaxed(&room, bytes);
}
