/* SPDX-License-Identifier: MIT */
/* malloc: the public names, all in this one object, so that no program can end up with a
 * part of libc's allocator beside ours. The fast paths of malloc and free stand first;
 * what they leave to others is in heap.c.
 *
 * For tests that run under a sanitizer, which brings its own malloc, tests/prefix.h
 * renames all of them. */
#include "cxx.h"
#include "harden.h"
#include "heap.h"
#include "mallopt.h"
#include "next.h"
#include "os.h"
#include "process.h"
#include "report.h"
#include "tcache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HM_STRING_OF(x) #x
#define HM_STRING(x) HM_STRING_OF(x)
#if __has_attribute(copy) /* gcc wants an alias to promise what its target does */
#define HM_COPY(target) __attribute__((copy(target)))
#else
#define HM_COPY(target)
#endif
#define HM_ALIAS(target) \
    __attribute__((visibility("default"), alias(HM_STRING(target)))) HM_COPY(target)
/* A further name of free, for what does not say more than free does. */
#define HM_FREE_NAME_OF(name) \
    HM_ALIAS(free) void hm_free_##name(void *block) __asm__(#name)
#define HM_FREE_NAME(name) HM_FREE_NAME_OF(name)

#define HM_CALLER __builtin_return_address(0)

/* The fast paths. Small and large blocks take the same steps twice over instead of
 * meeting again: a jump less. (malloc.c is compiled with -fno-crossjumping for the same
 * reason.) */

/* Takes the next block of a bin. NULL: there is none. */
HM_INLINE void *pop(struct hm_front *front, size_t bin)
{
    HM_OPAQUE(bin);
    struct hm_slot *top = hm_load_relaxed(&front->top[bin]);
    void *block = top->block;
    HM_RESULT(block);
    if (HM_LIKELY(block != NULL)) {
        HM_OPAQUE(front);
        hm_store_relaxed(top->state, (uint8_t)bin);
        hm_store_relaxed(&front->top[bin], top + 1);
    }
    return block;
}

/* Puts a live block into its bin. False: the bin is full, or the block is not live, for
 * bin 0 has no room. */
HM_INLINE bool push(struct hm_front *front, void *block, hm_state *state)
{
    size_t bin = hm_load_relaxed(state);
    HM_OPAQUE(bin);
    struct hm_slot *top = hm_load_relaxed(&front->top[bin]);
    if (HM_UNLIKELY(top == front->limit[bin]))
        return false;
    HM_OPAQUE(front);
    hm_store_relaxed(state, 0);
    top--;
    *top = (struct hm_slot){block, state};
    hm_store_relaxed(&front->top[bin], top);
    return true;
}

/* A block from the thread cache, or NULL: the slow path must do. Adding 15 may wrap, to
 * 0, the bin that is always empty. */
HM_INLINE void *take_cached(size_t size)
{
    struct hm_front *front = hm_self.front;
    size_t steps = (size + 15) >> HM_SMALL_SHIFT;
    HM_OPAQUE(steps);
    if (HM_LIKELY(steps <= front->below.linear_steps))
        return pop(front, steps);
    if (HM_LIKELY(steps <= HM_LARGE_MAX >> HM_SMALL_SHIFT))
        return pop(front, hm_load_relaxed(&hm_step_class[steps]));
    return NULL;
}

/* The same for a block that is aligned to a power of two: blocks of a slab are, to their
 * size's largest, up to a unit. */
HM_INLINE void *take_cached_aligned(size_t align, size_t size)
{
    if (align <= HM_ALIGNMENT)
        return take_cached(size);
    if (align > HM_UNIT || size > HM_LARGE_MAX)
        return NULL;
    unsigned cls = hm_class_of(hm_round_up(size, align));
    bool aligned = (hm_classes[cls].size & (align - 1)) == 0;
    return HM_LIKELY(aligned) ? pop(hm_self.front, cls) : NULL;
}

HM_EXPORT void *malloc(size_t size)
{
    void *block = take_cached(size);
    return HM_LIKELY(block != NULL) ? block : hm_heap_malloc(size, HM_CALLER);
}

