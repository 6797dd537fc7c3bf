//! Step 2: which folders are classes, and in which order.

use std::path::Path;

use models::meta::{SILENCE, UNKNOWN};

use super::DataError;
use super::scan::Folder;

/// Folder of the background recordings.
pub const BACKGROUND_FOLDER: &str = "_background_noise_";
/// How similar (0 to 1) a folder's name must be to be suggested.
const SIMILAR: f64 = 0.5;

/// The classes of a data set, and the class of each of its folders.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Classes {
    /// Words, then `_unknown_`, then `_silence_`, the last two where present.
    pub labels: Vec<String>,
    /// One class a folder, in the folders' order.
    pub of_folder: Vec<usize>,
}

/// Decides on the classes.
///
/// Without `words` every folder is one. With `words` these are, in the order given, and all other
/// folders together are [`UNKNOWN`]. Folders called [`UNKNOWN`] or [`SILENCE`] are these classes in
/// any case. `silence` adds that class.
pub(crate) fn classes(
    dir: &Path,
    folders: &[Folder],
    empty: &[String],
    words: Option<&[String]>,
    silence: bool,
) -> Result<Classes, DataError> {
    let mut labels = match words {
        Some(words) => chosen(dir, folders, empty, words)?,
        None => folders.iter().map(|f| f.name.clone()).filter(|name| !is_reserved(name)).collect(),
    };
    let known = |name: &str| labels.iter().any(|label| label == name);
    let has_silence = silence || folders.iter().any(|folder| folder.name == SILENCE);
    let has_unknown = folders.iter().any(|f| f.name != SILENCE && !known(&f.name));
    labels.extend(has_unknown.then(|| UNKNOWN.to_owned()));
    labels.extend(has_silence.then(|| SILENCE.to_owned()));
    if let [only] = labels.as_slice() {
        return Err(DataError::OneClass { path: dir.to_path_buf(), only: only.clone() });
    }
    let position = |name: &str| labels.iter().position(|label| label == name);
    let of_folder = folders
        .iter()
        .filter_map(|folder| position(&folder.name).or_else(|| position(UNKNOWN)))
        .collect();
    Ok(Classes { labels, of_folder })
}

fn is_reserved(name: &str) -> bool {
    name == UNKNOWN || name == SILENCE
}

/// The folders that `words` name, in that order.
fn chosen(
    dir: &Path,
    folders: &[Folder],
    empty: &[String],
    words: &[String],
) -> Result<Vec<String>, DataError> {
    if words.is_empty() {
        return Err(DataError::BadOption("no words given; name at least one".to_owned()));
    }
    let mut chosen: Vec<String> = Vec::new();
    for word in words {
        if is_reserved(word) {
            return Err(DataError::BadOption(format!(
                "`{word}` is not a word to ask for: that class is added by itself"
            )));
        }
        let folder = find(dir, folders, empty, word)?;
        if chosen.contains(&folder) {
            return Err(DataError::BadOption(format!("the word `{word}` is given twice")));
        }
        chosen.push(folder);
    }
    Ok(chosen)
}

/// The folder of a word: the same name, or with `_` where the word has spaces.
fn find(dir: &Path, folders: &[Folder], empty: &[String], word: &str) -> Result<String, DataError> {
    let names = [word.to_owned(), word.replace(' ', "_")];
    if let Some(folder) = folders.iter().find(|folder| names.contains(&folder.name)) {
        return Ok(folder.name.clone());
    }
    if let Some(name) = empty.iter().find(|name| names.contains(name)) {
        return Err(DataError::EmptyClass { path: dir.join(name) });
    }
    let similarity = |name: &str| {
        strsim::normalized_damerau_levenshtein(&word.to_lowercase(), &name.to_lowercase())
    };
    let nearest = folders
        .iter()
        .filter(|folder| !is_reserved(&folder.name))
        .map(|folder| (similarity(&folder.name), &folder.name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, name)| name.clone());
    Err(DataError::UnknownWord { path: dir.to_path_buf(), word: word.to_owned(), nearest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(folders: &[&str], words: Option<&[&str]>, silence: bool) -> Result<Classes, DataError> {
        let folders: Vec<Folder> =
            folders.iter().map(|&n| Folder { name: n.to_owned(), files: Vec::new() }).collect();
        let words: Option<Vec<String>> =
            words.map(|words| words.iter().map(|&w| w.to_owned()).collect());
        let empty = ["hollow".to_owned()];
        classes(Path::new("data"), &folders, &empty, words.as_deref(), silence)
    }

    #[test]
    fn every_folder_is_a_class_unless_words_are_chosen() {
        let all = of(&["down", "up"], None, true).unwrap();
        assert_eq!(all.labels, ["down", "up", SILENCE]);
        assert_eq!(all.of_folder, [0, 1]);
        let some = of(&["down", "left", "lights_on", "up"], Some(&["up", "lights on"]), false);
        let some = some.unwrap();
        assert_eq!(some.labels, ["up", "lights_on", UNKNOWN]);
        assert_eq!(some.of_folder, [2, 2, 1, 0]);
        let exactly = of(&["down", "up"], Some(&["up", "down"]), false).unwrap();
        assert_eq!(exactly.labels, ["up", "down"]);
    }

    #[test]
    fn folders_of_the_special_classes_are_these_classes() {
        let classes = of(&[SILENCE, UNKNOWN, "up", "x"], Some(&["up"]), false).unwrap();
        assert_eq!(classes.labels, ["up", UNKNOWN, SILENCE]);
        assert_eq!(classes.of_folder, [2, 1, 0, 1]);
        let classes = of(&[SILENCE, UNKNOWN, "up"], None, true).unwrap();
        assert_eq!(classes.labels, ["up", UNKNOWN, SILENCE]);
    }

    #[test]
    fn wrong_words_are_refused_in_one_line() {
        let message =
            |words: &[&str]| of(&["down", "up"], Some(words), true).unwrap_err().to_string();
        assert_eq!(
            message(&["donw"]),
            "data: has no folder for the word `donw`; did you mean `down`?"
        );
        assert_eq!(message(&["banana"]), "data: has no folder for the word `banana`");
        assert_eq!(message(&["up", "up"]), "the word `up` is given twice");
        assert!(message(&["hollow"]).ends_with("holds no recordings (wav, flac, ogg or mp3)"));
        assert!(message(&[UNKNOWN]).contains("added by itself"));
        assert!(message(&[]).contains("at least one"));
    }

    #[test]
    fn one_class_is_not_enough() {
        assert!(matches!(of(&["up"], None, false), Err(DataError::OneClass { .. })));
        assert_eq!(of(&["up"], None, true).unwrap().labels, ["up", SILENCE]);
    }
}
