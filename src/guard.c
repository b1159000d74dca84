/* SPDX-License-Identifier: MIT */
#include "guard.h"
#include "canary.h"
#include "meta.h"
#include "os.h"

#define GRANULE HM_REGION_GRANULE
/* Freed blocks whose addresses stay taken, by number and by their size. They hold no
 * memory. */
#define QUEUE_MAX 1024
#define QUEUE_BYTES (64 * (uint64_t)HM_GIB)
/* Where address space is not limited, no access is for so many bytes before and behind,
 * and up to as many again: what misses a block by a MiB hits no other. */
#define GAP HM_MIB

static struct {
    struct hm_lock lock;
    struct hm_guarded *oldest, *youngest;   /* [L:lock] the queue: freed blocks */
    struct hm_guarded *unused;              /* [L:lock] descriptors */
    struct hm_guarded *_Atomic deferred;    /* [any] freed while fork elsewhere */
    struct hm_guarded *_Atomic all;         /* [any] every descriptor, pushed once */
    size_t queued;                          /* [L:lock] */
    uint64_t queued_bytes;                  /* [L:lock] */
    bool limited;                           /* [const after init] address space is */
} guard HM_COLD_DATA;

struct hm_guard_counts hm_guard_counts HM_COLD_DATA;

void hm_guard_init(void)
{
    hm_lock_init(&guard.lock, HM_RANK_GUARD);
    guard.limited = sizeof(void *) < 8 || hm_os_address_limit() != SIZE_MAX;
}

struct hm_lock *hm_guard_lock(void)
{
    return &guard.lock;
}

/* Descriptors. */

static void defer(struct hm_guarded *g)
{
    g->next = hm_load_relaxed(&guard.deferred);
    /* Release pairs with the acquire in deferred_give. */
    while (!atomic_compare_exchange_weak_explicit(
        &guard.deferred, &g->next, g, memory_order_release, memory_order_relaxed))
        ;
}

static void retire(struct hm_guarded *g)
{
    hm_store_relaxed(&g->life, HM_GUARD_UNUSED);
    if (!hm_lock_acquire(&guard.lock)) {
        defer(g);
        return;
    }
    g->next = guard.unused;
    guard.unused = g;
    hm_lock_release(&guard.lock);
}

static struct hm_guarded *descriptor(void)
{
    if (!hm_lock_acquire(&guard.lock))
        return NULL;
    struct hm_guarded *g = guard.unused;
    if (g != NULL)
        guard.unused = g->next;
    hm_lock_release(&guard.lock);
    if (g != NULL)
        return g;
    g = hm_meta_new(sizeof *g);
    if (g == NULL)
        return NULL;
    g->next_all = hm_load_relaxed(&guard.all);
    while (!atomic_compare_exchange_weak_explicit(
        &guard.all, &g->next_all, g, memory_order_release, memory_order_relaxed))
        ;
    return g;
}

/* Reserves and commits what a block needs; false: nothing was taken. */
static bool lay_out(struct hm_guarded *g, size_t size, size_t align)
{
    size_t gap = guard.limited ? hm_os_page
                               : GAP + hm_round_up(1 + hm_random_below(hm_random(), GAP),
                                                   hm_os_page);
    size_t front = hm_round_up(gap, hm_max(align, hm_os_page));
    size_t pages = hm_round_up(size, hm_os_page);
    g->reserved_size = hm_round_up(front + pages + gap, GRANULE);
    g->reserved = hm_os_reserve(g->reserved_size, hm_max(align, GRANULE));
    if (g->reserved == NULL)
        return false;
    g->size = size;
    g->pages = g->reserved + front;
    g->pages_size = pages;
    /* Aligned to more than a page, it begins with its pages. */
    g->block = g->pages;
    if (align <= hm_os_page)
        g->block += pages - hm_round_up(size, align);
    if (hm_region_prepare(g->pages, hm_max(pages, 1)) &&
        (pages == 0 || hm_os_commit(g->pages, pages)))
        return true;
    hm_os_unmap(g->reserved, g->reserved_size);
    return false;
}

static void own(struct hm_guarded *g, bool set)
{
    hm_region_set(g->pages, hm_max(g->pages_size, 1),
                  set ? (hm_owner)g | HM_OWNER_GUARDED : HM_OWNER_NONE);
}

