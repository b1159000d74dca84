/* SPDX-License-Identifier: MIT */
#include "sizeclass.h"

/* The shape of a slab, from the size of its blocks: four blocks at least. Larger slabs
 * would be fewer, but more of each would lie free in a program of many sizes. What is
 * left over at the end of a slab is address space, never touched. */
#define UNITS(size) ((size) <= 4096 ? 1 : (size) <= 8192 ? 2 : (size) <= 16384 ? 4 : 8)
#define INVERSE(size) ((((uint64_t)1 << 40) + (size)-1) / (size))
#define CLASS(size)                                                        \
    {                                                                      \
        (size), UNITS(size), UNITS(size) * HM_UNIT / (size), INVERSE(size) \
    }

#define LINEAR_4(base) \
    CLASS((base) + 16), CLASS((base) + 32), CLASS((base) + 48), CLASS((base) + 64)
#define DOUBLING(base)                                                          \
    CLASS((base) / 8 * 9), CLASS((base) / 8 * 10), CLASS((base) / 8 * 11),      \
        CLASS((base) / 8 * 12), CLASS((base) / 8 * 13), CLASS((base) / 8 * 14), \
        CLASS((base) / 8 * 15), CLASS((base) / 8 * 16)

const struct hm_class hm_classes[HM_CLASSES] = {
    {0, 0, 0, 0},   LINEAR_4(0),    LINEAR_4(64),   LINEAR_4(128),
    LINEAR_4(192),  DOUBLING(256),  DOUBLING(512),  DOUBLING(1024),
    DOUBLING(2048), DOUBLING(4096), DOUBLING(8192), DOUBLING(16384),
};

/* Steps of 16 bytes that the k-th class (1 … 8) above `base` is for; at first the next
 * fourth one serves them. */
#define COARSE(k) (((k) + 3) & ~3)
#define SPAN(base, first, k) \
    [(base) / 128 * (8 + (k)-1) + 1 ...(base) / 128 * (8 + (k))] = (first) + COARSE(k) - 1
#define SPAN_8(base, first)                                               \
    SPAN(base, first, 1), SPAN(base, first, 2), SPAN(base, first, 3),     \
        SPAN(base, first, 4), SPAN(base, first, 5), SPAN(base, first, 6), \
        SPAN(base, first, 7), SPAN(base, first, 8)

#define STEP_4(n) [n] = (n), [(n) + 1] = (n) + 1, [(n) + 2] = (n) + 2, [(n) + 3] = (n) + 3

_Atomic uint8_t hm_step_class[(HM_LARGE_MAX >> HM_SMALL_SHIFT) + 1] = {
    STEP_4(1),        STEP_4(5),        STEP_4(9),         STEP_4(13),
    SPAN_8(256, 17),  SPAN_8(512, 25),  SPAN_8(1024, 33),  SPAN_8(2048, 41),
    SPAN_8(4096, 49), SPAN_8(8192, 57), SPAN_8(16384, 65),
};

_Static_assert(HM_SMALL_CLASSES == HM_LINEAR_CLASSES + 2 * 8, "up to 1024 bytes");
_Static_assert(HM_CLASSES == 1 + HM_SMALL_CLASSES + 5 * 8, "five doublings of eight");
_Static_assert(UNITS(16) * HM_UNIT / 16 == HM_SLAB_BLOCKS_MAX, "the free map's size");

/* Lets each class from the one after `below` up to `last` serve what it is for. */
static HM_RARE void refine(unsigned below, unsigned last)
{
    size_t step = (hm_classes[below].size >> HM_SMALL_SHIFT) + 1;
    for (unsigned cls = below + 1; cls <= last; cls++)
        for (; step <= hm_classes[cls].size >> HM_SMALL_SHIFT; step++)
            hm_store_relaxed(&hm_step_class[step], (uint8_t)cls);
}

HM_RARE void hm_class_refine(unsigned cls)
{
    unsigned coarse = COARSE(cls);
    if (cls > HM_LINEAR_CLASSES)
        refine(coarse - 4, coarse);
}

HM_RARE void hm_classes_refine(void)
{
    refine(HM_LINEAR_CLASSES, HM_CLASSES - 1);
}
