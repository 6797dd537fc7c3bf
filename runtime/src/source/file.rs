//! Recordings and pipes.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use audio::{AudioError, BlockSource, Decoder, RawDecoder, RawFormat};

use super::{Source, SourceError};

/// The name of standard input in messages.
const STANDARD_INPUT: &str = "standard input";

/// A file or standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file or named pipe.
    Path(PathBuf),
    /// Standard input, written `-`.
    Standard,
}

impl Input {
    /// Whether whoever opens or reads it may have to wait for somebody else, as with a pipe.
    #[must_use]
    pub fn waits(&self) -> bool {
        match self {
            Self::Path(path) => std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()),
            Self::Standard => true,
        }
    }
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Self {
        if path == Path::new("-") { Self::Standard } else { Self::Path(path) }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Standard => f.write_str(STANDARD_INPUT),
        }
    }
}

/// A recording, decoded block by block as it is read.
pub struct FileSource {
    decoder: Box<dyn BlockSource + Send>,
    name: String,
    delivered: bool,
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource").field("rate_hz", &self.rate_hz()).finish_non_exhaustive()
    }
}

impl FileSource {
    /// Opens a recording in any container that is recognised, or, where `raw` is given, one of
    /// headerless samples.
    ///
    /// # Errors
    /// [`SourceError::NotFound`], [`SourceError::Open`] and [`SourceError::Audio`]. A recording of no
    /// samples is found to be empty when its first block is asked for.
    pub fn open(input: &Input, raw: Option<RawFormat>) -> Result<Self, SourceError> {
        let decoder: Box<dyn BlockSource + Send> = match (input, raw) {
            (Input::Path(path), None) => {
                Box::new(Decoder::open(path).map_err(|error| match error {
                    AudioError::NotFound { path } => SourceError::NotFound { path },
                    other => other.into(),
                })?)
            }
            (Input::Standard, None) => {
                Box::new(Decoder::from_reader(Box::new(io::stdin()), STANDARD_INPUT)?)
            }
            (Input::Path(path), Some(format)) => {
                let file = File::open(path)
                    .map_err(|source| SourceError::Open { path: path.clone(), source })?;
                Box::new(RawDecoder::new(file, format)?.named(&path.to_string_lossy()))
            }
            (Input::Standard, Some(format)) => {
                Box::new(RawDecoder::new(io::stdin(), format)?.named(STANDARD_INPUT))
            }
        };
        Ok(Self { decoder, name: input.to_string(), delivered: false })
    }
}

impl Source for FileSource {
    fn rate_hz(&self) -> u32 {
        self.decoder.rate_hz()
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, SourceError> {
        match self.decoder.next_block()? {
            None if !self.delivered => {
                self.delivered = true;
                Err(AudioError::Empty { path: PathBuf::from(&self.name) }.into())
            }
            block => {
                self.delivered = true;
                Ok(block)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(source: &mut FileSource) -> (Vec<f32>, Option<SourceError>) {
        let mut samples = Vec::new();
        loop {
            match source.next_block() {
                Ok(Some(block)) => samples.extend_from_slice(block),
                Ok(None) => return (samples, None),
                Err(error) => return (samples, Some(error)),
            }
        }
    }

    #[test]
    fn a_dash_is_standard_input() {
        assert_eq!(Input::from(PathBuf::from("-")), Input::Standard);
        assert_eq!(Input::from(PathBuf::from("./-")).to_string(), "./-");
    }

    #[test]
    fn only_a_regular_file_is_there_at_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!Input::from(file.path().to_path_buf()).waits());
        assert!(Input::Standard.waits());
        #[cfg(unix)]
        assert!(Input::from(PathBuf::from("/dev/zero")).waits());
    }

    #[test]
    fn containers_and_raw_samples_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let wav = folder.path().join("x.wav");
        audio::write_wav_i16(&wav, &[0.5, -0.5, 0.25], 22_050).unwrap();
        let mut source = FileSource::open(&Input::Path(wav), None).unwrap();
        assert_eq!(source.rate_hz(), 22_050);
        assert_eq!(drain(&mut source).0, [0.5, -0.5, 0.25]);

        let raw = folder.path().join("x.raw");
        std::fs::write(&raw, [0, 0x40, 0, 0xC0, 7]).unwrap();
        let format = "s16le:8000:1".parse().unwrap();
        let mut source = FileSource::open(&Input::Path(raw), Some(format)).unwrap();
        let (samples, error) = drain(&mut source);
        assert_eq!((samples.as_slice(), source.rate_hz()), ([0.5, -0.5].as_slice(), 8000));
        let truncated = |error| matches!(error, SourceError::Audio(AudioError::Truncated { .. }));
        assert!(error.is_some_and(truncated));
    }

    #[test]
    fn missing_files_are_named() {
        for raw in [None, Some("u8:8000:1".parse().unwrap())] {
            let input = Input::Path(PathBuf::from("no/such.wav"));
            let error = FileSource::open(&input, raw).unwrap_err().to_string();
            assert!(error.starts_with("no/such.wav: "), "{error}");
        }
    }
}