/* Puts a block into the thread cache. False: the slow path must do. */
HM_INLINE bool give_cached(void *block)
{
    struct hm_front *front = hm_self.front;
    size_t granule = hm_window_granule(block);
    if (HM_LIKELY(granule < front->below.small_granules))
        return push(front, block, hm_window_small_state(granule));
    size_t coarse = hm_window_coarse(granule);
    if (HM_LIKELY(coarse < front->below.large_granules))
        return push(front, block, hm_window_large_state(coarse));
    hm_state *state = hm_window_either_state(coarse); /* front.h, F2 */
    return HM_LIKELY(state != NULL) && push(front, block, state);
}

HM_EXPORT void free(void *block)
{
    if (HM_LIKELY(give_cached(block)))
        return;
    hm_heap_free(block, HM_CALLER);
}

HM_EXPORT void *calloc(size_t count, size_t each)
{
    size_t size;
    if (HM_UNLIKELY(__builtin_mul_overflow(count, each, &size))) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = take_cached(size);
    return HM_LIKELY(block != NULL) ? memset(block, 0, size) : hm_heap_calloc(size);
}

HM_EXPORT void *realloc(void *block, size_t size)
{
    if (block == NULL)
        return malloc(size);
    return hm_heap_realloc(block, size);
}

#ifndef HAVE_REALLOCARRAY
/* Where libc has one, it calls our realloc. */
HM_EXPORT __attribute__((weak)) void *reallocarray(void *block, size_t count,
                                                   size_t each);
HM_EXPORT void *reallocarray(void *block, size_t count, size_t each)
{
    size_t size;
    if (__builtin_mul_overflow(count, each, &size)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, size);
}
#endif

/* Aligned allocation. */

static HM_NOINLINE void *aligned(size_t align, size_t size)
{
    void *block = take_cached_aligned(align, size);
    return HM_LIKELY(block != NULL) ? block : hm_heap_memalign(align, size);
}

HM_EXPORT HM_RARE void *memalign(size_t align, size_t size)
{
    /* As in glibc: an alignment that is no power of two is rounded up to one. */
    if (align > PTRDIFF_MAX / 2 + (size_t)1) {
        errno = EINVAL;
        return NULL;
    }
    return aligned(hm_pow2_ceil(align), size);
}

HM_EXPORT void *aligned_alloc(size_t align, size_t size)
{
    if (!hm_is_pow2(align)) {
        errno = EINVAL;
        return NULL;
    }
    return aligned(align, size);
}

