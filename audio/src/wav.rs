//! WAV headers: read by this crate, and rewritten into one plain form for the decoder.
//!
//! The decoding library trusts the lengths in a WAV header. It reports a missing tail as an end
//! of input that looks the same whether the header kept its promise or not, and it plays nothing
//! of a stream whose writer left the lengths at 0. So the header is read here, what it promises is
//! kept, and the decoder is shown a header of unknown length followed by exactly the promised
//! bytes. The rewritten `fmt ` chunk also sets aside extensions that decoding has no use for.
//!
//! Layout: Microsoft/IBM "Multimedia Programming Interface and Data Specifications 1.0" (RIFF),
//! `WAVEFORMATEXTENSIBLE`, and EBU Tech 3306 (RF64) for files beyond 4 GiB.

use std::io::Read;

use crate::header::{HeaderError, skip_bytes, take_bytes};

/// Sizes from here up are what streaming writers put where they cannot know the length:
/// `0x7fff_f000`, `0x7fff_ffff`, `0x8000_0000` and `0xffff_ffff` are all in use.
const SMALLEST_UNKNOWN_SIZE: u64 = 0x7fff_0000;
/// The largest `fmt ` chunk that is read; real ones are 16 to 40 bytes, ADPCM ones some more.
const MAX_FMT_BYTES: u32 = 4096;
const MAX_CHANNELS: u16 = 26;

const TAG_PCM: u16 = 1;
const TAG_FLOAT: u16 = 3;
const TAG_ALAW: u16 = 6;
const TAG_MULAW: u16 = 7;
const TAG_EXTENSIBLE: u16 = 0xfffe;
/// The last 14 bytes of a sub-format GUID whose first two are a plain format tag.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// What a WAV header says of the data that follows it.
#[derive(Debug)]
pub(crate) struct WavHeader {
    /// A header of unknown length that describes the same samples.
    pub(crate) plain: Vec<u8>,
    /// Bytes per frame (one sample of every channel).
    pub(crate) frame_bytes: u64,
    /// Bytes of sample data promised; `None` where the writer did not know.
    pub(crate) data_bytes: Option<u64>,
}

/// Reads the header after its first twelve bytes (`RIFF`, length, `WAVE`), up to the first byte
/// of sample data.
///
/// `file_bytes` is the length of the whole file where known: it tells a file that really holds
/// 2 GiB from a stream whose length says "unknown".
pub(crate) fn read_wav_header(
    reader: &mut impl Read,
    file_bytes: Option<u64>,
) -> Result<WavHeader, HeaderError> {
    let mut format = None;
    let mut long_data_bytes = None;
    let mut position = 12_u64;
    loop {
        let tag: [u8; 4] = take_bytes(reader)?;
        let size = u32::from_le_bytes(take_bytes(reader)?);
        position += 8;
        if &tag == b"data" {
            let (plain, frame_bytes) =
                format.ok_or_else(|| HeaderError::Corrupt("no fmt chunk before data".into()))?;
            let data_bytes = long_data_bytes
                .filter(|_| size == u32::MAX)
                .or_else(|| known_size(u64::from(size), file_bytes, position));
            return Ok(WavHeader { plain, frame_bytes, data_bytes });
        }
        let padded = u64::from(size) + u64::from(size % 2);
        let mut chunk = reader.take(padded);
        match &tag {
            b"fmt " => format = Some(read_format(&mut chunk, size)?),
            b"ds64" => {
                // Length of the file, then of the data chunk, 8 bytes each.
                take_bytes::<8>(&mut chunk)?;
                long_data_bytes = Some(u64::from_le_bytes(take_bytes(&mut chunk)?));
            }
            _ => {}
        }
        let rest = chunk.limit();
        skip_bytes(reader, rest)?;
        position += padded;
    }
}

/// The size of the data chunk, or `None` where the writer of the header could not know it.
fn known_size(size: u64, file_bytes: Option<u64>, position: u64) -> Option<u64> {
    let in_file = file_bytes.map_or(0, |total| total.saturating_sub(position));
    let unknown = size == 0 || (size >= SMALLEST_UNKNOWN_SIZE && in_file < size);
    (!unknown).then_some(size)
}

