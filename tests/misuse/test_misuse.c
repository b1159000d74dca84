/* SPDX-License-Identifier: MIT */
/* What a program may not do, one case a row: each runs in a child of its own, which must
 * die of SIGABRT after exactly one line on standard error:
 *
 *     hakmem: CALL(0xPOINTER): WHAT (profile NAME)
 *
 * and, below, what looks like misuse and is none. */
#include "../support.h"

#define FOREIGN "not allocated by hakmem"
#define TWICE "already free"
/* Followed by the size and the offset. */
#define INTERIOR "inside a live block"
#define IN_FREE "inside a free block"

/* The child tells the parent which pointer the message must name, and for one into a
 * block, what block. */
static struct told {
    void *ptr;
    size_t size, offset;
} volatile *told;

static void *tell(const void *ptr)
{
    told->ptr = hide(ptr);
    return hide(ptr);
}

static void *tell_inside(void *block, size_t offset)
{
    told->size = malloc_usable_size(block);
    told->offset = offset;
    return tell((char *)block + offset);
}

/* ---- The calls
 * -------------------------------------------------------------------------- */

#ifdef __LP64__
#define DELETE_ARRAY_SIZED _ZdaPvm
#else
#define DELETE_ARRAY_SIZED _ZdaPvj
#endif
void _ZdlPv(void *ptr);                          /* operator delete(void *) */
void DELETE_ARRAY_SIZED(void *ptr, size_t size); /* operator delete[](void *, size_t) */

#ifdef HM_TEST_ANY_MALLOC
#pragma weak _ZdlPv
#pragma weak _ZdaPvm
#pragma weak _ZdaPvj
#endif

static void call_free(void *ptr)
{
    free(ptr);
}

static void call_realloc(void *ptr)
{
    ptr = realloc(ptr, 100);
}

static void call_realloc_to_zero(void *ptr)
{
    ptr = realloc(ptr, hide_size(0));
}

static void call_usable_size(void *ptr)
{
    REQUIRE(malloc_usable_size(ptr) != 77777);
}

static void call_cfree(void *ptr)
{
    cfree(ptr);
}

static void call_free_sized(void *ptr)
{
    free_sized(ptr, 40);
}

static void call_free_aligned_sized(void *ptr)
{
    free_aligned_sized(ptr, 64, 40);
}

static void call_delete(void *ptr)
{
    _ZdlPv(ptr);
}

static void call_sized_delete(void *ptr)
{
    DELETE_ARRAY_SIZED(ptr, 40);
}

static const struct call {
    const char *name; /* in the message */
    void (*make)(void *ptr);
} calls[] = {
    {"free", call_free},
    {"realloc", call_realloc},
    {"realloc", call_realloc_to_zero},
    {"malloc_usable_size", call_usable_size},
    {"free", call_cfree},
    {"free", call_free_sized},
    {"free", call_free_aligned_sized},
    {"free", call_delete},
    {"free", call_sized_delete},
};

/* ---- Pointers that were never ours
 * --------------------------------------------------------- */

static char zeroed_data[256] __attribute__((aligned(64)));
static char set_data[256] __attribute__((aligned(64))) = "x";
static _Thread_local char thread_data[64] __attribute__((aligned(64)));

static void *on_the_stack(void)
{
    static char *volatile escaped;
    char here[128] __attribute__((aligned(64)));
    escaped = here;
    return escaped + 16;
}

static void *in_zeroed_data(void)
{
    return zeroed_data;
}

static void *in_set_data(void)
{
    return set_data + 64;
}

static void *in_thread_data(void)
{
    return thread_data;
}

static void *in_code(void)
{
    return (void *)((uintptr_t)in_set_data & ~(uintptr_t)15);
}

static void *in_libc(void)
{
    return stdout;
}

static void *in_a_string(void)
{
    return (void *)(uintptr_t) "a string literal of some length";
}

static void *in_the_break(void)
{
    char *end = sbrk(65536);
    if (end == (char *)-1) /* musl has none */
        end = sbrk(0);
    return (char *)(((uintptr_t)end + 4096) & ~(uintptr_t)4095);
}

