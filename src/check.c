/* SPDX-License-Identifier: MIT */
#include "check.h"
#include "big.h"
#include "bits.h"
#include "fail.h"
#include "harden.h"
#include "heap.h"
#include "medium.h"
#include "meta.h"
#include "option.h"
#include "sys.h"
#include "tcache.h"
#include "walk.h"

#include <string.h>

#define REPORTED_MAX 8

struct finding {
    const char *what;
    const void *where;
};

/* Slabs of one class that ought to be on the partial list of the set in question. */
struct listing {
    uint32_t slabs, heads;
    struct hm_slab *head;
};

/* One check at a time: callbacks that enumerate locks have no argument. */
static struct {
    struct hm_lock lock; /* as it is: free, and of the lowest rank */
    /* All [L:lock] */
    bool alone; /* no other thread in this process */
    unsigned found;
    struct finding findings[REPORTED_MAX];
    unsigned set; /* of partial lists, the one in question */
    struct listing lists[HM_CLASSES];
    struct hm_superslab *last;
    uint64_t idle_bytes;   /* of blocks that are neither live nor in their slab */
    uint64_t medium_bytes; /* in medium runs */
    struct hm_big *last_big;
    uint64_t bigcache_bytes, big_bytes;
    uint64_t guarded; /* blocks that are live */
} check HM_COLD_DATA;

struct hm_lock *hm_check_lock(void)
{
    return &check.lock;
}

/* [fork] From a process with threads: never alone with its past. */
static bool inherited HM_COLD_DATA;

void hm_check_fork_child(void)
{
    inherited = true;
}

/* Notes a broken invariant; reporting waits until no lock is held (L1). */
static bool holds(bool condition, const char *what, const void *where)
{
    if (HM_LIKELY(condition))
        return true;
    if (check.found < REPORTED_MAX)
        check.findings[check.found] = (struct finding){what, where};
    check.found++;
    return false;
}

/* SuperSlabs. The shard's lock is held. */

static uint32_t longest_free(const struct hm_superslab *ss)
{
    uint32_t at = 0, longest = 0;
    while ((at = hm_bits_next(ss->free_map, at, ss->units, true)) < ss->units) {
        uint32_t end = hm_bits_next(ss->free_map, at, ss->units, false);
        longest = (uint32_t)hm_max(longest, end - at);
        at = end;
    }
    return longest;
}

/* State bytes of [from, to) of a SuperSlab, as offsets, are all zero. */
static bool states_are_zero(const struct hm_superslab *ss, size_t from, size_t to)
{
    for (size_t at = from >> ss->shift; at < to >> ss->shift; at++)
        if (hm_load_relaxed(&ss->state[at]) != 0)
            return false;
    return true;
}

static void check_neighbours(const struct hm_superslab *a, const struct hm_superslab *b)
{
    holds(a->shard == b->shard && a->kind == b->kind, "S3: lists are by shard and kind",
          a);
    holds((a->free_units > 0) == (b->free_units > 0), "S3: list by free_units", a);
    holds(a->free_units == 0 || a->base < b->base, "S3: list in address order", a);
    holds(a->next == b && b->prev == a, "S3: links of a list", a);
}

static void check_superslab(struct hm_superslab *ss)
{
    size_t size = (size_t)ss->units << HM_UNIT_SHIFT;
    hm_owner owner = (hm_owner)ss | HM_OWNER_SUPERSLAB;
    holds(ss->free_units == hm_bits_count(ss->free_map, 0, ss->units),
          "S3: free_units is not what the map says", ss);
    holds(ss->dirty_units == hm_bits_count(ss->dirty_map, 0, ss->units),
          "S2: dirty_units is not what the map says", ss);
    holds(ss->longest >= longest_free(ss), "S3: a free run is longer than longest", ss);
    for (uint32_t w = 0; w * 64 < ss->units; w++)
        holds((ss->dirty_map[w] & ~ss->free_map[w]) == 0, "S2: dirty but not free", ss);
    for (size_t at = 0; at < size; at += HM_REGION_GRANULE)
        holds(hm_region_get(ss->base + at) == owner, "R2: a granule without its owner",
              ss->base + at);
    if (ss->next != NULL)
        check_neighbours(ss, ss->next);
    if (ss->prev != NULL)
        check_neighbours(ss->prev, ss);
    uint32_t u = 0, page = hm_superslab_page_units;
    for (; u < ss->units; u += page) {
        uint32_t dirty = hm_bits_count(ss->dirty_map, u, page);
        uint32_t clean = hm_bits_count(ss->free_map, u, page) - dirty;
        holds(clean == 0 || clean == page, "S2: clean in a page that is resident", ss);
    }
    u = 0;
    while ((u = hm_bits_next(ss->free_map, u, ss->units, true)) < ss->units) {
        holds(states_are_zero(ss, (size_t)u << HM_UNIT_SHIFT,
                              (size_t)(u + 1) << HM_UNIT_SHIFT),
              "W1: a live block in a free unit", ss->base + ((size_t)u << HM_UNIT_SHIFT));
        u++;
    }
}

