//! Recordings of any folder, for what they are not: examples of a class.

use std::path::Path;
use std::sync::Arc;

use super::{Broken, DataError, decode, scan};

/// A recording and its name, which begins with that of the folder.
pub type Named = (String, Arc<[i16]>);

/// All recordings below a folder at `rate_hz`, in the order of their names, and those that are broken.
///
/// # Errors
/// A folder that cannot be read, or holds no recording.
pub fn recordings(dir: &Path, rate_hz: u32) -> Result<(Vec<Named>, Vec<Broken>), DataError> {
    let found = scan::tree(dir)?;
    let (mut named, mut broken) = (Vec::new(), Vec::new());
    for (found, decoded) in found.iter().zip(decode::decode(&found, rate_hz, false, |_| ())?) {
        match decoded {
            Ok(decoded) => named.push((found.name.clone(), decoded.samples)),
            Err(reason) => broken.push(reason),
        }
    }
    Ok((named, broken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{RATE_HZ, tone};

    #[test]
    fn recordings_are_decoded_and_broken_ones_told() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("x");
        for name in ["b.wav", "audio/deep/a.wav"] {
            tone(&dir, name, 0.5);
        }
        std::fs::write(dir.join("text.wav"), "text").unwrap();
        let (named, broken) = recordings(&dir, RATE_HZ).unwrap();
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x/audio/deep/a.wav", "x/b.wav"]);
        assert_eq!((broken.len(), broken[0].name.as_str()), (1, "x/text.wav"));
        assert!(recordings(&dir.join("none"), RATE_HZ).is_err());
    }
}
