// SPDX-License-Identifier: MIT
//! libhakmem as the global allocator of a Rust program.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_void, CStr};
use std::os::raw::c_char;

extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    fn realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
    fn malloc_usable_size(block: *mut c_void) -> usize;
    fn hakmem_profile() -> *const c_char;
    fn hakmem_good_size(size: usize) -> usize;
}

/// What malloc, calloc and realloc align every block to, at least.
const MALLOC_ALIGN: usize = 2 * std::mem::size_of::<usize>();

/// To be named in `#[global_allocator]`.
pub struct Hakmem;

// SAFETY: what malloc promises is what the trait asks for, where the alignment is at most
// MALLOC_ALIGN; beyond that, aligned_alloc does. A block of either goes to free, and none
// of them unwinds.
unsafe impl GlobalAlloc for Hakmem {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN {
            malloc(layout.size()).cast()
        } else {
            aligned_alloc(layout.align(), layout.size()).cast()
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN {
            return calloc(1, layout.size()).cast();
        }
        let block = self.alloc(layout);
        if !block.is_null() {
            block.write_bytes(0, layout.size());
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN {
            return realloc(block.cast(), size).cast();
        }
        // realloc would not keep the alignment.
        let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !moved.is_null() {
            moved.copy_from_nonoverlapping(block, layout.size().min(size));
            self.dealloc(block, layout);
        }
        moved
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        free(block.cast())
    }
}

/// The name of the profile that this process runs under.
pub fn profile() -> &'static str {
    // SAFETY: a string in static storage, of ASCII.
    unsafe { CStr::from_ptr(hakmem_profile()) }.to_str().unwrap_or("?")
}

/// How many bytes a block of `size` really has.
pub fn good_size(size: usize) -> usize {
    // SAFETY: any size will do.
    unsafe { hakmem_good_size(size) }
}

/// How many bytes of the vector's block are usable, by what the allocator knows of it.
pub fn usable_bytes<T>(vector: &Vec<T>) -> usize {
    if vector.capacity() == 0 || std::mem::size_of::<T>() == 0 {
        return 0;
    }
    // SAFETY: a vector with a capacity has a block, which came from the global allocator.
    unsafe { malloc_usable_size(vector.as_ptr() as *mut c_void) }
}
