//! The `symphonia` demuxers and codecs, and the guard around them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as CodecError;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, ReadOnlySource};
use symphonia::default::formats::{FlacReader, MpaReader, OggReader, WavReader};

use crate::container::{AudioBytes, Container};

/// Calls into a codec; a panic in there becomes an error.
///
/// Codecs assert what a hostile stream can violate (the Vorbis setup header is one such place).
/// What `call` borrowed may be in any state after an error and must be decoded with no more.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T, CodecError>) -> Result<T, CodecError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or(Err(CodecError::LimitError("the decoder gave up on invalid data")))
}

/// A codec made for a track, and what the track says of itself.
pub(crate) struct OpenCodec {
    pub(crate) codec: Box<dyn AudioDecoder>,
    pub(crate) track_id: u32,
    /// Sample rate, in Hz; never 0.
    pub(crate) rate_hz: u32,
    pub(crate) channels: usize,
    /// Length of the track in frames, where stated.
    pub(crate) frames: Option<u64>,
}

/// Makes the codec for the audio track that the demuxer holds to be the main one.
pub(crate) fn open_codec(demuxer: &dyn FormatReader) -> Result<OpenCodec, CodecError> {
    const NO_TRACK: CodecError = CodecError::Unsupported("no audio track of a known codec");
    let track = demuxer.default_track(TrackType::Audio).ok_or(NO_TRACK)?;
    let parameters = track.codec_params.as_ref().and_then(|all| all.audio()).ok_or(NO_TRACK)?;
    let codec = guarded(|| {
        let options = AudioDecoderOptions::default();
        symphonia::default::get_codecs().make_audio_decoder(parameters, &options)
    })?;
    let rate_hz = parameters.sample_rate.filter(|&rate_hz| rate_hz > 0);
    let channels = parameters.channels.as_ref().map(|channels| channels.count());
    Ok(OpenCodec {
        codec,
        track_id: track.id,
        rate_hz: rate_hz.ok_or(CodecError::Unsupported("no sample rate is stated"))?,
        channels: channels.unwrap_or(1).max(1),
        frames: track.num_frames,
    })
}

/// Starts demuxing; the stream is never sought, so that files and pipes behave alike.
pub(crate) fn open_demuxer(
    container: Container,
    bytes: AudioBytes,
) -> Result<Box<dyn FormatReader>, CodecError> {
    guarded(|| {
        let source = Box::new(ReadOnlySource::new(bytes));
        let stream = MediaSourceStream::new(source, Default::default());
        let options = FormatOptions::default();
        Ok(match container {
            Container::Wav { .. } => Box::new(WavReader::try_new(stream, options)?) as _,
            Container::Flac => Box::new(FlacReader::try_new(stream, options)?) as _,
            Container::Ogg => Box::new(OggReader::try_new(stream, options)?) as _,
            Container::Mp3 => Box::new(MpaReader::try_new(stream, options)?) as _,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let result = guarded::<()>(|| panic!("expected by this test"));
        assert!(matches!(result, Err(CodecError::LimitError(_))));
        assert_eq!(guarded(|| Ok(7)).unwrap(), 7);
    }
}
