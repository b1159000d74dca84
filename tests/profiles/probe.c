/* SPDX-License-Identifier: MIT */
/* probe MODE: does one kind of work, always the same, and prints what came of it: a line
 * of JSON from hakmem_stats_print and lines "name value". profiles.t runs it under
 * different options and compares the counts. Not a test by itself. */
#include "../support.h"

enum { SMALL = 100, MANY = 400000 };

static void **blocks;

static void get(size_t count, size_t size)
{
    blocks = mmap(NULL, count * sizeof(*blocks), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(blocks != MAP_FAILED);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(size);
        REQUIRE(blocks[i] != NULL);
        memset(blocks[i], 1, size);
    }
}

static void give(size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(blocks[i]);
    munmap(blocks, count * sizeof(*blocks));
}

/* Some of a mapping's flags in /proc/self/smaps, counted over all mappings. */
static void print_mapping_flags(void)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    REQUIRE(file != NULL);
    char line[512];
    unsigned long advised = 0, never = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmFlags:", 8) != 0)
            continue;
        advised += strstr(line, " hg") != NULL;
        never += strstr(line, " nh") != NULL;
    }
    fclose(file);
    printf("mappings_hg %lu\nmappings_nh %lu\n", advised, never);
}

/* 40 MB of live small blocks. */
static void grow(void)
{
    get(MANY, SMALL);
    print_mapping_flags();
}

/* The same, freed; trimmed only if told to. */
static void shrink(void)
{
    get(MANY, SMALL);
    give(MANY);
}

static void shrink_and_trim(void)
{
    shrink();
    hakmem_trim();
}

/* One block of a class that nobody has used. */
static void first_block(void)
{
    uint64_t before = stats_now().refilled_blocks;
    free(hide(malloc(3001)));
    printf("first_refill %lu\n", (unsigned long)(stats_now().refilled_blocks - before));
}

/* Bursts of `count` blocks taken, then freed. */
static void bursts(size_t count, size_t size, int rounds)
{
    struct hakmem_stats before = stats_now();
    for (int round = 0; round < rounds; round++) {
        get(count, size);
        give(count);
    }
    struct hakmem_stats after = stats_now();
    printf("refills_here %lu\nflushes_here %lu\ncached_here %lu\n",
           (unsigned long)(after.refills - before.refills),
           (unsigned long)(after.flushes - before.flushes),
           (unsigned long)after.cached_bytes);
}

static void bursts_of_small_blocks(void)
{
    bursts(1000, 64, 300);
}

static void bursts_of_large_blocks(void)
{
    bursts(200, 4000, 300);
}

static pthread_barrier_t freed, asked;

static void *fill_a_cache(void *arg)
{
    void *held[2000];
    (void)arg;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < COUNT(held); i++)
            REQUIRE((held[i] = malloc(500)) != NULL);
        for (size_t i = 0; i < COUNT(held); i++)
            free(held[i]);
    }
    pthread_barrier_wait(&freed);
    pthread_barrier_wait(&asked);
    return NULL;
}

/* What eight threads' caches hold together after each has freed a megabyte, many times.
 */
static void eight_caches(void)
{
    enum { THREADS = 8 };
    pthread_t ids[THREADS];
    pthread_barrier_init(&freed, NULL, THREADS + 1);
    pthread_barrier_init(&asked, NULL, THREADS + 1);
    for (size_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&ids[i], NULL, fill_a_cache, NULL) == 0);
    pthread_barrier_wait(&freed);
    printf("cached_together %lu\n", (unsigned long)stats_now().cached_bytes);
    pthread_barrier_wait(&asked);
    for (size_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_join(ids[i], NULL) == 0);
}

/* The same big block a hundred times. */
static void big_blocks(void)
{
    for (int i = 0; i < 100; i++) {
        char *p = malloc(12 * MIB);
        REQUIRE(p != NULL);
        p[0] = 1;
        free(hide(p));
    }
}

/* Waves of medium blocks; between them nothing is live. */
static void waves(void)
{
    for (int wave = 0; wave < 20; wave++) {
        get(100, 200000);
        give(100);
    }
}

/* Of 40 MB, one block in every 16 KiB stays: no slab is empty, most pages are. First the
 * passes of some slow paths, then one that is asked for. */
static void leave_holes(void)
{
    get(MANY, SMALL);
    size_t full = resident_bytes();
    for (size_t i = 0; i < MANY; i++) {
        if (i % 160 != 0)
            free(blocks[i]);
    }
    hakmem_thread_flush();
    for (int i = 0; i < 200; i++)
        free(hide(malloc(100000)));
    size_t holes = resident_bytes();
    hakmem_trim();
    printf("resident_full %zu\nresident_holes %zu\nresident_trimmed %zu\n", full, holes,
           resident_bytes());
    for (size_t i = 0; i < MANY; i += 160)
        REQUIRE(*(unsigned char *)blocks[i] == 1);
}

/* Nothing is called while waiting but the statistics. Up to a minute, for a busy machine.
 */
static void wait_idle(void)
{
    shrink();
    uint64_t before = stats_now().retained_bytes;
    for (int i = 0; i < 600 && stats_now().retained_bytes > MIB; i++)
        usleep(100000);
    printf("retained_before %lu\n", (unsigned long)before);
}

/* What a freed small block holds. */
static void look_at_freed(void)
{
    volatile unsigned char *p = malloc(64);
    REQUIRE(p != NULL);
    memset((void *)(uintptr_t)p, 0xAA, 64);
    volatile unsigned char *alias = hide((void *)(uintptr_t)p);
    free((void *)(uintptr_t)p);
    unsigned kept = 0;
    for (int i = 0; i < 64; i++)
        kept += alias[i] == 0xAA;
    printf("bytes_kept %u\n", kept);
}

/* Most of it waits for the first allocation. */
static void start(void)
{
    free(hide(malloc(1)));
    printf("resident %zu\nvmsize %zu\n", resident_bytes(), status_bytes("VmSize:"));
}

static void print_options(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        char value[512];
        REQUIRE(hakmem_option_get(argv[i], value, sizeof(value)) >= 0);
        printf("%s=%s\n", argv[i], value);
    }
    printf("profile=%s\n", hakmem_profile());
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*work)(void);
    } modes[] = {
        {"start", start},
        {"grow", grow},
        {"shrink", shrink},
        {"shrink-and-trim", shrink_and_trim},
        {"first-block", first_block},
        {"bursts-of-small", bursts_of_small_blocks},
        {"bursts-of-large", bursts_of_large_blocks},
        {"eight-caches", eight_caches},
        {"big", big_blocks},
        {"waves", waves},
        {"holes", leave_holes},
        {"idle", wait_idle},
        {"freed", look_at_freed},
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && strcmp(argv[1], "options") == 0) {
        print_options(argc, argv);
        return 0;
    }
    for (size_t i = 0; i < COUNT(modes); i++) {
        if (argc == 2 && strcmp(argv[1], modes[i].name) == 0) {
            modes[i].work();
            fflush(stdout);
            return hakmem_stats_print(1, HAKMEM_STATS_JSON) == 0 ? 0 : 1;
        }
    }
    fprintf(stderr, "usage: probe MODE\n");
    return 2;
}