/// Reads a `fmt ` chunk; returns the plain header and the bytes per frame.
fn read_format(chunk: &mut impl Read, size: u32) -> Result<(Vec<u8>, u64), HeaderError> {
    if !(16..=MAX_FMT_BYTES).contains(&size) {
        return Err(HeaderError::Corrupt(format!("fmt chunk of {size} bytes")));
    }
    let fields: [u8; 16] = take_bytes(chunk)?;
    let field = |at: usize| u16::from_le_bytes([fields[at], fields[at + 1]]);
    let mut tag = field(0);
    if tag == TAG_EXTENSIBLE && size >= 40 {
        let extension: [u8; 24] = take_bytes(chunk)?;
        if extension[10..] == GUID_TAIL {
            tag = u16::from_le_bytes([extension[8], extension[9]]);
        }
    }
    let channels = field(2);
    let rate_hz = u32::from_le_bytes([fields[4], fields[5], fields[6], fields[7]]);
    let bits = field(14);
    let known = match tag {
        TAG_PCM => matches!(bits, 8 | 16 | 24 | 32),
        TAG_FLOAT => matches!(bits, 32 | 64),
        TAG_ALAW | TAG_MULAW => bits == 8,
        _ => false,
    };
    if !known {
        return Err(HeaderError::Unsupported(format!("WAV format {tag:#06x} of {bits} bits")));
    }
    if !(1..=MAX_CHANNELS).contains(&channels) {
        let what = format!("{channels} channels in WAV, 1 to {MAX_CHANNELS} can be read");
        return Err(HeaderError::Unsupported(what));
    }
    if rate_hz == 0 {
        return Err(HeaderError::Corrupt("sample rate 0 Hz".into()));
    }
    let frame_bytes = channels * (bits / 8);
    Ok((plain_header(tag, channels, rate_hz, bits, frame_bytes), u64::from(frame_bytes)))
}

/// A WAV header of unknown length, up to and including the head of its data chunk.
fn plain_header(tag: u16, channels: u16, rate_hz: u32, bits: u16, frame_bytes: u16) -> Vec<u8> {
    let has_extension = matches!(tag, TAG_ALAW | TAG_MULAW);
    let bytes_per_second = rate_hz.saturating_mul(u32::from(frame_bytes));
    let mut header = Vec::with_capacity(46);
    header.extend(b"RIFF\xff\xff\xff\xffWAVEfmt ");
    header.extend(if has_extension { 18_u32 } else { 16 }.to_le_bytes());
    header.extend(tag.to_le_bytes());
    header.extend(channels.to_le_bytes());
    header.extend(rate_hz.to_le_bytes());
    header.extend(bytes_per_second.to_le_bytes());
    header.extend(frame_bytes.to_le_bytes());
    header.extend(bits.to_le_bytes());
    if has_extension {
        header.extend([0, 0]);
    }
    header.extend(b"data\xff\xff\xff\xff");
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_streaming_writers_are_unknown() {
        for size in [0, 0x7fff_f000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            assert_eq!(known_size(size, None, 44), None, "{size:#x}");
            assert_eq!(known_size(size, Some(1044), 44), None, "{size:#x}");
        }
        assert_eq!(known_size(1000, None, 44), Some(1000));
        assert_eq!(known_size(0x8000_0000, Some(0x8000_002c), 44), Some(0x8000_0000));
    }

    #[test]
    fn long_files_take_their_size_from_ds64() {
        let mut bytes = b"ds64".to_vec();
        bytes.extend(28_u32.to_le_bytes());
        bytes.extend(6_000_000_036_u64.to_le_bytes());
        bytes.extend(6_000_000_000_u64.to_le_bytes());
        bytes.extend([0; 12]);
        bytes.extend(&plain_header(TAG_PCM, 2, 48_000, 24, 6)[12..]);
        let header = read_wav_header(&mut bytes.as_slice(), None).unwrap();
        assert_eq!(header.data_bytes, Some(6_000_000_000));
        assert_eq!(header.frame_bytes, 6);
    }

    #[test]
    fn impossible_formats_are_refused() {
        let refused = |tag, channels, rate_hz, bits| {
            let header = plain_header(tag, channels, rate_hz, bits, 2);
            read_wav_header(&mut &header[12..], None).unwrap_err()
        };
        assert!(matches!(refused(2, 1, 8000, 4), HeaderError::Unsupported(_)));
        assert!(matches!(refused(TAG_PCM, 0, 8000, 16), HeaderError::Unsupported(_)));
        assert!(matches!(refused(TAG_PCM, 27, 8000, 16), HeaderError::Unsupported(_)));
        assert!(matches!(refused(TAG_PCM, 1, 0, 16), HeaderError::Corrupt(_)));
        assert!(matches!(refused(TAG_PCM, 1, 8000, 12), HeaderError::Unsupported(_)));
    }
}
