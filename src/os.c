/* SPDX-License-Identifier: MIT */
#include "os.h"
#include "sys.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

/* Where mmap itself finds its arguments in memory there is this one, which differs by the
 * unit of an offset that is 0 here. */
#ifdef SYS_mmap2
#define NR_MMAP SYS_mmap2
#else
#define NR_MMAP SYS_mmap
#endif

size_t hm_os_page = 4096;
struct hm_os_counts hm_os_counts;

HM_ONCE void hm_os_init(size_t page_size)
{
    if (hm_is_pow2(page_size))
        hm_os_page = page_size;
}

HM_ONCE uint64_t hm_os_memory(void)
{
    struct sysinfo info;
    if (hm_sys_failed(hm_sys_call(SYS_sysinfo, (long)&info, 0, 0, 0, 0, 0)))
        return HM_GIB;
    return (uint64_t)info.totalram * info.mem_unit;
}

HM_ONCE size_t hm_os_address_limit(void)
{
    struct {
        uint64_t now, most; /* UINT64_MAX: none */
    } limit;
    if (hm_sys_failed(hm_sys_call(SYS_prlimit64, 0, RLIMIT_AS, 0, (long)&limit, 0, 0)))
        return SIZE_MAX;
    return hm_clamp(limit.now);
}

/* The thread sanitizer learns from libc's mmap that memory begins anew; otherwise what a
 * thread does there would race with the work of those who had the addresses before. */
static void *os_mmap(void *addr, size_t size, int prot, int flags)
{
    hm_add_relaxed(&hm_os_counts.mmap, 1);
    flags |= MAP_PRIVATE | MAP_ANONYMOUS;
    if (HM_TSAN) {
        int saved = errno;
        void *p = mmap(addr, size, prot, flags, -1, 0);
        errno = saved;
        return p == MAP_FAILED ? NULL : p;
    }
    long r = hm_sys_call(NR_MMAP, (long)addr, (long)size, prot, flags, -1, 0);
    return hm_sys_failed(r) ? NULL : (void *)r;
}

bool hm_os_unmap(void *addr, size_t size)
{
    hm_add_relaxed(&hm_os_counts.munmap, 1);
    return !hm_sys_failed(hm_sys_call(SYS_munmap, (long)addr, (long)size, 0, 0, 0, 0));
}

/* mmap promises page alignment only: for more, a larger range is taken and its ends are
 * cut off. A cut that fails (the limit on mappings) leaves unused space, never an error.
 */
static void *os_mmap_aligned(size_t size, size_t align, int prot, int flags)
{
    char *p = os_mmap(NULL, size, prot, flags);
    if (p == NULL || ((uintptr_t)p & (align - 1)) == 0)
        return p;
    hm_os_unmap(p, size);
    if (size > SIZE_MAX - align)
        return NULL;
    size_t span = size + align - hm_os_page;
    p = os_mmap(NULL, span, prot, flags);
    if (p == NULL)
        return NULL;
    char *start = (char *)hm_round_up((uintptr_t)p, align);
    if (start != p)
        hm_os_unmap(p, (size_t)(start - p));
    size_t tail = span - (size_t)(start - p) - size;
    if (tail != 0)
        hm_os_unmap(start + size, tail);
    return start;
}

void *hm_os_reserve(size_t size, size_t align)
{
    return os_mmap_aligned(size, align, PROT_NONE, MAP_NORESERVE);
}

HM_ONCE void *hm_os_reserve_zero(size_t size)
{
    /* Private pages that cannot be written are not charged, whatever the overcommit mode.
     */
    return os_mmap(NULL, size, PROT_READ, MAP_NORESERVE);
}

static bool os_mprotect(void *addr, size_t size, int prot)
{
    hm_add_relaxed(&hm_os_counts.mprotect, 1);
    return !hm_sys_failed(
        hm_sys_call(SYS_mprotect, (long)addr, (long)size, prot, 0, 0, 0));
}

bool hm_os_commit(void *addr, size_t size)
{
    return os_mprotect(addr, size, PROT_READ | PROT_WRITE);
}

