/* SPDX-License-Identifier: MIT */
/**
 * @file hakmem.h
 * What libhakmem offers beyond malloc and its family, whose declarations stay in
 * <stdlib.h> and <malloc.h>. Every function may be called from any thread at any time,
 * allocates nothing unless it says so, and leaves errno alone unless it says so.
 */
#ifndef HAKMEM_H
#define HAKMEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAKMEM_VERSION_MAJOR 0
#define HAKMEM_VERSION_MINOR 1
#define HAKMEM_VERSION_PATCH 0

/** The library's version as "MAJOR.MINOR.PATCH". Compare with the macros above, which are
 * those of the header the program was compiled with. Static storage. */
const char *hakmem_version(void);

/** The name of the profile in force in this process, as picked by HAKMEM_PROFILE or
 * hakmem.conf at process start. Static storage. */
const char *hakmem_profile(void);

/**
 * Reads an option as text, in the form that hakmem.conf takes.
 * @param name  option, as in hakmem.conf(5)
 * @param buf   where the text goes, always terminated when size > 0; may be NULL if
 *         size is 0
 * @param size  bytes in buf
 * @return length of the whole text without its terminator (like snprintf, so a result of
 *         size or more means it was cut), or -1 with errno ENOENT: no such option
 */
int hakmem_option_get(const char *name, char *buf, size_t size);

/**
 * Tells where the value of an option comes from, for people: "built-in",
 * "profile low-memory", "profile mine at /etc/hakmem.conf:12", "/etc/hakmem.conf:3",
 * "[app:redis-*] at /etc/hakmem.conf:20", "HAKMEM_OPTIONS", "hakmem_option_set".
 * hakmem.conf(5) lists the forms.
 * @param name  option, as in hakmem.conf(5), or "profile" for the choice of the profile
 * @param buf   as for hakmem_option_get
 * @param size  as for hakmem_option_get
 * @return as for hakmem_option_get
 */
int hakmem_option_origin(const char *name, char *buf, size_t size);

/**
 * Changes an option that may change while the process runs.
 * @param name   option, as in hakmem.conf(5)
 * @param value  its new value as text, as in hakmem.conf; the first percentage of a
 *         process opens files
 * @return 0, or -1 with errno ENOENT (no such option), EINVAL (not a value it can take),
 *         EPERM (fixed at process start)
 */
int hakmem_option_set(const char *name, const char *value);

/**
 * Gives free memory back to the system now: what this thread's cache and parked caches
 * hold, BigCache, free runs of slabs, whole free pages inside slabs, empty SuperSlabs,
 * all of it regardless of trim_interval and page_purge. Other running threads' caches
 * stay theirs. May take milliseconds.
 * @return bytes that went back to the system
 */
size_t hakmem_trim(void);

/** Empties the calling thread's cache into the slabs, for a thread that is about to
 * sleep. */
void hakmem_thread_flush(void);

/**
 * The number of bytes that malloc(size) makes usable at least, so that a growing
 * container can use all of them. What malloc_usable_size says of the block is the same,
 * but for the first few blocks of a small size in a process, those of 256 bytes to
 * 32 KiB while there are not many, those of fewer than 64 bytes that a thread has by its
 * first calls, those above 128 KiB that freed big blocks serve, and those that are
 * allocated while another thread forks: they may be larger.
 * @return 0 when size is more than malloc can ever provide (PTRDIFF_MAX)
 */
size_t hakmem_good_size(size_t size);

/**
 * Verifies the allocator's own data in this process: every rule that its source numbers,
 * layer by layer. Other threads may go on meanwhile, but wait for locks; some rules can
 * only be verified, and are, when the caller is the only thread. Opens /proc/self/task.
 * Takes milliseconds, and more for large heaps: meant for tests and for finding out who
 * overwrites what.
 * @return how many violations were found, 0 for a sound heap; the first eight are
 *         reported on standard error, a line each
 */
unsigned hakmem_check_heap(void);

/** Version of struct hakmem_stats: its first fields never change, later ones are
 * added. */
#define HAKMEM_STATS_VERSION 1

/** Process-wide statistics. Counters are cumulative since process start; sizes are bytes.
 * Under concurrency each value is exact for some moment during the call, and those about
 * SuperSlabs (small_bytes, slabs, slab_bytes, medium_bytes, retained_bytes,
 * returned_bytes, superslabs) for the same moment, shard by shard. How many calls of
 * malloc and free there were is not known: those that their thread's cache serves are
 * not counted. Each refill is one that it did not. */
