/* SPDX-License-Identifier: MIT */
#include "heap.h"
#include "big.h"
#include "canary.h"
#include "conf.h"
#include "harden.h"
#include "helper.h"
#include "medium.h"
#include "meta.h"
#include "misuse.h"
#include "next.h"
#include "option.h"
#include "os.h"
#include "trim.h"

#include <errno.h>
#include <string.h>

/* Initialisation: two steps, each made by one thread while others wait. At load the
 * configuration and facts of the machine; what maps memory when somebody allocates. */
enum { UNREADY, CONFIGURING, CONFIGURED, PREPARING, READY, AWAITED = 8 };
static _Atomic uint32_t readiness; /* AWAITED: threads sleep until the step is done */
/* Ready, and `enabled`. Otherwise there are no layers, no thread ever starts a cache, so
 * that all calls come here, and what comes here goes to the next malloc. */
static _Atomic bool on;

static size_t window_size; /* [const when configured] */
static unsigned shards;    /* [const when configured] */

static HM_ONCE HM_NOINLINE void configure(void)
{
    struct hm_sys_start start;
    hm_sys_start_facts(&start);
    start.no_next = !hm_next_exists();
    hm_os_init(start.page_size);
    hm_conf_load(&start);
    hm_opt.stats_page &= !start.secure;
    if (!hm_opt.enabled)
        return;
    hm_harden_init();
    /* Address space is free only where it is not limited. */
    if (hm_os_address_limit() == SIZE_MAX) {
        size_t most = hm_pow2_ceil(hm_min(hm_clamp(4 * hm_os_memory()), HM_WINDOW_MAX));
        window_size = hm_min(most, hm_clamp(hm_opt.address_window));
    }
    shards = hm_opt.shards != 0 ? hm_opt.shards : (hm_sys_cpu_count() + 3) / 4;
    shards = (unsigned)hm_min(shards, UINT8_MAX);
}

/* Has a block's class to tell what was asked for, as closely as it can? */
static bool class_must_tell(void)
{
    return hm_harden_on || hm_opt.check_sized;
}

static HM_ONCE HM_NOINLINE void prepare(void)
{
    if (!hm_opt.enabled)
        return;
    hm_trim_init();
    hm_meta_init();
    hm_window_init(hm_opt.superslab_size, window_size);
    hm_superslab_init(shards);
    hm_slab_init(hm_superslab_shards());
    hm_big_init();
    hm_tcache_init(hm_harden_needs_every_call());
    if (class_must_tell())
        hm_classes_refine();
    if (hm_opt.prewarm > 0)
        hm_superslab_prewarm(hm_opt.prewarm);
    hm_store_release(&on, true); /* all of the above is const or synchronised from here */
}

/* True: made by this thread. */
static HM_ONCE bool step(uint32_t from, void (*work)(void))
{
    uint32_t seen = from, busy = from + 1, done = from + 2;
    if (atomic_compare_exchange_strong_explicit(
            &readiness, &seen, busy, memory_order_acquire, memory_order_acquire)) {
        work();
        if (atomic_exchange_explicit(&readiness, done, memory_order_acq_rel) != busy)
            hm_sys_futex_wake(&readiness, INT32_MAX);
        return true;
    }
    for (; (seen & ~AWAITED) == busy; seen = hm_load_acquire(&readiness))
        if ((seen & AWAITED) != 0 ||
            atomic_compare_exchange_strong_explicit(&readiness, &seen, busy | AWAITED,
                                                    memory_order_acquire,
                                                    memory_order_acquire))
            hm_sys_futex_wait(&readiness, busy | AWAITED, 0);
    return false;
}

HM_ONCE bool hm_heap_configure(void)
{
    step(UNREADY, configure);
    return hm_opt.enabled;
}

/* Two things start the library, in any order: its constructor, the first allocation. */
void hm_heap_started(void)
{
    static _Atomic unsigned started;
    if (hm_add_relaxed(&started, 1) == 1)
        hm_os_forget_start();
}

/* Not cold: the compiler would take all that may come to call it for cold as well. */
HM_NOINLINE void hm_heap_init(void)
{
    if (hm_load_acquire(&readiness) == READY)
        return;
    step(UNREADY, configure);
    if (step(CONFIGURED, prepare))
        hm_heap_started();
}

