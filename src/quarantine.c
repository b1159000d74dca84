/* SPDX-License-Identifier: MIT */
#include "quarantine.h"
#include "meta.h"
#include "option.h"
#include "random.h"

#define LANES 8
/* Entries of a lane: at first, and at most; 2 MiB is what hm_meta_alloc can do. */
#define ENTRIES_MIN 256u
#define ENTRIES_MAX (1u << 17)
/* A block larger than this part of all would drive everything else out. */
#define PART_MAX 8

struct entry {
    char *slot;
    uint32_t size, cls;
};

struct lane {
    struct hm_lock lock;
    struct entry *entries;     /* [L:lock] ring of `capacity`, a power of two */
    uint32_t capacity;         /* [L:lock] */
    _Atomic bool full;         /* [any] cannot grow: one has to leave */
    uint32_t first;            /* [L:lock] oldest entry */
    _Atomic uint32_t count;    /* [L:lock]; read without */
    _Atomic size_t bytes;      /* [L:lock]; read without */
    uint64_t random;           /* [L:lock] */
} __attribute__((aligned(HM_CACHE_LINE)));

static struct lane lanes[LANES] HM_COLD_DATA;
static _Atomic size_t held HM_COLD_DATA; /* [any] bytes in all lanes */

void hm_quarantine_init(void)
{
    for (unsigned i = 0; i < LANES; i++) {
        hm_lock_init(&lanes[i].lock, HM_RANK_QUARANTINE);
        lanes[i].random = hm_random();
    }
}

unsigned hm_quarantine_lane(uintptr_t thread)
{
    return (unsigned)(hm_mix(thread) % LANES);
}

static struct entry *entry(struct lane *l, uint32_t i)
{
    return &l->entries[(l->first + i) & (l->capacity - 1)];
}

static struct hm_freed freed(const struct entry *e)
{
    return (struct hm_freed){e->slot, e->size, e->cls};
}

/* Makes a lane hold one more. Caller holds the lock; false: and now no more. */
static bool room_made(struct lane *l)
{
    while (l->count == l->capacity) {
        uint32_t before = l->capacity, capacity = before == 0 ? ENTRIES_MIN : before * 2;
        hm_lock_release(&l->lock); /* L1 */
        struct entry *made = NULL, *old;
        if (capacity <= ENTRIES_MAX)
            made = hm_meta_alloc(capacity * sizeof *made);
        if (made == NULL || !hm_lock_acquire(&l->lock)) {
            hm_meta_free(made, capacity * sizeof *made);
            return false;
        }
        old = made;
        if (l->capacity == before) { /* else another thread was first */
            for (uint32_t i = 0; i < l->count; i++)
                made[i] = *entry(l, i);
            old = l->entries;
            l->entries = made;
            l->capacity = capacity;
            l->first = 0;
            capacity = before;
        }
        if (capacity != 0)
            hm_meta_free(old, capacity * sizeof *old);
    }
    return true;
}

bool hm_quarantine_put(unsigned lane, const struct hm_freed *b)
{
    struct lane *l = &lanes[lane];
    if (b->size > hm_opt.quarantine_bytes / PART_MAX || !hm_lock_acquire(&l->lock))
        return false;
    if (!room_made(l)) {
        hm_store_relaxed(&l->full, true);
        return false;
    }
    uint32_t count = hm_load_relaxed(&l->count), half = count / 2;
    uint32_t pick = hm_random_below(hm_random_next(&l->random), count + 1 - half);
    hm_store_relaxed(&l->count, count + 1);
    *entry(l, count) = *entry(l, half + pick);
    *entry(l, half + pick) = (struct entry){b->slot, (uint32_t)b->size, b->cls};
    hm_add_relaxed(&held, b->size);
    hm_add_relaxed(&l->bytes, b->size);
    hm_lock_release(&l->lock);
    return true;
}

/* Caller holds the lock. */
static bool take_oldest(struct lane *l, struct hm_freed *out)
{
    uint32_t count = hm_load_relaxed(&l->count);
    if (count == 0)
        return false;
    *out = freed(entry(l, 0));
    l->first = (l->first + 1) & (l->capacity - 1);
    hm_store_relaxed(&l->count, count - 1);
    hm_sub_relaxed(&held, out->size);
    hm_sub_relaxed(&l->bytes, out->size);
    return true;
}

/* Whose oldest block has to leave: the thread's own lane's, unless it has little; then
 * that of the lane that has most. */
static struct lane *lane_to_take_from(struct lane *own)
{
    size_t most = hm_load_relaxed(&own->bytes);
    if (most >= hm_clamp(hm_opt.quarantine_bytes) / LANES)
        return own;
    for (unsigned i = 0; i < LANES; i++)
        if (hm_load_relaxed(&lanes[i].bytes) > most) {
            own = &lanes[i];
            most = hm_load_relaxed(&own->bytes);
        }
    return own;
}

bool hm_quarantine_take(unsigned lane, struct hm_freed *out)
{
    struct lane *l = &lanes[lane];
    bool full = hm_load_relaxed(&l->full);
    if (!full && hm_load_relaxed(&held) > hm_opt.quarantine_bytes)
        l = lane_to_take_from(l);
    if ((!full && hm_load_relaxed(&held) <= hm_opt.quarantine_bytes) ||
        !hm_lock_acquire(&l->lock))
        return false;
    hm_store_relaxed(&l->full, false);
    bool taken = take_oldest(l, out);
    hm_lock_release(&l->lock);
    return taken;
}

bool hm_quarantine_take_any(struct hm_freed *out)
{
    bool taken = false;
    for (unsigned i = 0; i < LANES && !taken; i++) {
        if (!hm_lock_acquire(&lanes[i].lock))
            return false;
        taken = take_oldest(&lanes[i], out);
        hm_lock_release(&lanes[i].lock);
    }
    return taken;
}

void hm_quarantine_each(void (*visit)(const struct hm_freed *b, void *arg), void *arg)
{
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *l = &lanes[i];
        if (!hm_lock_acquire(&l->lock))
            continue;
        for (uint32_t k = 0; k < l->count; k++) {
            struct hm_freed b = freed(entry(l, k));
            visit(&b, arg);
        }
        hm_lock_release(&l->lock);
    }
}

size_t hm_quarantine_held(void)
{
    return hm_load_relaxed(&held);
}

void hm_quarantine_fork(void (*each)(struct hm_lock *))
{
    for (unsigned i = 0; i < LANES; i++)
        each(&lanes[i].lock);
}
