//! Whole recordings at once.

use std::path::Path;

use crate::{AudioError, BlockSource, Decoder, Resampled};

/// A whole recording, decoded, averaged to mono and resampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Mono samples, nominally in [-1, 1].
    pub samples: Vec<f32>,
    /// Rate of `samples`, in Hz.
    pub rate_hz: u32,
    /// Rate of the file, in Hz.
    pub source_rate_hz: u32,
    /// Channels of the file.
    pub source_channels: usize,
}

/// Reads the whole recording at `path`, resampled to `rate_hz`.
///
/// # Errors
///
/// As [`Decoder::open`] and [`Decoder::next_block`]; [`AudioError::BadRate`] where the file's rate
/// or `rate_hz` cannot be resampled; [`AudioError::Empty`] for a recording of no samples.
pub fn read(path: &Path, rate_hz: u32) -> Result<Recording, AudioError> {
    let decoder = Decoder::open(path)?;
    let source_rate_hz = decoder.rate_hz();
    let source_channels = decoder.channels();
    let mut source = Resampled::new(decoder, rate_hz)?;
    let mut samples = Vec::new();
    while let Some(block) = source.next_block()? {
        samples.extend_from_slice(block);
    }
    if samples.is_empty() {
        return Err(AudioError::Empty { path: path.to_path_buf() });
    }
    Ok(Recording { samples, rate_hz, source_rate_hz, source_channels })
}

/// Reads the samples of the whole recording at `path`, resampled to `rate_hz`.
///
/// # Errors
///
/// As [`read`].
pub fn read_mono(path: &Path, rate_hz: u32) -> Result<Vec<f32>, AudioError> {
    read(path, rate_hz).map(|recording| recording.samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{rms, sine};
    use crate::write_wav_i16;

    #[test]
    fn a_recording_is_read_at_the_wanted_rate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tone.wav");
        let tone = sine(440.0, 44_100, 0.5);
        write_wav_i16(&path, &tone, 44_100).unwrap();
        let recording = read(&path, 16_000).unwrap();
        assert_eq!(recording.samples.len(), 8000);
        assert_eq!((recording.rate_hz, recording.source_rate_hz), (16_000, 44_100));
        assert_eq!(recording.source_channels, 1);
        assert!((rms(&recording.samples) - rms(&tone)).abs() < 1e-3);
        assert_eq!(read_mono(&path, 16_000).unwrap(), recording.samples);
    }

    #[test]
    fn what_is_no_recording_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        assert!(matches!(read(&path, 16_000), Err(AudioError::NotFound { .. })));
        assert!(matches!(read(folder.path(), 16_000), Err(AudioError::Folder { .. })));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(read(&path, 16_000), Err(AudioError::Empty { .. })));
        std::fs::write(&path, "this is a text file, whatever its name").unwrap();
        let message = read(&path, 16_000).unwrap_err().to_string();
        let expected = "x.wav: not an audio file (no WAV, FLAC, Ogg or MP3 header found); convert it to one of these";
        assert!(message.ends_with(expected), "{message}");
        write_wav_i16(&path, &[], 16_000).unwrap();
        assert!(matches!(read(&path, 16_000), Err(AudioError::Empty { .. })));
        write_wav_i16(&path, &[0.5; 100], 2_000).unwrap();
        assert!(matches!(read(&path, 16_000), Err(AudioError::BadRate { rate_hz: 2_000 })));
    }
}
