//! Incremental decoding of WAV, FLAC, Ogg Vorbis and MP3 to mono blocks.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error as CodecError;
use symphonia::core::formats::FormatReader;
use symphonia::core::packet::Packet;

use crate::block::mix_to_mono;
use crate::codec::{OpenCodec, guarded, open_codec, open_demuxer};
use crate::container::{Container, Tally, open_container};
use crate::header::{ByteStream, HeaderError};
use crate::{AudioError, BlockSource};

/// Decodes a recording block by block, in memory that does not grow with its length.
///
/// Files and pipes are treated alike: nothing is ever sought. See [`BlockSource::next_block`] for
/// how faults are reported. Two limits of the formats remain: an MP3 without a Xing or VBRI
/// header does not say how long it is, so it cannot be found to be cut short; and damaged MP3
/// frames become silence of the same length, since players join MP3 streams in their middle.
pub struct Decoder {
    path: PathBuf,
    container: Container,
    demuxer: Box<dyn FormatReader>,
    codec: Box<dyn AudioDecoder>,
    track_id: u32,
    tally: Arc<Tally>,
    rate_hz: u32,
    channels: usize,
    frames_hint: Option<u64>,
    first_timestamp: Option<i64>,
    packet_bytes: u64,
    frames_read: u64,
    frames_decoded: u64,
    finished: bool,
    interleaved: Vec<f32>,
    mono: Vec<f32>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("path", &self.path)
            .field("container", &self.container)
            .field("rate_hz", &self.rate_hz)
            .field("channels", &self.channels)
            .field("frames_read", &self.frames_read)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// Opens the recording at `path` and reads its header.
    ///
    /// # Errors
    ///
    /// [`AudioError::NotFound`], [`AudioError::Folder`], [`AudioError::Unreadable`] where the
    /// file cannot be opened; otherwise as [`Decoder::from_reader`].
    pub fn open(path: &Path) -> Result<Self, AudioError> {
        let file = File::open(path).map_err(|error| AudioError::from_read(path, error))?;
        let metadata = file.metadata().map_err(|error| AudioError::from_read(path, error))?;
        if metadata.is_dir() {
            return Err(AudioError::Folder { path: path.to_path_buf() });
        }
        let file_bytes = metadata.is_file().then_some(metadata.len());
        Self::new(Box::new(file), path, file_bytes)
    }

    /// Reads the header of a recording that comes through a pipe. `name` stands for its path in
    /// messages.
    ///
    /// # Errors
    ///
    /// [`AudioError::Empty`] for a pipe of no bytes, [`AudioError::NotAudio`] where no known
    /// header comes first, [`AudioError::Truncated`] or [`AudioError::Corrupt`] for a broken
    /// header, [`AudioError::Unsupported`] for audio that cannot be decoded, and
    /// [`AudioError::Unreadable`] where reading fails.
    pub fn from_reader(
        reader: Box<dyn Read + Send + Sync>,
        name: &str,
    ) -> Result<Self, AudioError> {
        Self::new(reader, Path::new(name), None)
    }

