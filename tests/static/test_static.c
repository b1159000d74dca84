/* SPDX-License-Identifier: MIT */
/* Linked with -static and libhakmem.a: the family works, from the first call to the last,
 * and in threads and children. static.t looks at what the program was linked from. TAP is
 * written by hand: Debian has no static cmocka. */
#include "../support.h"

static void the_program_is_static_and_its_malloc_ours(void)
{
    REQUIRE(strlen(hakmem_version()) >= 5);
    uint64_t before = stats_now().big_bytes;
    void *big = malloc(64 * MIB);
    REQUIRE(big != NULL);
    REQUIRE(stats_now().big_bytes >= before + 64 * MIB);
    free(big);
    /* No interpreter in the program header means no dynamic linker in the maps. */
    char text[16384] = "";
    int fd = open("/proc/self/maps", O_RDONLY);
    REQUIRE(fd >= 0);
    REQUIRE(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    REQUIRE(strstr(text, ".so") == NULL);
}

static void every_function_works(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t size = 0; size <= 8 * MIB; size = size * 2 + 1) {
        void *posix = NULL;
        REQUIRE(posix_memalign(&posix, 512, size) == 0);
        void *blocks[] = {malloc(size),
                          calloc(1, size),
                          realloc(NULL, size),
                          reallocarray(NULL, 1, size),
                          memalign(64, size),
                          aligned_alloc(32, size),
                          valloc(size),
                          pvalloc(size),
                          posix};
        REQUIRE(is_aligned(blocks[6], page) && is_aligned(blocks[7], page));
        for (size_t i = 0; i < COUNT(blocks); i++) {
            REQUIRE(blocks[i] != NULL);
            REQUIRE(malloc_usable_size(blocks[i]) >= size);
            fill(blocks[i], size, i);
        }
        for (size_t i = 0; i < COUNT(blocks); i++) {
            REQUIRE(intact(blocks[i], size, i));
            if (i == 0)
                free_sized(blocks[i], size);
            else if (i == 5)
                free_aligned_sized(blocks[i], 32, size);
            else if (i == 1)
                cfree(blocks[i]);
            else
                free(blocks[i]);
        }
    }
}

static void what_asks_and_tells_works(void)
{
    REQUIRE(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
    REQUIRE(mallinfo2().arena > 0);
    FILE *sink = fopen("/dev/null", "w");
    REQUIRE(sink != NULL);
    REQUIRE(malloc_info(0, sink) == 0);
    fclose(sink);
    malloc_trim(0);
}

/* libc's own callers: stdio's buffers, getline, strdup, qsort's scratch memory. */
static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void libc_s_own_calls_are_served(void)
{
    char *copy = strdup("copy");
    copy = realloc(copy, 100000);
    REQUIRE(strcmp(copy, "copy") == 0);
    free(copy);
    static int values[100000];
    for (size_t i = 0; i < COUNT(values); i++)
        values[i] = (int)((i * 7919) % COUNT(values));
    qsort(values, COUNT(values), sizeof(values[0]), by_value);
    REQUIRE(values[777] == 777);
    FILE *file = fopen("/proc/self/status", "r");
    REQUIRE(file != NULL);
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0)
        REQUIRE(malloc_usable_size(line) >= room);
    free(line);
    fclose(file);
}

static void *allocate(void *arg)
{
    struct rng r = rng_seed((uintptr_t)arg);
    for (int i = 0; i < 20000; i++) {
        size_t size = rng_size(&r, 14);
        void *p = malloc(size);
        REQUIRE(p != NULL);
        fill(p, size, 1);
        REQUIRE(intact(p, size, 1));
        free(p);
    }
    return NULL;
}

static void in_a_child(void *arg)
{
    run_threads(4, allocate, arg, 1);
}

static void threads_and_children_work(void)
{
    static char seeds[4];
    run_threads(COUNT(seeds), allocate, seeds, 1);
    struct outcome out = in_child(in_a_child, seeds);
    REQUIRE(exited_cleanly(&out));
}

int main(void)
{
    static const struct {
        const char *name;
        void (*body)(void);
    } tests[] = {
        {"the program is static and its malloc ours",
         the_program_is_static_and_its_malloc_ours},
        {"every function works", every_function_works},
        {"what asks and tells works", what_asks_and_tells_works},
        {"libc's own calls are served", libc_s_own_calls_are_served},
        {"threads and children work", threads_and_children_work},
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%zu\n", COUNT(tests));
    for (size_t i = 0; i < COUNT(tests); i++) {
        tests[i].body();
        printf("ok %zu - %s\n", i + 1, tests[i].name);
    }
    return 0;
}