/* Wholly free SuperSlabs have no run to visit: found as neighbours of those that have. */
static void check_superslabs_at(struct hm_superslab *ss)
{
    check_superslab(ss);
    for (struct hm_superslab *n = ss->next; n != NULL && n->free_units == n->whole;
         n = n->next)
        check_superslab(n);
    for (struct hm_superslab *n = ss->prev; n != NULL && n->free_units == n->whole;
         n = n->prev)
        check_superslab(n);
}

/* S1. False: the run cannot be relied upon. */
static bool check_run(struct hm_slab *run, struct hm_superslab *ss)
{
    size_t offset = (size_t)run->unit << HM_UNIT_SHIFT;
    uint32_t end = (uint32_t)run->unit + run->units;
    if (!holds(run == &ss->slabs[run->unit] && end <= ss->units && run->units > 0,
               "S1: a run beyond its SuperSlab", run) ||
        !holds(run->base == ss->base + offset &&
                   run->state == ss->state + (offset >> ss->shift),
               "S1: a run that is elsewhere", run))
        return false;
    holds(hm_bits_count(ss->free_map, run->unit, run->units) == 0,
          "S1: a unit free and in a run", run->base);
    for (uint32_t u = run->unit; u < end; u++) {
        holds(ss->head[u] == run->unit, "S1: head of a unit in a run", run->base);
        holds(!hm_fence_is(u, ss->gap), "S1: a fence in a run", run->base);
    }
    return true;
}

/* W1 for what no thread can be changing: a state byte away from the start of a block is
 * 0, one at a start is 0 or of a class of the slab. Returns the live blocks. */
static uint32_t check_states(struct hm_slab *run, struct hm_superslab *ss, size_t step)
{
    size_t granules = (size_t)run->units << (HM_UNIT_SHIFT - ss->shift), start = 0;
    uint32_t live = 0;
    step >>= ss->shift;
    for (size_t at = 0; at < granules; at++) {
        unsigned state = hm_load_relaxed(&run->state[at]);
        bool is_start = at == start;
        start += is_start ? step : 0;
        live += state != 0;
        holds(state == 0 || (is_start && state == run->cls),
              "W1: a state that no block can have", run->base + (at << ss->shift));
    }
    return live;
}

/* Slabs. */

static unsigned bits_set(struct hm_slab *slab)
{
    unsigned count = 0;
    for (unsigned w = 0; w * 64 < hm_classes[slab->cls].blocks; w++)
        count += (unsigned)__builtin_popcountll(hm_load_acquire(&slab->free_map[w]));
    return count;
}

/* Blocks in the slab are not live, and there is nothing beyond the last block. The slab
 * cannot become CURRENT meanwhile, so bits are only ever set. */
static void check_free_blocks(struct hm_slab *slab, struct hm_superslab *ss)
{
    const struct hm_class *c = &hm_classes[slab->cls];
    for (unsigned w = 0; w * 64 < c->blocks; w++) {
        uint64_t bits = hm_load_acquire(&slab->free_map[w]);
        for (; bits != 0; bits &= bits - 1) {
            unsigned i = w * 64 + (unsigned)__builtin_ctzll(bits);
            size_t offset = (size_t)i * c->size;
            holds(i < c->blocks, "B1: a free block beyond the last", slab->base);
            holds(i >= c->blocks ||
                      hm_load_relaxed(&slab->state[offset >> ss->shift]) == 0,
                  "W1: a block live and free", slab->base + offset);
        }
    }
}

static bool is_of_the_set(const struct hm_slab *slab)
{
    return hm_load_acquire(&slab->set) == check.set;
}