static void *in_a_mapping(void)
{
    char *p =
        mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    return (char *)(((uintptr_t)p + 2 * MIB) & ~(uintptr_t)(2 * MIB - 1));
}

static void *in_no_mapping(void)
{
    char *p = in_a_mapping();
    REQUIRE(munmap(p, 4096) == 0);
    return p;
}

static void *misaligned_on_the_stack(void)
{
    return (char *)on_the_stack() + 1;
}

static void *in_the_arguments(void)
{
    extern char **environ;
    return environ;
}

static void *in_the_first_page(void)
{
    return (void *)(uintptr_t)16;
}

static void *one(void)
{
    return (void *)(uintptr_t)1;
}

static void *minus_one(void)
{
    return (void *)UINTPTR_MAX;
}

static void *not_canonical(void)
{
    return (void *)(uintptr_t)UINT64_C(0xDEADBEEFDEADBEE0);
}

static void *in_the_kernel(void)
{
    return (void *)(uintptr_t)UINT64_C(0xFFFF800000001000);
}

static void *last_of_user_space(void)
{
    return (void *)(uintptr_t)UINT64_C(0x00007FFFFFFFFFF0);
}

static void *wild(void)
{
    return (void *)(uintptr_t)UINT64_C(0x0000123456789AB0);
}

static void *(*const foreign[])(void) = {
    on_the_stack,
    in_zeroed_data,
    in_set_data,
    in_thread_data,
    in_code,
    in_libc,
    in_a_string,
    in_the_break,
    in_a_mapping,
    in_no_mapping,
    misaligned_on_the_stack,
    in_the_arguments,
    in_the_first_page,
    one,
    minus_one,
    not_canonical,
    in_the_kernel,
    last_of_user_space,
    wild,
};

/* ---- Running a case
 * ------------------------------------------------------------------------ */

struct instance {
    void (*body)(const struct instance *it);
    const struct call *call;
    void *(*pointer)(void);
    size_t size;
    size_t offset;
};

static void run_instance(void *arg)
{
    const struct instance *it = arg;
    it->body(it);
}

/* A big block that is freed may be unmapped at once, where a profile lets BigCache keep
 * little; nobody knows then that the address was ever ours. Default keeps these. So may
 * one that is guarded, when many are freed after it: one of no bytes, too. */
static bool may_be_unmapped(const struct instance *it)
{
    return (it->size > 128 * KIB || it->size == 0) && HAVE(hakmem_profile) &&
           strcmp(hakmem_profile(), "default") != 0;
}

static bool said(const struct instance *it, const char *what, const char *line,
                 char *text, size_t size)
{
    char where[80] = "";
    if (strcmp(what, INTERIOR) == 0 || strcmp(what, IN_FREE) == 0)
        snprintf(where, sizeof(where), " of %zu bytes, offset %zu", told->size,
                 told->offset);
    snprintf(text, size, "hakmem: %s(0x%lx): %s%s (profile %s)\n", it->call->name,
             (unsigned long)told->ptr, what, where,
             HAVE(hakmem_profile) ? hakmem_profile() : "?");
    return strcmp(line, text) == 0;
}

static void run_after_mixed_calls(void *it)
{
    mix_calls(malloc, free);
    run_instance(it);
}

/* Runs the case in a child; a failure is printed and counted, so that one run shows them
 * all. */
static int misses_in(void (*child)(void *), const struct instance *it, const char *what)
{
    told->ptr = NULL;
    struct outcome out = in_child(child, (void *)(uintptr_t)it);
    char other[256], expected[256];
    bool right = said(it, what, out.err, expected, sizeof(expected)) ||
                 (may_be_unmapped(it) && strcmp(what, TWICE) == 0 &&
                  said(it, FOREIGN, out.err, other, sizeof(other)));
    if (right && WIFSIGNALED(out.status) && WTERMSIG(out.status) == SIGABRT)
        return 0;
    printf("# size %zu, offset %zu: status %#x\n# expected: %s# got: %s%s", it->size,
           it->offset, (unsigned)out.status, expected, out.err,
           strchr(out.err, '\n') != NULL ? "" : "\n");
    return 1;
}

