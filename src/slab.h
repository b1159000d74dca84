/* SPDX-License-Identifier: MIT */
/* slab: a run of units cut into equal blocks; free blocks are bits in a map outside it.
 *
 *   life   [ 63 generation 32 | … | JOINING 26 | LISTED 25 | CURRENT 24 | 23 count 0 ]
 *
 *   The count needs 11 bits; between the two steps of give (B1) it may stand higher by a
 *   batch for each thread that is there; in a fork's child for ever, by those that were.
 *
 *   state     entered by                              left by
 *   CURRENT   make, from a run; adopt                 let go
 *   LISTED    let go, some free; give to a full one   adopt; give of the last live block
 *   full      let go, none free                       give
 *   (gone)    let go or give, all free: the run goes back to its SuperSlab
 *
 * B1 Bit i of free_map is set exactly while block i is in the slab: neither live nor in a
 *    thread cache. count == blocks - popcount(free_map) whenever nobody is between the
 *    two steps of take or give.
 * B2 Bits are cleared only by the thread for which the slab is CURRENT (take); any thread
 *    sets them (give). Taking clears bits and then raises the count; giving sets bits and
 *    then lowers it. So count 0 without CURRENT means that all bits are set and nobody is
 *    between steps: the thread that brings that about owns the slab and gives its run
 *    back.
 * B3 A slab is on the partial list of its set and class exactly while LISTED is set and
 *    JOINING is not. The thread that sets both puts it there and clears JOINING, under
 *    the list's lock; if the slab became empty meanwhile, it takes it off again.
 * B4 A slab belongs to a thread only while CURRENT. Otherwise it belongs to nobody, so an
 *    idle or dead thread strands at most the slabs that are current for it, and those are
 *    let go when its cache is trimmed or parked.
 * B5 Every slab has a generation of its own, and another one whenever it gets another
 *    home, which happens only while it is CURRENT, and with it another set. Whoever
 *    leaves a listed slab with count 0 takes the list's lock, and the slab off the list
 *    only if its life is as it left it: the slab may have been adopted, and even have
 *    become another slab, in between.
 *
 *   meets         take         give          adopt        let go        unlist empty
 *   take          one thread   B2            CURRENT      one thread    CURRENT
 *   give          B2           bits atomic   count only   CAS on life   generation
 *   adopt         CURRENT      count only    list lock    -             list lock
 */
#ifndef HM_SLAB_H
#define HM_SLAB_H

#include "superslab.h"

#define HM_LIFE_COUNT 0xffffffu
#define HM_LIFE_CURRENT 0x1000000u
#define HM_LIFE_LISTED 0x2000000u
#define HM_LIFE_JOINING 0x4000000u
#define HM_LIFE_GENERATION 32

/* A free block as thread caches hold it: its address and where its state byte is. */
struct hm_slot {
    void *block;
    hm_state *state;
};

void hm_slab_init(unsigned shards);

/* A slab of `class` that becomes CURRENT for the calling thread: a partial one of its
 * home (home.h), else of another, else a new one of the shard. With `apart`, of other
 * homes only such that have no owner, and are half free. NULL: out of memory, or fork
 * elsewhere. */
struct hm_slab *hm_slab_adopt(unsigned shard, unsigned cls, unsigned home, bool apart);
/* Ends that. */
void hm_slab_let_go(struct hm_slab *slab);
/* The same in a fork's child, for a slab that was current for a thread that the child
 * does not have: it may have been between two steps (B2), so the map decides what the
 * count is. Blocks that it was taking at that moment are lost. */
void hm_slab_let_go_orphan(struct hm_slab *slab);
/* Takes up to `want` blocks, lowest addresses first, out of a CURRENT slab. With `apart`,
 * of the smallest blocks (16 and 32 bytes) preferably such whose whole word of the map is
 * free, then whole cache lines: so threads that share the slab do not share the lines of
 * their blocks' states, or at least not of the blocks. */
unsigned hm_slab_take(struct hm_slab *slab, struct hm_slot *out, unsigned want,
                      bool apart);
/* Puts blocks back into their slabs, whichever these are; aborts when one is there
 * already, which only a double free from two threads at the same moment can bring about.
 */
void hm_slab_give(const struct hm_slot *slots, unsigned count);
/* The same; returns how many went into slabs that were CURRENT for another thread: not
 * `own`, which may be NULL. */
unsigned hm_slab_give_counted(const struct hm_slot *slots, unsigned count,
                              const struct hm_slab *own);

/* For the two above: `count` blocks of the slab are in its map again. True: it was
 * CURRENT. */
bool hm_slab_given(struct hm_slab *slab, unsigned count);

/* The slab of a small or large block's address, for the slow paths. */
struct hm_slab *hm_slab_of(const void *block);

/* Purges free whole pages inside partial slabs (option page_purge). Returns bytes. */
size_t hm_slab_purge_pages(void);

void hm_slab_fork(void (*each)(struct hm_lock *)); /* for process.c */

#endif