struct hakmem_stats {
    uint32_t version; /**< set by the caller: HAKMEM_STATS_VERSION */
    uint32_t size;    /**< set by the caller: sizeof(struct hakmem_stats) */

    uint64_t small_bytes;     /**< in blocks of slabs, live or cached */
    uint64_t cached_bytes;    /**< of these, free in thread caches (upper bound) */
    uint64_t medium_bytes;    /**< in live medium blocks */
    uint64_t big_bytes;       /**< in live big blocks */
    uint64_t bigcache_bytes;  /**< in freed big blocks kept for reuse */
    uint64_t retained_bytes;  /**< in free runs of SuperSlabs, still resident */
    uint64_t mapped_bytes;    /**< SuperSlabs, big blocks and BigCache */
    uint64_t mapped_peak;     /**< highest mapped_bytes that a call has seen */
    uint64_t metadata_bytes;  /**< descriptors, caches' arrays, region map */

    uint64_t superslabs;       /**< SuperSlabs mapped now */
    uint64_t superslabs_peak;  /**< most at once so far */
    uint64_t superslabs_mapped;   /**< mapped since start */
    uint64_t superslabs_released; /**< given back since start */
    uint64_t slabs;            /**< slabs in use */

    uint64_t thread_caches;    /**< thread caches in use by a thread */
    uint64_t parked_caches;    /**< parked for the next thread */

    uint64_t refills;          /**< bins filled from slabs */
    uint64_t refilled_blocks;  /**< blocks they got */
    uint64_t flushes;          /**< bins emptied into slabs */
    uint64_t flushed_blocks;   /**< blocks they gave */
    uint64_t bigcache_hits;    /**< big blocks served from BigCache */
    uint64_t bigcache_misses;  /**< big blocks that needed a mapping, of new memory or
                                    of what several freed ones had */
    uint64_t trims;            /**< passes that looked for memory to give back */
    uint64_t trimmed_bytes;    /**< bytes they gave back */
    uint64_t mmap_calls;       /**< system calls by kind */
    uint64_t munmap_calls;
    uint64_t madvise_calls;
    uint64_t mprotect_calls;
    uint64_t mremap_calls;
    uint64_t lock_waits;       /**< times a thread had to sleep for a lock */

    /* Every byte of every SuperSlab is in one of slab_bytes, medium_bytes,
     * retained_bytes and returned_bytes. */
    uint64_t slab_bytes;       /**< in slabs; small_bytes of these are blocks in use */
    uint64_t returned_bytes;   /**< in free runs of SuperSlabs, without memory */
    uint64_t state_bytes;      /**< state bytes of SuperSlabs; what was never touched of
                                    them costs no memory */
    uint64_t live_bytes;       /**< in live blocks: small_bytes less cached_bytes, and
                                    medium_bytes and big_bytes */
    uint64_t resident_bound;   /**< memory of the allocator and of all blocks is at most
                                    that; untouched pages of it are not resident */
    uint64_t remote_frees;     /**< of flushed_blocks, given to a slab that was in use by
                                    another thread at that moment */
    uint64_t sampled_wanted;   /**< bytes of requests for small blocks that did not find
                                    one in their thread's cache: a sample */
    uint64_t sampled_granted;  /**< bytes of the blocks that these got */
};

/**
 * Fills in statistics.
 * @param stats  its version and size fields tell what the caller was compiled with;
 *         fields
 *               that this library does not know are set to 0
 * @return 0, or -1 with errno EINVAL: version or size is not one this library can serve
 */
int hakmem_stats(struct hakmem_stats *stats);

/** Forms of hakmem_stats_print. */
enum hakmem_stats_format {
    HAKMEM_STATS_TEXT = 0, /**< for people */
    HAKMEM_STATS_JSON = 1  /**< one object: the fields above, rows by class */
};

/**
 * Writes statistics to a file descriptor.
 * @param fd      open for writing; short writes are continued, other errors end the
 *         output
 * @param format  HAKMEM_STATS_TEXT or HAKMEM_STATS_JSON
 * @return 0, or -1 with errno EINVAL: no such format
 */
int hakmem_stats_print(int fd, enum hakmem_stats_format format);

#ifdef __cplusplus
}
#endif

#endif
