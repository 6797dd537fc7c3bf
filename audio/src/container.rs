//! Recognises a container from its first bytes and prepares its bytes for the decoder.
//!
//! Headers are reduced to what decoding needs: tags, pictures and cue sheets are dropped, so that
//! no header, however large, takes memory. The bytes of audio are counted on their way, because
//! that count tells a whole recording from one that was cut short.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::header::{ByteStream, HeaderError, skip_bytes, take_bytes};
use crate::wav::{WavHeader, read_wav_header};

/// The containers this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// RIFF/RF64 WAVE.
    Wav {
        /// Bytes per frame (one sample of every channel).
        frame_bytes: u64,
        /// Bytes of audio promised, where the writer knew.
        data_bytes: Option<u64>,
    },
    /// Native FLAC.
    Flac,
    /// Ogg.
    Ogg,
    /// MPEG layer III.
    Mp3,
}

/// What has passed through an [`AudioBytes`], shared with the decoder that drew on it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    audio_bytes: AtomicU64,
    error: Mutex<Option<io::Error>>,
}

impl Tally {
    /// Bytes of audio read so far, headers not counted.
    pub(crate) fn audio_bytes(&self) -> u64 {
        self.audio_bytes.load(Ordering::Relaxed)
    }

    /// The error that stopped reading, if any. Decoders may hide it behind an end of input.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.error.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

/// The reduced header followed by the audio, as one stream of bytes.
pub(crate) struct AudioBytes {
    header: Cursor<Vec<u8>>,
    audio: io::Take<ByteStream>,
    tally: Arc<Tally>,
}

impl Read for AudioBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.header.read(buffer)?;
        if count > 0 {
            return Ok(count);
        }
        loop {
            match self.audio.read(buffer) {
                Ok(count) => {
                    self.tally.audio_bytes.fetch_add(count as u64, Ordering::Relaxed);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    let mut slot =
                        self.tally.error.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    *slot = Some(error);
                    return Err(kind.into());
                }
            }
        }
    }
}

/// Recognises the container of `reader` and returns it with the bytes to decode.
///
/// `None` stands for a stream of no bytes at all.
pub(crate) fn open_container(
    reader: ByteStream,
    file_bytes: Option<u64>,
) -> Result<Option<(Container, AudioBytes)>, HeaderError> {
    let mut reader = BufReader::new(reader);
    let mut start = Vec::new();
    reader.by_ref().take(12).read_to_end(&mut start)?;
    if start.is_empty() {
        return Ok(None);
    }
    let opened = if is_wave(&start) {
        let header = read_wav_header(&mut reader, file_bytes)?;
        let WavHeader { plain, frame_bytes, data_bytes } = header;
        let container = Container::Wav { frame_bytes, data_bytes };
        (container, audio_bytes(plain, Box::new(reader), data_bytes.unwrap_or(u64::MAX)))
    } else {
        let reader: ByteStream = Box::new(Cursor::new(start.clone()).chain(reader));
        open_stream(reader, &start)?
    };
    Ok(Some(opened))
}

fn is_wave(start: &[u8]) -> bool {
    start.len() == 12 && matches!(&start[..4], b"RIFF" | b"RF64") && &start[8..] == b"WAVE"
}

/// MPEG audio starts with eleven set bits; two more bits after the version say layer III.
fn is_mp3_frame(start: &[u8]) -> bool {
    start.len() >= 4 && start[0] == 0xff && start[1] & 0xe6 == 0xe2
}

/// Opens everything but WAV. `reader` still yields the bytes of `start`.
fn open_stream(
    mut reader: ByteStream,
    start: &[u8],
) -> Result<(Container, AudioBytes), HeaderError> {
    if start.starts_with(b"ID3") {
        let after_tag = skip_id3(&mut reader)?;
        let reader: ByteStream = Box::new(Cursor::new(after_tag).chain(reader));
        return if &after_tag == b"fLaC" {
            open_flac(reader)
        } else {
            Ok((Container::Mp3, audio_bytes(Vec::new(), reader, u64::MAX)))
        };
    }
    match start.get(..4) {
        Some(b"fLaC") => open_flac(reader),
        Some(b"OggS") => Ok((Container::Ogg, audio_bytes(Vec::new(), reader, u64::MAX))),
        Some(_) if is_mp3_frame(start) => {
            Ok((Container::Mp3, audio_bytes(Vec::new(), reader, u64::MAX)))
        }
        _ => Err(HeaderError::NotAudio),
    }
}

