//! The decision core: rolling windows before the network, smoothing and detection after it.
//!
//! One implementation serves the trainer's evaluation, the runtime and the firmware. It works on
//! integers only: time is a count of samples since the last reset ([`u64`]), posteriors are
//! [`Q15`] in [`u16`]. So the same samples give the same events for any chunking of the input and
//! on every engine that computes the same posteriors.
//!
//! ```text
//! samples ─► RollingWindows ─► engine ─► posteriors (Q15) ─► Detector ─► events of classes
//!        │                                               └─► TagDetector ─► stretches of tags
//!        └─► Gate ─► which windows no engine needs to look at: posteriors of 0
//! ```

mod decider;
mod detect;
mod gate;
mod q15;
mod segments;
mod smooth;
mod tags;
mod window;

pub use decider::Decider;
pub use detect::{ClassSettings, Detector, Event, Settings, SettingsError};
pub use gate::{FULL_SCALE, Gate};
pub use q15::{NEVER, ONE, Q15, from_f32, to_f32};
pub use segments::segment_starts;
pub use tags::{Change, TagDetector};
pub use window::RollingWindows;

/// Default hop in samples: 3^7, about 137 ms at 16 kHz, a multiple of the cumulative strides of
/// the speech networks' first six blocks.
pub const DEFAULT_HOP: u32 = 2187;
