/* SPDX-License-Identifier: MIT */
/* The cases of misuse, one row each. catalogue.c says what becomes of them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "catalogue.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- Accesses outside a block ----------------------------------------------------- */

static void write_after(const struct misuse *it)
{
    populate(it->size);
    unsigned char *p = nearest(true, it->size);
    memset(hide(p + it->size), DAMAGE, hide_size(it->other));
    give(p);
    harmless_unless_damaged(it->size);
}

static void write_before(const struct misuse *it)
{
    populate(it->size);
    unsigned char *p = nearest(false, it->size);
    memset(hide(p - it->other), DAMAGE, hide_size(it->other));
    give(p);
    harmless_unless_damaged(it->size);
}

/* All of it, so that it dies if a part cannot be read. */
static void touch(const void *from, size_t size)
{
    const volatile unsigned char *p = hide(from);
    for (size_t i = 0; i < size; i++)
        (void)p[i];
}

/* What lies there besides live blocks was freed by nobody: it is unused, or not ours. */
static noreturn void read_neighbour(const struct misuse *it, const unsigned char *from)
{
    touch(from, it->other);
    if (is_live(from, it->other))
        missed();
    harmless_unless_damaged(it->size);
}

static void read_after(const struct misuse *it)
{
    populate(it->size);
    read_neighbour(it, (unsigned char *)nearest(true, it->size) + it->size);
}

static void read_before(const struct misuse *it)
{
    populate(it->size);
    read_neighbour(it, (unsigned char *)nearest(false, it->size) - it->other);
}

/* The terminating zero of a string that fills its block. */
static void zero_after(const struct misuse *it)
{
    populate(it->size);
    char *p = nearest(true, it->size);
    p[hide_size(it->size)] = '\0';
    give(p);
    harmless_unless_damaged(it->size);
}

/* ---- Accesses to a freed block ---------------------------------------------------- */

/* One block among others, filled with the secret, and freed. */
static unsigned char *freed(size_t size)
{
    for (size_t i = how_many(size) / 4; i > 0; i--)
        get(size);
    unsigned char *p = get(size);
    get(size);
    memset(p, SECRET, size);
    forget(p);
    free(p);
    return hide(p);
}

static void write_freed(const struct misuse *it)
{
    memset(freed(it->size), DAMAGE, it->size);
    harmless_unless_damaged(it->size);
}

/* The write that an attacker would choose: addresses, wherever the allocator may keep
 * one, of memory that it shall hand out. */
static void write_addresses_to_freed(const struct misuse *it)
{
    static uintptr_t target[64];
    get(it->size);
    get(it->size);
    uintptr_t *p = (uintptr_t *)(void *)freed(it->size);
    target[1] = it->size + 17; /* as a chunk's header, for an allocator with headers */
    keep_out(target, sizeof(target));
    for (size_t i = 0; i < it->size / sizeof(*p); i++)
        p[i] = (uintptr_t)&target[2];
    harmless_unless_damaged(it->size);
}

static void write_when_reused(const struct misuse *it)
{
    unsigned char *p = freed(it->size);
    comes_again(p, it->size);
    memset(p, DAMAGE, it->size);
    harmless_unless_damaged(it->size);
}

static void read_freed(const struct misuse *it)
{
    if (holds_secret(freed(it->size), it->size))
        missed();
    harmless_unless_damaged(it->size);
}

static void read_when_reused(const struct misuse *it)
{
    unsigned char *p = freed(it->size);
    void *owner = comes_again(p, it->size);
    touch(p, it->size);
    if (owner != NULL || holds_secret(p, it->size))
        missed();
    harmless_unless_damaged(it->size);
}

/* ---- Reads of what was never written ---------------------------------------------- */

static void fill_heap_with_secrets(size_t size)
{
    void *p[512];
    size_t n = how_many(size);
    for (size_t i = 0; i < n; i++) {
        p[i] = hide(malloc(size));
        memset(p[i], SECRET, size);
    }
    for (size_t i = 0; i < n; i++)
        free(p[i]);
}