/// Skips an ID3v2 tag (id3.org, "ID3 tag version 2.4.0", section 3.1); returns what comes next.
fn skip_id3(reader: &mut impl Read) -> Result<[u8; 4], HeaderError> {
    let head: [u8; 10] = take_bytes(reader)?;
    let size = head[6..].iter().fold(0_u64, |size, &byte| size << 7 | u64::from(byte & 0x7f));
    let footer = if head[5] & 0x10 != 0 { 10 } else { 0 };
    skip_bytes(reader, size + footer)?;
    Ok(take_bytes(reader)?)
}

/// Reduces the metadata of a FLAC stream (RFC 9639, section 8) to its STREAMINFO block, so that
/// the bytes counted as audio are those of frames.
fn open_flac(mut reader: ByteStream) -> Result<(Container, AudioBytes), HeaderError> {
    const STREAMINFO_BYTES: u64 = 34;
    const LAST: u8 = 0x80;
    skip_bytes(&mut reader, 4)?;
    let mut header = b"fLaC".to_vec();
    loop {
        let head: [u8; 4] = take_bytes(&mut reader)?;
        let size = u64::from(u32::from_be_bytes([0, head[1], head[2], head[3]]));
        if header.len() == 4 {
            if head[0] & !LAST != 0 || size != STREAMINFO_BYTES {
                return Err(HeaderError::Corrupt("FLAC without a STREAMINFO block".into()));
            }
            header.extend([LAST, 0, 0, STREAMINFO_BYTES as u8]);
            header.extend(take_bytes::<{ STREAMINFO_BYTES as usize }>(&mut reader)?);
        } else {
            skip_bytes(&mut reader, size)?;
        }
        if head[0] & LAST != 0 {
            return Ok((Container::Flac, audio_bytes(header, reader, u64::MAX)));
        }
    }
}

fn audio_bytes(header: Vec<u8>, reader: ByteStream, limit: u64) -> AudioBytes {
    AudioBytes { header: Cursor::new(header), audio: reader.take(limit), tally: Arc::default() }
}

impl AudioBytes {
    /// The running count of this stream, to be kept by whoever decodes it.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container_of(bytes: &[u8]) -> Result<Option<Container>, HeaderError> {
        let reader = Box::new(Cursor::new(bytes.to_vec()));
        open_container(reader, None).map(|opened| opened.map(|(container, _)| container))
    }

    #[test]
    fn first_bytes_name_the_container() {
        assert_eq!(container_of(b"OggS\0\x02").unwrap(), Some(Container::Ogg));
        assert_eq!(container_of(b"\xff\xfb\x90\x64rest").unwrap(), Some(Container::Mp3));
        assert_eq!(container_of(b"").unwrap(), None);
        for other in [&b"hello, world"[..], b"RIFF", b"RIFF\0\0\0\0AVI LIST", b"\xff\xfeh\0i\0"] {
            assert!(matches!(container_of(other), Err(HeaderError::NotAudio)), "{other:?}");
        }
    }

    #[test]
    fn id3_tags_are_skipped() {
        let mut bytes = b"ID3\x04\0\0\0\0\x01\x02".to_vec();
        bytes.extend([0; 130]);
        bytes.extend(b"\xff\xfb\x90\x64");
        assert_eq!(container_of(&bytes).unwrap(), Some(Container::Mp3));
        bytes.truncate(60);
        assert!(matches!(container_of(&bytes), Err(HeaderError::Io(_))));
    }

    #[test]
    fn flac_metadata_is_reduced_to_streaminfo() {
        let mut bytes = b"fLaC\0\0\0\x22".to_vec();
        bytes.extend([7; 34]);
        bytes.extend(b"\x84\0\0\x05tagsX\xff\xf8audio");
        let (container, mut stream) =
            open_container(Box::new(Cursor::new(bytes)), None).unwrap().unwrap();
        let mut out = Vec::new();
        stream.read_to_end(&mut out).unwrap();
        assert_eq!(container, Container::Flac);
        assert_eq!(&out[..8], b"fLaC\x80\0\0\x22");
        assert_eq!(&out[42..], b"\xff\xf8audio");
        assert_eq!(stream.tally().audio_bytes(), 7);
    }
}
