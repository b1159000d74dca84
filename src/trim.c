/* SPDX-License-Identifier: MIT */
#include "trim.h"
#include "big.h"
#include "option.h"

struct hm_trim_counts hm_trim_counts;
static _Atomic uint64_t last_pass, last_reclaim; /* hm_clock */

/* What a reclaim takes: units free for this part of trim_interval, if there are so many
 * at all. Where the only reason is that much is free, what was torn down may be about to
 * be built up again, and there is less of a hurry. */
#define RECLAIM_PART 40
#define RECLAIM_UNITS 16
#define DIRTY_PART 16
#define DIRTY_AGE_PART 4

/* A watch is worth it while so much is free and resident; to begin one, such a part of
 * all must be. So it is while a cache may have to be emptied: it serves all calls of a
 * thread with little to do. */
#define WATCH_BYTES HM_MIB
#define WATCH_PART 2
#define WATCH_CALLS 64
#define WATCH_MORE 16

HM_ONCE void hm_trim_init(void)
{
    hm_store_relaxed(&last_pass, hm_clock_update());
}

static size_t pass(uint64_t deadline, bool pages)
{
    hm_share_rotate();
    hm_tcache_trim_parked(deadline);
    size_t bytes = hm_big_trim_due(deadline);
    if (pages)
        bytes += hm_slab_purge_pages();
    bytes += hm_superslab_trim(deadline, HM_LIVE(empty_reserve));
    hm_add_relaxed(&hm_trim_counts.passes, 1);
    hm_add_relaxed(&hm_trim_counts.bytes, bytes);
    return bytes;
}

size_t hm_trim_pass(void)
{
    uint64_t now = hm_clock_update(), interval = HM_LIVE(trim_interval);
    return pass(now > interval ? now - interval : 0, HM_LIVE(page_purge));
}

bool hm_trim_anything_left(void)
{
    return hm_superslab_purgeable() > 0 ||
           hm_load_relaxed(&hm_big_counts.cached_bytes) > 0 ||
           hm_tcache_parked_untrimmed();
}

/* The process maps a SuperSlab although it has free units, of the wrong kind or in runs
 * too short, or freed big blocks. A program whose sizes change from phase to phase shall
 * not hold what the last one left on top of what the next one needs. Or it gives
 * SuperSlabs back, and may be done before the next pass. */
static void reclaim(uint64_t now, uint64_t age, bool big)
{
    uint64_t cached = big ? hm_load_relaxed(&hm_big_counts.cached_bytes) : 0;
    bool much = hm_superslab_purgeable() + (cached >> HM_UNIT_SHIFT) >= RECLAIM_UNITS;
    uint64_t last = hm_load_relaxed(&last_reclaim);
    if (!much || now - last < age ||
        !atomic_compare_exchange_strong_explicit(
            &last_reclaim, &last, now, memory_order_relaxed, memory_order_relaxed))
        return;
    size_t bytes = cached > 0 ? hm_big_trim(now - age, SIZE_MAX) : 0;
    bytes += hm_superslab_trim(now - age, HM_LIVE(empty_reserve));
    hm_add_relaxed(&hm_trim_counts.bytes, bytes);
}

/* Is a part of what is mapped free and resident? Then a peak is over, but its last
 * blocks keep the SuperSlabs from being empty. */
static bool much_is_dirty(void)
{
    return hm_superslab_purgeable() * DIRTY_PART >
           hm_superslab_mapped() * (hm_opt.superslab_size >> HM_UNIT_SHIFT);
}

static bool watch_worth(const struct hm_tcache *tc)
{
    uint64_t cached = hm_load_relaxed(&hm_big_counts.cached_bytes);
    uint64_t dirty = hm_superslab_purgeable() << HM_UNIT_SHIFT;
    uint64_t all = hm_superslab_resident() + hm_load_relaxed(&hm_big_counts.live_bytes);
    uint64_t free = dirty + cached;
    bool enough = tc->watched != 0 || free * WATCH_PART >= all + cached;
    return (free >= WATCH_BYTES && enough) || hm_tcache_may_be_over(tc);
}

/* A call that would not have missed without the watch brings its end nearer, another call
 * puts it off: tearing a peak down is a mixture of both. */
static void watch(struct hm_tcache *tc, uint64_t now)
{
    /* Frees that bins take in are not seen otherwise. */
    if (now != tc->watched_at && tc->share.bytes >= WATCH_BYTES)
        hm_tcache_note_live(tc);
    if (!watch_worth(tc))
        hm_tcache_watch_end(tc);
    else if (now != tc->watched_at)
        hm_tcache_watch(tc, WATCH_CALLS);
    else if (!tc->watch_hit)
        hm_tcache_watch(tc, (unsigned)hm_min(tc->watched + WATCH_MORE, WATCH_CALLS));
    tc->watched_at = now;
    tc->watch_hit = false;
}

void hm_trim_tick_slow(struct hm_tcache *tc)
{
    uint64_t now = hm_clock_update(), interval = HM_LIVE(trim_interval);
    uint64_t events = hm_trim_superslab_events(), aging = interval;
    if (events != hm_load_relaxed(&hm_trim_counts.seen)) {
        hm_store_relaxed(&hm_trim_counts.seen, events);
        aging = interval / RECLAIM_PART + 1; /* of bins of the last phase, too */
        reclaim(now, aging, true);
    } else if (much_is_dirty())
        reclaim(now, interval / DIRTY_AGE_PART + 1, false);
    /* Twice an interval, so that nothing waits for much longer than one. */
    uint64_t last = hm_load_relaxed(&last_pass);
    if (now - last >= interval / 2 &&
        atomic_compare_exchange_strong_explicit(
            &last_pass, &last, now, memory_order_relaxed, memory_order_relaxed))
        hm_trim_pass();
    /* After the pass: what is resident now bounds what the cache may hold. */
    uint32_t asked = hm_load_relaxed(&hm_trim_counts.asked);
    if (tc->asked != asked) {
        tc->asked = asked;
        hm_tcache_flush(tc);
    } else if (now - tc->aged_at >= aging || hm_share_is_old(&tc->share)) {
        tc->aged_at = now;
        hm_tcache_age(tc);
    }
    watch(tc, now);
}

size_t hm_trim_now(struct hm_tcache *tc)
{
    if (tc != NULL)
        hm_tcache_flush(tc);
    return pass(hm_clock_update() + HM_CLOCK_FORCED, true);
}

void hm_trim_ask_all(void)
{
    hm_add_relaxed(&hm_trim_counts.asked, 1);
}
