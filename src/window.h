/* SPDX-License-Identifier: MIT */
/* window: address space set aside so that a block is classified by arithmetic alone.
 *
 *   one reservation   [ small window                | large window                ]
 *                       SuperSlabs of small blocks    of large and medium blocks
 *   block states      [ a byte for 16 bytes of it   | a byte for 128 bytes of it  ]
 *
 * A state byte stands for the block that starts at its granule:
 *   0              no live block starts here: free, cached, inside a block, or not ours
 *   1 … 72         a live block of that class
 *   HM_STATE_MEDIUM  a live medium block
 * So one load tells free which bin a block belongs to, and that it is a live block's
 * start: a double free, an interior pointer and a foreign pointer all read 0.
 *
 * W1 A state byte is nonzero exactly while its block is live (handed out, not yet freed).
 * W2 Only the thread that hands the block out or takes it back writes its byte; relaxed
 *    accesses suffice, because the program itself orders malloc, use and free of a block.
 * W3 State bytes are readable for the whole window, also where there is no memory.
 * W4 Where a SuperSlab lies in a window, its place is taken; so are all below `lowest`,
 *    unless places are chosen at random.
 *
 * There may be no window (a limit on address space, `address_window = 0`), or it may be
 * used up. SuperSlabs then lie elsewhere with states of their own; free finds them
 * through the region map, which costs it a few more instructions.
 */
#ifndef HM_WINDOW_H
#define HM_WINDOW_H

#include "lock.h"
#include "sizeclass.h"

typedef _Atomic uint8_t hm_state;
#define HM_STATE_MEDIUM HM_CLASSES
#define HM_STATES (HM_CLASSES + 1)

enum hm_kind { HM_KIND_SMALL, HM_KIND_LARGE, HM_KINDS };

HM_INLINE enum hm_kind hm_kind_of(unsigned cls)
{
    return hm_class_is_small(cls) ? HM_KIND_SMALL : HM_KIND_LARGE;
}

/* What the fast path of free needs, in one cache line. [const after hm_window_init] */
struct hm_window_fast {
    uintptr_t base;        /* first address of the small window */
    size_t small_granules; /* size of the small window >> HM_SMALL_SHIFT; 0: no window */
    hm_state *small_state;
    size_t all_granules;   /* size of both windows >> HM_LARGE_SHIFT */
    hm_state *large_state; /* biased: indexed by (address - base) >> HM_LARGE_SHIFT */
    /* Both kinds' state bytes lie in one array, small blocks' first. */
    size_t states, large_bias; /* how many; first large one's number less its index */
};
extern HM_HIDDEN struct hm_window_fast hm_window_fast;

HM_INLINE size_t hm_rotate_right(size_t x, unsigned n)
{
    return x >> n | x << (sizeof x * 8 - n);
}

HM_INLINE size_t hm_rotate_left(size_t x, unsigned n)
{
    return x << n | x >> (sizeof x * 8 - n);
}

/* Finding the state of the block that would start at p, in two steps so that the fast
 * path can do without a merge of the two. The rotation moves bits that an aligned offset
 * has clear to the top, so one comparison finds misaligned, foreign and null pointers. */

/* In granules of the small window. */
HM_INLINE size_t hm_window_granule(const void *p)
{
    return hm_rotate_right((uintptr_t)p - hm_window_fast.base, HM_SMALL_SHIFT);
}

HM_INLINE bool hm_window_is_small(size_t granule)
{
    return granule < hm_window_fast.small_granules;
}

HM_INLINE hm_state *hm_window_small_state(size_t granule)
{
    return hm_window_fast.small_state + granule;
}

/* For a granule that is not small: the same in those of the large window. */
HM_INLINE size_t hm_window_coarse(size_t granule)
{
    HM_OPAQUE(granule);
    size_t coarse = hm_rotate_right(granule, HM_LARGE_SHIFT - HM_SMALL_SHIFT);
    HM_OPAQUE(coarse);
    return coarse;
}

HM_INLINE bool hm_window_is_large(size_t coarse)
{
    return coarse < hm_window_fast.all_granules;
}

HM_INLINE hm_state *hm_window_large_state(size_t coarse)
{
    return hm_window_fast.large_state + coarse;
}

/* NULL: outside the windows or misaligned. */
HM_INLINE hm_state *hm_window_state(const void *p)
{
    size_t granule = hm_window_granule(p);
    if (hm_window_is_small(granule))
        return hm_window_small_state(granule);
    size_t coarse = hm_window_coarse(granule);
    if (HM_UNLIKELY(!hm_window_is_large(coarse)))
        return NULL;
    hm_state *state = hm_window_large_state(coarse);
    if (state == NULL)
        __builtin_unreachable(); /* spares callers a test */
    return state;
}

/* The same without a branch that depends on which window it is; for what hm_window_coarse
 * returned. */
HM_INLINE hm_state *hm_window_either_state(size_t coarse)
{
    size_t granule = hm_rotate_left(coarse, HM_LARGE_SHIFT - HM_SMALL_SHIFT);
    size_t number;
    if (HM_UNLIKELY(__builtin_add_overflow(coarse, hm_window_fast.large_bias, &number)))
        return NULL;
    HM_OPAQUE(number);
    if (HM_EITHER(hm_window_is_small(granule)))
        number = granule;
    HM_OPAQUE(number);
    if (HM_UNLIKELY(number >= hm_window_fast.states))
        return NULL;
    hm_state *state = hm_window_fast.small_state + number;
    if (state == NULL)
        __builtin_unreachable();
    return state;
}

/* The most that both windows may take. Where addresses have 32 bits that is a sixteenth
 * of them, so that big blocks and the program itself have room. */
#define HM_WINDOW_MAX (SIZE_MAX > UINT32_MAX ? SIZE_MAX / 2 + 1 : 256 * HM_MIB)

/* superslab_size: of every SuperSlab; wanted: bytes for both windows together, 0 for
 * none. */
void hm_window_init(size_t superslab_size, size_t wanted);

/* Space for one SuperSlab with memory, reading as zero, and the state bytes of its first
 * block. The lowest free place of the window, else anywhere. NULL: out of memory. */
char *hm_window_take(enum hm_kind kind, hm_state **state);
/* Gives it back; its state bytes are all zero. False: but its place in the window could
 * not be given back, fork elsewhere. */
bool hm_window_give(enum hm_kind kind, char *base, hm_state *state);
/* Gives that place back, later. False: fork elsewhere, still. */
bool hm_window_give_place(enum hm_kind kind, const char *base);

/* Verifies W4, for check.c. What does not hold is passed to `broken`. */
void hm_window_check(void (*broken)(const char *what, const void *where));

void hm_window_fork(void (*each)(struct hm_lock *)); /* for process.c */

#endif
