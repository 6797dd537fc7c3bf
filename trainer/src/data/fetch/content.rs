//! The recordings of a data set, where no checksum of its archive can be compared.

use std::path::Path;

use super::{FetchError, Recordings};
use crate::data::decode::{Broken, Decoded, decode};
use crate::data::{DataError, esc50};

/// Seconds by which a recording may be longer or shorter than expected.
const TOLERANCE_S: f64 = 0.05;

/// Decodes every recording that the table of a folder in the layout of ESC-50 names; each must be as `expected`.
///
/// `url` is where the folder came from, for messages.
///
/// # Errors
/// [`FetchError::NotPublished`] with the first recording that is missing, broken or other than expected.
pub(super) fn check(folder: &Path, expected: Recordings, url: &str) -> Result<(), FetchError> {
    let wrong = |reason: String| FetchError::NotPublished { url: url.to_owned(), reason };
    let scan = esc50::scan(folder).map_err(|error| match error {
        DataError::BadTable { line, reason, .. } => {
            wrong(format!("line {line} of its table: {reason}"))
        }
        other => other.into(),
    })?;
    // Category by category: not all of them fit into memory.
    for category in &scan.folders {
        let decoded = decode(&category.files, expected.rate_hz, false, |_| ())?;
        for (found, decoded) in category.files.iter().zip(decoded) {
            if let Some(fault) = fault(decoded, expected) {
                let name = found.path.strip_prefix(folder).unwrap_or(&found.path);
                return Err(wrong(format!("{}: {fault}", name.display())));
            }
        }
    }
    Ok(())
}

/// What is wrong with a recording, decoded at the expected rate.
fn fault(decoded: Result<Decoded, Broken>, expected: Recordings) -> Option<String> {
    let Recordings { rate_hz, seconds } = expected;
    let Decoded { samples, format, .. } = match decoded {
        Ok(decoded) => decoded,
        Err(broken) => return Some(broken.reason),
    };
    if format.rate_hz != rate_hz {
        return Some(format!("has {} Hz instead of {rate_hz} Hz", format.rate_hz));
    }
    let found = samples.len() as f64 / f64::from(rate_hz);
    let differs = (found - f64::from(seconds)).abs() > TOLERANCE_S;
    differs.then(|| format!("lasts {found:.2} s instead of {seconds} s"))
}
