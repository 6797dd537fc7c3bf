//! Step 3: recordings into samples, in parallel and in a fixed order.

use std::sync::Arc;

use audio::AudioError;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::DataError;
use super::scan::Found;

/// Recordings decoded between two reports of progress.
const BATCH: usize = 128;
/// Shorter recordings, in fractions of a second, say nothing.
const SHORTEST: u32 = 10;
/// What an i16 sample is divided by to be in [-1, 1].
pub const I16_SCALE: f32 = 32768.0;

/// A recording that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// `folder/file`.
    pub name: String,
    /// What is wrong with it, in one line.
    pub reason: String,
}

/// The kind of audio a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceFormat {
    /// Sample rate of the file.
    pub rate_hz: u32,
    /// Channels of the file.
    pub channels: usize,
}

/// A decoded recording.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// The whole recording, mono, at the data set's rate.
    pub samples: Arc<[i16]>,
    pub format: SourceFormat,
    /// SHA-256 of the samples.
    pub digest: [u8; 32],
}

/// Decodes recordings, one result each in their order.
///
/// `progress` is told how many are done. With `strict` the first broken one is an error.
pub(crate) fn decode(
    found: &[Found],
    rate_hz: u32,
    strict: bool,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Result<Decoded, Broken>>, DataError> {
    let mut results = Vec::with_capacity(found.len());
    for batch in found.chunks(BATCH) {
        let decoded: Vec<_> = batch.par_iter().map(|found| decode_one(found, rate_hz)).collect();
        let mut broken = decoded.iter().filter_map(|result| result.as_ref().err());
        if let (true, Some(Broken { name, reason })) = (strict, broken.next()) {
            return Err(DataError::Broken { name: name.clone(), reason: reason.clone() });
        }
        results.extend(decoded);
        progress(results.len());
    }
    Ok(results)
}

fn decode_one(found: &Found, rate_hz: u32) -> Result<Decoded, Broken> {
    let broken = |reason| Broken { name: found.name.clone(), reason };
    let recording = audio::read(&found.path, rate_hz).map_err(|error| match error {
        // Nobody has named it but the data set's table.
        AudioError::NotFound { .. } => broken("no such file".to_owned()),
        other => {
            let text = other.to_string();
            let path = format!("{}: ", found.path.display());
            broken(text.strip_prefix(&path).map(str::to_owned).unwrap_or(text))
        }
    })?;
    let samples: Arc<[i16]> = recording.samples.iter().map(|&sample| to_i16(sample)).collect();
    if samples.len() < (rate_hz / SHORTEST) as usize {
        let seconds = samples.len() as f64 / f64::from(rate_hz);
        return Err(broken(format!("lasts {seconds:.3} s, less than 0.1 s")));
    }
    let mut digest = Sha256::new();
    let mut bytes = Vec::with_capacity(2 * samples.len());
    samples.iter().for_each(|sample| bytes.extend_from_slice(&sample.to_le_bytes()));
    digest.update(&bytes);
    let format =
        SourceFormat { rate_hz: recording.source_rate_hz, channels: recording.source_channels };
    Ok(Decoded { samples, format, digest: digest.finalize().into() })
}

/// A sample in [-1, 1] as 16 bits; louder ones are limited.
pub(crate) fn to_i16(sample: f32) -> i16 {
    // The conversion saturates.
    (sample * I16_SCALE).round() as i16
}

/// 16-bit samples in [-1, 1].
pub(crate) fn to_f32(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|&sample| f32::from(sample) / I16_SCALE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_is_kept_and_broken_recordings_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        let mut found = Vec::new();
        for n in 0..300usize {
            let name = format!("a/{n:03}.wav");
            let path = dir.path().join(format!("{n}.wav"));
            let length = if n == 150 { 700 } else { 1600 + n };
            audio::write_wav_i16(&path, &vec![0.25; length], 16_000).unwrap();
            found.push(Found { name, path });
        }
        std::fs::write(&found[7].path, "text").unwrap();
        std::fs::remove_file(&found[9].path).unwrap();
        let mut reports = Vec::new();
        let decoded = decode(&found, 16_000, false, |done| reports.push(done)).unwrap();
        assert_eq!(reports, [128, 256, 300]);
        assert_eq!(decoded[299].as_ref().unwrap().samples.len(), 1899);
        assert_eq!(decoded[299].as_ref().unwrap().samples[0], 8192);
        let short = decoded[150].as_ref().unwrap_err();
        assert_eq!(short.reason, "lasts 0.044 s, less than 0.1 s");
        let text = decoded[7].as_ref().unwrap_err();
        assert!(text.reason.starts_with("not an audio file"), "{}", text.reason);
        assert_eq!(decoded[9].as_ref().unwrap_err().reason, "no such file");
        let error = decode(&found, 16_000, true, |_| ()).unwrap_err();
        assert!(matches!(error, DataError::Broken { name, .. } if name == "a/007.wav"));
    }

    proptest! {
        #[test]
        fn samples_survive_the_round_trip(sample: i16) {
            prop_assert_eq!(to_i16(to_f32(&[sample])[0]), sample);
        }
    }
}