static void read_new_block(const struct misuse *it)
{
    fill_heap_with_secrets(it->size);
    for (size_t i = how_many(it->size); i > 0; i--) {
        unsigned char *p = hide(malloc(it->size));
        if (holds_secret(p, it->size))
            missed();
        get_from(p, it->size);
    }
    harmless_unless_damaged(it->size);
}

static void read_what_realloc_added(const struct misuse *it)
{
    fill_heap_with_secrets(it->size);
    for (size_t i = how_many(it->size); i > 0; i--) {
        unsigned char *p = get(it->size / 4);
        forget(p);
        p = hide(realloc(p, it->size));
        if (holds_secret(p + it->size / 4, it->size - it->size / 4))
            missed();
        get_from(p, it->size);
    }
    harmless_unless_damaged(it->size);
}

/* ---- Frees that come twice -------------------------------------------------------- */

static void *free_it(void *p)
{
    free(p);
    return NULL;
}

static void free_in_a_thread(void *p)
{
    pthread_t id;
    if (pthread_create(&id, NULL, free_it, p) != 0 || pthread_join(id, NULL) != 0)
        unfit("no thread");
}

static unsigned char *one_of_many(size_t size)
{
    populate(size);
    unsigned char *p = get(size);
    get(size);
    forget(p);
    return hide(p);
}

static void free_twice(const struct misuse *it)
{
    unsigned char *p = one_of_many(it->size);
    free(p);
    it->call(hide(p));
    harmless_unless_damaged(it->size);
}

static void free_twice_with_one_between(const struct misuse *it)
{
    unsigned char *q = get(it->size), *p = one_of_many(it->size);
    free(p);
    give(q);
    it->call(hide(p));
    harmless_unless_damaged(it->size);
}

/* So many other frees between that no list of a few remembers the first. */
static void free_twice_much_later(const struct misuse *it)
{
    unsigned char *others[200], *p = one_of_many(it->size);
    size_t n = it->size > MIB ? 8 : sizeof(others) / sizeof(others[0]);
    for (size_t i = 0; i < n; i++)
        others[i] = get(it->size);
    free(p);
    for (size_t i = 0; i < n; i++)
        give(others[i]);
    it->call(hide(p));
    harmless_unless_damaged(it->size);
}

static void free_twice_first_in_a_thread(const struct misuse *it)
{
    unsigned char *p = one_of_many(it->size);
    free_in_a_thread(p);
    it->call(hide(p));
    harmless_unless_damaged(it->size);
}

static void free_twice_then_in_a_thread(const struct misuse *it)
{
    unsigned char *p = one_of_many(it->size);
    free(p);
    free_in_a_thread(hide(p));
    harmless_unless_damaged(it->size);
}

static void free_twice_after_a_write(const struct misuse *it)
{
    unsigned char *p = one_of_many(it->size);
    free(p);
    memset(hide(p), DAMAGE, it->size);
    it->call(hide(p));
    harmless_unless_damaged(it->size);
}

static void free_what_realloc_moved(const struct misuse *it)
{
    unsigned char *p = one_of_many(it->size), *q = hide(realloc(p, it->size * 8));
    get_from(q, it->size * 8);
    if (q == p)
        give(q);
    it->call(hide(p));
    harmless_unless_damaged(it->size);
}

/* ---- Calls with pointers that are no live block ------------------------------------ */

static void call_with(const struct misuse *it)
{
    populate(it->size);
    it->call(hide(it->pointer(it->size)));
    harmless_unless_damaged(it->size);
}

static void call_free(void *p)
{
    free(p);
}

static void call_realloc(void *p)
{
    if (realloc(p, hide_size(200)) != NULL)
        missed(); /* what it copied was no block */
}

static void call_usable_size(void *p)
{
    if (malloc_usable_size(p) != 0)
        missed(); /* and the program believes it may write there */
}

static void call_delete(void *p)
{
    void (*delete)(void *);
    *(void **)&delete = function("_ZdlPv");
    delete (p);
}

/* What looks like a block of 48 bytes to an allocator with headers, 16 bytes before its
 * end another; nothing may ever be allocated there. */
