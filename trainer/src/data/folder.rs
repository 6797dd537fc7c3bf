//! Recordings of any folder, for what they are not: examples of a class.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::scan::{self, Found};
use super::{Broken, DataError, decode};

/// How deep folders may lie in each other.
const DEEPEST: usize = 8;

/// A recording and its name below the folder.
pub type Named = (String, Arc<[i16]>);

/// All recordings below a folder at `rate_hz`, in the order of their names, and those that are broken.
///
/// # Errors
/// A folder that cannot be read, or holds no recording.
pub fn recordings(dir: &Path, rate_hz: u32) -> Result<(Vec<Named>, Vec<Broken>), DataError> {
    let mut found = Vec::new();
    collect(dir, "", DEEPEST, &mut found)?;
    if found.is_empty() {
        let none = format!(
            "{}: no recordings found; it needs wav, flac, ogg or mp3 files, in folders or not",
            dir.display()
        );
        return Err(DataError::BadOption(none));
    }
    let (mut named, mut broken) = (Vec::new(), Vec::new());
    for (found, decoded) in found.iter().zip(decode::decode(&found, rate_hz, false, |_| ())?) {
        match decoded {
            Ok(decoded) => named.push((found.name.clone(), decoded.samples)),
            Err(reason) => broken.push(reason),
        }
    }
    Ok((named, broken))
}

fn collect(
    dir: &Path,
    prefix: &str,
    deeper: usize,
    found: &mut Vec<Found>,
) -> Result<(), DataError> {
    let folders: Vec<(String, PathBuf)> = scan::visible(dir)?;
    for (name, path) in folders {
        let name = format!("{prefix}{name}");
        if path.is_dir() && deeper > 0 {
            collect(&path, &format!("{name}/"), deeper - 1, found)?;
        } else if !path.is_dir() && scan::is_recording(&path) {
            found.push(Found { name, path });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{RATE_HZ, tone};

    #[test]
    fn recordings_are_found_at_any_depth() {
        let dir = tempfile::tempdir().unwrap();
        let none = recordings(dir.path(), RATE_HZ).unwrap_err().to_string();
        assert!(none.contains("no recordings found"), "{none}");
        for name in ["b.wav", "audio/deep/a.wav", ".hidden/c.wav"] {
            tone(dir.path(), name, 0.5);
        }
        std::fs::write(dir.path().join("text.wav"), "text").unwrap();
        let (named, broken) = recordings(dir.path(), RATE_HZ).unwrap();
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["audio/deep/a.wav", "b.wav"]);
        assert_eq!((broken.len(), broken[0].name.as_str()), (1, "text.wav"));
        assert!(recordings(&dir.path().join("none"), RATE_HZ).is_err());
    }
}
