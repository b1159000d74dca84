/* SPDX-License-Identifier: MIT */
#include "window.h"
#include "option.h"
#include "os.h"
#include "random.h"
#include "region.h"

/* Writable space for state bytes is taken in pieces of this size: a system call for some
 * 16 SuperSlabs of small blocks. */
#define STATE_STEP (1 * HM_MIB)

struct window {
    struct hm_lock lock;
    char *base;
    size_t places;   /* [const] SuperSlabs that fit */
    uint64_t *taken; /* [L:lock] taken_word: a bit for each place */
    size_t lowest;   /* [L:lock] no place below is free, but with guard_pages */
    size_t apart;    /* [L:lock] places of odd number that are taken */
    hm_state *state; /* [const] of base */
    unsigned shift; /* [const] bytes of address space per state byte, as a power of two */
    size_t state_ready; /* [L:lock] bytes of state that are writable, from the front */
};

struct hm_window_fast hm_window_fast;
static struct window windows[HM_KINDS];
static size_t superslab_size;

static const unsigned shifts[HM_KINDS] = {HM_SMALL_SHIFT, HM_LARGE_SHIFT};

/* The words of both windows take turns, from the end of the room that region.h has on:
 * there the map's first entries are in the same page. */
static uint64_t *taken_word(const struct window *w, size_t i)
{
    return w->taken - HM_KINDS * i;
}

/* Half of a range for each kind; false: out of memory. */
static HM_ONCE bool windows_setup(char *base, size_t half)
{
    size_t count = half / superslab_size, state_size[HM_KINDS];
    size_t words = hm_round_up(count, 64) / 64;
    for (int k = 0; k < HM_KINDS; k++)
        state_size[k] = half >> shifts[k];
    size_t room = HM_KINDS * words * sizeof(uint64_t);
    /* First, since the kernel puts it right below the window, where a program that writes
     * in front of its first block would find the map. */
    hm_state *state =
        hm_os_reserve_zero(state_size[HM_KIND_SMALL] + state_size[HM_KIND_LARGE]);
    uint64_t *taken = hm_region_places(base, 2 * half, superslab_size, room);
    if (taken == NULL || state == NULL)
        return false;
    for (int k = 0; k < HM_KINDS; k++) {
        struct window *w = &windows[k];
        w->base = base + (size_t)k * half;
        w->places = count;
        w->taken = taken - 1 - k;
        w->state = state;
        w->shift = shifts[k];
        state += state_size[k];
    }
    return true;
}

/* Half of the reservation for each kind. Less than asked for is better than nothing. */
HM_ONCE void hm_window_init(size_t superslab, size_t wanted)
{
    superslab_size = superslab;
    for (int k = 0; k < HM_KINDS; k++)
        hm_lock_init(&windows[k].lock, HM_RANK_WINDOW);
    char *base = NULL;
    size_t size = wanted < 4 * superslab ? 0 : (size_t)1 << hm_log2(wanted);
    for (; size >= 64 * superslab; size /= 4) {
        base = hm_os_reserve(size, superslab);
        if (base != NULL)
            break;
    }
    if (base == NULL)
        return;
    size_t half = size / 2;
    struct window *small = &windows[HM_KIND_SMALL], *large = &windows[HM_KIND_LARGE];
    if (!windows_setup(base, half))
        return;
    hm_window_fast.base = (uintptr_t)base;
    hm_window_fast.small_state = small->state;
    hm_window_fast.large_state = large->state - (half >> HM_LARGE_SHIFT);
    hm_window_fast.all_granules = size >> HM_LARGE_SHIFT;
    hm_window_fast.small_granules = half >> HM_SMALL_SHIFT;
    hm_window_fast.states = (half >> HM_SMALL_SHIFT) + (half >> HM_LARGE_SHIFT);
    hm_window_fast.large_bias = (half >> HM_SMALL_SHIFT) - (half >> HM_LARGE_SHIFT);
}

/* With guard_pages, every second place stays free as long as there are enough: what lies
 * between SuperSlabs has no access. Each is then two mappings to the kernel, which allows
 * 65,530. Which of the next few places it is cannot be foreseen. */
#define APART_MAX 8192
#define APART_CHOICE 16

static bool is_taken(const struct window *w, size_t place)
{
    return (*taken_word(w, place / 64) >> place % 64 & 1) != 0;
}

/* Callers hold the lock. w->places: there is none. */

static HM_COLD size_t find_apart(struct window *w)
{
    size_t found = w->places;
    if (w->apart >= APART_MAX)
        return found;
    uint32_t skip = hm_random_below(hm_random(), APART_CHOICE);
    for (size_t i = 1; i < w->places; i += 2) {
        if (is_taken(w, i))
            continue;
        found = i;
        if (skip-- == 0)
            break;
    }
    return found;
}

static size_t find_lowest(struct window *w)
{
    size_t i = w->lowest;
    while (i < w->places && *taken_word(w, i / 64) == UINT64_MAX)
        i = hm_round_down(i, 64) + 64;
    if (i < w->places)
        i = hm_round_down(i, 64) + (size_t)__builtin_ctzll(~*taken_word(w, i / 64));
    w->lowest = i < w->places ? i + 1 : w->places;
    return i;
}

