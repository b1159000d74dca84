/* SPDX-License-Identifier: MIT */
#include "meta.h"
#include "option.h"
#include "os.h"

#include <string.h>

/* Chunks start small, so that `true` pays little, and double, so that a server needs few.
 */
#define CHUNK_MIN (64 * HM_KIB)
#define CHUNK_MAX (4 * HM_MIB)
/* Addresses so far apart share a set of a processor's first cache. */
#define CACHE_WAY ((size_t)4096)
/* Free lists by size, four to a doubling: array i holds objects of exactly class_size(i)
 * bytes. Most objects are bins of thread caches, powers of two with a sentinel behind, so
 * each size has room for that on top. */
#define CLASSES 64
#define ON_TOP ((size_t)16)

struct free_object {
    struct free_object *next;
    size_t list; /* of one that is deferred: the free list that it belongs on */
};

/* What a chunk begins with. [const] */
struct chunk {
    struct chunk *next;
    size_t size;
} __attribute__((aligned(HM_CACHE_LINE)));

static struct {
    struct hm_lock lock;
    char *next, *end;                  /* [L:lock] rest of the current chunk */
    size_t chunk;                      /* [L:lock] size of the next chunk */
    struct chunk *chunks;              /* [L:lock] last mapped first */
    struct free_object *free[CLASSES]; /* [L:lock] */
    struct free_object *_Atomic deferred; /* [any] freed while fork elsewhere */
    _Atomic size_t bytes;
} meta;

static unsigned class_of(size_t size)
{
    size = size <= ON_TOP ? 1 : size - ON_TOP;
    if (size <= 64)
        return (unsigned)((size + 15) / 16) - 1;
    unsigned log = hm_log2(size - 1);
    return 4 * (log - 5) + (unsigned)((size - 1) >> (log - 2)) - 4;
}

static size_t class_size(unsigned c)
{
    return ON_TOP +
           (c < 4 ? (size_t)16 * (c + 1) : (size_t)(4 + c % 4 + 1) << (c / 4 + 3));
}

HM_ONCE void hm_meta_init(void)
{
    hm_lock_init(&meta.lock, HM_RANK_META);
    meta.chunk = CHUNK_MIN;
}

static void *map_chunk(size_t size)
{
    return HM_UNLIKELY(hm_opt.guard_pages) ? hm_os_map_guarded(size)
                                           : hm_os_map(size, hm_os_page);
}

/* Maps a chunk without holding the lock: other threads' refills may be waiting for it. */
static bool grow(size_t need)
{
    size_t size =
        hm_round_up(hm_max(meta.chunk, need + sizeof(struct chunk)), hm_os_page);
    hm_lock_release(&meta.lock);
    struct chunk *chunk = map_chunk(size);
    if (!hm_lock_acquire(&meta.lock)) {
        if (chunk != NULL)
            hm_os_unmap(chunk, size);
        return false;
    }
    if (chunk == NULL)
        return true; /* the caller looks again; another thread may have had more luck */
    hm_add_relaxed(&meta.bytes, size);
    *chunk = (struct chunk){meta.chunks, size};
    meta.chunks = chunk;
    /* Two threads may grow at once: keep the larger rest, the other is a loss of
     * addresses (its untouched pages are not resident). */
    if ((size_t)(meta.end - meta.next) < size) {
        meta.next = (char *)(chunk + 1);
        meta.end = (char *)chunk + size;
    }
    if (meta.chunk < CHUNK_MAX)
        meta.chunk *= 2;
    return true;
}

/* The next object of the current chunk, or NULL. Not in a page's first cache line: there
 * begin all blocks that are aligned to a page, and a program that goes through some of
 * these would throw the object out of the first cache. Caller holds the lock. */
static void *carve(size_t size)
{
    size_t align = size >= HM_CACHE_LINE ? HM_CACHE_LINE : HM_ALIGNMENT;
    char *p = (char *)hm_round_up((uintptr_t)meta.next, align);
    if ((uintptr_t)p % CACHE_WAY < HM_CACHE_LINE && size < CACHE_WAY)
        p = (char *)hm_round_down((uintptr_t)p, CACHE_WAY) + HM_CACHE_LINE;
    if (meta.next == NULL || p > meta.end || (size_t)(meta.end - p) < size)
        return NULL;
    meta.next = p + size;
    return p;
}

