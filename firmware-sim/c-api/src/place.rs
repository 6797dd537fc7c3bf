//! A listener and everything that it needs, one after the other in the caller's memory.
//!
//! ```text
//! ┌ Placed ──────────┬ Model ┬ engine's words ┬ detector's ┬ posteriors ┐
//! │ tag, Listener  ──┼──►    ┼──►             ┼──►         ┼──►         │
//! ```
//!
//! The listener borrows from its neighbours, never from itself: a reference to [`Placed`] covers no
//! byte of what its references point to, so each of them stays the only one to its part. Nothing
//! here owns anything that would have to be dropped.

use core::alloc::{Layout, LayoutError};
use core::ptr::NonNull;
use core::slice;

use models::q8::Model;
use models::stream::Q15;

use crate::AuricleListener;
use crate::listener::{Listener, Memory};
use crate::status::AuricleStatus;

/// The memory of a listener begins at a multiple of so many bytes.
pub const AURICLE_ALIGNMENT: usize = 8;

/// The longest hop: what a signed number of 32 bits can count.
const MAX_HOP: u32 = i32::MAX as u32;
/// Mixed with a listener's address, its first word: memory that was moved or overwritten shows.
const TAG: usize = 0x4152_4C4Eusize;

/// What a listener's pointer points to. `repr(C)`: the tag comes first.
#[repr(C)]
struct Placed {
    tag: usize,
    listener: Listener<'static, 'static>,
}

const _: () = assert!(
    align_of::<Placed>() <= AURICLE_ALIGNMENT && align_of::<Model<'static>>() <= AURICLE_ALIGNMENT,
    "aligned memory is aligned for all parts"
);

/// Where the parts lie: offsets from the start of the memory.
pub(crate) struct Plan {
    hop: u32,
    words: usize,
    detector_len: usize,
    classes: usize,
    model_at: usize,
    words_at: usize,
    detector_at: usize,
    posteriors_at: usize,
    /// All of it.
    pub(crate) bytes: usize,
}

impl Plan {
    /// The parts for windows every `hop` samples; 0 is the model's own hop.
    pub(crate) fn new(model: &Model<'_>, hop: u32) -> Result<Self, AuricleStatus> {
        let hop = if hop == 0 { model.decision().hop } else { hop };
        if hop > MAX_HOP {
            return Err(AuricleStatus::Hop);
        }
        let words = firmware_sim::memory_words(model, hop).map_err(|_| AuricleStatus::Hop)?;
        Self::with(model, hop, words).map_err(|_| AuricleStatus::TooLarge)
    }

    fn with(model: &Model<'_>, hop: u32, words: usize) -> Result<Self, LayoutError> {
        let classes = usize::from(model.arch().classes);
        let detector_len = firmware_sim::memory_len(classes, model.decision().smoothing);
        let layout = Layout::new::<Placed>();
        let (layout, model_at) = layout.extend(Layout::new::<Model<'static>>())?;
        let (layout, words_at) = layout.extend(Layout::array::<u32>(words)?)?;
        let (layout, detector_at) = layout.extend(Layout::array::<Q15>(detector_len)?)?;
        let (layout, posteriors_at) = layout.extend(Layout::array::<Q15>(classes)?)?;
        let bytes = layout.align_to(AURICLE_ALIGNMENT)?.pad_to_align().size();
        Ok(Self {
            hop,
            words,
            detector_len,
            classes,
            model_at,
            words_at,
            detector_at,
            posteriors_at,
            bytes,
        })
    }
}

/// Puts a listener into the memory.
///
/// # Safety
/// The model's bytes stay as they are for as long as the listener is used. `memory` is aligned to
/// [`AURICLE_ALIGNMENT`] and has `memory_len` bytes that can be read and written, none of them the model's,
/// and nobody else touches them for as long as the listener is used.
pub(crate) unsafe fn place(
    model: Model<'static>,
    hop: u32,
    memory: NonNull<u8>,
    memory_len: usize,
) -> Result<NonNull<AuricleListener>, AuricleStatus> {
    let plan = Plan::new(&model, hop)?;
    if memory_len < plan.bytes {
        return Err(AuricleStatus::Memory);
    }
    // SAFETY: the memory has `plan.bytes` bytes, as was just checked.
    unsafe { memory.write_bytes(0, plan.bytes) };
    // SAFETY: the plan's parts lie within `plan.bytes`, do not overlap and are aligned, because
    // `Layout` laid them out and the memory is aligned as they assume. Their bytes are zero, which is a
    // value of u32 and u16. The caller promises that nobody else touches them.
    let (model, parts) = unsafe {
        let place = memory.add(plan.model_at).cast::<Model<'static>>();
        place.write(model);
        let engine = memory.add(plan.words_at).cast::<u32>().as_ptr();
        let detector = memory.add(plan.detector_at).cast::<Q15>().as_ptr();
        let posteriors = memory.add(plan.posteriors_at).cast::<Q15>().as_ptr();
        let parts = Memory {
            engine: slice::from_raw_parts_mut(engine, plan.words),
            detector: slice::from_raw_parts_mut(detector, plan.detector_len),
            posteriors: slice::from_raw_parts_mut(posteriors, plan.classes),
        };
        (place.as_ref(), parts)
    };
    let listener = Listener::new(model, plan.hop, parts)?;
    let place = memory.cast::<Placed>();
    // SAFETY: the first part of the memory, aligned and long enough like the others.
    unsafe { place.write(Placed { tag: tag(place.as_ptr()), listener }) };
    Ok(place.cast())
}

fn tag(place: *const Placed) -> usize {
    TAG ^ place.addr()
}

/// The listener behind a pointer, to read it.
///
/// # Safety
/// The pointer is null or points to memory that a listener's first word can be read from. If
/// [`place`] made a listener there, its promises are still kept, and nothing changes it for `'a`.
pub(crate) unsafe fn get<'a>(
    listener: *const AuricleListener,
) -> Result<&'a Listener<'static, 'static>, AuricleStatus> {
    let place = listener.cast::<Placed>();
    // SAFETY: the caller's promises.
    unsafe { check(place)? };
    // SAFETY: the tag is there, so `place` wrote the listener, and it has not been moved.
    Ok(unsafe { &(*place).listener })
}

/// The listener behind a pointer, to change it.
///
/// # Safety
/// As for [`get`], and nothing else uses the listener for `'a`.
pub(crate) unsafe fn get_mut<'a>(
    listener: *mut AuricleListener,
) -> Result<&'a mut Listener<'static, 'static>, AuricleStatus> {
    let place = listener.cast::<Placed>();
    // SAFETY: the caller's promises.
    unsafe { check(place)? };
    // SAFETY: the tag is there, so `place` wrote the listener, and it has not been moved.
    Ok(unsafe { &mut (*place).listener })
}

/// # Safety
/// As for [`get`].
unsafe fn check(place: *const Placed) -> Result<(), AuricleStatus> {
    if place.is_null() || !place.is_aligned() {
        return Err(AuricleStatus::Argument);
    }
    // SAFETY: the pointer is aligned, and the caller promises that the word can be read.
    let found = unsafe { (&raw const (*place).tag).read() };
    if found == tag(place) { Ok(()) } else { Err(AuricleStatus::Listener) }
}
