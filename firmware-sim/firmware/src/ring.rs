//! Samples between the interrupt that brings them and the loop that takes them.
//!
//! The exception PendSV stands for the interrupt of a DMA channel: whenever it comes, half the ring has new
//! samples, here of the recording.

use core::sync::atomic::{AtomicI16, AtomicUsize, Ordering::Relaxed};

use cortex_m::peripheral::SCB;
use cortex_m_rt::exception;

use crate::constants::{self, DMA};

static RING: [AtomicI16; DMA] = [const { AtomicI16::new(0) }; DMA];
static WRITTEN: AtomicUsize = AtomicUsize::new(0);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

#[exception]
fn PendSV() {
    let start = WRITTEN.load(Relaxed);
    let new = constants::recording()[start..].iter().take(DMA / 2).copied();
    for (place, sample) in (start..).zip(new) {
        RING[place % DMA].store(sample, Relaxed);
        WRITTEN.store(place + 1, Relaxed);
    }
}

/// Takes the oldest samples, and tells how many; none at the recording's end.
pub(crate) fn take(samples: &mut [i16]) -> usize {
    let start = TAKEN.load(Relaxed);
    if start == WRITTEN.load(Relaxed) {
        SCB::set_pendsv();
        cortex_m::asm::isb();
    }
    let count = samples.len().min(WRITTEN.load(Relaxed) - start);
    for (place, sample) in (start..).zip(&mut samples[..count]) {
        *sample = RING[place % DMA].load(Relaxed);
    }
    TAKEN.store(start + count, Relaxed);
    count
}
