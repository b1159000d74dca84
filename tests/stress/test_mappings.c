/* SPDX-License-Identifier: MIT */
/* vm.max_map_count: a process may have some 65,530 mappings, and then neither a new one nor
 * the unmapping of a part of one is granted. Blocks by the hundred thousand that are freed
 * in the order that leaves the most holes must not bring the allocator there for good. */
#include "../support.h"

/* 640 KiB each: more than half a SuperSlab, so a mapping of its own, or what the kernel
 * merges with its neighbours until a hole is made. */
enum { BLOCKS = 140000, BLOCK = 10 * 64 * 1024, TOUCHED = 32 };

static char *blocks[BLOCKS];

static long maps_limit(void)
{
    char text[32] = "";
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    return n > 0 ? atol(text) : 0;
}

/* Takes what is not there yet. Where the system refuses, that is no failure. */
static size_t take(size_t count)
{
    size_t got = 0;
    for (size_t i = 0; i < count; i++) {
        if (blocks[i] == NULL) {
            errno = 0;
            blocks[i] = malloc(BLOCK);
            REQUIRE(blocks[i] != NULL || errno == ENOMEM);
            if (blocks[i] != NULL && i % TOUCHED == 0)
                fill(blocks[i], 64, i);
        }
        got += blocks[i] != NULL;
    }
    return got;
}

static void drop(size_t count, size_t step, size_t first)
{
    for (size_t i = first; i < count; i += step) {
        if (blocks[i] != NULL && i % TOUCHED == 0)
            REQUIRE(intact(blocks[i], 64, i));
        free(blocks[i]);
        blocks[i] = NULL;
    }
}

static void *others_go_on(void *arg)
{
    (void)arg;
    for (size_t size = 1; size < 300 * KIB; size = size * 2 + 1)
        for (int i = 0; i < 20; i++) {
            char *p = malloc(size);
            if (p != NULL)
                memset(p, 1, size);
            free(p);
        }
    return NULL;
}

static void churn(void *arg)
{
    (void)arg;
    /* Nothing is kept: every free is an munmap, and every second one makes a hole. */
    if (HAVE(hakmem_option_set))
        REQUIRE(hakmem_option_set("bigcache_bytes", "0") == 0);
    size_t had = take(BLOCKS);
    REQUIRE(had > BLOCKS / 2);
    for (int round = 0; round < 3; round++) {
        drop(BLOCKS, 2, (size_t)round % 2);
        /* At the limit now. What the kernel grants is its own affair; what was freed but
         * could not be unmapped must serve again. */
        size_t cached = HAVE(hakmem_stats) ? stats_now().bigcache_bytes : 0;
        others_go_on(NULL);
        REQUIRE(is_sound());
        REQUIRE(take(BLOCKS) >= had / 2 + cached / BLOCK / 2);
        drop(BLOCKS, 1, 0);
        REQUIRE(take(BLOCKS) >= had / 10 * 9);
    }
    drop(BLOCKS, 1, 0);
    malloc_trim(0);
    run_threads(4, others_go_on, NULL, 0);
    if (HAVE(hakmem_stats)) {
        struct hakmem_stats s = stats_now();
        REQUIRE(s.big_bytes == 0 && s.bigcache_bytes == 0);
    }
}

static void churn_of_300_gib_survives_the_limit_on_mappings(void **state)
{
    (void)state;
    NEED(WIDE, "300 GiB of addresses");
    long limit = maps_limit();
    NEED(limit > 0 && limit < BLOCKS / 2, "a limit on mappings that can be reached");
    ASSERT_CHILD(churn, NULL);
}

int main(void)
{
    SKIP_ALL_UNDER_TSAN("its shadow memory has mappings of its own");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(churn_of_300_gib_survives_the_limit_on_mappings),
    };
    return RUN_TESTS(tests);
}
