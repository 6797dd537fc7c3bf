//! Writing recordings.

use std::io::{self, BufWriter};
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::AudioError;
use crate::block::finite_or_zero;

/// The most samples whose length in bytes a WAV header of 32-bit sizes can state.
const MAX_SAMPLES: usize = (u32::MAX as usize - 64) / 2;

/// Writes mono samples as a 16-bit WAV file.
///
/// A sample `s` is stored as `round(32768 * s)`, limited to 16 bits, so that what was read from a
/// 16-bit file is written back unchanged. Samples that are not finite become 0. The file appears
/// under its name only once it is complete.
///
/// # Errors
///
/// [`AudioError::Unwritable`] where the folder or file cannot be written, or for more than 4 GiB.
pub fn write_wav_i16(path: &Path, samples: &[f32], rate_hz: u32) -> Result<(), AudioError> {
    write_atomically(path, samples, rate_hz)
        .map_err(|source| AudioError::Unwritable { path: path.to_path_buf(), source })
}

fn write_atomically(path: &Path, samples: &[f32], rate_hz: u32) -> io::Result<()> {
    if samples.len() > MAX_SAMPLES {
        return Err(io::Error::other("more than 4 GiB do not fit into a WAV file"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = new_file_in(folder)?;
    let spec = WavSpec {
        channels: 1,
        sample_rate: rate_hz,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer =
        WavWriter::new(BufWriter::new(file.as_file_mut()), spec).map_err(into_io_error)?;
    for &sample in samples {
        writer.write_sample(to_i16(sample)).map_err(into_io_error)?;
    }
    writer.finalize().map_err(into_io_error)?;
    file.persist(path)?;
    Ok(())
}

/// A temporary file with the permissions of any other new file.
fn new_file_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".wav.part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// A sample as 16 bits: one of a 16-bit recording comes back unchanged, louder ones are limited, and what is no
/// number is 0.
#[must_use]
pub fn to_i16(sample: f32) -> i16 {
    // A float is limited to the range of the integer it is cast to.
    (finite_or_zero(sample) * 32_768.0).round() as i16
}

fn into_io_error(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_mono;

    #[test]
    fn sixteen_bit_samples_come_back_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.wav");
        let samples: Vec<f32> =
            (i16::MIN..=i16::MAX).map(|value| f32::from(value) / 32_768.0).collect();
        write_wav_i16(&path, &samples, 16_000).unwrap();
        assert_eq!(read_mono(&path, 16_000).unwrap(), samples);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn loud_and_undefined_samples_are_limited() {
        assert_eq!(to_i16(1.0), i16::MAX);
        assert_eq!(to_i16(-7.0), i16::MIN);
        assert_eq!(to_i16(f32::NAN), 0);
        assert_eq!(to_i16(f32::INFINITY), 0);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/out.wav");
        let error = write_wav_i16(&path, &[0.0], 16_000).unwrap_err();
        assert!(error.to_string().contains("none/out.wav: cannot be written"));
    }
}
