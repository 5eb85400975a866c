//! The calling thread, with an allocator that counts.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    bench_scene::run(bench_peer::setup, Some(so_far));
}

/// Growing counts as an allocation: it takes as long.
fn so_far() -> (u64, u64) {
    let stats = ALLOCATOR.stats();
    (
        (stats.allocations + stats.reallocations) as u64,
        stats.bytes_allocated as u64,
    )
}
