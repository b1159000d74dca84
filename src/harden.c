/* SPDX-License-Identifier: MIT */
#include "harden.h"
#include "canary.h"
#include "fail.h"
#include "option.h"
#include "walk.h"

#include <string.h>

/* Blocks of no bytes and sampled ones leave the rest to large ones. */
#define SMALL_GUARDED_MAX (HM_GUARD_LIVE / 4)

bool hm_harden_on, hm_harden_slots;

HM_ONCE void hm_harden_init(void)
{
    hm_harden_slots =
        hm_opt.redzone > 0 || hm_opt.quarantine_bytes > 0 || hm_opt.check_freed;
    hm_harden_on = hm_harden_slots || hm_opt.guard_from > 0 || hm_opt.guard_sample > 0;
    if (!hm_harden_on && !hm_opt.randomize && !hm_opt.guard_pages)
        return;
    hm_random_init();
    hm_canary_init();
    hm_quarantine_init();
    hm_guard_init();
}

HM_ONCE bool hm_harden_needs_every_call(void)
{
    return hm_harden_slots || hm_opt.check == HM_CHECK_FULL || hm_opt.zero_on_free ||
           hm_opt.check_sized || hm_opt.randomize ||
           (hm_opt.guard_from > 0 && hm_opt.guard_from <= HM_LARGE_MAX);
}

/* Is this the one allocation in guard_sample? Where calls do not miss by themselves,
 * blocks count when they are fetched for the thread's cache. */
static bool is_sample(struct hm_tcache *tc)
{
    uint32_t seen = tc->events;
    if (hm_tcache_front(tc) == &tc->bin_ends)
        seen += (uint32_t)hm_load_relaxed(&tc->refilled);
    if (tc->sample_at != 0 && (int32_t)(seen - tc->sample_at) < 0)
        return false;
    bool first = tc->sample_at == 0;
    if (first)
        tc->random = hm_random();
    uint32_t wait = hm_random_below(hm_random_next(&tc->random), 2 * hm_opt.guard_sample);
    tc->sample_at = hm_max(seen + 1 + wait, 1) & UINT32_MAX;
    return !first;
}

bool hm_harden_wants_guard(struct hm_tcache *tc, size_t size)
{
    if (hm_opt.guard_from != 0 && size >= hm_opt.guard_from)
        return true;
    if (hm_load_relaxed(&hm_guard_counts.live) >= SMALL_GUARDED_MAX)
        return false;
    if (hm_opt.guard_from != 0 && size == 0)
        return true;
    return hm_opt.guard_sample != 0 && tc != NULL && is_sample(tc);
}

/* Messages. */

size_t hm_harden_asked(const char *slot, size_t slot_size)
{
    size_t size = HM_CANARY_NONE;
    if (hm_canary_room != 0)
        size = hm_canary_size(slot, slot_size);
    return size != HM_CANARY_NONE ? size : slot_size;
}

static HM_COLD noreturn void overrun(const void *p, const char *call, size_t size,
                                     ptrdiff_t at)
{
    hm_fail_misuse(call, p, "block of %zu bytes written to at offset %s%zu", size,
                   at < 0 ? "-" : "", (size_t)(at < 0 ? -at : at));
}

/* Allocation. */

void hm_harden_hand_out(const struct hm_freed *slot, size_t size, bool *zeroed,
                        const char *call)
{
    if (hm_opt.check_freed && !*zeroed) {
        bool in_superslab = slot->cls != 0;
        if (in_superslab)
            hm_harden_verify_freed(slot, call);
        memset(slot->slot, 0, slot->size - hm_canary_kept);
        *zeroed = true;
    }
    if (hm_canary_room == 0)
        return;
    hm_canary_set(slot->slot, size, slot->size);
    /* Not of another run: its memory may count as zero (S2). */
    bool within = slot->cls != 0 && hm_slab_of(slot->slot)->base != slot->slot;
    if (within && hm_opt.check_freed)
        hm_canary_set_before(slot->slot);
}

HM_HOT size_t hm_harden_size(const char *slot, size_t slot_size, const char *call)
{
    if (hm_canary_room == 0)
        return slot_size;
    size_t size = hm_canary_size(slot, slot_size);
    if (size == HM_CANARY_NONE)
        hm_fail_misuse(call, slot, "block of %zu bytes at most written to beyond its end",
                       slot_size - hm_canary_room);
    return size;
}

void hm_harden_resize(const struct hm_freed *slot, size_t from, size_t to)
{
    if (to > from && hm_opt.check_freed)
        memset(slot->slot + from, 0, to - from);
    if (hm_canary_room != 0)
        hm_canary_set(slot->slot, to, slot->size);
}

/* Freeing. */

/* In front of a block is the end of another slot or run. Where free memory is zero, it
 * can be told whether somebody wrote there (K4). Nothing is in front of a SuperSlab, nor
 * is there anything to be told of a fence. */
