/* SPDX-License-Identifier: MIT */
#include "alone.h"
#include "fail.h"
#include "slab.h"

/* What is flushed is scattered over slabs that nobody has looked at for a while. So many
 * blocks' slabs are found ahead, to be on their way before the first is needed. */
#define GIVE_AHEAD 32

static void find_slabs(const struct hm_slot *slots, unsigned n, struct hm_slab **slabs)
{
    struct hm_slab *slab = NULL;
    uintptr_t unit = 0;
    for (unsigned i = 0; i < n; i++) {
        /* The next one in the same unit is in the same slab: neighbours are often freed
         * one after the other. */
        if ((uintptr_t)slots[i].block >> HM_UNIT_SHIFT != unit) {
            unit = (uintptr_t)slots[i].block >> HM_UNIT_SHIFT;
            slab = hm_slab_of(slots[i].block);
            if (HM_UNLIKELY(slab == NULL))
                hm_fail_misuse("free", slots[i].block, "already free");
            __builtin_prefetch(slab, 1);
            __builtin_prefetch(slab->free_map, 1);
        }
        slabs[i] = slab;
    }
}

static unsigned index_of(const struct hm_slab *slab, const char *block)
{
    return hm_class_index(slab->cls, (size_t)(block - slab->base));
}

static HM_COLD void already_free(const struct hm_slab *slab, const _Atomic uint64_t *word,
                                 uint64_t bits)
{
    size_t index = (size_t)(word - slab->free_map) * 64 + (unsigned)__builtin_ctzll(bits);
    hm_fail_misuse("free", slab->base + index * hm_classes[slab->cls].size,
                   "already free");
}

/* In a process of one thread there is nothing to be gained by putting blocks together. */
static unsigned give_alone(const struct hm_slot *slots, struct hm_slab **slabs,
                           unsigned n, const struct hm_slab *own)
{
    unsigned remote = 0;
    for (unsigned i = 0; i < n; i++) {
        struct hm_slab *slab = slabs[i];
        unsigned index = index_of(slab, slots[i].block);
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

/* Returns how many blocks the slab got, if it was CURRENT and is not `own`. */
static unsigned lot_give(const struct lot *lot, const struct hm_slab *own)
{
    /* Release pairs with the acquire in take_blocks: the block's next user comes after
     * us. */
    uint64_t before =
        atomic_fetch_or_explicit(lot->word, lot->bits, memory_order_release);
    if (HM_UNLIKELY((before & lot->bits) != 0))
        already_free(lot->slab, lot->word, before & lot->bits);
    return hm_slab_given(lot->slab, lot->count) && lot->slab != own ? lot->count : 0;
}

/* Blocks freed one after the other often lie in the same few slabs, in any order. Each
 * word has a place in a table, and its blocks go back together unless another word that
 * has the same place comes in between. */
#define PLACE_BITS 4

static unsigned place_of(const _Atomic uint64_t *word)
{
    return (uint32_t)((uintptr_t)word / sizeof *word) * 0x9e3779b1u >> (32 - PLACE_BITS);
}

static unsigned give_together(const struct hm_slot *slots, struct hm_slab **slabs,
                              unsigned n, const struct hm_slab *own)
{
    struct lot lots[1 << PLACE_BITS], *used[1 << PLACE_BITS];
    unsigned remote = 0, count = 0;
    for (unsigned i = 0; i < HM_ARRAY_LEN(lots); i++)
        lots[i].word = NULL;
    for (unsigned i = 0; i < n; i++) {
        struct hm_slab *slab = slabs[i];
        unsigned index = index_of(slab, slots[i].block);
        _Atomic uint64_t *word = &slab->free_map[index / 64];
        uint64_t bit = (uint64_t)1 << index % 64;
        struct lot *lot = &lots[place_of(word)];
        if (lot->word == word) {
            if (HM_UNLIKELY((lot->bits & bit) != 0))
                already_free(slab, word, bit);
            lot->bits |= bit;
            lot->count++;
            continue;
        }
        if (lot->word != NULL)
            remote += lot_give(lot, own);
        else
            used[count++] = lot;
        *lot = (struct lot){word, bit, slab, 1};
    }
    while (count != 0)
        remote += lot_give(used[--count], own);
    return remote;
}

unsigned hm_slab_give_counted(const struct hm_slot *slots, unsigned count,
                              const struct hm_slab *own)
{
    unsigned remote = 0;
    for (unsigned n; count != 0; slots += n, count -= n) {
        struct hm_slab *slabs[GIVE_AHEAD];
        n = (unsigned)hm_min(count, GIVE_AHEAD);
        find_slabs(slots, n, slabs);
        remote += hm_is_alone() ? give_alone(slots, slabs, n, own)
                                : give_together(slots, slabs, n, own);
    }
    return remote;
}

void hm_slab_give(const struct hm_slot *slots, unsigned count)
{
    hm_slab_give_counted(slots, count, NULL);
}
