/* SPDX-License-Identifier: MIT */
/* base: the vocabulary every other file uses. Includes nothing of ours. */
#ifndef HM_BASE_H
#define HM_BASE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#define HM_LIKELY(x) __builtin_expect(!!(x), 1)
#define HM_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define HM_NOINLINE __attribute__((noinline))
/* Hardly ever run, or by few programs; in a file full of such, run by every process; run
 * when a process starts; run by programs that are not small: src/libhakmem.lds puts them
 * apart. */
#define HM_COLD __attribute__((cold, noinline))
#define HM_HOT __attribute__((section(".text.hm_hot")))
#define HM_ONCE __attribute__((section(".text.hm_once")))
#define HM_RARE HM_ONCE
/* The same for variables: zero at first, large or of use to few. */
#define HM_COLD_DATA __attribute__((section(".bss.hm_cold")))
/* An array of which only the first entries are: between the two. */
#define HM_TAIL_DATA __attribute__((section(".bss.hm_at_last")))
#define HM_INLINE static inline __attribute__((always_inline))
#define HM_EXPORT __attribute__((visibility("default")))
/* For data that other files of the library use: -fvisibility=hidden covers definitions
 * only, and without this every access would go through the global offset table. */
#define HM_HIDDEN __attribute__((visibility("hidden")))
#define HM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HM_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Three kinds of check. HM_ASSERT: our own invariant, verified in debug builds. Misuse by
 * the caller: fail.h. Layout: _Static_assert beside the structure. */
#ifdef HM_ENABLE_DEBUG
#define HM_DEBUG 1
#else
#define HM_DEBUG 0
#endif
#define HM_ASSERT(cond)                                  \
    do {                                                 \
        if (HM_DEBUG && HM_UNLIKELY(!(cond)))            \
            hm_assert_failed(__FILE__, __LINE__, #cond); \
    } while (0)
noreturn void hm_assert_failed(const char *file, int line, const char *cond);

/* Is this a build for ThreadSanitizer? gcc and clang say it differently. */
#if defined(__SANITIZE_THREAD__)
#define HM_TSAN 1
#elif defined(__has_feature)
#define HM_TSAN __has_feature(thread_sanitizer)
#else
#define HM_TSAN 0
#endif

/* What nobody can foresee, so that a branch would be taken wrongly half of the time. */
#if defined __has_builtin && __has_builtin(__builtin_expect_with_probability)
#define HM_EITHER(x) __builtin_expect_with_probability(!!(x), 1, 0.5)
#else
#define HM_EITHER(x) (x)
#endif

/* Keeps the compiler from looking through a value: on the fast path it would otherwise
 * compute two forms of an index, or an address of its own, at an instruction each. */
#define HM_OPAQUE(x) __asm__("" : "+r"(x))
/* The same, in the register that results are returned in, which saves moving it there. */
#ifdef __x86_64__
#define HM_RESULT(x) __asm__("" : "+a"(x))
#else
#define HM_RESULT(x) HM_OPAQUE(x)
#endif

#define HM_KIB ((size_t)1 << 10)
#define HM_MIB ((size_t)1 << 20)
#define HM_GIB ((size_t)1 << 30)

/* Every malloc result is aligned to this many bytes: max_align_t of those ABIs that have
 * the largest. */
#define HM_ALIGNMENT ((size_t)16)
/* Cache line: the granularity at which threads disturb each other. */
#define HM_CACHE_LINE 64

/* Memory orders, spelled briefly: each use names what it pairs with. */
#define hm_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define hm_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define hm_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define hm_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define hm_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define hm_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)

HM_INLINE size_t hm_round_up(size_t n, size_t pow2)
{
    return (n + (pow2 - 1)) & ~(pow2 - 1);
}

HM_INLINE size_t hm_round_down(size_t n, size_t pow2)
{
    return n & ~(pow2 - 1);
}

/* For amounts that a machine of 32 bits may be told but not have. */
HM_INLINE size_t hm_clamp(uint64_t n)
{
    return (size_t)n == n ? (size_t)n : SIZE_MAX;
}

HM_INLINE bool hm_is_pow2(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

HM_INLINE unsigned hm_log2(size_t n) /* floor; n > 0 */
{
    return 63u - (unsigned)__builtin_clzll((unsigned long long)n);
}

HM_INLINE size_t hm_pow2_ceil(size_t n)
{
    return n <= 1 ? 1 : (size_t)1 << (hm_log2(n - 1) + 1);
}

/* The finaliser of splitmix64: every input bit reaches every output bit. */
HM_INLINE uint64_t hm_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

HM_INLINE size_t hm_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

HM_INLINE size_t hm_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Figures of 64 bits where size_t has 32: statistics, other processes' addresses. */
#if SIZE_MAX == UINT32_MAX
HM_INLINE uint64_t hm_round_up_wide(uint64_t n, uint64_t pow2)
{
    return (n + (pow2 - 1)) & ~(pow2 - 1);
}

HM_INLINE uint64_t hm_min_wide(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

HM_INLINE uint64_t hm_max_wide(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#define HM_BY_WIDTH(f, a, b) \
    _Generic((a) + (b), unsigned long long: f##_wide, default: f)(a, b)
#define hm_round_up(n, pow2) HM_BY_WIDTH(hm_round_up, n, pow2)
#define hm_min(a, b) HM_BY_WIDTH(hm_min, a, b)
#define hm_max(a, b) HM_BY_WIDTH(hm_max, a, b)
#endif

#endif