/* Both locks are held: neither the list nor the slab's place on it changes. That of a
 * slab on another set's may: only with the same generation before and after (B5) is the
 * set that was read in between its own. */
static void check_listed(struct hm_slab *slab, void *unused)
{
    (void)unused;
    if (slab->cls >= HM_CLASSES)
        return;
    uint64_t life = hm_load_acquire(&slab->life);
    if ((life & (HM_LIFE_LISTED | HM_LIFE_JOINING)) != HM_LIFE_LISTED ||
        !is_of_the_set(slab) ||
        hm_load_relaxed(&slab->life) >> HM_LIFE_GENERATION != life >> HM_LIFE_GENERATION)
        return;
    const struct hm_class *c = &hm_classes[slab->cls];
    struct listing *list = &check.lists[slab->cls];
    list->slabs++;
    if (slab->prev == NULL) {
        list->heads++;
        list->head = slab;
    }
    /* Who gives sets bits, then lowers the count: it can be too high, never too low. */
    holds((life & HM_LIFE_COUNT) + bits_set(slab) >= c->blocks,
          "B1: fewer blocks than there are", slab->base);
    check_free_blocks(slab, slab->owner);
}

static void check_list(const struct listing *list)
{
    if (!holds(list->heads == (list->slabs > 0), "B3: a list with one head", list->head))
        return;
    uint32_t length = 0;
    for (struct hm_slab *s = list->head; s != NULL && length <= list->slabs;
         s = s->next) {
        length++;
        holds(s->next == NULL || s->next->prev == s, "B3: links of a list", s->base);
        holds(s->cls == list->head->cls && is_of_the_set(s),
              "B3: a slab on the list of others", s->base);
    }
    holds(length == list->slabs, "B3: LISTED, but on no list", list->head);
}

static void check_partial_lists(struct hm_lock *lock)
{
    memset(check.lists, 0, sizeof check.lists);
    if (hm_lock_acquire(lock)) {
        hm_walk_runs(check_listed, NULL);
        for (unsigned cls = 1; cls < HM_CLASSES; cls++)
            check_list(&check.lists[cls]);
        hm_lock_release(lock);
    }
    check.set++;
}

/* The states in which a slab can be, and what only holds while nobody is at work. */
static void check_life(struct hm_slab *slab, struct hm_superslab *ss, uint32_t live)
{
    const struct hm_class *c = &hm_classes[slab->cls];
    uint64_t life = hm_load_relaxed(&slab->life);
    uint64_t flags = life & (HM_LIFE_CURRENT | HM_LIFE_LISTED | HM_LIFE_JOINING);
    uint32_t count = life & HM_LIFE_COUNT;
    holds(flags == 0 || flags == HM_LIFE_CURRENT || flags == HM_LIFE_LISTED ||
              flags == (HM_LIFE_LISTED | HM_LIFE_JOINING),
          "B3: flags that do not go together", slab->base);
    holds(slab->units == c->units && hm_class_is_small(slab->cls) == (ss->kind == 0),
          "S1: a slab of another class's shape", slab->base);
    if (!check.alone)
        return;
    holds(count + bits_set(slab) == c->blocks, "B1: count and free_map disagree",
          slab->base);
    holds(live <= count, "W1: more blocks live than taken", slab->base);
    /* Full, or empty and deferred since another thread forked. */
    holds(flags != 0 || count == c->blocks || count == 0, "B3: partial, but not LISTED",
          slab->base);
    check_free_blocks(slab, ss);
    check.idle_bytes += (uint64_t)(count - live) * c->size;
}

static void check_in_use(struct hm_slab *run, void *unused)
{
    (void)unused;
    struct hm_superslab *ss = run->owner;
    if (ss != check.last)
        check_superslabs_at(ss);
    check.last = ss;
    if (!check_run(run, ss))
        return;
    if (run->cls == HM_STATE_MEDIUM) {
        check_states(run, ss, (size_t)run->units << HM_UNIT_SHIFT);
        check.medium_bytes += (uint64_t)run->units << HM_UNIT_SHIFT;
    } else if (holds(run->cls < HM_CLASSES, "S1: a run of no class", run->base)) {
        check_life(run, ss, check_states(run, ss, hm_classes[run->cls].size));
    }
}

/* Thread caches: the caller's, and parked ones, whose lock is held. */