HM_NOINLINE bool hm_heap_is_on(void)
{
    hm_heap_init();
    return hm_load_relaxed(&on);
}

/* Whether to go on here: the first question of every slow path. */
HM_INLINE bool is_on(void)
{
    return HM_LIKELY(hm_load_acquire(&on)) || hm_heap_is_on();
}

/* The calling thread's cache, or NULL. `freed` is a block of a slab whose state is 0, or
 * NULL; at first it may have the thread change its cache for another. */
static struct hm_tcache *cache(const void *freed)
{
    struct hm_tcache *tc = hm_self.cache;
    if (HM_UNLIKELY(tc == NULL))
        tc = hm_tcache_await(freed);
    bool look = tc != NULL && HM_UNLIKELY(hm_settle_is_looking(&tc->settle));
    return look ? hm_tcache_look(tc, freed) : tc;
}

/* Allocation. */

/* The first blocks of a class are of a coarser one, a power of two: most programs need a
 * few blocks of most sizes, and slabs of its own cost a class a page, descriptors and a
 * bin. */
#define COARSE_BYTES 512
#define COARSE_CLASSES (HM_SMALL_CLASSES + 8) /* up to 2 KiB */
#define LINE_CLASS (HM_CACHE_LINE >> HM_SMALL_SHIFT)

/* So are blocks that a thread takes one by one, for its neighbours in a slab are others',
 * and these shall be in other cache lines. */
static unsigned while_cold(const struct hm_tcache *tc, unsigned cls)
{
    /* Of the finer class, in units of its granularity, 16 bytes. */
    static _Atomic uint8_t taken[COARSE_CLASSES + 1];
    if (cls > COARSE_CLASSES)
        return cls;
    unsigned before = hm_load_relaxed(&taken[cls]);
    bool cold = before < COARSE_BYTES / 16, single = tc == NULL && cls < LINE_CLASS;
    if (HM_LIKELY(!cold && !single) || class_must_tell())
        return cls;
    if (cold)
        hm_store_relaxed(&taken[cls], (uint8_t)(before + hm_classes[cls].size / 16));
    if (single)
        return LINE_CLASS;
    if (cls > HM_LINEAR_CLASSES)
        return (cls + 7) & ~7u;
    return cls <= 2 ? 2 : 2U << hm_log2(cls - 1);
}

/* What is free and resident, in units or as extents, serves before more becomes so. */
static void *take_medium(size_t size, size_t align, bool *zeroed)
{
    void *block = NULL;
    if (hm_big_can_lend(size, align)) {
        block = hm_medium_take_resident(hm_self.shard, size, align, zeroed);
        if (block == NULL)
            block = hm_big_lend(size, zeroed);
    }
    return block != NULL ? block : hm_medium_take(hm_self.shard, size, align, zeroed);
}

/* One attempt. *zeroed: whether the block should, and does, read as zero. */
static void *take(struct hm_tcache *tc, size_t size, size_t align, bool *zeroed)
{
    unsigned cls = hm_class_of(size);
    /* Blocks of a slab are aligned to their size's largest power of two, up to a unit. */
    while (cls != 0 && cls < HM_CLASSES && (hm_classes[cls].size & (align - 1)) != 0)
        cls++;
    if (cls != 0 && cls < HM_CLASSES && align <= HM_UNIT) {
        cls = while_cold(tc, cls);
        *zeroed = false;
        if (tc != NULL) {
            hm_tcache_count(&tc->wanted, size);
            hm_tcache_count(&tc->granted, hm_classes[cls].size);
        }
        return hm_tcache_take(tc, cls);
    }
    if (size <= hm_medium_max() && align <= hm_medium_max())
        return take_medium(size, align, zeroed);
    return hm_big_take(size, align, zeroed);
}

/* What follows when an attempt fails: another thread may be forking, or have forked
 * just now; what others hold free may be what is lacking; and the last resort needs no
 * lock at all. */
static HM_COLD void *retry(struct hm_tcache *tc, size_t size, size_t align, bool *zeroed)
{
    void *block = NULL;
    if (!hm_lock_fork_elsewhere()) {
        hm_trim_now(tc);
        block = take(tc, size, align, zeroed);
    }
    if (block == NULL) {
        block = hm_big_take_detour(size, align);
        *zeroed = true;
    }
    if (block == NULL)
        errno = ENOMEM;
    return block;
}