static bool has_canaries_before(const char *slot)
{
    const struct hm_slab *run = hm_slab_of(slot);
    if (slot != run->base)
        return hm_opt.check_freed;
    return hm_opt.check_freed && run->unit > 0 &&
           !hm_fence_is(run->unit - 1u, run->owner->gap);
}

void hm_harden_verify(const struct hm_freed *slot, const char *call)
{
    if (hm_canary_room == 0)
        return;
    const char *p = slot->slot;
    size_t size = hm_harden_size(p, slot->size, call);
    size_t at = hm_canary_overrun(p, size, slot->size);
    if (at != HM_CANARY_NONE)
        overrun(p, call, size, (ptrdiff_t)at);
    if (slot->cls == 0 || !has_canaries_before(p))
        return;
    size_t back = hm_canary_underrun(p);
    if (back != 0)
        overrun(p, call, size, -(ptrdiff_t)back);
}

void hm_harden_verify_guarded(const struct hm_guarded *g, const char *call)
{
    ptrdiff_t at = hm_guard_overrun(g);
    if (at != 0)
        overrun(g->block, call, g->size, at);
}

void hm_harden_verify_claim(const void *p, size_t have, bool exact, size_t size,
                            size_t align)
{
    if (((uintptr_t)p & (align - 1)) != 0)
        hm_fail_misuse("free", p, "freed as aligned to %zu bytes, which it is not",
                       align);
    if (size == SIZE_MAX || size == have)
        return;
    if (exact || size > have)
        hm_fail_misuse("free", p, "freed as %zu bytes, allocated as %zu", size, have);
}

void hm_harden_fill(const struct hm_freed *slot)
{
    if (hm_opt.check_freed || hm_opt.zero_on_free)
        memset(slot->slot, 0, slot->size - hm_canary_kept);
}

void hm_harden_verify_freed(const struct hm_freed *slot, const char *call)
{
    bool zero;
    size_t at = HM_CANARY_NONE;
    if (hm_opt.check_freed)
        at = hm_canary_touched(slot->slot, slot->size, &zero);
    if (at != HM_CANARY_NONE)
        hm_fail_misuse(call, slot->slot,
                       "block of %zu bytes written to after it was freed, offset %zu",
                       hm_harden_asked(slot->slot, slot->size), at);
}

/* Every block there is. */

struct walk {
    bool alone;
    void (*bad)(const char *what, const void *block);
};

static const char beyond[] = "written to beyond its end";
static const char after[] = "written to after it was freed";

static bool is_untouched(const struct hm_freed *b)
{
    bool zero;
    return !hm_opt.check_freed ||
           hm_canary_touched(b->slot, b->size, &zero) == HM_CANARY_NONE;
}

static void walk_freed(const struct hm_freed *b, void *arg)
{
    const struct walk *w = arg;
    if (!is_untouched(b))
        w->bad(after, b->slot);
}

/* A block that another thread may be handing out or taking back at this moment has an end
 * that fits all the same (K3). */
static void walk_slot(const struct walk *w, const struct hm_freed *b, bool live)
{
    bool ok = true;
    if (!w->alone) {
        ok = !hm_opt.check_freed || hm_canary_underrun(b->slot + b->size) == 0;
    } else if (live) {
        size_t size = hm_canary_size(b->slot, b->size);
        ok = size != HM_CANARY_NONE &&
             hm_canary_overrun(b->slot, size, b->size) == HM_CANARY_NONE;
    } else {
        walk_freed(b, (void *)(uintptr_t)w);
    }
    if (!ok)
        w->bad(beyond, b->slot);
}

static void walk_run(struct hm_slab *run, void *arg)
{
    size_t size = (size_t)run->units << HM_UNIT_SHIFT, step = size;
    unsigned count = 1, cls = run->cls, shift = run->owner->shift;
    if (cls != HM_STATE_MEDIUM) {
        step = hm_classes[cls].size;
        count = hm_classes[cls].blocks;
    }
    for (unsigned i = 0; i < count; i++) {
        struct hm_freed b = {run->base + i * step, (uint32_t)step, cls};
        walk_slot(arg, &b, hm_load_relaxed(run->state + (i * step >> shift)) != 0);
    }
}

static void walk_guarded(struct hm_guarded *g, void *arg)
{
    const struct walk *w = arg;
    if (w->alone && hm_load_relaxed(&g->life) == HM_GUARD_IS_LIVE &&
        hm_guard_overrun(g) != 0)
        w->bad(beyond, g->block);
}

void hm_harden_walk(bool alone, void (*bad)(const char *what, const void *block))
{
    struct walk w = {alone, bad};
    hm_quarantine_each(walk_freed, &w);
    if (hm_canary_room != 0)
        hm_walk_runs(walk_run, &w);
    hm_guard_each(walk_guarded, &w);
}
