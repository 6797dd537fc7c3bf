//! What the functions answer.

use core::ffi::CStr;

use models::q8::FormatError;

/// What a function answers. `auricle_status_text` has a sentence for each.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuricleStatus {
    /// It worked.
    Ok = 0,
    /// A pointer is null or misaligned, or a length is impossible.
    Argument = 1,
    /// The listener was not made by `auricle_init`, or its memory was overwritten or moved.
    Listener = 2,
    /// The memory does not begin at a multiple of `AURICLE_ALIGNMENT`.
    Misaligned = 3,
    /// The memory is shorter than `auricle_memory_bytes`.
    Memory = 4,
    /// The memory overlaps the model.
    Overlap = 5,
    /// The model needs more memory than this machine can address.
    TooLarge = 6,
    /// The hop is longer than 2147483647 samples.
    Hop = 7,
    /// There is no such class.
    Class = 8,
    /// What was asked for does not fit where it should go.
    Buffer = 9,
    /// No window has ended since the start or the last reset.
    NoWindow = 10,
    /// The bytes are no int8 model (.q8).
    NotModel = 20,
    /// The model has a format version that this library does not read.
    Version = 21,
    /// The model is cut short.
    Truncated = 22,
    /// The model is damaged: its checksum does not match.
    Checksum = 23,
    /// The model's description cannot be read.
    Malformed = 24,
    /// The model's network cannot be built, or takes a library with the feature `gates`.
    Network = 25,
    /// The model's weights or scales do not fit its network.
    Weights = 26,
    /// The model's labels do not fit its classes.
    Labels = 27,
    /// The model's decision settings do not fit its classes.
    Decision = 28,
}

impl From<FormatError> for AuricleStatus {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::NotQ8 => Self::NotModel,
            FormatError::Version(_) => Self::Version,
            FormatError::Truncated { .. } => Self::Truncated,
            FormatError::Checksum => Self::Checksum,
            FormatError::Malformed => Self::Malformed,
            FormatError::Arch(_) | FormatError::Gates => Self::Network,
            FormatError::DataLength { .. } | FormatError::LayerCount | FormatError::Layer(_) => {
                Self::Weights
            }
            FormatError::Labels => Self::Labels,
            FormatError::Decision => Self::Decision,
        }
    }
}

/// The sentence for a status, or for a number that is none.
pub(crate) const fn text(status: i32) -> &'static CStr {
    match status {
        0 => c"no error",
        1 => c"a pointer is null or misaligned, or a length is impossible",
        2 => c"this is no listener, or its memory was overwritten or moved",
        3 => c"the memory does not begin at a multiple of 8 bytes",
        4 => c"the memory is shorter than the model needs",
        5 => c"the memory overlaps the model",
        6 => c"the model needs more memory than this machine can address",
        7 => c"the hop is too long",
        8 => c"there is no such class",
        9 => c"the buffer is too short",
        10 => c"no window has ended yet",
        20 => c"this is no int8 model (.q8); `trainer export` writes one",
        21 => c"the model has another format version; export it again",
        22 => c"the model is cut short",
        23 => c"the model is damaged: its checksum does not match",
        24 => c"the model's description cannot be read",
        25 => c"the model's network cannot be built, or takes a library with the feature `gates`",
        26 => c"the model's weights or scales do not fit its network",
        27 => c"the model's labels do not fit its classes",
        28 => c"the model's decision settings do not fit its classes",
        _ => c"an unknown status",
    }
}