static void *allocate_hardened(struct hm_tcache *tc, size_t size, size_t align,
                               bool *zeroed, const void *caller);

static void *allocate(size_t size, size_t align, bool *zeroed, const void *caller)
{
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    struct hm_tcache *tc = cache(NULL);
    if (HM_UNLIKELY(hm_harden_on))
        return allocate_hardened(tc, size, align, zeroed, caller);
    void *block = take(tc, size, align, zeroed);
    if (HM_UNLIKELY(block == NULL))
        block = retry(tc, size, align, zeroed);
    if (hm_trim_tick(tc))
        hm_helper_tick(caller);
    return block;
}

void *hm_heap_malloc(size_t size, const void *caller)
{
    bool zeroed = false;
    if (!is_on())
        return hm_next_malloc(size);
    return allocate(size, HM_ALIGNMENT, &zeroed, caller);
}

void *hm_heap_calloc(size_t size)
{
    bool zeroed = true;
    if (!is_on())
        return hm_next_calloc(size);
    void *block = allocate(size, HM_ALIGNMENT, &zeroed, NULL);
    return block == NULL || zeroed ? block : memset(block, 0, size);
}

void *hm_heap_memalign(size_t align, size_t size)
{
    bool zeroed = false;
    if (!is_on())
        return hm_next_memalign(align, size);
    return allocate(size, hm_max(align, HM_ALIGNMENT), &zeroed, NULL);
}

HM_COLD size_t hm_heap_good_size(size_t size)
{
    if (!is_on())
        return size; /* not more than that is known */
    if (hm_harden_on) /* of some blocks no more is usable than was asked for */
        return size > PTRDIFF_MAX - HM_REGION_GRANULE - hm_canary_room ? 0 : size;
    unsigned cls = hm_class_of(size);
    /* Whatever coarse class serves it now, a finer one may the next time. */
    while (cls > 1 && hm_classes[cls - 1].size >= size)
        cls--;
    if (cls != 0)
        return hm_classes[cls].size;
    if (size > PTRDIFF_MAX - HM_REGION_GRANULE)
        return 0;
    return hm_round_up(size, size <= hm_medium_max() ? HM_UNIT : HM_REGION_GRANULE);
}

/* Finding out what a pointer is. */

struct found {
    hm_state *state;    /* of a small, large or medium block, else NULL */
    unsigned cls;       /* its class, or HM_STATE_MEDIUM */
    struct hm_big *big; /* or this */
    struct hm_guarded *guarded; /* or this */
};

/* The state byte of an address in a SuperSlab outside the window, or NULL. */
static hm_state *state_elsewhere(struct hm_superslab *ss, const char *p)
{
    size_t offset = (size_t)(p - ss->base);
    bool aligned = (offset & (((size_t)1 << ss->shift) - 1)) == 0;
    return aligned ? ss->state + (offset >> ss->shift) : NULL;
}

/* Aborts unless p is a live block. */
static struct found find(const void *p, const char *call)
{
    struct found f = {hm_window_state(p), 0, NULL, NULL};
    if (f.state == NULL) {
        hm_owner owner = hm_region_get(p);
        unsigned kind = hm_owner_kind(owner);
        if (kind == HM_OWNER_SUPERSLAB)
            f.state = state_elsewhere(hm_owner_ptr(owner), p);
        else if (kind == HM_OWNER_GUARDED)
            f.guarded = hm_owner_ptr(owner);
        else if (kind != HM_OWNER_NONE)
            f.big = hm_owner_ptr(owner);
    }
    bool live;
    if (f.state != NULL)
        live = (f.cls = hm_load_relaxed(f.state)) != 0;
    else if (f.big != NULL)
        live = f.big->base == p && hm_load_acquire(&f.big->life) == HM_BIG_LIVE;
    else
        live = f.guarded != NULL && f.guarded->block == p &&
               hm_load_acquire(&f.guarded->life) == HM_GUARD_IS_LIVE;
    if (!live)
        hm_misuse(p, call);
    return f;
}

