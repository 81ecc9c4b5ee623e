//! The program's allocator, which counts what is held: bytes as they were asked for, by size. What it hands out is mimalloc's, as in the gateway.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

use mimalloc::MiMalloc;

/// Sizes are counted in steps of so many bytes.
const STEP: usize = 16;
/// So many of them; what is larger counts with the last one.
const STEPS: usize = 64;

/// Counts for the whole program. Its `#[global_allocator]`.
pub(crate) struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
/// The most of [`HELD`] since [`begin_peak`].
static MOST: AtomicUsize = AtomicUsize::new(0);
static PIECES: [AtomicUsize; STEPS] = [const { AtomicUsize::new(0) }; STEPS];

fn step_of(bytes: usize) -> &'static AtomicUsize {
    &PIECES[(bytes.saturating_sub(1) / STEP).min(STEPS - 1)]
}

fn take(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if held > MOST.load(Ordering::Relaxed) {
        MOST.store(held, Ordering::Relaxed); // One thread does nearly everything: what races is small.
    }
    step_of(bytes).fetch_add(1, Ordering::Relaxed);
}

fn give_back(bytes: usize) {
    HELD.fetch_sub(bytes, Ordering::Relaxed);
    step_of(bytes).fetch_sub(1, Ordering::Relaxed);
}

#[allow(unsafe_code, reason = "the trait is unsafe; every call goes to mimalloc as it came")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        give_back(layout.size());
        take(size);
        unsafe { MiMalloc.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        give_back(layout.size());
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

/// Bytes that are held.
pub(crate) fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// From here on [`peak`] counts.
pub(crate) fn begin_peak() {
    MOST.store(held(), Ordering::Relaxed);
}

/// The most bytes that were held at a time.
pub(crate) fn peak() -> usize {
    MOST.load(Ordering::Relaxed)
}

/// How many pieces of each size are held: the size in bytes, rounded up, and their number.
pub(crate) fn pieces() -> impl Iterator<Item = (usize, usize)> {
    PIECES.iter().enumerate().map(|(step, number)| ((step + 1) * STEP, number.load(Ordering::Relaxed)))
}
