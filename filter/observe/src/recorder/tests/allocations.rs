//! The recorder allocates nothing for an exchange like one before, even when it flushes.

use super::{Memory, OK, call, config};
use crate::observation::{Observation, Observer, PublishedLabels};
use crate::recorder::Recorder;
use crate::recorder::label_code::Server;
use crate::recorder::stats::MAX_SAMPLES;
use crate::testing::Proxy;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;

/// Counts the allocations of each thread of the tests.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is done by the system's allocator; the counter is beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Adds up what the recorder allocates.
struct Measured<'a> {
    recorder: &'a mut Recorder,
    memory: &'a Memory,
    server: Server,
    allocations: usize,
}

impl PublishedLabels for Measured<'_> {}

impl Observer for Measured<'_> {
    fn observe(&mut self, observation: Observation<'_>) {
        let before = ALLOCATIONS.get();
        self.recorder.record(self.server, &observation, self.memory);
        self.allocations += ALLOCATIONS.get() - before;
    }
}

#[test]
fn known_call_allocates_nothing() {
    let (memory, proxy) = (Memory::default(), Proxy::default());
    let mut recorder = Recorder::new(Rc::new(config()));
    let server = recorder.server(b"weather");
    let mut allocations = || {
        let mut measured = Measured { recorder: &mut recorder, memory: &memory, server, allocations: 0 };
        (0..MAX_SAMPLES).for_each(|_| call("add").json(OK).play_to(&proxy, &mut measured));
        measured.allocations
    };
    assert!(allocations() > 0, "new series allocate");
    assert_eq!(allocations(), 0);
}