void *hm_guard_take(size_t size, size_t align)
{
    if (size > PTRDIFF_MAX / 4 || align > PTRDIFF_MAX / 4)
        return NULL;
    struct hm_guarded *g = NULL;
    if (hm_add_relaxed(&hm_guard_counts.live, 1) < HM_GUARD_LIVE)
        g = descriptor();
    if (g != NULL && !lay_out(g, size, align)) {
        retire(g);
        g = NULL;
    }
    if (g == NULL) {
        hm_sub_relaxed(&hm_guard_counts.live, 1);
        return NULL;
    }
    own(g, true);
    hm_canary_fill(g->pages, g->block);
    hm_canary_fill(g->block + size, g->pages + g->pages_size);
    hm_add_relaxed(&hm_guard_counts.live_bytes, g->pages_size);
    hm_add_relaxed(&hm_guard_counts.taken, 1);
    hm_store_release(&g->life, HM_GUARD_IS_LIVE);
    return g->block;
}

ptrdiff_t hm_guard_overrun(const struct hm_guarded *g)
{
    const char *end = g->block + g->size;
    size_t at = hm_canary_changed(end, g->pages + g->pages_size);
    if (at != HM_CANARY_NONE)
        return (ptrdiff_t)(g->size + at);
    at = hm_canary_changed(g->pages, g->block);
    return at != HM_CANARY_NONE ? g->pages + at - g->block : 0;
}

/* Gives a freed block's addresses back. Where that fails they are lost, as addresses
 * only. */
static void drop(struct hm_guarded *g)
{
    own(g, false);
    hm_os_unmap(g->reserved, g->reserved_size);
    retire(g);
}

/* Callers hold the lock. */

static void enqueue(struct hm_guarded *g)
{
    g->next = NULL;
    if (guard.youngest != NULL)
        guard.youngest->next = g;
    else
        guard.oldest = g;
    guard.youngest = g;
    guard.queued++;
    guard.queued_bytes += g->pages_size;
}

static struct hm_guarded *dequeue(void)
{
    struct hm_guarded *g = guard.oldest;
    if (g == NULL)
        return NULL;
    guard.oldest = g->next;
    if (guard.oldest == NULL)
        guard.youngest = NULL;
    guard.queued--;
    guard.queued_bytes -= g->pages_size;
    return g;
}

static void deferred_give(void)
{
    struct hm_guarded *g =
        atomic_exchange_explicit(&guard.deferred, NULL, memory_order_acquire);
    while (g != NULL) {
        struct hm_guarded *next = g->next;
        if (hm_load_relaxed(&g->life) == HM_GUARD_FREED) {
            enqueue(g);
        } else { /* a descriptor that was retired */
            g->next = guard.unused;
            guard.unused = g;
        }
        g = next;
    }
}

/* Takes the oldest out of the queue, if there are more than `keep`. */
static bool drop_oldest(size_t keep)
{
    if (!hm_lock_acquire(&guard.lock))
        return false;
    deferred_give();
    struct hm_guarded *g = NULL;
    if (guard.queued > keep || guard.queued_bytes > QUEUE_BYTES)
        g = dequeue();
    hm_lock_release(&guard.lock);
    if (g != NULL)
        drop(g);
    return g != NULL;
}

bool hm_guard_give(struct hm_guarded *g)
{
    uint32_t live = HM_GUARD_IS_LIVE;
    if (!atomic_compare_exchange_strong_explicit(
            &g->life, &live, HM_GUARD_FREED, memory_order_acq_rel, memory_order_relaxed))
        return false;
    hm_sub_relaxed(&hm_guard_counts.live, 1);
    hm_sub_relaxed(&hm_guard_counts.live_bytes, g->pages_size);
    if (g->pages_size != 0 && !hm_os_decommit(g->pages, g->pages_size))
        hm_os_purge(g->pages, g->pages_size);
    if (hm_lock_acquire(&guard.lock)) {
        enqueue(g);
        hm_lock_release(&guard.lock);
        while (drop_oldest(guard.limited ? 0 : QUEUE_MAX))
            ;
        return true;
    }
    defer(g);
    return true;
}

void hm_guard_flush(void)
{
    while (drop_oldest(0))
        ;
}

void hm_guard_each(void (*visit)(struct hm_guarded *g, void *arg), void *arg)
{
    for (struct hm_guarded *g = hm_load_acquire(&guard.all); g != NULL; g = g->next_all)
        visit(g, arg);
}