static HM_RARE HM_NOINLINE int posix_memalign_slow(void **out, size_t align, size_t size)
{
    int saved = errno;
    void *block = hm_heap_memalign(align, size);
    errno = saved;
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

HM_EXPORT HM_RARE int posix_memalign(void **out, size_t align, size_t size)
{
    if (!hm_is_pow2(align) || align % sizeof(void *) != 0)
        return EINVAL;
    void *block = take_cached_aligned(align, size);
    if (HM_UNLIKELY(block == NULL))
        return posix_memalign_slow(out, align, size);
    *out = block;
    return 0;
}

HM_EXPORT HM_RARE void *valloc(size_t size)
{
    hm_heap_init();
    return hm_heap_memalign(hm_os_page, size);
}

HM_EXPORT HM_RARE void *pvalloc(size_t size)
{
    hm_heap_init();
    if (size > PTRDIFF_MAX - hm_os_page) {
        errno = ENOMEM;
        return NULL;
    }
    return hm_heap_memalign(hm_os_page, hm_round_up(hm_max(size, 1), hm_os_page));
}

/* The slow path of malloc_usable_size. */
static HM_RARE HM_NOINLINE size_t usable_slow(void *block)
{
    return block == NULL ? 0 : hm_heap_usable(block, "malloc_usable_size");
}

/* Databases and collectors ask for each block that comes or goes. */
HM_EXPORT size_t malloc_usable_size(void *block)
{
    hm_state *state = hm_window_state(block);
    if (HM_UNLIKELY(state == NULL || hm_harden_on))
        return usable_slow(block);
    unsigned cls = hm_load_relaxed(state);
    if (HM_UNLIKELY(cls == 0 || cls >= HM_CLASSES))
        return usable_slow(block);
    return hm_classes[cls].size;
}

/* C23, and operator delete. What the caller says about size and alignment is not needed,
 * so not believed; but the slow path may verify it. */
#define HM_FREE_SIZED(where, name, params, size, align)    \
    where HM_EXPORT void name(void *block params);         \
    HM_EXPORT void name(void *block params)                \
    {                                                      \
        if (HM_LIKELY(give_cached(block)))                 \
            return;                                        \
        hm_heap_free_sized(block, size, align, HM_CALLER); \
    }
#define HM_NOTHING
#define HM_SIZE , size_t size
#define HM_ALIGN , size_t align
#define HM_SIZE_ALIGN , size_t size, size_t align
#define HM_ALIGN_SIZE , size_t align, size_t size
HM_FREE_SIZED(HM_NOTHING, free_sized, HM_SIZE, size, 1)
HM_FREE_SIZED(HM_RARE, free_aligned_sized, HM_ALIGN_SIZE, size, align)
/* Removed from glibc's headers in 2.26, still used by old binaries. */
HM_FREE_NAME(cfree);

/* Control and statistics, glibc's. */

HM_EXPORT HM_RARE int malloc_trim(size_t pad)
{
    if (!hm_heap_is_on())
        return hm_next_trim(pad);
    /* pad: bytes to keep at the top of a heap that grows by brk. There is none. */
    return hm_heap_trim() > 0;
}

HM_EXPORT HM_RARE int mallopt(int param, int value)
{
    if (!hm_heap_is_on())
        return hm_next_mallopt(param, value);
    return hm_mallopt(param, value);
}

HM_EXPORT HM_RARE void malloc_stats(void)
{
    if (!hm_heap_is_on())
        hm_next_stats();
    else
        hm_report_stats();
}

HM_EXPORT HM_RARE int malloc_info(int options, FILE *out)
{
    return hm_heap_is_on() ? hm_report_info(options, out) : hm_next_info(options, out);
}

HM_EXPORT HM_RARE struct mallinfo2 mallinfo2(void)
{
    return hm_heap_is_on() ? hm_report_mallinfo() : hm_next_mallinfo();
}

static struct mallinfo narrow_mallinfo(void)
{
    struct mallinfo2 i = mallinfo2();
    return (struct mallinfo){.arena = (int)i.arena,
                             .ordblks = (int)i.ordblks,
                             .hblks = (int)i.hblks,
                             .hblkhd = (int)i.hblkhd,
                             .uordblks = (int)i.uordblks,
                             .fordblks = (int)i.fordblks,
                             .keepcost = (int)i.keepcost};
}

HM_EXPORT HM_RARE struct mallinfo mallinfo(void)
{
    return narrow_mallinfo();
}

/* Early among constructors, so that our fork handler is the last to run before a fork and
 * the program's own handlers find malloc open. Whoever allocated before made the library
 * ready itself. */
__attribute__((constructor(101))) static void load(void)
{
    hm_process_load();
    hm_heap_started();
}

__attribute__((destructor)) static void unload(void)
{
    hm_process_unload();
}

#ifndef HM_TEST_PREFIX

/* C++. new is malloc, except that failure first asks the program's new-handler and then,
 * but for nothrow, throws std::bad_alloc; delete is free. Names as the Itanium ABI
 * mangles them for a 64-bit or 32-bit size_t. */

HM_INLINE void *cxx_new(size_t size, size_t align, bool nothrow, void *caller)
{
    void *block = take_cached_aligned(align, size);
    if (HM_LIKELY(block != NULL))
        return block;
    block = hm_heap_memalign(align, size);
    return HM_LIKELY(block != NULL) ? block
                                    : hm_cxx_new_failed(size, align, nothrow, caller);
}

#if SIZE_MAX > UINT32_MAX
#define HM_M(before, after) before##m##after
#else
#define HM_M(before, after) before##j##after
#endif
#define HM_NEW(where, name, align_param, nothrow_param, align, nothrow) \
    where HM_EXPORT void *name(size_t size align_param nothrow_param);  \
    HM_EXPORT void *name(size_t size align_param nothrow_param)         \
    {                                                                   \
        return cxx_new(size, align, nothrow, HM_CALLER);                \
    }
#define HM_NOTHROW , const void *tag __attribute__((unused))
HM_NEW(HM_NOTHING, HM_M(_Znw, ), HM_NOTHING, HM_NOTHING, 0, false)
HM_NEW(HM_NOTHING, HM_M(_Zna, ), HM_NOTHING, HM_NOTHING, 0, false)
HM_NEW(HM_NOTHING, HM_M(_Znw, RKSt9nothrow_t), HM_NOTHING, HM_NOTHROW, 0, true)
HM_NEW(HM_NOTHING, HM_M(_Zna, RKSt9nothrow_t), HM_NOTHING, HM_NOTHROW, 0, true)
HM_NEW(HM_RARE, HM_M(_Znw, St11align_val_t), HM_ALIGN, HM_NOTHING, align, false)
HM_NEW(HM_RARE, HM_M(_Zna, St11align_val_t), HM_ALIGN, HM_NOTHING, align, false)
HM_NEW(HM_RARE, HM_M(_Znw, St11align_val_tRKSt9nothrow_t), HM_ALIGN, HM_NOTHROW, align,
       true)
HM_NEW(HM_RARE, HM_M(_Zna, St11align_val_tRKSt9nothrow_t), HM_ALIGN, HM_NOTHROW, align,
       true)

HM_FREE_NAME(_ZdlPv);
HM_FREE_NAME(_ZdaPv);
HM_FREE_NAME(_ZdlPvRKSt9nothrow_t);
HM_FREE_NAME(_ZdaPvRKSt9nothrow_t);
HM_ALIAS(free_sized) void HM_M(_ZdlPv, )(void *block, size_t size);
HM_ALIAS(free_sized) void HM_M(_ZdaPv, )(void *block, size_t size);
HM_FREE_SIZED(HM_RARE, _ZdlPvSt11align_val_t, HM_ALIGN, SIZE_MAX, align)
HM_FREE_SIZED(HM_RARE, _ZdaPvSt11align_val_t, HM_ALIGN, SIZE_MAX, align)
HM_FREE_SIZED(HM_RARE, HM_M(_ZdlPv, St11align_val_t), HM_SIZE_ALIGN, size, align)
HM_FREE_SIZED(HM_RARE, HM_M(_ZdaPv, St11align_val_t), HM_SIZE_ALIGN, size, align)
HM_FREE_SIZED(HM_RARE, _ZdlPvSt11align_val_tRKSt9nothrow_t, HM_ALIGN HM_NOTHROW, SIZE_MAX,
              align)
HM_FREE_SIZED(HM_RARE, _ZdaPvSt11align_val_tRKSt9nothrow_t, HM_ALIGN HM_NOTHROW, SIZE_MAX,
              align)

#ifndef PIC
/* In a static program libc's own callers use these names; one that is missing here would
 * bring in all of libc's allocator. The shared library leaves them to libc, whose
 * allocator stays reachable through them. */
HM_ALIAS(malloc) void *__libc_malloc(size_t size);
HM_ALIAS(free) void __libc_free(void *block);
HM_ALIAS(calloc) void *__libc_calloc(size_t count, size_t each);
HM_ALIAS(realloc) void *__libc_realloc(void *block, size_t size);
HM_ALIAS(memalign) void *__libc_memalign(size_t align, size_t size);
HM_ALIAS(valloc) void *__libc_valloc(size_t size);
HM_ALIAS(pvalloc) void *__libc_pvalloc(size_t size);
HM_ALIAS(posix_memalign) int __posix_memalign(void **out, size_t align, size_t size);
HM_ALIAS(mallopt) int __libc_mallopt(int param, int value);
HM_EXPORT struct mallinfo __libc_mallinfo(void);
HM_EXPORT struct mallinfo __libc_mallinfo(void)
{
    return narrow_mallinfo();
}
#endif

#endif