static void *forged(uintptr_t *at)
{
    at[0] = 0;
    at[1] = at[7] = at[13] = 0x31;
    keep_out(at, 16 * sizeof(*at));
    return at + 2;
}

static void *on_the_stack(size_t size)
{
    (void)size;
    static uintptr_t *volatile escaped;
    uintptr_t here[16] __attribute__((aligned(64))) = {0};
    escaped = here;
    return forged(escaped);
}

static void *in_static_data(size_t size)
{
    static uintptr_t here[16] __attribute__((aligned(64)));
    (void)size;
    return forged(here);
}

static void *in_a_mapping(size_t size)
{
    (void)size;
    char *p =
        mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        unfit("no memory");
    uintptr_t aligned = ((uintptr_t)p + 4 * MIB) & ~(4 * MIB - 1);
    return forged((uintptr_t *)(aligned + 64 * KIB));
}

static void *unmapped(size_t size)
{
    char *p = in_a_mapping(size);
    munmap((void *)((uintptr_t)p & ~(uintptr_t)4095), 4096);
    return p;
}

static void *in_code(size_t size)
{
    (void)size;
    return (void *)((uintptr_t)in_code & ~(uintptr_t)15);
}

static void *in_libc(size_t size)
{
    (void)size;
    return stdout;
}

static void *wild(size_t size)
{
    (void)size;
    return (void *)(uintptr_t)UINT64_C(0xDEADBEEFDEADBEE0);
}

static void *inside_by_16(size_t size)
{
    return (char *)nearest(true, size) + 16;
}

static void *inside_by_1(size_t size)
{
    return (char *)nearest(true, size) + 1;
}

static void *in_the_middle(size_t size)
{
    char *p = nearest(true, size);
    return p + (size / 2 >= 4096 ? (size / 2 & ~(size_t)4095) : size / 2);
}

/* With all that a header may be before it. */
static void *inside_and_forged(size_t size)
{
    uintptr_t *p = nearest(true, size);
    forget(p); /* the value of its bytes; live it still is, and nobody's but ours */
    return forged(p);
}

static void *just_before(size_t size)
{
    return (char *)nearest(false, size) - 16;
}

static void *just_behind(size_t size)
{
    return (char *)nearest(true, size) + size;
}

static void *dead(size_t size)
{
    return freed(size);
}

static void *inside_the_dead(size_t size)
{
    return freed(size) + 16;
}

/* ---- Sizes and alignments that are not the block's ----------------------------------
 * */

static void *by_new(size_t size)
{
    void *(*new)(size_t);
    *(void **)&new = function("_Znwm");
    return hide(new (size));
}

static void *by_aligned_new(size_t size, size_t align)
{
    void *(*new)(size_t, size_t);
    *(void **)&new = function("_ZnwmSt11align_val_t");
    return hide(new (size, align));
}

/* With blocks of either size, in case the one that was freed is taken for the other. */
static void free_with_a_size(const struct misuse *it, void *block, const char *name)
{
    void (*release)(void *, size_t);
    *(void **)&release = function(name);
    populate(it->size);
    populate(it->other);
    release(block, it->other);
    for (int i = 0; i < REUSE; i++) {
        get(it->other);
        get(it->size);
    }
    harmless_unless_damaged(it->other);
}

static void sized_delete(const struct misuse *it)
{
    free_with_a_size(it, by_new(it->size), "_ZdlPvm");
}

static void sized_free(const struct misuse *it)
{
    free_with_a_size(it, hide(malloc(it->size)), "free_sized");
}

static void plain_delete_of_aligned(const struct misuse *it)
{
    populate(it->size);
    void *p = by_aligned_new(it->size, it->other);
    it->call(p);
    harmless_unless_damaged(it->size);
}

static void aligned_delete_of_plain(const struct misuse *it)
{
    void (*delete)(void *, size_t);
    *(void **)&delete = function("_ZdlPvSt11align_val_t");
    populate(it->size);
    delete (by_new(it->size), it->other);
    harmless_unless_damaged(it->size);
}

