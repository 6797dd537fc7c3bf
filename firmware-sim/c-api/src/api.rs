//! The functions. Their comments are those of the header.

use core::ffi::c_char;
use core::ptr::NonNull;
use core::slice;

use models::q8::Model;

use crate::event::AuricleEvent;
use crate::place::{self, AURICLE_ALIGNMENT, Plan};
use crate::status::{self, AuricleStatus};

/// A model somewhere in a stream of samples. It lies in the memory given to `auricle_init`.
pub struct AuricleListener(());

/// What a listener expects and does.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuricleInfo {
    /// Samples a second of the audio that the model was trained on.
    pub sample_rate_hz: u32,
    /// Samples of a window.
    pub window: u32,
    /// Samples between the ends of two windows.
    pub hop: u32,
    /// Number of classes.
    pub classes: u32,
}

/// Bytes of memory that `auricle_init` needs for a model on this machine, with windows every `hop`
/// samples; a hop of 0 is the model's own. 0 if there can be no listener; `status`, unless it is null,
/// receives the reason or `AURICLE_STATUS_OK`.
///
/// A hop that is a multiple of many of the network's strides takes less work and other memory
/// than one that is not.
///
/// # Safety
/// `model` points to `model_len` readable bytes, `status` to a status or nowhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn auricle_memory_bytes(
    model: *const u8,
    model_len: usize,
    hop: u32,
    status: *mut AuricleStatus,
) -> usize {
    // SAFETY: the caller's promise; the model is not used beyond this call.
    let bytes = unsafe { parse(model, model_len) }
        .and_then(|model| Plan::new(&model, hop))
        .map(|plan| plan.bytes);
    let (bytes, answer) = match bytes {
        Ok(bytes) => (bytes, AuricleStatus::Ok),
        Err(answer) => (0, answer),
    };
    if !status.is_null() {
        // SAFETY: it is not null, and the caller promises that it can be written.
        unsafe { status.write_unaligned(answer) };
    }
    bytes
}

/// Makes a listener at the start of a stream, with windows every `hop` samples (0: the model's own
/// hop), and puts a pointer to it into `*listener`, or null if it fails.
///
/// Listener, parsed model and the memory of engine and detector all lie in `memory`. It begins at a
/// multiple of `AURICLE_ALIGNMENT` and has at least `auricle_memory_bytes` bytes, with any content.
/// There is nothing to free: memory that no function will be called for any more can be used again.
///
/// The model is read in place. It must stay where and as it is for as long as the listener is used,
/// and so must the memory, which nothing else may touch.
///
/// # Safety
/// `listener` points to a pointer, `model` to `model_len` readable bytes, `memory` to `memory_len`
/// readable and writable ones; and the above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn auricle_init(
    listener: *mut *mut AuricleListener,
    model: *const u8,
    model_len: usize,
    hop: u32,
    memory: *mut u8,
    memory_len: usize,
) -> AuricleStatus {
    if listener.is_null() || !listener.is_aligned() {
        return AuricleStatus::Argument;
    }
    // SAFETY: the caller's promises.
    let placed = unsafe { init(model, model_len, hop, memory, memory_len) };
    let (pointer, answer) = match placed {
        Ok(placed) => (placed.as_ptr(), AuricleStatus::Ok),
        Err(answer) => (core::ptr::null_mut(), answer),
    };
    // SAFETY: it is aligned and not null, and the caller promises that it can be written.
    unsafe { listener.write(pointer) };
    answer
}

/// # Safety
/// As for [`auricle_init`].
unsafe fn init(
    model: *const u8,
    model_len: usize,
    hop: u32,
    memory: *mut u8,
    memory_len: usize,
) -> Result<NonNull<AuricleListener>, AuricleStatus> {
    let memory = NonNull::new(memory).ok_or(AuricleStatus::Argument)?;
    let end = |start: usize, len: usize| start.checked_add(len).ok_or(AuricleStatus::Argument);
    let memory_end = end(memory.addr().get(), memory_len)?;
    let model_end = end(model.addr(), model_len)?;
    if !memory.addr().get().is_multiple_of(AURICLE_ALIGNMENT) {
        return Err(AuricleStatus::Misaligned);
    }
    if model.addr() < memory_end && memory.addr().get() < model_end {
        return Err(AuricleStatus::Overlap);
    }
    // SAFETY: the caller promises that the model stays for as long as the listener is used, and nothing
    // but the listener keeps it.
    let model = unsafe { parse(model, model_len)? };
    // SAFETY: the memory is aligned and apart from the model; the rest are the caller's promises.
    unsafe { place::place(model, hop, memory, memory_len) }
}

/// Takes samples, any number at a time: the cut of the stream makes no difference. Every window that
/// they complete is computed before the function returns, and its event, if there is one, waits
/// for `auricle_poll`.
///
/// # Safety
/// `listener` is null or from `auricle_init` and nobody else uses it now; `samples` points to `count`
/// readable samples, or `count` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn auricle_push(
    listener: *mut AuricleListener,
    samples: *const i16,
    count: usize,
) -> AuricleStatus {
    // SAFETY: the caller's promises.
    let parts = unsafe { (place::get_mut(listener), read(samples, count)) };
    match parts {
        (Ok(listener), Ok(samples)) => {
            listener.push(samples);
            AuricleStatus::Ok
        }
        (Err(answer), _) | (_, Err(answer)) => answer,
    }
}