/* Marks a free place as taken, and tells how many state bytes were writable then. False:
 * there is none, or fork elsewhere. */
static bool place_take(struct window *w, size_t *place, size_t *ready)
{
    if (!hm_lock_acquire(&w->lock))
        return false;
    size_t i = HM_UNLIKELY(hm_opt.guard_pages) ? find_apart(w) : w->places;
    if (i >= w->places)
        i = find_lowest(w);
    bool found = i < w->places;
    if (found) {
        *taken_word(w, i / 64) |= (uint64_t)1 << i % 64;
        w->apart += i % 2;
    }
    *ready = w->state_ready;
    hm_lock_release(&w->lock);
    *place = i;
    return found;
}

static HM_RARE bool place_give(struct window *w, size_t place)
{
    if (!hm_lock_acquire(&w->lock))
        return false;
    *taken_word(w, place / 64) &= ~((uint64_t)1 << place % 64);
    w->lowest = hm_min(w->lowest, place);
    w->apart -= place % 2;
    hm_lock_release(&w->lock);
    return true;
}

/* Makes the state bytes from `ready` up to `end` writable. Places are taken lowest first,
 * or nearly, so these grow from the front. Two threads may do the same step at once, or
 * one after the other where it could not be noted: it is idempotent. */
static bool state_prepare(struct window *w, size_t ready, size_t end)
{
    if (end <= ready)
        return true;
    size_t all = w->places * superslab_size >> w->shift;
    size_t upto = hm_min(hm_round_up(end, STATE_STEP), all);
    if (!hm_os_commit((void *)(w->state + ready), upto - ready))
        return false;
    if (hm_lock_acquire(&w->lock)) {
        w->state_ready = hm_max(w->state_ready, upto);
        hm_lock_release(&w->lock);
    }
    return true;
}

/* A SuperSlab outside the window: its states are a mapping of their own. */
static char *take_elsewhere(enum hm_kind kind, hm_state **state)
{
    char *base = hm_os_map(superslab_size, HM_REGION_GRANULE);
    if (base == NULL)
        return NULL;
    *state =
        hm_os_map(hm_round_up(superslab_size >> shifts[kind], hm_os_page), hm_os_page);
    if (*state == NULL) {
        hm_os_unmap(base, superslab_size);
        return NULL;
    }
    return base;
}

char *hm_window_take(enum hm_kind kind, hm_state **state)
{
    struct window *w = &windows[kind];
    size_t place, ready;
    if (w->places == 0 || !place_take(w, &place, &ready))
        return take_elsewhere(kind, state);
    size_t offset = place * superslab_size;
    char *base = w->base + offset;
    if (state_prepare(w, ready, (offset + superslab_size) >> w->shift) &&
        hm_os_commit(base, superslab_size)) {
        *state = w->state + (offset >> w->shift);
        return base;
    }
    place_give(w, place); /* or, out of memory and fork elsewhere, addresses are lost */
    return NULL;
}

HM_RARE bool hm_window_give(enum hm_kind kind, char *base, hm_state *state)
{
    struct window *w = &windows[kind];
    size_t state_size = superslab_size >> shifts[kind];
    size_t offset = (size_t)(base - w->base);
    if (offset >= w->places * superslab_size) {
        hm_os_unmap(base, superslab_size);
        hm_os_unmap((void *)state, hm_round_up(state_size, hm_os_page));
        return true;
    }
    /* Where the state bytes of neighbours share a page, it stays. */
    if (state_size % hm_os_page == 0)
        hm_os_purge((void *)state, state_size);
    /* A place that keeps its memory serves no more. */
    if (!hm_os_decommit(base, superslab_size) && !hm_os_purge(base, superslab_size))
        return true;
    return hm_window_give_place(kind, base);
}

HM_RARE bool hm_window_give_place(enum hm_kind kind, const char *base)
{
    struct window *w = &windows[kind];
    return place_give(w, (size_t)(base - w->base) / superslab_size);
}

HM_RARE void hm_window_fork(void (*each)(struct hm_lock *))
{
    for (int k = 0; k < HM_KINDS; k++)
        each(&windows[k].lock);
}

struct check {
    const struct window *window;
    void (*broken)(const char *what, const void *where);
};

static HM_COLD void check_place(char *granule, hm_owner owner, void *arg)
{
    const struct check *check = arg;
    const struct window *w = check->window;
    size_t place = (size_t)(granule - w->base) / superslab_size;
    if (hm_owner_kind(owner) == HM_OWNER_SUPERSLAB && place < w->places &&
        !is_taken(w, place))
        check->broken("W4: a SuperSlab at a place that is not taken", granule);
}

/* The region map says that a SuperSlab is there from after its place is taken until
 * before it is given back. */
HM_COLD void hm_window_check(void (*broken)(const char *what, const void *where))
{
    for (int k = 0; k < HM_KINDS; k++) {
        struct window *w = &windows[k];
        struct check check = {w, broken};
        if (w->places == 0 || !hm_lock_acquire(&w->lock))
            continue;
        hm_region_each(check_place, &check);
        for (size_t i = 0; i < w->lowest && !hm_opt.guard_pages; i++)
            if (!is_taken(w, i))
                broken("W4: a free place below the lowest", w->base + i * superslab_size);
        hm_lock_release(&w->lock);
    }
}