HM_RARE bool hm_os_forbid(void *addr, size_t size)
{
    return os_mprotect(addr, size, PROT_NONE);
}

HM_RARE bool hm_os_decommit(void *addr, size_t size)
{
    /* Mapping anew, unlike mprotect, also ends the charge and merges with neighbours. */
    return os_mmap(addr, size, PROT_NONE, MAP_NORESERVE | MAP_FIXED) != NULL;
}

void *hm_os_map(size_t size, size_t align)
{
    return os_mmap_aligned(size, align, PROT_READ | PROT_WRITE, 0);
}

HM_COLD void *hm_os_map_guarded(size_t size)
{
    char *reserved = hm_os_reserve(size + 2 * hm_os_page, hm_os_page);
    if (reserved == NULL || hm_os_commit(reserved + hm_os_page, size))
        return reserved == NULL ? NULL : reserved + hm_os_page;
    hm_os_unmap(reserved, size + 2 * hm_os_page);
    return NULL;
}

static bool os_madvise(void *addr, size_t size, int advice)
{
    hm_add_relaxed(&hm_os_counts.madvise, 1);
    return !hm_sys_failed(
        hm_sys_call(SYS_madvise, (long)addr, (long)size, advice, 0, 0, 0));
}

/* NULL, unless the library is laid out by libhakmem.lds. */
extern const char hm_layout_kept_constants[] __attribute__((weak));
extern const char hm_layout_kept_code[] __attribute__((weak));

void hm_os_forget_start(void)
{
    uintptr_t from = hm_round_up((uintptr_t)hm_layout_kept_constants, hm_os_page);
    uintptr_t to = hm_round_down((uintptr_t)hm_layout_kept_code, hm_os_page);
    if (from < to)
        os_madvise((void *)from, to - from, MADV_DONTNEED);
}

bool hm_os_purge(void *addr, size_t size)
{
    return os_madvise(addr, size, MADV_DONTNEED);
}

void hm_os_advise_huge(void *addr, size_t size, bool huge)
{
    os_madvise(addr, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static long os_mremap(void *addr, size_t old_size, size_t new_size, int flags, void *to)
{
    hm_add_relaxed(&hm_os_counts.mremap, 1);
    return hm_sys_call(SYS_mremap, (long)addr, (long)old_size, (long)new_size, flags,
                       (long)to, 0);
}

HM_RARE bool hm_os_grow(void *addr, size_t old_size, size_t new_size, bool *movable)
{
    long r = os_mremap(addr, old_size, new_size, 0, NULL);
    *movable = r == -ENOMEM;
    /* The new bytes begin anew, too: they are mapped once more. */
    if (HM_TSAN && !hm_sys_failed(r))
        os_mmap((char *)addr + old_size, new_size - old_size, PROT_READ | PROT_WRITE,
                MAP_FIXED);
    return !hm_sys_failed(r);
}

HM_RARE bool hm_os_move(void *addr, size_t old_size, void *to, size_t new_size)
{
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    return !hm_sys_failed(os_mremap(addr, old_size, new_size, flags, to));
}

#ifndef MREMAP_DONTUNMAP /* younger than some libc's headers */
#define MREMAP_DONTUNMAP 4
#endif

HM_RARE bool hm_os_move_pages(void *addr, size_t size, void *to)
{
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    return !hm_sys_failed(os_mremap(addr, size, size, flags, to));
}

HM_RARE void *hm_os_map_file(int fd, size_t size)
{
    hm_add_relaxed(&hm_os_counts.mmap, 1);
    long r = hm_sys_call(NR_MMAP, 0, (long)hm_round_up(size, hm_os_page),
                         PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return hm_sys_failed(r) ? NULL : (void *)r;
}

HM_ONCE void *hm_os_scratch_map(size_t size)
{
    return os_mmap(NULL, hm_round_up(size, hm_os_page), PROT_READ | PROT_WRITE, 0);
}

HM_ONCE void hm_os_scratch_unmap(void *addr, size_t size)
{
    hm_os_unmap(addr, hm_round_up(size, hm_os_page));
}
