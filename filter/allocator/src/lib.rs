//! An allocator for one WebAssembly VM: free lists by size class over another allocator.
//!
//! An exchange allocates a few small blocks and frees them soon. A general allocator writes to a header before each block, to
//! the neighbours of the block and to its own lists. Envoy's code displaces these cache lines between two exchanges, so each
//! of them is loaded again. This allocator touches only the head of a free list and the block. It returns the block of the
//! class that was freed last, which is still in the cache.
//!
//! | size of a block | comes from |
//! |---|---|
//! | at most 128 bytes | the free list of its class: multiples of 16 |
//! | at most `MAX_SMALL` | the free list of its class: four classes between powers of two (160, 192, 224, 256, 320, ...) |
//! | larger, or aligned to more than `GRAIN` | the other allocator |
//!
//! **Memory:** a free block is used again only for its class, and chunks are never returned. So the memory for small blocks is
//! the sum of what each class used at its peak. For example, if only one block is in use at a time, but one of each class in
//! turn, that is 6.4 KB (the sum of the sizes). The unused end of a chunk, less than `MAX_SMALL` bytes, is lost.
//!
//! **What it does not do:** serve more than one thread. It is `Sync` only on WebAssembly without threads.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr;

/// Blocks start at multiples of this many bytes, and their sizes are multiples of it.
const GRAIN: usize = 16;
/// Bytes of the largest block of a class.
const MAX_SMALL: usize = 1024;
/// Bytes that are taken from the other allocator at a time. It is small enough that the unused part of the last chunk does not
/// matter.
const CHUNK: usize = 16 * 1024;
/// Up to this size, every multiple of `GRAIN` is a class.
const FINE: usize = 128;
const FINE_CLASSES: usize = FINE / GRAIN;
/// Four for each of the three doublings from `FINE` to `MAX_SMALL`.
const CLASSES: usize = FINE_CLASSES + 4 * 3;
const _: () = assert!(FINE << 3 == MAX_SMALL);

/// The allocator. `A` is the allocator for chunks and for large blocks.
#[derive(Debug)]
pub struct SizeClasses<A> {
    /// For each class the block that was freed last, or null. Each free block begins with the address of the block that was
    /// freed before it.
    free: [Cell<*mut u8>; CLASSES],
    /// The unused part of the current chunk.
    unused: Cell<*mut u8>,
    unused_bytes: Cell<usize>,
    backing: A,
}

// SAFETY: without the feature `atomics` a WebAssembly module has one thread.
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
unsafe impl<A> Sync for SizeClasses<A> {}

// === impl SizeClasses ===

impl<A> SizeClasses<A> {
    /// An allocator without memory.
    pub const fn new(backing: A) -> Self {
        Self {
            free: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            unused: Cell::new(ptr::null_mut()),
            unused_bytes: Cell::new(0),
            backing,
        }
    }

    /// The free list of the class for `layout`, and the size of its blocks. `None` if the block is large.
    #[inline(always)]
    fn class(&self, layout: Layout) -> Option<(&Cell<*mut u8>, usize)> {
        // Size 0 wraps around.
        if layout.size().wrapping_sub(1) >= MAX_SMALL || layout.align() > GRAIN {
            return None;
        }
        let (index, size) = class_of(layout.size());
        Some((self.free.get(index)?, size))
    }
}

/// The class of blocks for `size` bytes, which is from 1 to `MAX_SMALL`, and the size of its blocks.
#[inline(always)]
const fn class_of(size: usize) -> (usize, usize) {
    let last = size - 1;
    if size <= FINE {
        return (last / GRAIN, (last | (GRAIN - 1)) + 1);
    }
    // 2 to the power of `doubling` is the largest power of two below the size. `quarter` is the quarter between it and the
    // next power of two in which the size is.
    let doubling = last.ilog2() as usize;
    let quarter = last >> (doubling - 2) & 3;
    let index = FINE_CLASSES + (doubling - FINE.ilog2() as usize) * 4 + quarter;
    (index, (5 + quarter) << (doubling - 2))
}

impl<A: GlobalAlloc> SizeClasses<A> {
    /// A new block of `size` bytes, a multiple of `GRAIN`; null if the memory is exhausted.
    #[cold]
    fn carve(&self, size: usize) -> *mut u8 {
        if self.unused_bytes.get() < size {
            let Ok(chunk) = Layout::from_size_align(CHUNK, GRAIN) else { return ptr::null_mut() };
            // SAFETY: the size of the layout is not 0.
            let chunk = unsafe { self.backing.alloc(chunk) };
            if chunk.is_null() {
                return chunk;
            }
            self.unused.set(chunk);
            self.unused_bytes.set(CHUNK);
        }
        let block = self.unused.get();
        // SAFETY: the chunk has `unused_bytes` bytes from here, and `size` is at most that.
        self.unused.set(unsafe { block.add(size) });
        self.unused_bytes.set(self.unused_bytes.get() - size);
        block
    }
}

// SAFETY: a block is in one free list or in use, never both; blocks of a class have its size and start at multiples of
// `GRAIN`.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SizeClasses<A> {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((list, size)) = self.class(layout) else {
            // SAFETY: the caller keeps the contract of `alloc`.
            return unsafe { self.backing.alloc(layout) };
        };
        let block = list.get();
        if block.is_null() {
            return self.carve(size);
        }
        // SAFETY: a free block begins with an address, and is aligned for it.
        list.set(unsafe { block.cast::<*mut u8>().read() });
        block
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((list, _)) = self.class(layout) else {
            // SAFETY: the caller keeps the contract of `dealloc`, and a block of this layout came from `backing`.
            return unsafe { self.backing.dealloc(block, layout) };
        };
        // SAFETY: the block is no longer used, is at least `GRAIN` bytes long, and is aligned for an address.
        unsafe { block.cast::<*mut u8>().write(list.get()) };
        list.set(block);
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller ensures that the size is not too large for the alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (self.class(layout), self.class(new_layout)) {
            (Some((_, old)), Some((_, new))) if old == new => return block,
            // SAFETY: the caller keeps the contract of `realloc`. The block came from `backing` and stays there.
            (None, None) => return unsafe { self.backing.realloc(block, layout, new_size) },
            _ => {}
        }
        // SAFETY: the caller ensures that the new size is not 0.
        let moved = unsafe { self.alloc(new_layout) };
        if !moved.is_null() {
            // SAFETY: both blocks have this many bytes, and the new one is not in use.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests;
