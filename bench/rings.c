/* SPDX-License-Identifier: MIT */
/* rings: messages travel around a ring of threads. Each thread that gets one frees it and
 * allocates a new one for its neighbour, so every block is freed by the thread after the
 * one that allocated it, one at a time and with no batch to hide behind. Some threads
 * skip neighbours (message number modulo `strides`), so that a thread frees blocks of
 * several. */
#include "bench.h"

#include <sched.h>
#include <stdatomic.h>

static long threads = 4;
static long window = 256;
static long strides = 3;
static long min = 32;
static long max = 1024;
static long hops = 40000;

static const struct bench_param params[] = {
    {"threads", &threads, BENCH_SHAPE, "threads in the ring"},
    {"window", &window, BENCH_SHAPE, "messages under way, per thread"},
    {"strides", &strides, BENCH_SHAPE, "different distances that messages travel"},
    {"min", &min, BENCH_SHAPE, "smallest message, bytes, at least 32"},
    {"max", &max, BENCH_SHAPE, "biggest message, bytes"},
    {"hops", &hops, BENCH_WORK, "times that each message is passed on"},
    {NULL, NULL, BENCH_SHAPE, NULL},
};

struct message {
    struct message *next;
    uint64_t tag; /* its number << 32 | hops left: all else follows from it */
};

/* Anybody pushes one message, the owner takes all: no ABA, no lock to be preempted in. */
struct station {
    _Atomic(struct message *) inbox;
    uint64_t sum;
    long index;
    char apart[128]; /* the field's own false sharing is not what is measured */
};

static struct station *station;
static atomic_long under_way;

static size_t size_of(uint64_t tag)
{
    struct bench_random r = {bench_hash(tag)};
    return bench_size(&r, min, max);
}

static void send_message(long from, uint64_t tag)
{
    size_t size = size_of(tag);
    struct message *m = bench_check(malloc(size));
    uint64_t mark = bench_hash(tag);
    memcpy((char *)m + size - sizeof(mark), &mark, sizeof(mark));
    m->tag = tag;
    long stride = 1 + (long)(tag >> 32) % strides;
    struct station *to = &station[(from + stride) % threads];
    m->next = atomic_load_explicit(&to->inbox, memory_order_relaxed);
    /* Release: whoever takes the list sees what is in the message. */
    while (!atomic_compare_exchange_weak_explicit(
        &to->inbox, &m->next, m, memory_order_release, memory_order_relaxed))
        continue;
}

static uint64_t receive_message(struct message *m)
{
    uint64_t tag = m->tag, mark;
    memcpy(&mark, (char *)m + size_of(tag) - sizeof(mark), sizeof(mark));
    if (mark != bench_hash(tag))
        bench_fail("a message was overwritten");
    free(m);
    return tag;
}

static void *pass_on(void *arg)
{
    struct station *me = arg;
    for (long i = 0; i < window; i++)
        send_message(me->index,
                     (uint64_t)(me->index * window + i) << 32 | (uint64_t)hops);
    while (atomic_load(&under_way) > 0) {
        struct message *m =
            atomic_exchange_explicit(&me->inbox, NULL, memory_order_acquire);
        if (m == NULL)
            sched_yield();
        while (m != NULL) {
            struct message *next = m->next;
            uint64_t tag = receive_message(m);
            me->sum += bench_hash(tag);
            if ((uint32_t)tag == 0)
                atomic_fetch_sub(&under_way, 1);
            else
                send_message(me->index, tag - 1);
            m = next;
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    if (min < 32)
        bench_fail("min must be 32 or more: a message has a header");
    station = bench_check(calloc((size_t)threads, sizeof(*station)));
    for (long i = 0; i < threads; i++)
        station[i].index = i;
    atomic_store(&under_way, threads * window);
    bench_threads(threads, pass_on, station, sizeof(*station));
    uint64_t sum = 0;
    for (long i = 0; i < threads; i++)
        sum += station[i].sum;
    free(station);
    bench_end((uint64_t)(threads * window) * ((uint64_t)hops + 1), sum);
    return 0;
}
