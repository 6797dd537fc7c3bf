//! Headerless PCM, as recording tools write it into a pipe.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::block::mix_to_mono;
use crate::resample::{MAX_RATE_HZ, MIN_RATE_HZ};
use crate::{AudioError, BlockSource};

const BUFFER_BYTES: usize = 16 * 1024;
const MAX_CHANNELS: usize = 255;

/// How one sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawEncoding {
    /// Signed 16-bit integers, little-endian.
    S16Le,
    /// Signed 32-bit integers, little-endian.
    S32Le,
    /// 32-bit IEEE floats, little-endian.
    F32Le,
    /// Unsigned 8-bit integers; 128 is silence.
    U8,
}

impl RawEncoding {
    const ALL: [Self; 4] = [Self::S16Le, Self::S32Le, Self::F32Le, Self::U8];

    /// Bytes of one sample of one channel.
    pub fn sample_bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::S16Le => 2,
            Self::S32Le | Self::F32Le => 4,
        }
    }

    /// The name it is written by: `s16le`, `s32le`, `f32le` or `u8`.
    pub fn name(self) -> &'static str {
        match self {
            Self::S16Le => "s16le",
            Self::S32Le => "s32le",
            Self::F32Le => "f32le",
            Self::U8 => "u8",
        }
    }

    /// Replaces the content of `samples` by the samples stored in `bytes`.
    fn decode(self, bytes: &[u8], samples: &mut Vec<f32>) {
        samples.clear();
        match self {
            Self::U8 => samples.extend(bytes.iter().map(|&byte| f32::from(byte) / 128.0 - 1.0)),
            Self::S16Le => samples.extend(
                bytes.as_chunks().0.iter().map(|&s| f32::from(i16::from_le_bytes(s)) / 32_768.0),
            ),
            Self::S32Le => samples.extend(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&s| (f64::from(i32::from_le_bytes(s)) / 2_147_483_648.0) as f32),
            ),
            Self::F32Le => {
                samples.extend(bytes.as_chunks().0.iter().map(|&s| f32::from_le_bytes(s)));
            }
        }
    }
}

/// The layout of headerless PCM, written `ENCODING:RATE:CHANNELS`, for example `s16le:16000:1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFormat {
    /// How one sample is stored.
    pub encoding: RawEncoding,
    /// Sample rate, in Hz.
    pub rate_hz: u32,
    /// Interleaved channels, 1 to 255.
    pub channels: usize,
}

impl fmt::Display for RawFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.encoding.name(), self.rate_hz, self.channels)
    }
}

impl FromStr for RawFormat {
    type Err = AudioError;

    fn from_str(text: &str) -> Result<Self, AudioError> {
        parse_format(text)
            .map_err(|problem| AudioError::RawFormat { text: text.to_owned(), problem })
    }
}

fn parse_format(text: &str) -> Result<RawFormat, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let [encoding, rate, channels] = parts[..] else {
        return Err(format!("it has {} parts, not 3", parts.len()));
    };
    let encoding = RawEncoding::ALL
        .into_iter()
        .find(|known| known.name() == encoding)
        .ok_or_else(|| format!("unknown encoding '{encoding}' (s16le, s32le, f32le or u8)"))?;
    let rate_hz = rate
        .parse()
        .ok()
        .filter(|rate_hz| (MIN_RATE_HZ..=MAX_RATE_HZ).contains(rate_hz))
        .ok_or_else(|| format!("rate '{rate}' is not {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"))?;
    let channels = channels
        .parse()
        .ok()
        .filter(|count| (1..=MAX_CHANNELS).contains(count))
        .ok_or_else(|| format!("channel count '{channels}' is not 1 to {MAX_CHANNELS}"))?;
    Ok(RawFormat { encoding, rate_hz, channels })
}

/// Decodes headerless PCM block by block; a block is whatever one read of the source yields.
#[derive(Debug)]
pub struct RawDecoder<R> {
    reader: R,
    format: RawFormat,
    path: PathBuf,
    bytes: Vec<u8>,
    held_bytes: usize,
    interleaved: Vec<f32>,
    mono: Vec<f32>,
    frames_read: u64,
    finished: bool,
}

