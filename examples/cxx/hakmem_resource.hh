/* SPDX-License-Identifier: MIT */
/* A std::pmr::memory_resource that takes its memory from libhakmem and knows what the
 * containers that use it cost, rounding included. Any thread may use it. */
#ifndef HAKMEM_RESOURCE_HH
#define HAKMEM_RESOURCE_HH

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <malloc.h>
#include <memory_resource>
#include <new>

class hakmem_resource final : public std::pmr::memory_resource {
public:
    /* Bytes in the blocks that are in use now. */
    std::size_t live_bytes() const noexcept
    {
        return live.load(std::memory_order_relaxed);
    }

private:
    void *do_allocate(std::size_t size, std::size_t alignment) override
    {
        void *block = alignment <= alignof(std::max_align_t)
                          ? std::malloc(size)
                          : std::aligned_alloc(alignment, size);

        if (block == nullptr)
            throw std::bad_alloc();
        live.fetch_add(malloc_usable_size(block), std::memory_order_relaxed);
        return block;
    }

    void do_deallocate(void *block, std::size_t, std::size_t) override
    {
        live.fetch_sub(malloc_usable_size(block), std::memory_order_relaxed);
        std::free(block);
    }

    /* What one has allocated another could free, but its count would be wrong. */
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        return this == &other;
    }

    std::atomic<std::size_t> live{0};
};

#endif
