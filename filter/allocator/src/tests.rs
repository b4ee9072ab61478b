use super::{CHUNK, CLASSES, GRAIN, MAX_SMALL, SizeClasses, class_of};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count of its blocks.
#[derive(Default)]
struct Counting {
    chunks: Cell<usize>,
    large: Cell<usize>,
}

// SAFETY: it only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let count = if layout.size() == CHUNK { &self.chunks } else { &self.large };
        count.set(count.get() + 1);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.large.set(self.large.get() - 1);
        // SAFETY: the caller's.
        unsafe { System.dealloc(block, layout) }
    }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

/// Allocates a block and fills it with `byte`.
fn filled(allocator: &SizeClasses<Counting>, size: usize, byte: u8) -> *mut u8 {
    // SAFETY: the size is not 0, and the block is `size` bytes long.
    unsafe {
        let block = allocator.alloc(layout(size));
        assert!(!block.is_null());
        block.write_bytes(byte, size);
        block
    }
}

fn free(allocator: &SizeClasses<Counting>, block: *mut u8, size: usize) {
    // SAFETY: every caller passes a block of this allocator with its size, once.
    unsafe { allocator.dealloc(block, layout(size)) }
}

fn bytes<'a>(block: *mut u8, size: usize) -> &'a [u8] {
    // SAFETY: every caller passes a block that it filled and did not free.
    unsafe { std::slice::from_raw_parts(block, size) }
}

#[test]
fn blocks_of_all_sizes_do_not_overlap() {
    let allocator = SizeClasses::new(Counting::default());
    let sizes: Vec<usize> = (1..80).chain([MAX_SMALL - 1, MAX_SMALL, MAX_SMALL + 1, 5000]).collect();
    let blocks: Vec<_> = sizes.iter().map(|&size| filled(&allocator, size, size as u8)).collect();
    for (&block, &size) in blocks.iter().zip(&sizes) {
        assert!(bytes(block, size).iter().all(|&byte| byte == size as u8), "{size}");
        assert_eq!(block.addr() % GRAIN, 0, "{size}");
        free(&allocator, block, size);
    }
    assert_eq!(allocator.backing.large.get(), 0);
}

#[test]
fn block_freed_last_is_handed_out_first() {
    let allocator = SizeClasses::new(Counting::default());
    let [one, other] = [filled(&allocator, 40, 1), filled(&allocator, 40, 2)];
    free(&allocator, other, 40);
    free(&allocator, one, 40);
    // 33 to 48 bytes are one class.
    assert_eq!(filled(&allocator, 48, 3), one);
    assert_eq!(filled(&allocator, 33, 4), other);
    assert_ne!(filled(&allocator, 33, 5), one);
}

#[test]
fn small_blocks_are_reused_without_the_other_allocator() {
    let allocator = SizeClasses::new(Counting::default());
    for _ in 0..2000 {
        let blocks = [filled(&allocator, 16, 1), filled(&allocator, 200, 2), filled(&allocator, 1000, 3)];
        for (block, size) in blocks.into_iter().zip([16, 200, 1000]) {
            free(&allocator, block, size);
        }
    }
    assert_eq!(allocator.backing.chunks.get(), 1);
}

#[test]
fn new_chunk_follows_when_the_current_one_is_used_up() {
    let allocator = SizeClasses::new(Counting::default());
    let blocks: Vec<_> = (0..CHUNK / MAX_SMALL + 1).map(|index| filled(&allocator, MAX_SMALL, index as u8)).collect();
    assert_eq!(allocator.backing.chunks.get(), 2);
    for (index, &block) in blocks.iter().enumerate() {
        assert!(bytes(block, MAX_SMALL).iter().all(|&byte| byte == index as u8));
    }
}

#[test]
fn resized_block_keeps_its_bytes() {
    let allocator = SizeClasses::new(Counting::default());
    let mut block = filled(&allocator, 20, 7);
    let mut size = 20;
    for new_size in [30, 100, MAX_SMALL, MAX_SMALL + 1, 3000, 50, 20] {
        // SAFETY: the block has this size, and the new one is not 0.
        block = unsafe { allocator.realloc(block, layout(size), new_size) };
        assert!(bytes(block, 20).iter().all(|&byte| byte == 7), "{size} to {new_size}");
        size = new_size;
    }
    free(&allocator, block, size);
    assert_eq!(allocator.backing.large.get(), 0);
}

#[test]
fn block_stays_when_its_class_does() {
    let allocator = SizeClasses::new(Counting::default());
    let block = filled(&allocator, 17, 7);
    // SAFETY: the block has this size, and the new one is not 0.
    assert_eq!(unsafe { allocator.realloc(block, layout(17), 32) }, block);
}

#[test]
fn block_with_larger_alignment_comes_from_the_other_allocator() {
    let allocator = SizeClasses::new(Counting::default());
    let layout = Layout::from_size_align(64, 64).unwrap();
    // SAFETY: the size is not 0, and the block is freed with its layout.
    unsafe {
        let block = allocator.alloc(layout);
        assert_eq!((block.addr() % 64, allocator.backing.large.get()), (0, 1));
        allocator.dealloc(block, layout);
    }
    assert_eq!(allocator.backing.large.get(), 0);
}

#[test]
fn exhausted_memory_is_a_null_block() {
    struct Exhausted;
    // SAFETY: it never gives memory.
    unsafe impl GlobalAlloc for Exhausted {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            std::ptr::null_mut()
        }
        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }
    let allocator = SizeClasses::new(Exhausted);
    // SAFETY: the sizes are not 0.
    unsafe {
        assert!(allocator.alloc(layout(8)).is_null());
        assert!(allocator.alloc(layout(8000)).is_null());
    }
}

#[test]
fn class_has_room_for_its_sizes_and_little_more() {
    let mut classes = Vec::new();
    for size in 1..=MAX_SMALL {
        let (index, bytes) = class_of(size);
        assert!(index < CLASSES && bytes >= size && bytes % GRAIN == 0, "{size}: {bytes}");
        assert!(bytes - size < GRAIN || (bytes - size) * 4 < size, "{size}: {bytes}");
        if classes.last() != Some(&(index, bytes)) {
            classes.push((index, bytes));
        }
    }
    assert!(classes.iter().map(|class| class.0).eq(0..CLASSES), "each class is used, in order");
    assert_eq!(classes.iter().map(|class| class.1).sum::<usize>(), 6400);
}