static void aligned_delete_of_another(const struct misuse *it)
{
    void (*delete)(void *, size_t, size_t);
    *(void **)&delete = function("_ZdlPvmSt11align_val_t");
    populate(it->size);
    delete (by_aligned_new(it->size, it->other), it->size, 4 * it->other);
    harmless_unless_damaged(it->size);
}

/* ---- Requests that no memory can fulfil ---------------------------------------------
 * */

static void ask_for_too_much(const struct misuse *it)
{
    populate(it->size);
    if (malloc(hide_size(SIZE_MAX)) != NULL || malloc(hide_size(SIZE_MAX - 31)) != NULL ||
        calloc(hide_size(SIZE_MAX / 16 + 2), 16) != NULL ||
        memalign(64, hide_size(SIZE_MAX - 63)) != NULL)
        missed();
    harmless_unless_damaged(it->size);
}

static void grow_too_much(const struct misuse *it)
{
    populate(it->size);
    unsigned char *p = get(it->size);
    if (realloc(p, hide_size(SIZE_MAX - 15)) != NULL ||
        reallocarray(p, hide_size(SIZE_MAX / 16 + 2), 16) != NULL)
        missed();
    harmless_unless_damaged(it->size);
}

/* ---- The catalogue
 * -------------------------------------------------------------------- */

#define OUTSIDE(name, run, size_name, size)           \
    {name "-1-" size_name, run, size, 1, 0, 0},       \
        {name "-8-" size_name, run, size, 8, 0, 0},   \
        {name "-32-" size_name, run, size, 32, 0, 0}, \
    {                                                 \
        name "-1M-" size_name, run, size, MIB, 0, 0   \
    }
#define SIZES(name, run, call)                                                          \
    {name "-small", run, SMALL, 0, 0, call}, {name "-medium", run, MEDIUM, 0, 0, call}, \
    {                                                                                   \
        name "-big", run, BIG, 0, 0, call                                               \
    }
#define WITH(name, call, pointer_name, pointer, size)            \
    {                                                            \
        name "-" pointer_name, call_with, size, 0, pointer, call \
    }