/* Bytes that there are for the block, and for its canaries. */
static size_t slot_size(const struct found *f, const void *p)
{
    if (f->big != NULL)
        return f->big->size;
    if (f->guarded != NULL)
        return f->guarded->size;
    return f->cls == HM_STATE_MEDIUM ? hm_medium_usable(p) : hm_classes[f->cls].size;
}

static size_t usable(const struct found *f, const void *p, const char *call)
{
    size_t size = slot_size(f, p);
    return f->guarded != NULL ? size : hm_harden_size(p, size, call);
}

HM_RARE size_t hm_heap_usable(const void *p, const char *call)
{
    if (!is_on())
        return hm_next_usable(p);
    struct found f = find(p, call);
    return usable(&f, p, call);
}

/* A block of a slab, or a medium one, whose state is 0, goes back to where it is from. */
static void give_back(struct hm_tcache *tc, const struct hm_freed *b)
{
    if (b->cls == HM_STATE_MEDIUM) {
        hm_medium_give(b->slot);
        return;
    }
    hm_state *state = hm_window_state(b->slot);
    if (state == NULL)
        state = state_elsewhere(hm_slab_of(b->slot)->owner, b->slot);
    hm_tcache_give(tc, b->cls, b->slot, state);
}

static struct hm_freed slot_of(const struct found *f, void *p)
{
    unsigned cls = f->state != NULL ? f->cls : 0;
    return (struct hm_freed){p, slot_size(f, p), cls};
}

/* `release` when blocks are verified, filled and kept back (harden.h). */
static HM_COLD void release_hardened(const struct found *f, void *p, const char *call)
{
    struct hm_freed b = slot_of(f, p);
    if (f->guarded != NULL) {
        hm_harden_verify_guarded(f->guarded, call);
        if (!hm_guard_give(f->guarded))
            hm_misuse(p, call);
        return;
    }
    if (f->big != NULL) {
        hm_harden_verify(&b, call);
        hm_harden_fill(&b);
        if (!hm_big_give(f->big))
            hm_misuse(p, call);
        return;
    }
    if (atomic_exchange_explicit(f->state, 0, memory_order_relaxed) != f->cls)
        hm_misuse(p, call);
    hm_harden_verify(&b, call);
    hm_harden_fill(&b);
    struct hm_tcache *tc = cache(b.cls != HM_STATE_MEDIUM ? p : NULL);
    unsigned lane = hm_quarantine_lane((uintptr_t)tc);
    if (!hm_quarantine_put(lane, &b))
        give_back(tc, &b);
    while (hm_quarantine_take(lane, &b)) {
        hm_harden_verify_freed(&b, call);
        give_back(tc, &b);
    }
}

/* What is kept back may be what is lacking. */
static HM_COLD void flush_kept_back(struct hm_tcache *tc)
{
    struct hm_freed b;
    while (hm_quarantine_take_any(&b)) {
        hm_harden_verify_freed(&b, "malloc");
        give_back(tc, &b);
    }
    hm_guard_flush();
}

/* `allocate` likewise. */
static HM_COLD void *allocate_hardened(struct hm_tcache *tc, size_t size, size_t align,
                                       bool *zeroed, const void *caller)
{
    void *block = NULL;
    if (hm_harden_wants_guard(tc, size))
        block = hm_guard_take(size, align);
    *zeroed = block != NULL;
    if (block == NULL && size <= PTRDIFF_MAX - hm_canary_room) {
        size_t room = size + hm_canary_room;
        block = take(tc, room, align, zeroed);
        if (block == NULL && !hm_lock_fork_elsewhere())
            flush_kept_back(tc);
        if (block == NULL)
            block = retry(tc, room, align, zeroed);
        if (block != NULL) {
            struct found f = find(block, "malloc");
            struct hm_freed b = slot_of(&f, block);
            hm_harden_hand_out(&b, size, zeroed, "malloc");
        }
    } else if (block == NULL) {
        errno = ENOMEM;
    }
    if (hm_trim_tick(tc))
        hm_helper_tick(caller);
    return block;
}

