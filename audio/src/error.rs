//! The one error type of this crate: each variant prints as one line that names the recording.

use std::io;
use std::path::{Path, PathBuf};

use crate::resample::{MAX_RATE_HZ, MIN_RATE_HZ};

/// Why a recording could not be read or written.
///
/// `path` is the file's path, or the name that was given to a pipe.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// There is no such file.
    #[error("{}: no such file; name a recording", path.display())]
    NotFound {
        /// The file asked for.
        path: PathBuf,
    },
    /// A folder was given where a file is wanted.
    #[error("{}: is a folder, not a recording; name a file inside it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The operating system would not let the file or pipe be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file or pipe.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Unwritable {
        /// The file that was to be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The first bytes are those of no container this crate reads.
    #[error("{}: not an audio file (no WAV, FLAC, Ogg or MP3 header found); convert it to one of these", path.display())]
    NotAudio {
        /// The file or pipe.
        path: PathBuf,
    },
    /// Audio, but of a kind this crate does not decode.
    #[error("{}: unsupported audio: {what}; convert it to 16-bit WAV or FLAC", path.display())]
    Unsupported {
        /// The file or pipe.
        path: PathBuf,
        /// What is not supported.
        what: String,
    },
    /// The data contradicts its own format.
    #[error("{}: damaged after {frames_read} frames: {what}", path.display())]
    Corrupt {
        /// The file or pipe.
        path: PathBuf,
        /// Frames (samples of one channel) that were delivered before the damage.
        frames_read: u64,
        /// What is wrong.
        what: String,
    },
    /// The recording ends before the end its header promises, or in the middle of a frame.
    #[error(
        "{}: cut short: the data ends early, after {frames_read} whole frames", path.display()
    )]
    Truncated {
        /// The file or pipe.
        path: PathBuf,
        /// Frames (samples of one channel) that were delivered before the end.
        frames_read: u64,
    },
    /// A file of no bytes, or a recording of no samples.
    #[error("{}: holds no audio", path.display())]
    Empty {
        /// The file or pipe.
        path: PathBuf,
    },
    /// A sample rate that cannot be resampled from or to.
    #[error("sample rate {rate_hz} Hz is outside {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")]
    BadRate {
        /// The rate that was asked for or found.
        rate_hz: u32,
    },
    /// A description of raw audio that is not understood.
    #[error(
        "raw format '{text}': {problem}; write ENCODING:RATE:CHANNELS, for example s16le:16000:1"
    )]
    RawFormat {
        /// The description as given.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl AudioError {
    /// The error for a file that could not be opened, looked at or read.
    pub(crate) fn from_read(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::IsADirectory => Self::Folder { path },
            io::ErrorKind::UnexpectedEof => Self::Truncated { path, frames_read: 0 },
            _ => Self::Unreadable { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_and_name_the_path() {
        let path = PathBuf::from("a/b.wav");
        let errors = [
            AudioError::NotFound { path: path.clone() },
            AudioError::Folder { path: path.clone() },
            AudioError::NotAudio { path: path.clone() },
            AudioError::Truncated { path: path.clone(), frames_read: 7 },
            AudioError::Empty { path: path.clone() },
            AudioError::from_read(&path, io::ErrorKind::PermissionDenied.into()),
        ];
        for error in errors {
            let line = error.to_string();
            assert!(line.starts_with("a/b.wav: ") && !line.contains('\n'), "{line}");
        }
        let missing = AudioError::from_read(&path, io::ErrorKind::NotFound.into()).to_string();
        assert_eq!(missing, "a/b.wav: no such file; name a recording");
    }
}
