//! The peak of the stack, by painting what is free of it.
#![allow(unsafe_code)]

use core::ptr;

use crate::layout;

const PAINT: u32 = 0xa5a5_5a5a;
/// Painted at most: networks with gates are computed by functions that call themselves.
const DEPTH_BYTES: usize = 64 << 10;
/// Left alone below the stack pointer, for the painter itself.
const MARGIN_BYTES: usize = 256;

/// Memory below the stack that was painted.
pub(crate) struct Paint {
    floor: usize,
    top: usize,
}

impl Paint {
    /// Paints what is free below the stack pointer, up to 64 KiB.
    #[inline(never)]
    pub(crate) fn fresh() -> Self {
        let (end, _) = layout::stack();
        let top = cortex_m::register::msp::read() as usize - MARGIN_BYTES;
        let floor = end.max(top.saturating_sub(DEPTH_BYTES));
        for address in (floor..top).step_by(size_of::<u32>()) {
            // SAFETY: an aligned word between the stack's end and the stack pointer, with a margin: no
            // frame is there.
            unsafe { ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(PAINT) };
        }
        Self { floor, top }
    }

    /// Bytes from the stack's start to the deepest word that lost its paint: the peak
    /// since it was painted, the frames above included.
    pub(crate) fn peak(&self) -> usize {
        let used = |address: &usize| {
            // SAFETY: an aligned word of the stack's memory, as in `fresh`.
            unsafe { ptr::with_exposed_provenance::<u32>(*address).read_volatile() != PAINT }
        };
        let mut words = (self.floor..self.top).step_by(size_of::<u32>());
        let deepest = words.find(used).unwrap_or(self.top);
        let (_, start) = layout::stack();
        start - deepest
    }
}
