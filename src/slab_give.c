/* SPDX-License-Identifier: MIT */
#include "alone.h"
#include "fail.h"
#include "slab.h"

/* What is flushed is scattered over slabs that nobody has looked at for a while. So many
 * blocks' slabs are found ahead, to be on their way before the first is needed. */
#define AHEAD 32

/* Blocks of one slab, one after the other: neighbours are often freed so. */
struct run {
    struct hm_slab *slab;
    const struct hm_slot *from; /* to where the next begins */
};

/* Of what lies in the same unit only the first is looked up. */
static unsigned find_runs(const struct hm_slot *slots, unsigned n, struct run *runs)
{
    uintptr_t unit = 0;
    unsigned count = 0;
    for (const struct hm_slot *slot = slots; slot < slots + n; slot++) {
        if ((uintptr_t)slot->block >> HM_UNIT_SHIFT == unit)
            continue;
        unit = (uintptr_t)slot->block >> HM_UNIT_SHIFT;
        struct hm_slab *slab = hm_slab_of(slot->block);
        if (HM_UNLIKELY(slab == NULL))
            hm_fail_misuse("free", slot->block, "already free");
        __builtin_prefetch(slab, 1);
        __builtin_prefetch(slab->free_map, 1);
        runs[count++] = (struct run){slab, slot};
    }
    runs[count].from = slots + n;
    return count;
}

static unsigned index_of(const struct hm_slab *slab, const struct hm_slot *slot)
{
    return hm_class_index(slab->cls, (size_t)((char *)slot->block - slab->base));
}

static HM_COLD void already_free(const struct hm_slab *slab, const _Atomic uint64_t *word,
                                 uint64_t bits)
{
    size_t index = (size_t)(word - slab->free_map) * 64 + (unsigned)__builtin_ctzll(bits);
    hm_fail_misuse("free", slab->base + index * hm_classes[slab->cls].size,
                   "already free");
}

/* All of these return how many blocks slabs got that were CURRENT, and not `own`. */

/* In a process of one thread there is nothing to be gained by putting blocks together. */
static unsigned give_alone(const struct run *run, const struct hm_slab *own)
{
    struct hm_slab *slab = run->slab;
    unsigned remote = 0;
    for (const struct hm_slot *slot = run->from; slot < run[1].from; slot++) {
        unsigned index = index_of(slab, slot);
        _Atomic uint64_t *word = &slab->free_map[index / 64];
        uint64_t before = hm_load_relaxed(word), bit = (uint64_t)1 << index % 64;
        if (HM_UNLIKELY((before & bit) != 0))
            already_free(slab, word, bit);
        hm_store_relaxed(word, before | bit);
        uint64_t life = hm_load_relaxed(&slab->life);
        if (HM_LIKELY((life & (HM_LIFE_CURRENT | HM_LIFE_LISTED)) != 0 &&
                      ((life - 1) & HM_LIFE_COUNT) != 0))
            hm_store_relaxed(&slab->life, life - 1);
        else
            hm_slab_given(slab, 1);
        remote += (life & HM_LIFE_CURRENT) != 0 && slab != own;
    }
    return remote;
}

/* Blocks on their way back to one word of a slab's map. */
struct lot {
    _Atomic uint64_t *word; /* NULL: none */
    uint64_t bits;
    struct hm_slab *slab;
    unsigned count;
};

/* Blocks freed one after the other often lie in the same few slabs, in any order. Each
 * word has a place in a table, and its blocks go back together unless another word that
 * has the same place comes in between. */
#define PLACE_BITS 4
#define PLACES (1 << PLACE_BITS)

static unsigned place_of(const _Atomic uint64_t *word)
{
    return (uint32_t)((uintptr_t)word / sizeof *word) * 0x9e3779b1u >> (32 - PLACE_BITS);
}

static unsigned lot_give(const struct lot *lot, const struct hm_slab *own)
{
    /* Release pairs with the acquire in slab.c, where blocks are taken: the block's next
     * user comes after us. */
    uint64_t before =
        atomic_fetch_or_explicit(lot->word, lot->bits, memory_order_release);
    if (HM_UNLIKELY((before & lot->bits) != 0))
        already_free(lot->slab, lot->word, before & lot->bits);
    return hm_slab_given(lot->slab, lot->count) && lot->slab != own ? lot->count : 0;
}

static unsigned lot_add(struct lot lots[PLACES], const struct lot *lot,
                        const struct hm_slab *own)
{
    struct lot *place = &lots[place_of(lot->word)];
    if (place->word == lot->word) {
        if (HM_UNLIKELY((place->bits & lot->bits) != 0))
            already_free(lot->slab, lot->word, place->bits & lot->bits);
        place->bits |= lot->bits;
        place->count += lot->count;
        return 0;
    }
    unsigned remote = place->word == NULL ? 0 : lot_give(place, own);
    *place = *lot;
    return remote;
}

static unsigned give_run(struct lot lots[PLACES], const struct run *run,
                         const struct hm_slab *own)
{
    struct hm_slab *slab = run->slab;
    const struct hm_slot *slot = run->from, *end = run[1].from;
    unsigned index = index_of(slab, slot), remote = 0;
    while (slot < end) {
        struct lot lot = {&slab->free_map[index / 64], 0, slab, 0};
        for (unsigned word = index / 64; index / 64 == word;) {
            uint64_t bit = (uint64_t)1 << index % 64;
            if (HM_UNLIKELY((lot.bits & bit) != 0))
                already_free(slab, lot.word, bit);
            lot.bits |= bit;
            lot.count++;
            if (++slot == end)
                break;
            index = index_of(slab, slot);
        }
        remote += lot_add(lots, &lot, own);
    }
    return remote;
}

static unsigned give_together(const struct run *runs, unsigned n,
                              const struct hm_slab *own)
{
    struct lot lots[PLACES];
    unsigned remote = 0;
    for (unsigned i = 0; i < PLACES; i++)
        lots[i].word = NULL;
    for (unsigned i = 0; i < n; i++)
        remote += give_run(lots, &runs[i], own);
    for (unsigned i = 0; i < PLACES; i++)
        remote += lots[i].word == NULL ? 0 : lot_give(&lots[i], own);
    return remote;
}

unsigned hm_slab_give_counted(const struct hm_slot *slots, unsigned count,
                              const struct hm_slab *own)
{
    unsigned remote = 0;
    for (unsigned n; count != 0; slots += n, count -= n) {
        struct run runs[AHEAD + 1];
        n = (unsigned)hm_min(count, AHEAD);
        unsigned found = find_runs(slots, n, runs);
        if (!hm_is_alone()) {
            remote += give_together(runs, found, own);
            continue;
        }
        for (unsigned i = 0; i < found; i++)
            remote += give_alone(&runs[i], own);
    }
    return remote;
}

void hm_slab_give(const struct hm_slot *slots, unsigned count)
{
    hm_slab_give_counted(slots, count, NULL);
}