/* Free has two ways to find out what a block is. */
static int misses(const struct instance *it, const char *what)
{
    return misses_in(run_instance, it, what) + misses_in(run_after_mixed_calls, it, what);
}

static void pass_a_foreign_pointer(const struct instance *it)
{
    free(hide(malloc(10)));
    it->call->make(tell(it->pointer()));
}

static void every_call_stops_at_a_pointer_that_is_not_ours(void **state)
{
    (void)state;
    int missed = 0;
    for (size_t p = 0; p < COUNT(foreign); p++) {
        for (size_t c = 0; c < COUNT(calls); c++) {
            struct instance it = {pass_a_foreign_pointer, &calls[c], foreign[p], p, c};
            missed += misses(&it, FOREIGN);
        }
    }
    assert_int_equal(missed, 0);
}

/* Before anything was allocated by the program: nothing is set up yet. */
static void pass_a_foreign_pointer_first(const struct instance *it)
{
    it->call->make(tell(it->pointer()));
}

static void the_very_first_call_stops_at_a_foreign_pointer(void **state)
{
    (void)state;
    struct instance it = {pass_a_foreign_pointer_first, &calls[0], in_zeroed_data, 0, 0};
    assert_int_equal(misses_in(run_instance, &it, FOREIGN), 0);
}

/* ---- Twice
 * --------------------------------------------------------------------------------- */

/* Small, at both ends; cut from runs of pages; runs of units; mappings of their own. */
static const size_t sizes[] = {0,      1,       16,      24,      64,    200,
                               1024,   3000,    10000,   32768,   60000, 200000,
                               500000, 1500000, 5000000, 20000000};

static void free_twice_at_once(const struct instance *it)
{
    void *p = malloc(it->size), *alias = tell(p);
    free(p);
    it->call->make(alias);
}

static void free_twice_with_another_between(const struct instance *it)
{
    void *p = malloc(it->size), *q = malloc(it->size), *alias = tell(p);
    free(p);
    free(q);
    it->call->make(alias);
}

/* So many other frees between that no cache remembers the first. */
static void free_twice_much_later(const struct instance *it)
{
    enum { OTHERS = 3000 };
    static void *others[OTHERS];
    size_t count =
        20000000 / (it->size + 1) < OTHERS ? 20000000 / (it->size + 1) : OTHERS;
    for (size_t i = 0; i < count; i++)
        others[i] = malloc(it->size);
    void *p = malloc(it->size), *alias = tell(p);
    free(p);
    for (size_t i = 0; i < count; i += 2)
        free(others[i]);
    it->call->make(alias);
}

static void *free_in_a_thread(void *ptr)
{
    free(ptr);
    return NULL;
}

static void free_twice_first_in_a_thread_that_ended(const struct instance *it)
{
    void *p = malloc(it->size), *alias = tell(p);
    pthread_t id;
    REQUIRE(pthread_create(&id, NULL, free_in_a_thread, p) == 0);
    REQUIRE(pthread_join(id, NULL) == 0);
    it->call->make(alias);
}

static void free_twice_the_second_time_in_a_thread(const struct instance *it)
{
    void *p = malloc(it->size), *alias = tell(p);
    pthread_t id;
    free(p);
    REQUIRE(pthread_create(&id, NULL, free_in_a_thread, alias) == 0);
    pthread_join(id, NULL);
}

static void free_twice_an_aligned_block(const struct instance *it)
{
    void *p = memalign(1024, it->size), *alias = tell(p);
    free(p);
    it->call->make(alias);
}

static void free_after_realloc_moved_it(const struct instance *it)
{
    void *p = malloc(it->size), *alias = tell(p), *neighbour = malloc(it->size);
    void *q = realloc(p, it->size * 16 + 100000);
    REQUIRE(q != NULL && neighbour != NULL);
    if (hide(q) == alias)
        free(q); /* it grew in place: then this is the first free, and the next the second
                  */
    it->call->make(alias);
}

static int misses_to(size_t last, void (*body)(const struct instance *), size_t call)
{
    int missed = 0;
    for (size_t i = 0; i < COUNT(sizes) && sizes[i] <= last; i++) {
        struct instance it = {body, &calls[call], NULL, sizes[i], 0};
        missed += misses(&it, TWICE);
    }
    return missed;
}