const struct misuse catalogue[] = {
    OUTSIDE("write-after", write_after, "small", SMALL),
    OUTSIDE("write-after", write_after, "medium", MEDIUM),
    OUTSIDE("write-after", write_after, "big", BIG),
    OUTSIDE("write-before", write_before, "small", SMALL),
    OUTSIDE("write-before", write_before, "medium", MEDIUM),
    OUTSIDE("write-before", write_before, "big", BIG),
    {"write-after-zero-small", zero_after, SMALL, 0, 0, 0},
    {"write-after-zero-odd", zero_after, 40, 0, 0, 0},
    OUTSIDE("read-after", read_after, "small", SMALL),
    {"read-after-32-medium", read_after, MEDIUM, 32, 0, 0},
    {"read-after-1M-medium", read_after, MEDIUM, MIB, 0, 0},
    {"read-after-32-big", read_after, BIG, 32, 0, 0},
    {"read-after-1M-big", read_after, BIG, MIB, 0, 0},
    OUTSIDE("read-before", read_before, "small", SMALL),
    {"read-before-32-medium", read_before, MEDIUM, 32, 0, 0},
    {"read-before-1M-medium", read_before, MEDIUM, MIB, 0, 0},
    {"read-before-32-big", read_before, BIG, 32, 0, 0},
    {"read-before-1M-big", read_before, BIG, MIB, 0, 0},

    SIZES("write-freed", write_freed, NULL),
    {"write-freed-link-small", write_addresses_to_freed, SMALL, 0, 0, 0},
    {"write-freed-link-large", write_addresses_to_freed, 2048, 0, 0, 0},
    SIZES("write-reused", write_when_reused, NULL),
    SIZES("read-freed", read_freed, NULL),
    SIZES("read-reused", read_when_reused, NULL),
    SIZES("read-new", read_new_block, NULL),
    {"read-realloc-small", read_what_realloc_added, 256, 0, 0, 0},
    {"read-realloc-medium", read_what_realloc_added, MEDIUM, 0, 0, 0},

    SIZES("free-twice", free_twice, call_free),
    SIZES("free-twice-interleaved", free_twice_with_one_between, call_free),
    SIZES("free-twice-delayed", free_twice_much_later, call_free),
    SIZES("free-twice-thread-first", free_twice_first_in_a_thread, call_free),
    SIZES("free-twice-thread-second", free_twice_then_in_a_thread, call_free),
    SIZES("free-twice-written", free_twice_after_a_write, call_free),
    {"free-twice-realloc-small", free_what_realloc_moved, SMALL, 0, 0, call_free},
    {"free-twice-realloc-medium", free_what_realloc_moved, MEDIUM, 0, 0, call_free},
    {"free-twice-delete", free_twice, SMALL, 0, 0, call_delete},

    WITH("free", call_free, "stack", on_the_stack, SMALL),
    WITH("free", call_free, "static", in_static_data, SMALL),
    WITH("free", call_free, "mapping", in_a_mapping, SMALL),
    WITH("free", call_free, "unmapped", unmapped, SMALL),
    WITH("free", call_free, "code", in_code, SMALL),
    WITH("free", call_free, "libc", in_libc, SMALL),
    WITH("free", call_free, "wild", wild, SMALL),
    WITH("free", call_free, "before-small", just_before, SMALL),
    WITH("free", call_free, "behind-medium", just_behind, MEDIUM),
    WITH("free", call_free, "inside-small", inside_by_16, SMALL),
    WITH("free", call_free, "inside-medium", inside_by_16, MEDIUM),
    WITH("free", call_free, "inside-big", inside_by_16, BIG),
    WITH("free", call_free, "misaligned-small", inside_by_1, SMALL),
    WITH("free", call_free, "misaligned-big", inside_by_1, BIG),
    WITH("free", call_free, "middle-small", in_the_middle, SMALL),
    WITH("free", call_free, "middle-medium", in_the_middle, MEDIUM),
    WITH("free", call_free, "middle-big", in_the_middle, BIG),
    WITH("free", call_free, "forged-inside", inside_and_forged, 256),
    WITH("free", call_free, "inside-dead", inside_the_dead, 256),
    WITH("delete", call_delete, "stack", on_the_stack, SMALL),
    WITH("delete", call_delete, "inside-small", inside_by_16, SMALL),
    WITH("realloc", call_realloc, "stack", on_the_stack, SMALL),
    WITH("realloc", call_realloc, "static", in_static_data, SMALL),
    WITH("realloc", call_realloc, "inside-small", inside_by_16, SMALL),
    WITH("realloc", call_realloc, "dead-small", dead, SMALL),
    WITH("realloc", call_realloc, "dead-medium", dead, MEDIUM),
    WITH("realloc", call_realloc, "dead-big", dead, BIG),
    WITH("usable-size", call_usable_size, "stack", on_the_stack, SMALL),
    WITH("usable-size", call_usable_size, "inside-small", inside_by_16, SMALL),
    WITH("usable-size", call_usable_size, "dead-small", dead, SMALL),
    WITH("usable-size", call_usable_size, "dead-big", dead, BIG),

    {"delete-size-too-small", sized_delete, 256, 32, 0, 0},
    {"delete-size-too-large", sized_delete, 32, 256, 0, 0},
    {"delete-size-of-big", sized_delete, SMALL, BIG, 0, 0},
    {"delete-size-of-small", sized_delete, BIG, SMALL, 0, 0},
    {"free-sized-too-small", sized_free, 256, 32, 0, 0},
    {"free-sized-too-large", sized_free, 32, 256, 0, 0},
    {"delete-plain-of-aligned", plain_delete_of_aligned, 256, 256, 0, call_delete},
    {"delete-aligned-of-plain", aligned_delete_of_plain, 40, 64, 0, 0},
    {"delete-aligned-otherwise", aligned_delete_of_another, 256, 64, 0, 0},
    {"free-of-aligned-new", plain_delete_of_aligned, 256, 256, 0, call_free},

    {"request-too-large", ask_for_too_much, SMALL, 0, 0, 0},
    {"request-too-large-realloc", grow_too_much, SMALL, 0, 0, 0},
    {NULL, NULL, 0, 0, NULL, NULL},
};