    fn new(reader: ByteStream, path: &Path, file_bytes: Option<u64>) -> Result<Self, AudioError> {
        let path = path.to_path_buf();
        let (container, bytes) = match open_container(reader, file_bytes) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Err(AudioError::Empty { path }),
            Err(error) => return Err(header_fault(path, error)),
        };
        let tally = bytes.tally();
        let demuxer = match open_demuxer(container, bytes) {
            Ok(demuxer) => demuxer,
            Err(error) => return Err(open_fault(path, container, &tally, error)),
        };
        let OpenCodec { codec, track_id, rate_hz, channels, frames } =
            match open_codec(demuxer.as_ref()) {
                Ok(opened) => opened,
                Err(error) => return Err(open_fault(path, container, &tally, error)),
            };
        let frames_hint = match container {
            Container::Wav { frame_bytes, data_bytes } => {
                data_bytes.map(|bytes| bytes / frame_bytes.max(1))
            }
            _ => frames,
        };
        Ok(Self {
            path,
            container,
            demuxer,
            codec,
            track_id,
            tally,
            rate_hz,
            channels,
            frames_hint,
            first_timestamp: None,
            packet_bytes: 0,
            frames_read: 0,
            frames_decoded: 0,
            finished: false,
            interleaved: Vec::new(),
            mono: Vec::new(),
        })
    }

    /// Sample rate of the recording, in Hz.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Channels of the recording, before they are averaged.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Length of the recording in frames as its header states it. Ogg and live streams state
    /// none, and a damaged header may state anything.
    pub fn frames_hint(&self) -> Option<u64> {
        self.frames_hint
    }

    /// The next mono block, or `None` at the end.
    ///
    /// # Errors
    ///
    /// [`AudioError::Truncated`] where the data ends early, [`AudioError::Corrupt`] where it is
    /// damaged, [`AudioError::Unreadable`] where reading fails. All whole frames before the fault
    /// have been delivered; later calls return `None`.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>, AudioError> {
        if self.finished {
            return Ok(None);
        }
        match self.fill_block() {
            Ok(true) => Ok(Some(&self.mono)),
            Ok(false) => {
                self.finished = true;
                Ok(None)
            }
            Err(error) => {
                self.finished = true;
                Err(error)
            }
        }
    }

    /// Decodes packets until there are samples in `self.mono`; false at the end.
    fn fill_block(&mut self) -> Result<bool, AudioError> {
        loop {
            match guarded(|| self.demuxer.next_packet()) {
                Ok(Some(packet)) if packet.track_id == self.track_id => self.decode(&packet)?,
                Ok(Some(_)) => continue,
                Ok(None) => return self.check_end(false).map(|()| false),
                Err(CodecError::ResetRequired) => {
                    self.start_next_stream()?;
                    continue;
                }
                Err(CodecError::IoError(error)) => {
                    // Reading only fails here at the end of the data: what the operating system
                    // reports is kept in the tally.
                    let early = error.kind() == io::ErrorKind::UnexpectedEof;
                    return self.check_end(early).map(|()| false);
                }
                Err(error) => return Err(self.corrupt(error.to_string())),
            }
            // Tags may go on arriving for as long as a live stream lasts.
            while self.demuxer.metadata().pop().is_some() {}
            if !self.mono.is_empty() {
                self.frames_read += self.mono.len() as u64;
                return Ok(true);
            }
        }
    }

    /// Decodes one packet into `self.mono`.
    fn decode(&mut self, packet: &Packet) -> Result<(), AudioError> {
        self.packet_bytes += packet.data.len() as u64;
        if self.container == Container::Flac {
            let timestamp = packet.pts.get();
            let first = *self.first_timestamp.get_or_insert(timestamp);
            if timestamp.checked_sub(first) != i64::try_from(self.frames_read).ok() {
                return Err(self.corrupt("a FLAC frame is missing or damaged".into()));
            }
        }
        let decoded = guarded(|| {
            let buffer = self.codec.decode(packet)?;
            buffer.copy_to_vec_interleaved(&mut self.interleaved);
            Ok(buffer.num_planes())
        });
        let channels = match decoded {
            Ok(channels) => channels,
            Err(CodecError::DecodeError(_) | CodecError::IoError(_))
                if self.container == Container::Mp3 =>
            {
                const LONGEST_MP3_FRAME: u64 = 1152;
                self.mono.clear();
                self.mono.resize(packet.dur.get().min(LONGEST_MP3_FRAME) as usize, 0.0);
                return Ok(());
            }
            Err(error) => return Err(self.corrupt(error.to_string())),
        };
        mix_to_mono(&self.interleaved, channels, &mut self.mono);
        self.frames_decoded += self.mono.len() as u64;
        Ok(())
    }

    /// Tells an end that was to be expected from one that came early.
    fn check_end(&self, early: bool) -> Result<(), AudioError> {
        if let Some(source) = self.tally.take_error() {
            return Err(AudioError::Unreadable { path: self.path.clone(), source });
        }
        let audio_bytes = self.tally.audio_bytes();
        let cut = match self.container {
            Container::Wav { data_bytes: Some(promised), .. } => audio_bytes < promised,
            Container::Wav { frame_bytes, .. } => !audio_bytes.is_multiple_of(frame_bytes.max(1)),
            Container::Ogg => early,
            Container::Mp3 => self.is_shorter_than_stated(),
            // A stream that does not state its length must consist of whole frames.
            Container::Flac if self.states_no_length() => audio_bytes > self.packet_bytes,
            Container::Flac => early || self.is_shorter_than_stated(),
        };
        if cut {
            let path = self.path.clone();
            return Err(AudioError::Truncated { path, frames_read: self.frames_read });
        }
        if self.frames_read > 0 && self.frames_decoded == 0 {
            return Err(self.corrupt("no frame of it can be decoded".into()));
        }
        Ok(())
    }

    fn states_no_length(&self) -> bool {
        self.frames_hint.unwrap_or(0) == 0
    }

    fn is_shorter_than_stated(&self) -> bool {
        self.frames_hint.is_some_and(|stated| self.frames_read < stated)
    }

    /// Goes on with the next of several Ogg streams laid end to end (RFC 3533, section 4).
    fn start_next_stream(&mut self) -> Result<(), AudioError> {
        let next = open_codec(self.demuxer.as_ref())
            .map_err(|error| self.corrupt(format!("the next Ogg stream in it: {error}")))?;
        if next.rate_hz != self.rate_hz {
            let what = format!(
                "the sample rate changes from {} to {} Hz within it",
                self.rate_hz, next.rate_hz
            );
            return Err(AudioError::Unsupported { path: self.path.clone(), what });
        }
        self.codec = next.codec;
        self.track_id = next.track_id;
        Ok(())
    }

    fn corrupt(&self, what: String) -> AudioError {
        AudioError::Corrupt { path: self.path.clone(), frames_read: self.frames_read, what }
    }
}

impl BlockSource for Decoder {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, AudioError> {
        Decoder::next_block(self)
    }
}

fn header_fault(path: PathBuf, error: HeaderError) -> AudioError {
    match error {
        HeaderError::Io(error) => AudioError::from_read(&path, error),
        HeaderError::NotAudio => AudioError::NotAudio { path },
        HeaderError::Corrupt(what) => AudioError::Corrupt { path, frames_read: 0, what },
        HeaderError::Unsupported(what) => AudioError::Unsupported { path, what },
    }
}

fn open_fault(path: PathBuf, container: Container, tally: &Tally, error: CodecError) -> AudioError {
    if let Some(source) = tally.take_error() {
        return AudioError::Unreadable { path, source };
    }
    match error {
        CodecError::IoError(_) if container == Container::Mp3 => AudioError::NotAudio { path },
        CodecError::IoError(_) if tally.audio_bytes() == 0 => AudioError::Empty { path },
        CodecError::IoError(_) => AudioError::Truncated { path, frames_read: 0 },
        CodecError::Unsupported(what) => AudioError::Unsupported { path, what: what.into() },
        other => AudioError::Corrupt { path, frames_read: 0, what: other.to_string() },
    }
}