static int misses_at_every_size(void (*body)(const struct instance *), size_t call)
{
    return misses_to(SIZE_MAX, body, call);
}

static void every_call_stops_at_a_block_freed_just_before(void **state)
{
    (void)state;
    int missed = 0;
    for (size_t c = 0; c < COUNT(calls); c++)
        missed += misses_at_every_size(free_twice_at_once, c);
    assert_int_equal(missed, 0);
}

static void a_double_free_with_another_free_between_is_seen(void **state)
{
    (void)state;
    assert_int_equal(misses_at_every_size(free_twice_with_another_between, 0), 0);
}

static void a_double_free_much_later_is_seen(void **state)
{
    (void)state;
    assert_int_equal(misses_at_every_size(free_twice_much_later, 0), 0);
}

static void a_free_after_a_free_by_a_dead_thread_is_seen(void **state)
{
    (void)state;
    assert_int_equal(misses_at_every_size(free_twice_first_in_a_thread_that_ended, 0), 0);
}

static void a_second_free_by_another_thread_is_seen(void **state)
{
    (void)state;
    assert_int_equal(misses_at_every_size(free_twice_the_second_time_in_a_thread, 0), 0);
}

static void a_double_free_of_an_aligned_block_is_seen(void **state)
{
    (void)state;
    assert_int_equal(misses_at_every_size(free_twice_an_aligned_block, 0), 0);
}

/* Big blocks move with their pages, and the old address is nobody's from then on. */
static void a_free_of_what_realloc_moved_is_seen(void **state)
{
    (void)state;
    assert_int_equal(misses_to(200000, free_after_realloc_moved_it, 0), 0);
}

/* ---- Inside a block
 * -------------------------------------------------------------------------- */

static void pass_an_interior_pointer(const struct instance *it)
{
    char *p = malloc(it->size);
    REQUIRE(p != NULL);
    memset(p, 1, it->size);
    it->call->make(tell_inside(p, it->offset));
}

static void pass_an_interior_pointer_of_an_aligned_block(const struct instance *it)
{
    char *p = memalign(256, it->size);
    REQUIRE(p != NULL);
    it->call->make(tell_inside(p, it->offset));
}

/* Every offset of a kind: misaligned, aligned, in the middle, at a page, the last byte.
 */
static int misses_at_every_offset(void (*body)(const struct instance *), size_t call)
{
    int missed = 0;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t size = sizes[i];
        const size_t offsets[] = {1,    8,     16,      64, size / 2 & ~(size_t)15,
                                  4096, 65536, size - 1};
        for (size_t k = 0; k < COUNT(offsets); k++) {
            if (offsets[k] == 0 || offsets[k] >= size)
                continue;
            struct instance it = {body, &calls[call], NULL, size, offsets[k]};
            missed += misses(&it, INTERIOR);
        }
    }
    return missed;
}

static void every_call_stops_at_a_pointer_into_a_block(void **state)
{
    (void)state;
    int missed = 0;
    for (size_t c = 0; c < 4; c++)
        missed += misses_at_every_offset(pass_an_interior_pointer, c);
    assert_int_equal(missed, 0);
}

static void a_pointer_into_an_aligned_block_is_stopped(void **state)
{
    (void)state;
    int missed = misses_at_every_offset(pass_an_interior_pointer_of_an_aligned_block, 0);
    assert_int_equal(missed, 0);
}

/* Its neighbours are live, so that its slab stays. */
static void pass_a_pointer_into_a_freed_block(const struct instance *it)
{
    char *p = malloc(it->size), *q = malloc(it->size), *into;
    REQUIRE(p != NULL && q != NULL);
    into = tell_inside(p, it->offset);
    free(p);
    it->call->make(into);
}

static void a_pointer_into_a_freed_block_is_stopped(void **state)
{
    (void)state;
    int missed = 0;
    for (size_t i = 0; i < COUNT(sizes) && sizes[i] <= 10000; i++)
        for (size_t offset = 1; offset < sizes[i]; offset = offset * 3 + 13) {
            struct instance it = {pass_a_pointer_into_a_freed_block,
                                  &calls[offset % 4], NULL, sizes[i], offset};
            missed += misses(&it, IN_FREE);
        }
    assert_int_equal(missed, 0);
}

