//! Step 1: which recordings a folder holds, and the class and speaker of each.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::labels::BACKGROUND_FOLDER;
use super::{DataError, esc50};

const EXTENSIONS: [&str; 4] = ["wav", "flac", "ogg", "mp3"];
/// Marks that end the speaker's part of a file name.
const SPEAKER_MARKS: [&str; 2] = ["_nohash_", "_NO_"];
/// What is advised where the folder of a data set is none.
const DATA_SET: &str = "give the folder that holds one folder of recordings a class, or make one with `trainer data fetch` or `trainer data synth`";
/// The same of any other folder.
const RECORDINGS: &str = "give a folder that holds recordings";

/// A recording that was found, not yet decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// `folder/file`, as lists name it.
    pub name: String,
    pub path: PathBuf,
}

/// One folder of recordings, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    pub name: String,
    pub files: Vec<Found>,
}

/// What a data set's folder holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Folders with recordings, sorted by name; the background's is not among them.
    pub folders: Vec<Folder>,
    /// Names of visible folders without recordings.
    pub empty: Vec<String>,
    pub background: Vec<Found>,
    /// Fold of each recording, where the data set is divided into folds.
    pub folds: BTreeMap<String, u8>,
}

/// Looks one level deep into `dir`. What starts with a dot is left alone.
pub(crate) fn scan(dir: &Path) -> Result<Scan, DataError> {
    if esc50::is_layout(dir) {
        return esc50::scan(dir);
    }
    let mut result = Scan::default();
    let mut direct = 0;
    for (name, path) in visible(dir, DATA_SET)? {
        if !path.is_dir() {
            direct += usize::from(is_recording(&path));
            continue;
        }
        let files = recordings(&name, &path)?;
        if name == BACKGROUND_FOLDER {
            result.background = files;
        } else if files.is_empty() {
            result.empty.push(name);
        } else {
            result.folders.push(Folder { name, files });
        }
    }
    let path = dir.to_path_buf();
    match (result.folders.is_empty(), direct) {
        (false, _) => Ok(result),
        (true, 0) => Err(DataError::NoAudio { path }),
        (true, count) => Err(DataError::NoClassFolders { path, count }),
    }
}

/// Recordings at any depth below `dir`, sorted by name; the names begin with that of `dir`.
pub(crate) fn tree(dir: &Path) -> Result<Vec<Found>, DataError> {
    fn descend(name: &str, dir: &Path, found: &mut Vec<Found>) -> Result<(), DataError> {
        for (entry, path) in visible(dir, RECORDINGS)? {
            let name = format!("{name}/{entry}");
            // A link to a folder could lead back here.
            if path.is_dir() && !path.is_symlink() {
                descend(&name, &path, found)?;
            } else if is_recording(&path) && path.is_file() {
                found.push(Found { name, path });
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    descend(&name, dir, &mut found)?;
    match found.is_empty() {
        true => Err(DataError::NoRecordings { path: dir.to_path_buf() }),
        false => Ok(found),
    }
}

/// Recordings directly in a folder, named `folder/file`.
pub(crate) fn recordings(folder: &str, path: &Path) -> Result<Vec<Found>, DataError> {
    let entries = visible(path, RECORDINGS)?.into_iter().filter(|(_, path)| is_recording(path));
    Ok(entries
        .map(|(file, path)| Found { name: format!("{folder}/{file}"), path })
        .filter(|found| !found.path.is_dir())
        .collect())
}

/// Names and paths of what `dir` holds and does not hide, sorted by name; `advice` is what to do where it is no folder.
fn visible(dir: &Path, advice: &'static str) -> Result<Vec<(String, PathBuf)>, DataError> {
    let failed = |error: io::Error| {
        let path = dir.to_path_buf();
        match error.kind() {
            io::ErrorKind::NotFound => DataError::NoSuchFolder { path, advice },
            io::ErrorKind::NotADirectory => DataError::NotAFolder { path, advice },
            _ => DataError::unreadable(dir, &error),
        }
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}

fn is_recording(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The speaker of `folder/file`, if the file's name tells: the part before `_nohash_` or `_NO_`.
pub(crate) fn speaker(name: &str) -> Option<&str> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let end = SPEAKER_MARKS.iter().filter_map(|mark| file.find(mark)).min()?;
    Some(&file[..end]).filter(|speaker| !speaker.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(dir: &Path, name: &str) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn recordings_are_found_by_extension_one_level_deep() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "yes/b.wav",
            "yes/A.FLAC",
            "yes/.hidden.wav",
            "yes/notes.txt",
            "yes/deeper/c.wav",
            "no/d.Ogg",
            "no/e.mp3",
            ".git/f.wav",
            "docs/readme.md",
            "_background_noise_/hum.wav",
            "validation_list.txt",
        ] {
            touch(dir.path(), name);
        }
        let scan = scan(dir.path()).unwrap();
        let names: Vec<_> =
            scan.folders.iter().flat_map(|folder| &folder.files).map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["no/d.Ogg", "no/e.mp3", "yes/A.FLAC", "yes/b.wav"]);
        assert_eq!(scan.empty, ["docs"]);
        assert_eq!(scan.background.len(), 1);
    }

    #[test]
    fn trees_are_searched_at_any_depth() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(tree(dir.path()), Err(DataError::NoRecordings { .. })));
        for name in ["n/b.wav", "n/a/x/c.ogg", "n/a/notes.txt", "n/.a/d.wav"] {
            touch(dir.path(), name);
        }
        let found = tree(&dir.path().join("n")).unwrap();
        assert_eq!(
            found.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
            ["n/a/x/c.ogg", "n/b.wav"]
        );
        let missing = tree(&dir.path().join("m")).unwrap_err().to_string();
        assert!(missing.ends_with("m: no such folder; give a folder that holds recordings"));
    }

    #[test]
    fn folders_without_classes_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(scan(dir.path()), Err(DataError::NoAudio { .. })));
        touch(dir.path(), "a.wav");
        assert!(matches!(scan(dir.path()), Err(DataError::NoClassFolders { count: 1, .. })));
        assert!(matches!(scan(&dir.path().join("a.wav")), Err(DataError::NotAFolder { .. })));
        let missing = scan(&dir.path().join("b")).unwrap_err().to_string();
        assert!(missing.contains("b: no such folder; ") && missing.contains("trainer data fetch"));
    }

    #[test]
    fn speakers_are_read_from_file_names() {
        assert_eq!(speaker("yes/0a7c_nohash_3.wav"), Some("0a7c"));
        assert_eq!(speaker("yes/00000001_NO_02.flac"), Some("00000001"));
        assert_eq!(speaker("yes/_nohash_2.wav"), None);
        assert_eq!(speaker("a_nohash_b/take 3.wav"), None);
    }
}