static void release(const struct found *f, void *p, const char *call, const void *caller)
{
    if (hm_opt.zero_on_free && !hm_harden_on)
        memset(p, 0, slot_size(f, p));
    if (HM_UNLIKELY(hm_harden_on)) {
        release_hardened(f, p, call);
    } else if (f->big != NULL) {
        if (!hm_big_give(f->big))
            hm_misuse(p, call);
    } else if (atomic_exchange_explicit(f->state, 0, memory_order_relaxed) != f->cls) {
        hm_misuse(p, call); /* another thread freed it since find() */
    } else if (f->cls == HM_STATE_MEDIUM) {
        hm_medium_give(p);
    } else {
        hm_tcache_give(cache(p), f->cls, p, f->state);
    }
    hm_trim_tick(hm_self.cache);
    /* Not only when the tick looks at the clock: what is freed now may be all that the
     * process frees before it idles. */
    hm_helper_tick(caller);
}

void hm_heap_free(void *p, const void *caller)
{
    if (p == NULL)
        return;
    if (!is_on()) {
        hm_next_free(p);
        return;
    }
    struct found f = find(p, "free");
    release(&f, p, "free", caller);
}

/* Can the block hold `size` bytes where it is, without wasting half of it? */
static bool resize_in_place(const struct found *f, void *p, size_t size, size_t have)
{
    if (f->big == NULL && f->cls == HM_STATE_MEDIUM) {
        if (size > HM_LARGE_MAX && size <= hm_medium_max())
            return hm_medium_resize(p, size);
        return false;
    }
    return size <= have && hm_max(size, HM_ALIGNMENT / 2) >= have / 2;
}

HM_RARE void hm_heap_free_sized(void *p, size_t size, size_t align, const void *caller)
{
    if (p == NULL)
        return;
    if (!is_on()) {
        hm_next_free(p);
        return;
    }
    struct found f = find(p, "free");
    if (hm_opt.check_sized) {
        bool exact = f.guarded != NULL || hm_canary_room != 0;
        hm_harden_verify_claim(p, usable(&f, p, "free"), exact, size, align);
    }
    release(&f, p, "free", caller);
}

/* Is the slot that the block is in the one that it would get? */
static HM_COLD bool resize_hardened(const struct found *f, void *p, size_t size,
                                    size_t have)
{
    struct hm_freed b = slot_of(f, p);
    if (f->guarded != NULL)
        return size == have;
    hm_harden_verify(&b, "realloc");
    if (f->state == NULL || size > HM_LARGE_MAX - hm_canary_room ||
        hm_class_of(size + hm_canary_room) != f->cls)
        return size == have;
    hm_harden_resize(&b, have, size);
    return true;
}

void *hm_heap_realloc(void *p, size_t size)
{
    if (!is_on())
        return hm_next_realloc(p, size);
    struct found f = find(p, "realloc");
    if (size == 0) {
        release(&f, p, "realloc", NULL);
        return NULL;
    }
    size_t have = usable(&f, p, "realloc");
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    if (f.guarded != NULL || HM_UNLIKELY(hm_harden_slots)) {
        if (resize_hardened(&f, p, size, have))
            return p;
    } else if (f.big != NULL && size > hm_min(hm_medium_max(), have)) {
        /* Of medium size only if it was lent, and grows. */
        void *moved = hm_big_resize(f.big, size);
        if (moved != NULL)
            return moved;
    } else if (resize_in_place(&f, p, size, have)) {
        return p;
    }
    bool zeroed = false;
    int saved = errno;
    void *to = allocate(size, HM_ALIGNMENT, &zeroed, NULL);
    if (to == NULL && size <= have) {
        errno = saved; /* no smaller block to be had: this one serves */
        return p;
    }
    if (to == NULL)
        return NULL;
    memcpy(to, p, hm_min(have, size));
    release(&f, p, "realloc", NULL);
    return to;
}

/* Giving back. */

HM_RARE size_t hm_heap_trim(void)
{
    if (!is_on()) {
        hm_next_trim(0);
        return 0; /* how much it was is not told */
    }
    return hm_trim_now(hm_self.cache);
}

HM_RARE const char *hm_heap_profile(void)
{
    return hm_heap_is_on() ? hm_conf_profile() : "none (enabled = no)";
}

HM_RARE void hm_heap_thread_flush(void)
{
    if (hm_self.cache != NULL)
        hm_tcache_flush(hm_self.cache);
}

HM_RARE void hm_heap_options(void)
{
    hm_tcache_options();
}