/* What realloc cut off, and units that nothing was ever in: both lie in a SuperSlab. */
static void pass_what_was_cut_off(const struct instance *it)
{
    char *p = malloc(it->size), *q = realloc(p, it->size / 4);
    REQUIRE(p != NULL && q == p);
    it->call->make(tell(q + it->offset));
}

static void a_pointer_to_units_that_nobody_has_is_stopped(void **state)
{
    (void)state;
    NEED(!HAVE(hakmem_profile) || strcmp(hakmem_profile(), "hardened") != 0,
         "blocks that shrink where they are");
    static const size_t offsets[] = {64 * KIB, 112 * KIB, 112 * KIB + 16, 300 * KIB};
    int missed = 0;
    for (size_t i = 0; i < COUNT(offsets); i++)
        for (size_t c = 0; c < 4; c++) {
            struct instance it = {pass_what_was_cut_off, &calls[c], NULL, 200 * KIB,
                                  offsets[i]};
            missed += misses(&it, FOREIGN);
        }
    assert_int_equal(missed, 0);
}

/* ---- No misuse
 * --------------------------------------------------------------------------------- */

/* A freed block may hold anything, and a program may have copied it before it freed, or a
 * structure that holds it: the same bytes in a live block are no double free. */
static void free_copies_of_freed_blocks(void *arg)
{
    (void)arg;
    for (size_t size = 16; size <= 4096; size *= 2) {
        unsigned char *freed[64], *live[64];
        for (size_t i = 0; i < COUNT(freed); i++) {
            freed[i] = malloc(size);
            live[i] = malloc(size);
            REQUIRE(freed[i] != NULL && live[i] != NULL);
        }
        for (size_t i = 0; i < COUNT(freed); i++) {
            unsigned char *alias = hide(freed[i]);
            free(freed[i]);
            for (size_t k = 0; k < size; k++)
                live[i][k] = ((volatile unsigned char *)alias)[k];
        }
        for (size_t i = 0; i < COUNT(live); i++)
            free(live[i]);
    }
}

static void a_live_block_with_a_freed_block_s_bytes_can_be_freed(void **state)
{
    (void)state;
    ASSERT_CHILD(free_copies_of_freed_blocks, NULL);
}

static void free_the_same_address_again_and_again(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (int round = 0; round < 50; round++) {
            void *p = malloc(sizes[i]);
            REQUIRE(p != NULL);
            free(p);
        }
    }
}

static void an_address_that_comes_back_can_be_freed_each_time(void **state)
{
    (void)state;
    ASSERT_CHILD(free_the_same_address_again_and_again, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_stops_at_a_pointer_that_is_not_ours),
        cmocka_unit_test(the_very_first_call_stops_at_a_foreign_pointer),
        cmocka_unit_test(every_call_stops_at_a_block_freed_just_before),
        cmocka_unit_test(a_double_free_with_another_free_between_is_seen),
        cmocka_unit_test(a_double_free_much_later_is_seen),
        cmocka_unit_test(a_free_after_a_free_by_a_dead_thread_is_seen),
        cmocka_unit_test(a_second_free_by_another_thread_is_seen),
        cmocka_unit_test(a_double_free_of_an_aligned_block_is_seen),
        cmocka_unit_test(a_free_of_what_realloc_moved_is_seen),
        cmocka_unit_test(every_call_stops_at_a_pointer_into_a_block),
        cmocka_unit_test(a_pointer_into_an_aligned_block_is_stopped),
        cmocka_unit_test(a_pointer_into_a_freed_block_is_stopped),
        cmocka_unit_test(a_pointer_to_units_that_nobody_has_is_stopped),
        cmocka_unit_test(a_live_block_with_a_freed_block_s_bytes_can_be_freed),
        cmocka_unit_test(an_address_that_comes_back_can_be_freed_each_time),
    };
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                -1, 0);
    REQUIRE(told != MAP_FAILED);
    return RUN_TESTS(tests);
}
