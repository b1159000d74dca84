/* SPDX-License-Identifier: MIT */
/* prefix: the names of malloc and its family in libhm_internal.a, where they may not
 * take the place of libc's or a sanitizer's. Included before anything else, it renames
 * the library's definitions, libc's declarations of them and a test's calls alike. What
 * libc allocates (strdup) may then not be freed by `free`. */
#ifndef HM_TEST_PREFIX
#define HM_TEST_PREFIX

#define aligned_alloc hm_test_aligned_alloc
#define calloc hm_test_calloc
#define cfree hm_test_cfree
#define free hm_test_free
#define free_aligned_sized hm_test_free_aligned_sized
#define free_sized hm_test_free_sized
#define mallinfo hm_test_mallinfo
#define mallinfo2 hm_test_mallinfo2
#define malloc hm_test_malloc
#define malloc_info hm_test_malloc_info
#define malloc_stats hm_test_malloc_stats
#define malloc_trim hm_test_malloc_trim
#define malloc_usable_size hm_test_malloc_usable_size
#define mallopt hm_test_mallopt
#define memalign hm_test_memalign
#define posix_memalign hm_test_posix_memalign
#define pvalloc hm_test_pvalloc
#define realloc hm_test_realloc
#define valloc hm_test_valloc

#endif
