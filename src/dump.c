/* SPDX-License-Identifier: MIT */
#include "dump.h"
#include "big.h"
#include "conf.h"
#include "meta.h"
#include "option.h"
#include "os.h"
#include "sys.h"
#include "tcache.h"
#include "walk.h"

#include <errno.h>
#include <string.h>

/* Bytes of a line at most, of a superslab's without its map. Room is made before a lock
 * is taken, since no system call may be made under one; what is not written is not
 * touched. */
#define LINE ((size_t)256)

struct dump {
    struct hm_text out;
    uint64_t lines;
};

#define PUT(d, ...) ((d)->lines++, hm_text_printf(&(d)->out, __VA_ARGS__))

static void put_map(struct hm_text *out, const uint64_t *map, uint32_t units)
{
    for (uint32_t u = 0; u < units; u += 64) {
        char digits[17];
        for (unsigned i = 0; i < 16; i++)
            digits[i] = "0123456789abcdef"[map[u / 64] >> (60 - 4 * i) & 15];
        hm_text_put(out, digits, 16);
    }
}

/* Slabs. */

static uint64_t count_live(struct hm_slab *slab)
{
    size_t step = hm_classes[slab->cls].size >> slab->owner->shift;
    uint64_t live = 0;
    for (unsigned i = 0; i < hm_classes[slab->cls].blocks; i++)
        live += hm_load_relaxed(&slab->state[i * step]) != 0;
    return live;
}

static void put_run(struct hm_slab *run, void *arg)
{
    struct dump *d = arg;
    size_t size = (size_t)run->units << HM_UNIT_SHIFT;
    if (run->cls == HM_STATE_MEDIUM) {
        PUT(d, "medium %lx %zu %u\n", (unsigned long)run->base, size,
            (unsigned)(hm_load_relaxed(run->state) != 0));
        return;
    }
    const struct hm_class *c = &hm_classes[run->cls];
    uint64_t life = hm_load_relaxed(&run->life), live = count_live(run);
    PUT(d, "slab %lx %zu %u %u %u %lu %lu %s\n", (unsigned long)run->base, size,
        (unsigned)run->cls, c->size, (unsigned)c->blocks,
        (unsigned long)(life & HM_LIFE_COUNT), (unsigned long)live,
        (life & HM_LIFE_CURRENT) != 0  ? "current"
        : (life & HM_LIFE_LISTED) != 0 ? "listed"
                                       : "full");
}

static void put_superslab(struct hm_superslab *ss, void *arg)
{
    struct dump *d = arg;
    size_t size = (size_t)ss->units << HM_UNIT_SHIFT;
    PUT(d, "superslab %lx %zu %s %u %lx %zu %zu %zu ", (unsigned long)ss->base, size,
        ss->kind == HM_KIND_SMALL ? "small" : "large", (unsigned)ss->shard,
        (unsigned long)ss->state, size >> ss->shift,
        (size_t)ss->free_units << HM_UNIT_SHIFT,
        (size_t)ss->dirty_units << HM_UNIT_SHIFT);
    if (ss->dirty_units == 0)
        hm_text_put(&d->out, "-", 1);
    else
        put_map(&d->out, ss->dirty_map, ss->units);
    hm_text_put(&d->out, "\n", 1);
    hm_walk_superslab(ss, put_run, d);
}

/* Big extents, by the granules that they own: a live one's descriptor is its owner's. */

struct extent {
    struct dump *d;
    char *base, *end;
    hm_owner owner;
};

static void put_extent(struct extent *e)
{
    static const char *const states[] = {
        [HM_BIG_UNUSED] = "moving", [HM_BIG_LIVE] = "live", [HM_BIG_CACHED] = "cached"};
    const char *state = "detour";
    if (e->owner == HM_OWNER_NONE)
        return;
    if (hm_owner_kind(e->owner) == HM_OWNER_BIG) {
        uint32_t life = hm_load_relaxed(&((struct hm_big *)hm_owner_ptr(e->owner))->life);
        state = states[hm_min(life, HM_BIG_CACHED)];
    } else if (hm_owner_kind(e->owner) == HM_OWNER_GUARDED) {
        state = "guarded";
    }
    PUT(e->d, "big %lx %zu %s\n", (unsigned long)e->base, (size_t)(e->end - e->base),
        state);
}

