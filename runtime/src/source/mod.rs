//! Where samples come from.

mod channel;
mod faulty;
mod file;
#[cfg(feature = "microphone")]
mod microphone;
mod paced;
mod reconnecting;
mod ring;
mod threaded;

use std::io;
use std::path::PathBuf;

use audio::AudioError;

pub use channel::Channel;
pub use faulty::{Fault, FaultyDevice, FaultySource, Incident, SimulatedClock};
pub use file::{FileSource, Input};
#[cfg(feature = "microphone")]
pub use microphone::{InputDevice, Microphone, input_devices};
pub use paced::Paced;
pub use reconnecting::{Clock, Reconnecting, SystemClock};
pub use ring::{RingClosed, RingEnd, RingReader, RingWriter, ring};
pub use threaded::Threaded;

/// A stream of mono samples at a fixed rate.
pub trait Source {
    /// Sample rate of the blocks, in Hz.
    fn rate_hz(&self) -> u32;

    /// The next block of mono samples, or `None` at the end.
    ///
    /// A live source that has nothing to tell for a while returns an empty block, so that its
    /// user can look after other things.
    ///
    /// # Errors
    /// Whatever stops the stream before its end. All samples before the fault have been
    /// delivered by then.
    fn next_block(&mut self) -> Result<Option<&[f32]>, SourceError>;

    /// What has gone wrong so far, and how much waits to be read.
    fn health(&self) -> Health {
        Health::default()
    }

    /// Samples that have come and wait in memory: nobody has to wait for their blocks.
    fn arrived(&self) -> u64 {
        0
    }
}

/// How a live source fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Samples lost so far, each bridged by a zero in the blocks.
    pub lost_samples: u64,
    /// Times that samples were lost, because they were not read in time.
    pub overruns: u64,
    /// Times that the source went away and came back.
    pub reconnects: u64,
    /// Whether it is away now.
    pub absent: bool,
    /// Samples that wait to be read. None in a source that waits itself, such as a file.
    pub backlog: u64,
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn rate_hz(&self) -> u32 {
        (**self).rate_hz()
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, SourceError> {
        (**self).next_block()
    }

    fn health(&self) -> Health {
        (**self).health()
    }

    fn arrived(&self) -> u64 {
        (**self).arrived()
    }
}

/// Why a source cannot be opened or ends early. Each prints as one line.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A recording or pipe that cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// There is no such recording.
    #[error("{}: no such file; name a recording, or `-` for standard input", path.display())]
    NotFound {
        /// The file asked for.
        path: PathBuf,
    },
    /// A file of raw samples that cannot be opened.
    #[error("{}: cannot be opened: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is no microphone.
    #[error(
        "no microphone found ({reason}); plug one in, or classify a recording with `runtime stream`"
    )]
    NoMicrophone {
        /// What the sound system said.
        reason: String,
    },
    /// There is no microphone of that name.
    #[error("no microphone called '{name}'; {}", known(devices))]
    UnknownDevice {
        /// The name asked for.
        name: String,
        /// The names there are.
        devices: Vec<String>,
    },
    /// A microphone that does not let itself be used.
    #[error("microphone '{name}' cannot be used: {reason}")]
    Device {
        /// Its name.
        name: String,
        /// What the sound system said.
        reason: String,
    },
    /// A microphone that stopped in the middle.
    #[error("microphone '{name}' stopped: {reason}")]
    Stopped {
        /// Its name.
        name: String,
        /// What the sound system said.
        reason: String,
    },
}

fn known(devices: &[String]) -> String {
    match devices {
        [] => "this computer has none".to_owned(),
        _ => format!("there is: {}", devices.join(", ")),
    }
}
