/* SPDX-License-Identifier: MIT */
/* passes: a program that calls all of the malloc family, from several threads and a
 * forked child, and prints what tells one malloc from another. disabled.t compares what it
 * prints with and without the library. `passes any`: under any allocator, only what
 * holds for all of them. `passes twice` frees a block twice. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 20000, KEPT = 64 };

static void must(int holds, const char *what)
{
    if (holds)
        return;
    printf("not so: %s\n", what);
    exit(1);
}

/* Whether the address is in the heap that grows by brk. */
static int in_heap(const void *address)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    int found = 0;

    must(maps != NULL, "/proc/self/maps can be read");
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end;
        if (strstr(line, "[heap]") != NULL &&
            sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= (uintptr_t)address &&
            (uintptr_t)address < end)
            found = 1;
    }
    fclose(maps);
    return found;
}

/* A block that may be written as far as it says, aligned as it must be. */
static void *good(void *block, size_t size, size_t align)
{
    must(block != NULL, "memory is to be had");
    must((uintptr_t)block % align == 0, "it is aligned");
    must(malloc_usable_size(block) >= size, "it is large enough");
    memset(block, 0x5a, malloc_usable_size(block));
    return block;
}

static void sizes_and_alignments(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *block;

    for (size_t size = 0; size < (size_t)1 << 21; size = size * 3 / 2 + 1) {
        free(good(malloc(size), size, 16));
        block = calloc(size, 1);
        for (size_t i = 0; block != NULL && i < size; i++)
            must(((char *)block)[i] == 0, "calloc's memory is zero");
        block = good(realloc(good(block, size, 16), size * 2 + 1), size * 2 + 1, 16);
        must(size == 0 || *(char *)block == 0x5a, "realloc keeps what was there");
        free(block);
        for (size_t align = 16; align <= 4 * page; align *= 2) {
            free(good(aligned_alloc(align, size), size, align));
            free(good(memalign(align, size), size, align));
            must(posix_memalign(&block, align, size) == 0, "posix_memalign succeeds");
            free(good(block, size, align));
        }
    }
    free(good(valloc(1), 1, page));
    free(good(pvalloc(1), page, page));
    must(posix_memalign(&block, 3, 1) == EINVAL, "an alignment of 3 is refused");
    errno = 0;
    volatile size_t huge = (size_t)PTRDIFF_MAX + 1; /* compilers would object */
    block = malloc(huge);
    must(block == NULL && errno == ENOMEM, "too much is refused");
    free(block);
    must(malloc_usable_size(NULL) == 0, "no block has no size");
    free(realloc(strdup("from libc itself"), 1000));
}

static void *slots[THREADS][KEPT];
static pthread_mutex_t slot_lock = PTHREAD_MUTEX_INITIALIZER;

/* Each frees what the others allocate. */
static void *work(void *seed)
{
    uint32_t random = (uint32_t)(uintptr_t)seed;

    for (int i = 0; i < ROUNDS; i++) {
        random = random * 1664525 + 1013904223;
        const size_t size = (random >> 8) % 3000;
        void *mine = good(malloc(size), size, 1);
        void **slot = &slots[random >> 30][random % KEPT];

        pthread_mutex_lock(&slot_lock);
        void *other = *slot;
        *slot = mine;
        pthread_mutex_unlock(&slot_lock);
        free(other);
    }
    return NULL;
}

static void threads_and_fork(void)
{
    pthread_t threads[THREADS];
    int status;

    for (uintptr_t i = 0; i < THREADS; i++)
        must(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0, "a thread");
    for (int i = 0; i < 10; i++) {
        const pid_t pid = fork();

        if (pid == 0) {
            for (size_t size = 1; size < 100000; size = size * 2 + 1)
                free(good(malloc(size), size, 1));
            _exit(0);
        }
        must(waitpid(pid, &status, 0) == pid && status == 0, "a child allocates");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS * KEPT; i++)
        free(slots[i / KEPT][i % KEPT]);
}

/* glibc's malloc maps a block if it is larger than its threshold. */
static size_t mappings_of_8_mib(void)
{
    const size_t before = mallinfo2().hblks;
    void *block = good(malloc(8 << 20), 8 << 20, 16);
    const size_t after = mallinfo2().hblks;

    free(block);
    return after - before;
}

/* What only glibc's malloc says, or what only another does. */
static void identity(const void *first)
{
    char *xml = NULL, version[64] = "nothing";
    size_t length;
    FILE *out = open_memstream(&xml, &length);

#ifdef __GLIBC__
    puts("libc glibc");
#endif
    printf("first block %s\n", in_heap(first) ? "in the heap" : "elsewhere");
    must(malloc_info(0, out) == 0, "malloc_info succeeds");
    fclose(out);
    sscanf(xml, "<malloc version=\"%63[^\"]\"", version);
    printf("malloc_info %s\n", version);
    free(xml);

    printf("mapped %zu\n", mappings_of_8_mib());
    printf("mallopt %d\n", mallopt(M_MMAP_THRESHOLD, 32 << 20));
    printf("mapped %zu\n", mappings_of_8_mib());
    printf("usable %zu\n", malloc_usable_size((void *)(uintptr_t)first));
    printf("trim %d\n", malloc_trim(0) >= 0);
}

int main(int argc, char **argv)
{
    void *first = malloc(100);

    if (argc > 1 && strcmp(argv[1], "twice") == 0) {
        free(first);
        void *volatile again = first;
        free(again);
        return 0;
    }
    threads_and_fork();
    if (argc < 2) {
        sizes_and_alignments();
        identity(first);
    }
    free(first);
    return 0;
}