static bool is_repeated(const struct hm_slot *slot, const struct hm_slot *bottom)
{
    for (const struct hm_slot *s = slot + 1; s < bottom; s++)
        if (s->block == slot->block)
            return true;
    return false;
}

static void check_slot(const struct hm_slot *slot, unsigned cls)
{
    struct hm_slab *slab = hm_slab_of(slot->block);
    if (slab == NULL || slab->cls != cls) {
        holds(false, "C2: a block of another class", slot->block);
        return;
    }
    size_t offset = (size_t)((char *)slot->block - slab->base);
    unsigned index = hm_class_index(cls, offset);
    holds(index * (size_t)hm_classes[cls].size == offset, "C2: not the start of a block",
          slot->block);
    holds(slot->state == slab->state + (offset >> slab->owner->shift),
          "C2: another block's state", slot->block);
    holds(hm_load_relaxed(slot->state) == 0, "C2: a block live and cached", slot->block);
    holds((hm_load_relaxed(&slab->free_map[index / 64]) >> index % 64 & 1) == 0,
          "C2: a block cached and in its slab", slot->block);
}

static void check_bin(struct hm_tcache *tc, unsigned cls)
{
    struct hm_bin *bin = &tc->bins[cls];
    struct hm_slot *limit = hm_front_limit(&tc->bin_ends, cls);
    struct hm_slot *top = hm_load_relaxed(&tc->bin_ends.top[cls]);
    unsigned capacity = hm_load_relaxed(&bin->capacity);
    struct hm_slot *bottom = limit + capacity;
    if (!holds(capacity <= HM_BIN_MAX && limit <= top && top <= bottom,
               capacity == 0 ? "C3: a closed bin with room" : "C1: ends of a bin", bin))
        return;
    holds(bottom->block == NULL && bottom->state == NULL, "C1: a bin's sentinel", bin);
    for (struct hm_slot *slot = top; slot < bottom; slot++) {
        check_slot(slot, cls);
        holds(!is_repeated(slot, bottom), "C2: a block in two slots", slot->block);
    }
    holds(bin->current == NULL ||
              ((hm_load_relaxed(&bin->current->life) & HM_LIFE_CURRENT) != 0 &&
               bin->current->cls == cls),
          "B4: a bin's slab that is not CURRENT", bin);
    holds(bin->current == NULL || !hm_load_relaxed(&tc->parked),
          "C4: a parked cache with a current slab", tc);
}

static void check_cache(struct hm_tcache *tc)
{
    for (unsigned cls = 1; cls < HM_CLASSES; cls++)
        check_bin(tc, cls);
    struct hm_slot *limit = hm_front_limit(&tc->bin_ends, 0);
    holds(hm_load_relaxed(&tc->bin_ends.top[0]) == limit, "C3: bin 0 has room", tc);
    holds(hm_front_is_sound(&tc->bin_ends), "F2: bounds of a front", tc);
}

static void check_parked(struct hm_lock *lock)
{
    struct hm_tcache *tc = hm_self.cache;
    if (tc == NULL || !hm_lock_acquire(lock))
        return;
    for (tc = tc->next; tc != NULL; tc = tc->next)
        if (hm_load_relaxed(&tc->parked) && !hm_load_acquire(&tc->withheld))
            check_cache(tc);
    hm_lock_release(lock);
}

/* BigCache. Its lock is held. */

static bool is_cached(hm_owner owner)
{
    struct hm_big *b = hm_owner_ptr(owner);
    return hm_owner_kind(owner) == HM_OWNER_BIG &&
           hm_load_relaxed(&b->life) == HM_BIG_CACHED;
}

static void check_cached_big(struct hm_big *b)
{
    check.bigcache_bytes += b->size;
    for (size_t at = 0; at < b->size; at += HM_REGION_GRANULE)
        holds((hm_region_get(b->base + at) | HM_OWNER_SEAM) ==
                  ((hm_owner)b | HM_OWNER_BIG | HM_OWNER_SEAM),
              "G1: a granule without its owner", b->base + at);
    holds((b->next == NULL || b->next->prev == b) &&
              (b->prev == NULL || b->prev->next == b),
          "G2: links of a bin", b);
    holds((b->younger == NULL || b->younger->older == b) &&
              (b->older == NULL || b->older->younger == b),
          "G2: links of the age list", b);
    holds(!is_cached(hm_region_get(b->base + b->size)) &&
              !is_cached(hm_region_get(b->base - 1)),
          "G2: cached neighbours that were not merged", b->base);
}