impl<R: Read> RawDecoder<R> {
    /// A decoder of `reader`, which messages call "raw audio".
    ///
    /// # Errors
    ///
    /// [`AudioError::RawFormat`] where `format` has no channels or more than 255, or
    /// [`AudioError::BadRate`] where its rate is out of range.
    pub fn new(reader: R, format: RawFormat) -> Result<Self, AudioError> {
        if !(1..=MAX_CHANNELS).contains(&format.channels) {
            let problem = format!("channel count is not 1 to {MAX_CHANNELS}");
            return Err(AudioError::RawFormat { text: format.to_string(), problem });
        }
        if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&format.rate_hz) {
            return Err(AudioError::BadRate { rate_hz: format.rate_hz });
        }
        Ok(Self {
            reader,
            format,
            path: PathBuf::from("raw audio"),
            bytes: vec![0; BUFFER_BYTES],
            held_bytes: 0,
            interleaved: Vec::new(),
            mono: Vec::new(),
            frames_read: 0,
            finished: false,
        })
    }

    /// The same decoder, called `name` in messages.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.path = Path::new(name).to_path_buf();
        self
    }

    /// The next mono block, or `None` at the end.
    ///
    /// # Errors
    ///
    /// [`AudioError::Truncated`] where the source ends inside a frame, [`AudioError::Unreadable`]
    /// where reading fails. All whole frames have been delivered by then; later calls return
    /// `None`.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>, AudioError> {
        if self.finished {
            return Ok(None);
        }
        let filled = self.fill_block();
        self.finished = !matches!(filled, Ok(true));
        Ok(filled?.then_some(self.mono.as_slice()))
    }

    /// Reads until there is at least one whole frame, and decodes what there is; false at the end.
    fn fill_block(&mut self) -> Result<bool, AudioError> {
        let frame_bytes = self.format.encoding.sample_bytes() * self.format.channels;
        while self.held_bytes < frame_bytes {
            match self.reader.read(&mut self.bytes[self.held_bytes..]) {
                Ok(0) if self.held_bytes == 0 => return Ok(false),
                Ok(0) => {
                    let path = self.path.clone();
                    return Err(AudioError::Truncated { path, frames_read: self.frames_read });
                }
                Ok(count) => self.held_bytes += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(AudioError::Unreadable { path: self.path.clone(), source });
                }
            }
        }
        let whole_bytes = self.held_bytes - self.held_bytes % frame_bytes;
        self.format.encoding.decode(&self.bytes[..whole_bytes], &mut self.interleaved);
        mix_to_mono(&self.interleaved, self.format.channels, &mut self.mono);
        self.bytes.copy_within(whole_bytes..self.held_bytes, 0);
        self.held_bytes -= whole_bytes;
        self.frames_read += self.mono.len() as u64;
        Ok(true)
    }
}

impl<R: Read> BlockSource for RawDecoder<R> {
    fn rate_hz(&self) -> u32 {
        self.format.rate_hz
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, AudioError> {
        RawDecoder::next_block(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{TinyReads, drain};
    use proptest::prelude::*;

    fn decode(format: &str, bytes: &[u8]) -> (Vec<f32>, Option<AudioError>) {
        let decoder = RawDecoder::new(bytes, format.parse().unwrap()).unwrap();
        drain(decoder.named("mic"))
    }

    #[test]
    fn formats_are_parsed_and_printed() {
        for text in ["s16le:16000:1", "s32le:48000:2", "f32le:44100:6", "u8:8000:255"] {
            assert_eq!(text.parse::<RawFormat>().unwrap().to_string(), text);
        }
        for (text, problem) in [
            ("s16le", "1 parts"),
            ("s16be:16000:1", "unknown encoding 's16be'"),
            ("s16le:fast:1", "rate 'fast'"),
            ("s16le:3999:1", "rate '3999'"),
            ("s16le:16000:0", "channel count '0'"),
            ("s16le:16000:-1", "channel count '-1'"),
            ("s16le:16000:1:2", "4 parts"),
        ] {
            let error = text.parse::<RawFormat>().unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains(text), "{error}");
        }
    }

    #[test]
    fn impossible_formats_are_refused() {
        let format = RawFormat { encoding: RawEncoding::U8, rate_hz: 8000, channels: 0 };
        assert!(RawDecoder::new(io::empty(), format).is_err());
        let format = RawFormat { encoding: RawEncoding::U8, rate_hz: 1, channels: 1 };
        assert!(RawDecoder::new(io::empty(), format).is_err());
    }

    #[test]
    fn each_encoding_has_its_scale() {
        assert_eq!(decode("u8:8000:1", &[0, 128, 192]).0, [-1.0, 0.0, 0.5]);
        assert_eq!(decode("s16le:8000:1", &[0, 0x80, 0, 0x40]).0, [-1.0, 0.5]);
        assert_eq!(decode("s32le:8000:1", &[0, 0, 0, 0x80, 0, 0, 0, 0x40]).0, [-1.0, 0.5]);
        let mut bytes = 1.5_f32.to_le_bytes().to_vec();
        bytes.extend(f32::NAN.to_le_bytes());
        assert_eq!(decode("f32le:8000:1", &bytes).0, [1.5, 0.0]);
        assert_eq!(decode("s16le:8000:2", &[0, 0x40, 0, 0, 0, 0, 0, 0x40]).0, [0.25, 0.25]);
    }

    #[test]
    fn an_end_inside_a_frame_is_reported_after_the_whole_frames() {
        let (samples, error) = decode("s16le:8000:2", &[0; 10]);
        assert_eq!(samples.len(), 2);
        assert!(matches!(error, Some(AudioError::Truncated { frames_read: 2, .. })));
        assert!(error.unwrap().to_string().starts_with("mic: "));
        let (samples, error) = decode("s16le:8000:1", &[]);
        assert!(samples.is_empty() && error.is_none());
    }

    proptest! {
        #[test]
        fn blocks_do_not_depend_on_reads(
            bytes in proptest::collection::vec(any::<u8>(), 0..4000),
            sizes in proptest::collection::vec(1_usize..50, 1..8),
        ) {
            let format: RawFormat = "s16le:8000:3".parse().unwrap();
            let tiny = TinyReads::new(bytes.clone(), sizes);
            let (pieces, _) = drain(RawDecoder::new(tiny, format).unwrap());
            let (whole, _) = drain(RawDecoder::new(bytes.as_slice(), format).unwrap());
            prop_assert_eq!(pieces, whole);
        }
    }
}
