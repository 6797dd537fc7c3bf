//! What the build script fixed.

include!(concat!(env!("OUT_DIR"), "/constants.rs"));

/// The model (`.q8`).
pub(crate) fn model() -> &'static [u8] {
    static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("AURICLE_MODEL")));
    &MODEL.0
}

/// The recording's samples.
pub(crate) fn recording() -> &'static [i16] {
    static RECORDING: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("AURICLE_RECORDING")));
    bytemuck::cast_slice(&RECORDING.0)
}

/// Bytes where words of any size can be read.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);
