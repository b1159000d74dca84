/* SPDX-License-Identifier: MIT */
/* A C++ extension such as Python loads: linked with libstdc++, not with libhakmem.
 * For test_cxx_dlopen.c; built as a module (-module -avoid-version). */
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

namespace
{

int handler_calls;

/* Freed by its destructor, thus by dlclose. */
std::vector<std::string> held;

void give_up_at_once()
{
    handler_calls++;
    std::set_new_handler(nullptr);
}

std::size_t hide_size(std::size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

} // namespace

extern "C" {

/* 1 when new char[size] threw std::bad_alloc, 0 when it returned. */
int plugin_new_throws(std::size_t size)
{
    try {
        char *volatile p = new char[hide_size(size)];
        delete[] p;
        return 0;
    } catch (const std::bad_alloc &) {
        return 1;
    }
}

int plugin_nothrow_new_is_null(std::size_t size)
{
    char *volatile p = new (std::nothrow) char[hide_size(size)];
    bool null = p == nullptr;
    delete[] p;
    return null;
}

/* How often the new-handler ran before bad_alloc; -1 without bad_alloc. */
int plugin_handler_calls(std::size_t size)
{
    handler_calls = 0;
    std::set_new_handler(give_up_at_once);
    return plugin_new_throws(size) ? handler_calls : -1;
}

/* Leaves a block with the caller, and blocks of all sizes with the module. */
char *plugin_hold(std::size_t size)
{
    for (std::size_t length = 1; length <= 4 * size; length *= 2)
        held.push_back(std::string(length, 'x'));
    return new char[size];
}

/* Ordinary work of the standard library; returns a number that depends on all of it. */
std::size_t plugin_work(void)
{
    std::vector<std::string> words;
    for (int i = 0; i < 1000; i++)
        words.push_back(std::string(static_cast<std::size_t>(i), 'x'));
    std::size_t sum = 0;
    for (const std::string &word : words)
        sum += word.size();
    return sum;
}
}
