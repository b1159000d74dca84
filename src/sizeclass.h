/* SPDX-License-Identifier: MIT */
/* sizeclass: which block sizes exist, and what a slab of each looks like.
 *
 *   class    1 … 16   requests up to 16, 32, 48 … 256 bytes         (linear, small)
 *   class   17 … 32   288, 320 … 1024: eight to a doubling          (small)
 *   class   33 … 72   1152, 1280 … 32768: likewise                  (large)
 *
 * Up to 256 bytes the class of a request is one shift, and a block wastes 15 bytes at
 * most; above, a table tells, and it is an eighth. Class 0 does not exist; a bin of that
 * number is always empty and always full, which sends every odd case to the slow path.
 *
 * Of the classes in the table a process uses every fourth at first, two to a doubling: a
 * block may waste half of what it holds, but there are a fourth of the slabs and bins,
 * most of which would be free. When it has many blocks of one, it uses the three below as
 * well.
 */
#ifndef HM_SIZECLASS_H
#define HM_SIZECLASS_H

#include "base.h"

#define HM_SMALL_SHIFT 4 /* small blocks are multiples of 16 bytes */
#define HM_LINEAR_CLASSES 16
#define HM_SMALL_CLASSES 32
#define HM_LARGE_SHIFT 7 /* large blocks are multiples of 128 bytes */
#define HM_LARGE_MAX ((size_t)32768)
#define HM_CLASSES 73 /* with class 0 */

/* The unit in which SuperSlabs are divided. 64-bit kernels with larger pages exist; then
 * a purge covers the whole pages inside a run. */
#define HM_UNIT_SHIFT 14
#define HM_UNIT ((size_t)1 << HM_UNIT_SHIFT)

/* Blocks of a slab at most: the smallest class in one unit. */
#define HM_SLAB_BLOCKS_MAX (HM_UNIT / 16)

struct hm_class {
    uint32_t size;    /* bytes of a block */
    uint16_t units;   /* units of a slab */
    uint16_t blocks;  /* blocks of a slab */
    uint64_t inverse; /* ceil(2^40 / size): turns an offset into a block's number */
};

/* [const] entry 0 is unused */
extern HM_HIDDEN const struct hm_class hm_classes[HM_CLASSES];

/* Class of a request by (size + 15) / 16. [any, relaxed] */
extern HM_HIDDEN _Atomic uint8_t hm_step_class[(HM_LARGE_MAX >> HM_SMALL_SHIFT) + 1];

/* From now on the classes are used that this one serves for at first. [any] */
void hm_class_refine(unsigned cls);
/* From now on all are used. [any] */
void hm_classes_refine(void);

/* The class that serves `size`, or 0 when the request is larger than any class. */
HM_INLINE unsigned hm_class_of(size_t size)
{
    size_t steps = (size + 15) >> HM_SMALL_SHIFT;
    if (size > HM_LARGE_MAX)
        return 0;
    return steps == 0 ? 1 : hm_load_relaxed(&hm_step_class[steps]);
}

HM_INLINE bool hm_class_is_small(unsigned c)
{
    return c <= HM_SMALL_CLASSES;
}

/* Number of the block that contains the byte at `offset` of a slab. */
HM_INLINE unsigned hm_class_index(unsigned c, size_t offset)
{
    return (unsigned)((offset * hm_classes[c].inverse) >> 40);
}

#endif
