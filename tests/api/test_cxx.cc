/* SPDX-License-Identifier: MIT */
/* The twenty operators new and delete: where they come from, what they return, and how
 * they fail: the new-handler is called until it gives up, then std::bad_alloc. */
#include "../support.h"

#include <dlfcn.h>
#include <new>

namespace
{

using std::align_val_t;
using std::nothrow;

const align_val_t wide = align_val_t(256);

/* Each way to get and to give back, as a program that never names them uses them. */
struct pair {
    const char *name;
    void *(*get)(size_t size);
    void (*give)(void *ptr, size_t size);
    size_t alignment;
    bool throws;
};

const pair pairs[] = {
    {"new", [](size_t n) { return ::operator new(n); },
     [](void *p, size_t) { ::operator delete(p); }, 16, true},
    {"new[]", [](size_t n) { return ::operator new[](n); },
     [](void *p, size_t) { ::operator delete[](p); }, 16, true},
    {"new, sized delete", [](size_t n) { return ::operator new(n); },
     [](void *p, size_t n) { ::operator delete(p, n); }, 16, true},
    {"new[], sized delete[]", [](size_t n) { return ::operator new[](n); },
     [](void *p, size_t n) { ::operator delete[](p, n); }, 16, true},
    {"nothrow new", [](size_t n) { return ::operator new(n, nothrow); },
     [](void *p, size_t) { ::operator delete(p, nothrow); }, 16, false},
    {"nothrow new[]", [](size_t n) { return ::operator new[](n, nothrow); },
     [](void *p, size_t) { ::operator delete[](p, nothrow); }, 16, false},
    {"aligned new", [](size_t n) { return ::operator new(n, wide); },
     [](void *p, size_t) { ::operator delete(p, wide); }, 256, true},
    {"aligned new[]", [](size_t n) { return ::operator new[](n, wide); },
     [](void *p, size_t) { ::operator delete[](p, wide); }, 256, true},
    {"aligned new, sized delete", [](size_t n) { return ::operator new(n, wide); },
     [](void *p, size_t n) { ::operator delete(p, n, wide); }, 256, true},
    {"aligned new[], sized delete[]", [](size_t n) { return ::operator new[](n, wide); },
     [](void *p, size_t n) { ::operator delete[](p, n, wide); }, 256, true},
    {"nothrow aligned new", [](size_t n) { return ::operator new(n, wide, nothrow); },
     [](void *p, size_t) { ::operator delete(p, wide, nothrow); }, 256, false},
    {"nothrow aligned new[]", [](size_t n) { return ::operator new[](n, wide, nothrow); },
     [](void *p, size_t) { ::operator delete[](p, wide, nothrow); }, 256, false},
};

#ifdef __LP64__
#define SIZE_T "m" /* unsigned long, mangled */
#else
#define SIZE_T "j" /* unsigned int */
#endif
const char *const symbols[] = {
    "_Znw" SIZE_T,
    "_Zna" SIZE_T,
    "_Znw" SIZE_T "RKSt9nothrow_t",
    "_Zna" SIZE_T "RKSt9nothrow_t",
    "_Znw" SIZE_T "St11align_val_t",
    "_Zna" SIZE_T "St11align_val_t",
    "_Znw" SIZE_T "St11align_val_tRKSt9nothrow_t",
    "_Zna" SIZE_T "St11align_val_tRKSt9nothrow_t",
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPv" SIZE_T,
    "_ZdaPv" SIZE_T,
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPv" SIZE_T "St11align_val_t",
    "_ZdaPv" SIZE_T "St11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

void all_twenty_come_from_where_malloc_is(void **)
{
    Dl_info family, oper;
    assert_int_equal(COUNT(symbols), 20);
    assert_int_not_equal(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &family), 0);
    for (const char *symbol : symbols) {
        void *address = dlsym(RTLD_DEFAULT, symbol);
        assert_non_null(address);
        assert_int_not_equal(dladdr(address, &oper), 0);
        if (oper.dli_fbase != family.dli_fbase)
            fail_msg("%s is in %s", symbol, oper.dli_fname);
    }
}

void every_new_gives_aligned_blocks_that_its_deletes_take(void **)
{
    for (const pair &p : pairs) {
        for (size_t size = 0; size <= 8 * MIB;
             size = size < 600 ? size + 1 : size * 2 - 7) {
            void *blocks[4];
            for (size_t i = 0; i < COUNT(blocks); i++) {
                blocks[i] = p.get(size);
                if (blocks[i] == nullptr || !is_aligned(blocks[i], p.alignment))
                    fail_msg("%s, %zu bytes: %p", p.name, size, blocks[i]);
                assert_true(malloc_usable_size(blocks[i]) >= size);
                fill(blocks[i], size, i);
            }
            for (size_t i = 0; i < COUNT(blocks); i++) {
                assert_true(intact(blocks[i], size, i));
                p.give(blocks[i], size);
            }
        }
    }
}

void new_of_zero_bytes_is_unique(void **)
{
    for (const pair &p : pairs) {
        void *a = p.get(0), *b = p.get(0);
        assert_non_null(a);
        assert_non_null(b);
        assert_ptr_not_equal(a, b);
        p.give(a, 0);
        p.give(b, 0);
    }
}

void delete_of_null_does_nothing(void **)
{
    for (const pair &p : pairs)
        p.give(hide(nullptr), 8);
}

void new_and_free_mix(void **)
{
    /* Not portable C++, and done all over the world. */
    for (size_t size = 1; size <= MIB; size *= 3) {
        free(hide(::operator new(size)));
        ::operator delete(hide(malloc(size)));
        free(hide(::operator new(size, wide)));
    }
}

/* Outcome of one request that can't succeed. */
enum outcome_kind { RETURNED_NULL, RETURNED_BLOCK, BAD_ALLOC, OTHER_EXCEPTION };

outcome_kind request(const pair &p, size_t size)
{
    try {
        void *block = hide(p.get(hide_size(size)));
        return block == nullptr ? RETURNED_NULL : RETURNED_BLOCK;
    } catch (const std::bad_alloc &) {
        return BAD_ALLOC;
    } catch (int) {
        return OTHER_EXCEPTION;
    }
}

const size_t impossible[] = {SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1,
                             PTRDIFF_MAX - 4096};

void failure_without_a_handler_is_bad_alloc_or_null(void **)
{
    std::set_new_handler(nullptr);
    for (const pair &p : pairs) {
        for (size_t size : impossible) {
            outcome_kind kind = request(p, size);
            if (kind != (p.throws ? BAD_ALLOC : RETURNED_NULL))
                fail_msg("%s, %zu bytes: %d", p.name, size, kind);
        }
    }
}

int calls;

void give_up_at_the_third_call()
{
    if (++calls == 3)
        std::set_new_handler(nullptr);
}

void the_handler_is_called_until_it_gives_up(void **)
{
    for (const pair &p : pairs) {
        for (size_t size : impossible) {
            calls = 0;
            std::set_new_handler(give_up_at_the_third_call);
            outcome_kind kind = request(p, size);
            if (kind != (p.throws ? BAD_ALLOC : RETURNED_NULL) || calls != 3)
                fail_msg("%s, %zu bytes: %d after %d calls", p.name, size, kind, calls);
        }
    }
}

void throw_bad_alloc()
{
    calls++;
    throw std::bad_alloc();
}

void throw_an_int()
{
    calls++;
    throw 42;
}

/* Through the frames of the allocator: they must have unwind tables. The nothrow forms
 * turn bad_alloc into NULL; any other exception from a handler ends in terminate(), as it
 * may. */
void what_a_handler_throws_arrives(void **)
{
    for (const pair &p : pairs) {
        calls = 0;
        std::set_new_handler(throw_bad_alloc);
        assert_int_equal(request(p, SIZE_MAX), p.throws ? BAD_ALLOC : RETURNED_NULL);
        assert_int_equal(calls, 1);
        if (p.throws) {
            std::set_new_handler(throw_an_int);
            assert_int_equal(request(p, SIZE_MAX), OTHER_EXCEPTION);
            assert_int_equal(calls, 2);
        }
    }
    std::set_new_handler(nullptr);
}

char *reserve;

void free_the_reserve()
{
    REQUIRE(reserve != nullptr);
    ::operator delete[](reserve);
    reserve = nullptr;
    calls++;
}

void need_the_reserve(void *arg)
{
    const pair &p = *static_cast<const pair *>(arg);
    const size_t size = 40 * MIB;
    calls = 0;
    reserve = new char[size * 2];
    memset(reserve, 1, size * 2);
    limit_memory(8 * MIB);
    std::set_new_handler(free_the_reserve);
    void *block = p.get(size);
    REQUIRE(block != nullptr);
    REQUIRE(calls == 1);
    memset(block, 1, size);
    p.give(block, size);
}

void memory_that_the_handler_frees_serves_the_request(void **)
{
    for (const pair &p : pairs)
        ASSERT_CHILD(need_the_reserve, const_cast<pair *>(&p));
}

struct alignas(1024) wide_thing {
    char bytes[3000];
};

struct plain_thing {
    virtual ~plain_thing()
    {
    }
    char bytes[40];
};

void expressions_use_them(void **)
{
    for (int i = 0; i < 1000; i++) {
        wide_thing *w = new wide_thing;
        wide_thing *ws = new wide_thing[3];
        plain_thing *p = new plain_thing;
        plain_thing *ps = new plain_thing[i + 1];
        assert_true(is_aligned(w, 1024) && is_aligned(ws, 1024) && is_aligned(p, 16));
        delete static_cast<wide_thing *>(hide(w));
        delete[] static_cast<wide_thing *>(hide(ws));
        delete static_cast<plain_thing *>(hide(p));
        delete[] ps;
    }
}

} // namespace

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_twenty_come_from_where_malloc_is),
        cmocka_unit_test(every_new_gives_aligned_blocks_that_its_deletes_take),
        cmocka_unit_test(new_of_zero_bytes_is_unique),
        cmocka_unit_test(delete_of_null_does_nothing),
        cmocka_unit_test(new_and_free_mix),
        cmocka_unit_test(failure_without_a_handler_is_bad_alloc_or_null),
        cmocka_unit_test(the_handler_is_called_until_it_gives_up),
        cmocka_unit_test(what_a_handler_throws_arrives),
        cmocka_unit_test(memory_that_the_handler_frees_serves_the_request),
        cmocka_unit_test(expressions_use_them),
    };
    return RUN_TESTS(tests);
}
