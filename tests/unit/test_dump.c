/* SPDX-License-Identifier: MIT */
/* dump: a line for everything that is mapped, and the numbers add up. */
#include "layers.h"

#include "dump.h"

void *hm_test_malloc(size_t size);
void hm_test_free(void *block);

#define take hm_test_malloc
#define give hm_test_free

struct sums {
    size_t lines, end;
    uint64_t superslabs, superslab_bytes, free_bytes, dirty_bytes, run_bytes;
    uint64_t blocks, live, medium, big_live, big_cached, cached_blocks, meta;
};

/* A run lies in the SuperSlab whose line came last. */
static void add_line(struct sums *s, const char *line)
{
    static uintptr_t base, size; /* of the SuperSlab */
    unsigned long addr, n, cls, each, all, out, live, f, d;
    char state[16], map[8192];

    s->lines++;
    if (sscanf(line, "superslab %lx %lu %*s %*u %*x %*u %lu %lu %8191s", &addr, &n, &f,
               &d, map) == 5) {
        s->superslabs++;
        s->superslab_bytes += n;
        s->free_bytes += f;
        s->dirty_bytes += d;
        base = addr;
        size = n;
        REQUIRE((d == 0) == (strcmp(map, "-") == 0));
    } else if (sscanf(line, "slab %lx %lu %lu %lu %lu %lu %lu %15s", &addr, &n, &cls,
                      &each, &all, &out, &live, state) == 8) {
        REQUIRE(addr >= base && addr + n <= base + size && all * each <= n);
        REQUIRE(live <= out && out <= all);
        s->run_bytes += n;
        s->blocks += out;
        s->live += live;
    } else if (sscanf(line, "medium %lx %lu", &addr, &n) == 2) {
        REQUIRE(addr >= base && addr + n <= base + size);
        s->run_bytes += n;
        s->medium += n;
    } else if (sscanf(line, "big %lx %lu %15s", &addr, &n, state) == 3) {
        *(strcmp(state, "live") == 0 ? &s->big_live : &s->big_cached) += n;
    } else if (sscanf(line, "cache %*u %*s %*u %lu", &n) == 1) {
        s->cached_blocks += n;
    } else if (sscanf(line, "meta %lx %lu", &addr, &n) == 2 ||
               sscanf(line, "region %lx %lu", &addr, &n) == 2) {
        s->meta += n;
    } else if (sscanf(line, "end %lu", &n) == 1) {
        s->end = n;
    }
}

static struct sums dump(void)
{
    static char line[16384];
    struct sums s = {0};
    FILE *file = tmpfile();

    REQUIRE(file != NULL && hm_dump_write(fileno(file)) == 0);
    rewind(file);
    REQUIRE(fgets(line, sizeof line, file) != NULL);
    REQUIRE(strncmp(line, "hakmem-dump 1 ", 14) == 0);
    do {
        REQUIRE(s.end == 0 && strchr(line, '\n') != NULL);
        add_line(&s, line);
    } while (fgets(line, sizeof line, file) != NULL);
    REQUIRE(s.end == s.lines - 1);
    fclose(file);
    return s;
}

/* Blocks of all kinds, half of them freed again. */
static void *live[4000];
static void mix(void)
{
    for (size_t i = 0; i < COUNT(live); i++) {
        size_t size = i % 100 == 99 ? 600000 + i : i % 50 == 49 ? 50000 + i : 1 + i;
        live[i] = take(size);
        REQUIRE(live[i] != NULL);
    }
    for (size_t i = 0; i < COUNT(live); i += 2)
        give(live[i]);
}

IN_CHILD(every_byte_of_every_superslab_is_accounted_for)
{
    mix();
    struct sums s = dump();
    struct hakmem_stats stats = stats_now();

    REQUIRE(s.superslabs == stats.superslabs && s.superslabs > 0);
    REQUIRE(s.superslab_bytes == s.free_bytes + s.run_bytes);
    REQUIRE(s.dirty_bytes == stats.retained_bytes && s.dirty_bytes <= s.free_bytes);
    REQUIRE(s.medium == stats.medium_bytes);
    REQUIRE(s.big_live == stats.big_bytes && s.big_cached == stats.bigcache_bytes);
    REQUIRE(s.meta == stats.metadata_bytes);
}

IN_CHILD(live_blocks_are_those_that_the_program_has)
{
    struct sums before = dump();
    mix();
    struct sums s = dump();
    size_t mine = 0;

    for (size_t i = 1; i < COUNT(live); i += 2)
        mine += i % 50 != 49;
    REQUIRE(s.live - before.live == mine);
    REQUIRE(s.blocks == s.live + s.cached_blocks);
}

static _Atomic bool stop;
static void *churn(void *unused)
{
    void *blocks[64] = {NULL};

    for (size_t i = 0; !atomic_load(&stop); i++) {
        give(blocks[i % 64]);
        blocks[i % 64] = take(i * 7919 % 400000);
    }
    for (size_t i = 0; i < COUNT(blocks); i++)
        give(blocks[i]);
    return unused;
}

/* What another thread changes meanwhile is counted before or after; each SuperSlab is
 * whole by itself. */
IN_CHILD(it_can_be_made_while_threads_allocate)
{
    pthread_t threads[3];

    for (size_t i = 0; i < COUNT(threads); i++)
        REQUIRE(pthread_create(&threads[i], NULL, churn, NULL) == 0);
    for (long i = 0; i < scaled(200); i++) {
        struct sums s = dump();
        REQUIRE(s.run_bytes + s.free_bytes <= s.superslab_bytes);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    struct sums s = dump();
    REQUIRE(s.superslab_bytes == s.free_bytes + s.run_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_every_superslab_is_accounted_for),
        cmocka_unit_test(live_blocks_are_those_that_the_program_has),
        cmocka_unit_test(it_can_be_made_while_threads_allocate),
    };

    return RUN_TESTS(tests);
}
