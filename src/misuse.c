/* SPDX-License-Identifier: MIT */
#include "misuse.h"
#include "big.h"
#include "fail.h"
#include "harden.h"

static noreturn void misuse_inside(const void *p, const char *call, bool live,
                                   size_t size, size_t offset)
{
    hm_fail_misuse(call, p, "inside a %s block of %zu bytes, offset %zu",
                   live ? "live" : "free", size, offset);
}

static noreturn void misuse_in_superslab(struct hm_superslab *ss, const char *p,
                                         const char *call)
{
    struct hm_slab *run = hm_superslab_slab_of(ss, p);
    size_t offset = (size_t)(p - run->base), start = 0;
    size_t size = (size_t)run->units << HM_UNIT_SHIFT;
    /* Free units may have been in no run yet, or in one that is shorter now (S4). */
    size_t first = (size_t)(run - ss->slabs) << HM_UNIT_SHIFT;
    if (run->base != ss->base + first || offset >= size)
        hm_fail_misuse(call, p, "not allocated by hakmem");
    if (run->cls != 0 && run->cls != HM_STATE_MEDIUM) {
        size = hm_classes[run->cls].size;
        start = hm_class_index(run->cls, offset) * size;
    }
    if (offset == start)
        hm_fail_misuse(call, p, "already free");
    bool live = hm_load_relaxed(run->state + (start >> ss->shift)) != 0;
    misuse_inside(p, call, live, hm_harden_asked(run->base + start, size),
                  offset - start);
}

static noreturn void misuse_guarded(const struct hm_guarded *g, const char *p,
                                    const char *call)
{
    uint32_t life = hm_load_relaxed(&g->life);
    if (life == HM_GUARD_UNUSED || p < g->block)
        hm_fail_misuse(call, p, "not allocated by hakmem");
    if (p == g->block)
        hm_fail_misuse(call, p, "already free");
    misuse_inside(p, call, life == HM_GUARD_IS_LIVE, g->size, (size_t)(p - g->block));
}

noreturn void hm_misuse(const void *p, const char *call)
{
    hm_owner owner = hm_region_get(p);
    if (hm_owner_kind(owner) == HM_OWNER_SUPERSLAB)
        misuse_in_superslab(hm_owner_ptr(owner), p, call);
    if (hm_owner_kind(owner) == HM_OWNER_NONE)
        hm_fail_misuse(call, p, "not allocated by hakmem");
    if (hm_owner_kind(owner) == HM_OWNER_GUARDED)
        misuse_guarded(hm_owner_ptr(owner), p, call);
    struct hm_big *big = hm_owner_ptr(owner);
    if (hm_load_relaxed(&big->life) != HM_BIG_LIVE)
        hm_fail_misuse(call, p, "already free");
    misuse_inside(p, call, true, hm_harden_asked(big->base, big->size),
                  (size_t)((const char *)p - big->base));
}
