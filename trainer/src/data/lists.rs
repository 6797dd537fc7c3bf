//! A split that a data set brings along as two lists of names.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::{DataError, Part};

pub(crate) const VALIDATION: &str = "validation_list.txt";
pub(crate) const TESTING: &str = "testing_list.txt";

/// Whether `dir` has a list at all.
pub(crate) fn any(dir: &Path) -> bool {
    [VALIDATION, TESTING].iter().any(|list| dir.join(list).exists())
}

/// The names in `validation_list.txt` and `testing_list.txt`, one `folder/file` a line.
#[derive(Debug)]
pub(crate) struct Lists {
    validation: BTreeSet<String>,
    test: BTreeSet<String>,
}

impl Lists {
    /// Reads both lists of `dir`; no name may be in both.
    pub(crate) fn read(dir: &Path) -> Result<Self, DataError> {
        let lists = Self {
            validation: read_list(&dir.join(VALIDATION))?,
            test: read_list(&dir.join(TESTING))?,
        };
        match lists.validation.intersection(&lists.test).next() {
            Some(name) => Err(DataError::ListedTwice { name: name.clone() }),
            None => Ok(lists),
        }
    }

    pub(crate) fn part(&self, name: &str) -> Part {
        if self.validation.contains(name) {
            Part::Validation
        } else if self.test.contains(name) {
            Part::Test
        } else {
            Part::Training
        }
    }

    /// The listed names that are not among those `found`, sorted.
    pub(crate) fn missing(&self, found: &BTreeSet<&str>) -> Vec<String> {
        let listed: BTreeSet<&String> = self.validation.union(&self.test).collect();
        listed.into_iter().filter(|name| !found.contains(name.as_str())).cloned().collect()
    }
}

fn read_list(path: &Path) -> Result<BTreeSet<String>, DataError> {
    let text = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => DataError::MissingList { path: path.to_path_buf() },
        _ => DataError::unreadable(path, &error),
    })?;
    let text = String::from_utf8_lossy(&text);
    let name = |line: &str| line.trim().trim_start_matches("./").replace('\\', "/");
    Ok(text.lines().map(name).filter(|name| !name.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whatever_system_wrote_them() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!any(dir.path()));
        fs::write(dir.path().join(VALIDATION), "yes/a.wav\r\n./no/b.wav\n\n").unwrap();
        fs::write(dir.path().join(TESTING), "yes\\c.wav\r\nyes/d.wav").unwrap();
        assert!(any(dir.path()));
        let lists = Lists::read(dir.path()).unwrap();
        let parts = ["yes/a.wav", "no/b.wav", "yes/c.wav", "yes/e.wav"].map(|n| lists.part(n));
        assert_eq!(parts, [Part::Validation, Part::Validation, Part::Test, Part::Training]);
        let found = ["yes/a.wav", "yes/c.wav", "yes/e.wav"].into();
        assert_eq!(lists.missing(&found), ["no/b.wav", "yes/d.wav"]);
    }

    #[test]
    fn a_clip_in_both_lists_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for list in [VALIDATION, TESTING] {
            fs::write(dir.path().join(list), "yes/a.wav\n").unwrap();
        }
        let error = Lists::read(dir.path()).unwrap_err();
        assert!(matches!(error, DataError::ListedTwice { name } if name == "yes/a.wav"));
    }
}
