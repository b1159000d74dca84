/* SPDX-License-Identifier: MIT */
/* soak: everything at once, for as long as told. Threads come and go and leave blocks
 * behind, blocks of all sizes change hands and are resized, processes are forked in the
 * midst of it, memory is trimmed, every content is verified, and the heap is checked while
 * all that goes on. Ends at the first thing that is not right.
 *
 * soak SECONDS: a line of counts every few seconds. Without: two rounds, as a test. */
#include "../support.h"
#include <inttypes.h>
#include <stdatomic.h>

enum { THREADS = 6, SLOTS = 200, BOXES = 512, STEPS = 20000, REPORT_SECONDS = 10 };

struct parcel {
    void *block;
    size_t size;
    uint64_t seed;
};

static struct parcel *_Atomic boxes[BOXES];
static _Atomic uint64_t operations, threads_run, forks, checks, trims, sequence;
static _Atomic int working;

static void verify(const struct parcel *p)
{
    REQUIRE(p->block == NULL || intact(p->block, p->size, p->seed));
}

static void drop(struct parcel *p)
{
    verify(p);
    free(p->block);
    *p = (struct parcel){NULL, 0, 0};
}

static void keep(struct parcel *p, void *block, size_t size)
{
    REQUIRE(block != NULL);
    *p = (struct parcel){block, size, ++sequence};
    fill(block, size, p->seed);
}

static size_t any_size(struct rng *r)
{
    size_t kind = rng_below(r, 500);
    return rng_size(r, kind == 0 ? 23 : kind < 8 ? 18 : 13);
}

static void resize(struct rng *r, struct parcel *p)
{
    size_t size = any_size(r) + 1, before = p->size;
    verify(p);
    void *q = realloc(p->block, size);
    REQUIRE(q != NULL);
    REQUIRE(p->block == NULL || intact(q, before < size ? before : size, p->seed));
    keep(p, q, size);
}

/* A block, and what describes it, for whoever looks into the box next. */
static void swap_with(struct rng *r, struct parcel *p)
{
    struct parcel *mine = malloc(sizeof *mine);
    REQUIRE(mine != NULL);
    *mine = *p;
    struct parcel *theirs = atomic_exchange(&boxes[rng_below(r, BOXES)], mine);
    *p = (struct parcel){NULL, 0, 0};
    if (theirs != NULL) {
        *p = *theirs;
        free(theirs);
    }
}

static void step(struct rng *r, struct parcel *p)
{
    size_t size = any_size(r);
    switch (rng_below(r, 10)) {
    case 0:
    case 1:
        resize(r, p);
        break;
    case 2:
    case 3:
        swap_with(r, p);
        break;
    case 4:
        drop(p);
        p->block = calloc(1, size);
        REQUIRE(p->block != NULL && all_bytes(p->block, size, 0));
        keep(p, p->block, size);
        break;
    case 5:
        drop(p);
        p->block = memalign((size_t)16 << rng_below(r, 9), size);
        keep(p, p->block, size);
        break;
    case 6:
        drop(p);
        break;
    default:
        drop(p);
        keep(p, malloc(size), size);
    }
}

static void *work(void *arg)
{
    struct rng r = rng_seed(++sequence * 31 + (uint64_t)(uintptr_t)arg);
    struct parcel slots[SLOTS] = {{NULL, 0, 0}};
    for (int i = 0; i < STEPS; i++) {
        step(&r, &slots[rng_below(&r, SLOTS)]);
        if (i % (STEPS / 2) == STEPS / 4)
            hakmem_thread_flush();
    }
    /* Half of the blocks outlive the thread, as far as there are boxes. */
    for (size_t i = 0; i < SLOTS; i++) {
        if (i % 2 == 0 && slots[i].block != NULL)
            swap_with(&r, &slots[i]);
        drop(&slots[i]);
    }
    operations += STEPS;
    threads_run++;
    working--;
    return NULL;
}

/* A child has what its parent had, as far as it was in boxes, and may go on with it. */
static void live_in_a_child(void)
{
    struct rng r = rng_seed(sequence);
    struct parcel mine = {NULL, 0, 0};
    for (int i = 0; i < 300; i++)
        step(&r, &mine);
    drop(&mine);
    for (size_t i = 0; i < BOXES; i += 16) {
        struct parcel *p = atomic_exchange(&boxes[i], NULL);
        if (p != NULL) {
            drop(p);
            free(p);
        }
    }
    malloc_trim(0);
    REQUIRE(hakmem_check_heap() == 0);
}

static void fork_once(void)
{
    int status;
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        become_plain_child(300);
        live_in_a_child();
        _exit(0);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    forks++;
}

static void check(void)
{
    REQUIRE(hakmem_check_heap() == 0);
    checks++;
}

static void round_of_all(void)
{
    pthread_t ids[THREADS];
    working = THREADS;
    for (size_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&ids[i], NULL, work, NULL) == 0);
    while (working > 0) {
        check();
        fork_once();
        malloc_trim(0);
        trims++;
    }
    for (size_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_join(ids[i], NULL) == 0);
    check();
}

/* Everything is freed: returns what stays resident. */
static size_t clear(void)
{
    for (size_t i = 0; i < BOXES; i++) {
        struct parcel *p = atomic_exchange(&boxes[i], NULL);
        if (p != NULL) {
            drop(p);
            free(p);
        }
    }
    malloc_trim(0);
    check();
    return resident_bytes();
}

static void report(long seconds, size_t resident)
{
    struct hakmem_stats s = stats_now();
    printf("# %ld s: %" PRIu64 " operations, %" PRIu64 " threads, %" PRIu64 " forks, "
           "%" PRIu64 " checks, %" PRIu64 " trims; empty: "
           "%zu KiB resident, %" PRIu64 " KiB mapped, %" PRIu64 " KiB metadata\n",
           seconds, operations, threads_run, forks, checks, trims, resident / KIB,
           s.mapped_bytes / KIB, s.metadata_bytes / KIB);
}

int main(int argc, char **argv)
{
    long limit = argc > 1 ? atol(argv[1]) : 0, last = 0, seconds = 0;
    time_t start = time(NULL);
    size_t early = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("1..1");
    for (long rounds = 1; limit > 0 ? seconds < limit : rounds <= 2; rounds++) {
        round_of_all();
        size_t resident = clear();
        if (rounds == 8)
            early = resident;
        /* Flat: what is left when all is freed does not grow with the rounds. */
        REQUIRE(early == 0 || resident < 2 * early + 16 * MIB);
        seconds = (long)(time(NULL) - start);
        if (seconds - last >= REPORT_SECONDS || (limit > 0 && seconds >= limit)) {
            report(seconds, resident);
            last = seconds;
        }
    }
    puts("ok 1 - everything at once");
    return 0;
}