static void check_granule(char *granule, hm_owner owner, void *unused)
{
    (void)unused;
    struct hm_big *b = hm_owner_ptr(owner);
    bool detour = hm_owner_kind(owner) == HM_OWNER_DETOUR;
    if (hm_owner_kind(owner) == HM_OWNER_SUPERSLAB ||
        hm_owner_kind(owner) == HM_OWNER_GUARDED || (detour && !check.alone))
        return;
    uint32_t life = hm_load_relaxed(&b->life);
    bool cached = !detour && life == HM_BIG_CACHED;
    /* Neither: on its way, or deferred since another thread forked. */
    if (!cached && (!check.alone || life != HM_BIG_LIVE))
        return;
    holds(granule >= b->base && granule < b->base + b->size,
          "G1: not the owner's granule", granule);
    if (b != check.last_big && cached)
        check_cached_big(b);
    else if (b != check.last_big)
        check.big_bytes += b->size;
    check.last_big = b;
}

static void check_big(void)
{
    struct hm_lock *lock = hm_big_lock();
    if (!hm_lock_acquire(lock))
        return;
    hm_region_each(check_granule, NULL);
    holds(check.bigcache_bytes == hm_load_relaxed(&hm_big_counts.cached_bytes),
          "G2: cached_bytes is not what is cached", &hm_big_counts);
    holds(!check.alone || check.big_bytes == hm_load_relaxed(&hm_big_counts.live_bytes),
          "G1: live_bytes is not what is live", &hm_big_counts);
    hm_lock_release(lock);
}

static void note_broken(const char *what, const void *where)
{
    holds(false, what, where);
}

/* What the program wrote beside its blocks, and blocks with pages of their own. */

static void check_guarded(struct hm_guarded *g, void *unused)
{
    (void)unused;
    uint32_t life = hm_load_acquire(&g->life);
    if (life == HM_GUARD_UNUSED)
        return;
    holds(hm_owner_kind(hm_region_get(g->pages)) == HM_OWNER_GUARDED,
          "N1: a guarded block without its owner", g->block);
    check.guarded += life == HM_GUARD_IS_LIVE;
}

static void check_hardened(void)
{
    hm_harden_walk(check.alone, note_broken);
    if (!check.alone)
        return;
    hm_guard_each(check_guarded, NULL);
    holds(check.guarded == hm_load_relaxed(&hm_guard_counts.live),
          "N3: not as many guarded blocks as are live", &hm_guard_counts);
}

/* Blocks and bytes that a fork cost may be missing from the caches, never the reverse. */
static void check_sums(void)
{
    struct hm_tcache_totals t;
    hm_tcache_totals(&t);
    holds(check.idle_bytes >= t.cached_bytes, "C2: more cached than was taken", &check);
    holds(check.medium_bytes >= hm_load_relaxed(&hm_medium_bytes),
          "S1: more medium blocks than runs", &check);
}

static void check_layers(void)
{
    if (hm_self.cache != NULL)
        check_cache(hm_self.cache);
    hm_tcache_fork(check_parked);
    hm_slab_fork(check_partial_lists);
    hm_walk_runs(check_in_use, NULL);
    check_big();
    hm_window_check(note_broken);
    hm_meta_check(note_broken);
    if (hm_harden_on)
        check_hardened();
    if (check.alone)
        check_sums();
}

static void abort_written(const char *what, const void *block)
{
    hm_fail_misuse("exit", block, "%s", what);
}

void hm_check_exit(bool alone)
{
    if (hm_harden_on && hm_heap_is_on())
        hm_harden_walk(alone && !inherited, abort_written);
}

unsigned hm_check_heap(void)
{
    struct finding findings[REPORTED_MAX];
    if (!hm_heap_is_on())
        return 0;
    bool alone = !inherited && hm_sys_is_only_thread();
    if (!hm_lock_acquire(&check.lock))
        return 0;
    memset((char *)&check + sizeof check.lock, 0, sizeof check - sizeof check.lock);
    check.alone = alone;
    check_layers();
    unsigned found = check.found;
    memcpy(findings, check.findings, sizeof findings);
    hm_lock_release(&check.lock);
    for (unsigned i = 0; i < hm_min(found, REPORTED_MAX); i++)
        hm_warn("heap check: %s (%p)", findings[i].what, findings[i].where);
    return found;
}