static void note_granule(char *granule, hm_owner owner, void *arg)
{
    struct extent *e = arg;
    if (hm_owner_kind(owner) == HM_OWNER_SUPERSLAB)
        return;
    if (owner != e->owner || granule != e->end) {
        put_extent(e);
        e->owner = owner;
        e->base = granule;
    }
    e->end = granule + HM_REGION_GRANULE;
}

static bool put_big(struct dump *d)
{
    struct extent e = {.d = d};
    if (!hm_lock_acquire(hm_big_lock()))
        return false;
    hm_region_each(note_granule, &e);
    put_extent(&e);
    hm_lock_release(hm_big_lock());
    return true;
}

/* The rest needs no lock but that of metadata. */

static void put_head(struct dump *d)
{
    size_t large = hm_window_fast.all_granules << HM_LARGE_SHIFT;
    size_t small = hm_window_fast.small_granules << HM_SMALL_SHIFT;
    PUT(d, "hakmem-dump 1 %d %s %zu %zu\n", hm_sys_getpid(), hm_conf_profile(),
        hm_os_page, hm_opt.superslab_size);
    PUT(d, "window %lx %zu %zu\n", (unsigned long)hm_window_fast.base, large, small);
}

static void put_meta(void *base, size_t size, void *arg)
{
    struct dump *d = arg;
    PUT(d, "meta %lx %zu\n", (unsigned long)base, size);
}

static void put_leaf(void *base, size_t size, void *arg)
{
    struct dump *d = arg;
    PUT(d, "region %lx %zu\n", (unsigned long)base, size);
}

static void put_caches(struct dump *d)
{
    unsigned number = 0;
    for (struct hm_tcache *tc = hm_tcache_first(); tc != NULL; tc = tc->next) {
        uint64_t blocks[HM_CLASSES] = {0}, count = 0, room = 0;
        uint64_t bytes = hm_tcache_cached(tc, blocks);
        for (unsigned cls = 1; cls < HM_CLASSES; cls++) {
            count += blocks[cls];
            room +=
                (uint64_t)hm_load_relaxed(&tc->bins[cls].capacity) * hm_classes[cls].size;
        }
        PUT(d, "cache %u %s %lu %lu %lu\n", number++,
            hm_load_relaxed(&tc->parked) ? "parked" : "used", (unsigned long)bytes,
            (unsigned long)count, (unsigned long)room);
    }
}

/* What one lock's holder writes: a shard, or big blocks. */
static size_t room_needed(void)
{
    uint64_t superslabs = hm_superslab_mapped();
    size_t units = hm_opt.superslab_size >> HM_UNIT_SHIFT;
    uint64_t big = hm_load_relaxed(&hm_big_counts.live_bytes) +
                   hm_load_relaxed(&hm_big_counts.cached_bytes);
    size_t shard = (size_t)superslabs * (LINE + units / 4 + 16 + units * LINE / 2);
    /* And as much as may be mapped meanwhile. */
    return shard + (size_t)(big / HM_REGION_GRANULE) * LINE / 2 + HM_MIB;
}

/* Writes what was collected. False: it had not had room. */
static bool empty(struct dump *d, int fd)
{
    hm_sys_write_all(fd, d->out.buf, d->out.len);
    d->out.len = 0;
    return !d->out.truncated;
}

int hm_dump_write(int fd)
{
    struct dump d = {.lines = 0};
    size_t room = room_needed();
    char *buf = hm_os_scratch_map(room);
    if (buf == NULL)
        return ENOMEM;
    hm_text_init(&d.out, buf, room, -1);
    put_head(&d);
    bool done = hm_meta_each(put_meta, &d);
    hm_region_leaves(put_leaf, &d);
    put_caches(&d);
    done = empty(&d, fd) && done;
    for (unsigned i = 0; i < hm_superslab_shards(); i++) {
        done = hm_superslab_each(i, put_superslab, &d) && done;
        done = empty(&d, fd) && done;
    }
    done = put_big(&d) && done;
    PUT(&d, "end %lu\n", (unsigned long)d.lines - 1);
    done = empty(&d, fd) && done;
    hm_os_scratch_unmap(buf, room);
    return done ? 0 : EAGAIN;
}