/* Caller holds the lock. Acquire pairs with the release in defer. */
static HM_COLD void take_deferred(void)
{
    struct free_object *o =
        atomic_exchange_explicit(&meta.deferred, NULL, memory_order_acquire);
    while (o != NULL) {
        struct free_object *next = o->next;
        o->next = meta.free[o->list];
        meta.free[o->list] = o;
        o = next;
    }
}

static HM_COLD void defer(struct free_object *o, unsigned list)
{
    struct free_object *first = hm_load_relaxed(&meta.deferred);
    o->list = list;
    do
        o->next = first;
    while (!atomic_compare_exchange_weak_explicit(
        &meta.deferred, &first, o, memory_order_release, memory_order_relaxed));
}

/* *fresh tells whether the memory is zero because it comes straight from the system. */
static void *allocate(size_t size, bool *fresh)
{
    unsigned c = class_of(size);
    if (c >= CLASSES || !hm_lock_acquire(&meta.lock))
        return NULL;
    if (HM_UNLIKELY(hm_load_relaxed(&meta.deferred) != NULL))
        take_deferred();
    void *p = meta.free[c];
    *fresh = p == NULL;
    if (p != NULL) {
        meta.free[c] = meta.free[c]->next;
    } else {
        size = class_size(c);
        p = carve(size);
        if (p == NULL) {
            if (!grow(size))
                return NULL; /* and the lock is not held */
            p = carve(size);
        }
    }
    hm_lock_release(&meta.lock);
    return p;
}

void *hm_meta_alloc(size_t size)
{
    bool fresh;
    return allocate(size, &fresh);
}

void *hm_meta_new(size_t size)
{
    bool fresh;
    void *p = allocate(size, &fresh);
    return p == NULL || fresh ? p : memset(p, 0, size);
}

void hm_meta_free(void *p, size_t size)
{
    if (p == NULL)
        return;
    unsigned c = class_of(size);
    struct free_object *o = p;
    if (!hm_lock_acquire(&meta.lock)) {
        defer(o, c);
        return;
    }
    o->next = meta.free[c];
    meta.free[c] = o;
    hm_lock_release(&meta.lock);
}

size_t hm_meta_bytes(void)
{
    return hm_load_relaxed(&meta.bytes);
}

HM_COLD bool hm_meta_each(void (*visit)(void *base, size_t size, void *arg), void *arg)
{
    if (!hm_lock_acquire(&meta.lock))
        return false;
    for (struct chunk *chunk = meta.chunks; chunk != NULL; chunk = chunk->next)
        visit(chunk, chunk->size, arg);
    hm_lock_release(&meta.lock);
    return true;
}

struct hm_lock *hm_meta_lock(void)
{
    return &meta.lock;
}

static bool is_in_a_chunk(const void *p, size_t size)
{
    for (const struct chunk *c = meta.chunks; c != NULL; c = c->next) {
        size_t offset = (uintptr_t)p - (uintptr_t)c;
        if (offset >= sizeof *c && offset <= c->size && size <= c->size - offset)
            return true;
    }
    return false;
}

HM_COLD void hm_meta_check(void (*broken)(const char *what, const void *where))
{
    if (!hm_lock_acquire(&meta.lock))
        return;
    if (meta.next != NULL && !is_in_a_chunk(meta.next, (size_t)(meta.end - meta.next)))
        broken("M1: what is left of no chunk", meta.next);
    /* A list that runs in a circle has more than there is. */
    size_t free_bytes = 0, all = hm_load_relaxed(&meta.bytes);
    for (unsigned c = 0; c < CLASSES; c++)
        for (struct free_object *o = meta.free[c]; o != NULL; o = o->next) {
            free_bytes += class_size(c);
            if (!is_in_a_chunk(o, class_size(c))) {
                broken("M1: a free object in no chunk", o);
                break;
            }
            if (free_bytes > all) {
                broken("M2: an object that is free twice", o);
                break;
            }
        }
    hm_lock_release(&meta.lock);
}