/// Moves the oldest event that waits to `*event` and returns true; false if none does or an argument
/// is wrong. The newest `AURICLE_EVENTS` events are kept.
///
/// # Safety
/// `listener` is null or from `auricle_init` and nobody else uses it now; `event` is null or points to
/// an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn auricle_poll(
    listener: *mut AuricleListener,
    event: *mut AuricleEvent,
) -> bool {
    if event.is_null() || !event.is_aligned() {
        return false;
    }
    // SAFETY: the caller's promises.
    let Ok(listener) = (unsafe { place::get_mut(listener) }) else { return false };
    let Some(found) = listener.poll() else { return false };
    // SAFETY: it is aligned and not null, and the caller promises that it can be written.
    unsafe { event.write(found) };
    true
}

/// Forgets all samples and events: the state after `auricle_init`. Times are counted anew.
///
/// # Safety
/// `listener` is null or from `auricle_init` and nobody else uses it now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn auricle_reset(listener: *mut AuricleListener) -> AuricleStatus {
    // SAFETY: the caller's promises.
    match unsafe { place::get_mut(listener) } {
        Ok(listener) => {
            listener.reset();
            AuricleStatus::Ok
        }
        Err(answer) => answer,
    }
}

/// Writes the posteriors of the newest window to `out`, one a class, in units of 1/32768.
/// Those of a window that the gate of the model's settings finds quiet are 0.
/// `AURICLE_STATUS_BUFFER` if `count` is below the number of classes, `AURICLE_STATUS_NO_WINDOW` if
/// there was no window yet.
///
/// # Safety
/// `listener` is null or from `auricle_init` and nobody else changes it now; `out` points to `count`
/// writable numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn auricle_posteriors(
    listener: *const AuricleListener,
    out: *mut u16,
    count: usize,
) -> AuricleStatus {
    // SAFETY: the caller's promises.
    match unsafe { place::get(listener) }.and_then(|listener| listener.posteriors()) {
        // SAFETY: the caller's promise.
        Ok(posteriors) => unsafe { write(posteriors, out, count) },
        Err(answer) => answer,
    }
}

/// Writes the label of a class to `out`: UTF-8 with a zero behind it. If that does not fit in
/// `size` bytes, the answer is `AURICLE_STATUS_BUFFER` and the text is empty.
///
/// # Safety
/// `listener` is null or from `auricle_init` and nobody else changes it now; `out` points to `size`
/// writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn auricle_label(
    listener: *const AuricleListener,
    class_index: u16,
    out: *mut c_char,
    size: usize,
) -> AuricleStatus {
    // SAFETY: the caller's promises.
    let listener = match unsafe { place::get(listener) } {
        Ok(listener) => listener,
        Err(answer) => return answer,
    };
    let (label, answer) = match listener.model().labels().nth(class_index.into()) {
        Some(label) if label.len() < size => (label, AuricleStatus::Ok),
        Some(_) => ("", AuricleStatus::Buffer),
        None => ("", AuricleStatus::Class),
    };
    // SAFETY: the caller's promise; the text is shorter than `size`, if that is not 0.
    let written = unsafe {
        match write(label.as_bytes(), out.cast(), size) {
            AuricleStatus::Ok if size > 0 => write(&[0], out.cast::<u8>().add(label.len()), 1),
            written => written,
        }
    };
    if written == AuricleStatus::Ok { answer } else { written }
}

/// Writes what the listener expects and does to `*info`.
///
/// # Safety
/// `listener` is null or from `auricle_init` and nobody else changes it now; `info` is null or points
/// to an `AuricleInfo`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn auricle_info(
    listener: *const AuricleListener,
    info: *mut AuricleInfo,
) -> AuricleStatus {
    // SAFETY: the caller's promises.
    let listener = match unsafe { place::get(listener) } {
        Ok(listener) => listener,
        Err(answer) => return answer,
    };
    let arch = listener.model().arch();
    let found = AuricleInfo {
        sample_rate_hz: arch.sample_rate_hz,
        window: arch.window,
        hop: listener.hop(),
        classes: arch.classes.into(),
    };
    // SAFETY: the caller's promise.
    unsafe { write(&[found], info, 1) }
}

/// A sentence in English for a status. It never has to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn auricle_status_text(status: i32) -> *const c_char {
    status::text(status).as_ptr()
}

/// # Safety
/// The pointer is null or points to `len` bytes that can be read and do not change for `'a`.
unsafe fn parse<'a>(model: *const u8, len: usize) -> Result<Model<'a>, AuricleStatus> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { read(model, len)? };
    Ok(Model::parse(bytes)?)
}

/// # Safety
/// The pointer is null or misaligned or points to `count` elements that can be read and do not change
/// for `'a`, or `count` is 0.
unsafe fn read<'a, T>(start: *const T, count: usize) -> Result<&'a [T], AuricleStatus> {
    if count == 0 {
        return Ok(&[]);
    }
    if start.is_null() || !start.is_aligned() || count > isize::MAX as usize / size_of::<T>() {
        return Err(AuricleStatus::Argument);
    }
    // SAFETY: the pointer and the length are possible, and the rest are the caller's promises.
    Ok(unsafe { slice::from_raw_parts(start, count) })
}

/// Copies values to where there are `count` elements, if they fit.
///
/// # Safety
/// The pointer is null or misaligned or points to `count` elements that can be written and are not the
/// values.
unsafe fn write<T: Copy>(values: &[T], out: *mut T, count: usize) -> AuricleStatus {
    if out.is_null() || !out.is_aligned() {
        return AuricleStatus::Argument;
    }
    if count < values.len() {
        return AuricleStatus::Buffer;
    }
    // SAFETY: there is room for the values, which lie elsewhere.
    unsafe { out.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
    AuricleStatus::Ok
}
