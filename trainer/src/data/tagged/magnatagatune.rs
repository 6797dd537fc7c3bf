//! The layout of MagnaTagATune: `annotations_final.csv`, and the recordings in folders `0` to `f`.
//!
//! The table has tabs between its columns and quotes around its fields: `clip_id`, a column of 0 and 1 for each of
//! the 188 tags, `mp3_path`. Sources: Law, West, Mandel, Bay and Downie, "Evaluation of algorithms using games: the
//! case of music tagging" (2009); the split by folders, the 50 most frequent tags and the omission of clips without any of them as
//! in Lee, Park, Kim and Nam, "Sample-level deep convolutional neural networks for music auto-tagging" (2017).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Row, Table, fields, is_inside};
use crate::data::scan::Found;
use crate::data::{DataError, Part};

pub(super) const TABLE: &str = "annotations_final.csv";
/// Columns around those of the tags.
pub(super) const COLUMNS: [&str; 2] = ["clip_id", "mp3_path"];
/// Tags that are looked at unless they are named.
const TOP_TAGS: usize = 50;

fn table(dir: &Path) -> PathBuf {
    dir.join(TABLE)
}

pub(super) fn is_layout(dir: &Path) -> bool {
    table(dir).is_file()
}

/// The part of a recording, by the hexadecimal digit that its folder is called: 0 to b, c, d to f.
fn part(path: &str) -> Option<Part> {
    let (folder, _) = path.split_once('/')?;
    let digit = match folder.as_bytes() {
        [digit] => char::from(*digit).to_digit(16)?,
        _ => return None,
    };
    Some(match digit {
        0..=0xb => Part::Training,
        0xc => Part::Validation,
        _ => Part::Test,
    })
}

pub(super) fn read(dir: &Path) -> Result<Table, DataError> {
    let path = table(dir);
    let wrong =
        |line: u64, reason: String| DataError::BadTable { path: path.clone(), line, reason };
    let text = fs::read_to_string(&path).map_err(|error| DataError::unreadable(&path, &error))?;
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let header = lines.next().map(|(_, line)| fields(line)).unwrap_or_default();
    let [clip_id, mp3_path] = COLUMNS;
    let tags = match header.as_slice() {
        [first, tags @ .., last] if *first == clip_id && *last == mp3_path => tags,
        _ => {
            let reason = format!("the columns are not `{clip_id}`, the tags, `{mp3_path}`");
            return Err(wrong(1, reason));
        }
    };
    if let Some(tag) = (1..tags.len()).find(|&tag| tags[..tag].contains(&tags[tag])) {
        return Err(wrong(1, format!("the tag `{}` is there twice", tags[tag])));
    }
    let mut rows = BTreeMap::new();
    for (number, line) in lines {
        let row = fields(line);
        if row.len() != header.len() {
            let reason = format!("has {} fields, the header has {}", row.len(), header.len());
            return Err(wrong(number, reason));
        }
        let mut set = BTreeSet::new();
        for (tag, field) in row[1..=tags.len()].iter().enumerate() {
            match *field {
                "1" => drop(set.insert(tag)),
                "0" => {}
                other => {
                    let reason = format!("`{other}` for the tag `{}` is not 0 or 1", tags[tag]);
                    return Err(wrong(number, reason));
                }
            }
        }
        let name = row[row.len() - 1];
        let part = part(name).filter(|_| is_inside(name)).ok_or_else(|| {
            wrong(number, format!("`{name}` lies in none of the folders 0 to 9 and a to f"))
        })?;
        // The publishers' archive unpacks to the folders, or to a folder of them.
        let places = [dir.join(name), dir.join("mp3").join(name)];
        let file = places.iter().find(|path| path.is_file()).unwrap_or(&places[0]).clone();
        let found = Found { name: name.to_owned(), path: file };
        if rows.insert(name.to_owned(), Row { found, tags: set, part }).is_some() {
            return Err(wrong(number, format!("`{name}` is there twice")));
        }
    }
    let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
    Ok(Table { tags, rows: rows.into_values().collect(), most: TOP_TAGS })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{loaded, magnatagatune, options, song, song_tags, tone};
    use crate::data::{DataOptions, Placement, SplitScheme, load};
    use models::arch::Task;

    #[test]
    fn folders_are_parts_and_clips_without_a_tag_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        magnatagatune(dir.path(), &["guitar", "no voice", "sitar", "opera"], |at, tag| match tag {
            0 => at.is_multiple_of(2),
            1 => at.is_multiple_of(3),
            2 => at == 1,
            _ => false,
        });
        let data = loaded(&options(dir.path()));
        assert_eq!((data.task, data.placement), (Task::MultiLabel, Placement::Anywhere));
        assert_eq!(data.split, SplitScheme::Published);
        // Nobody plays an opera, and of the clips 5, 7, 11 and 13 nothing is said.
        assert_eq!(data.labels, ["no voice", "sitar", "guitar"], "in the order of the columns");
        let names =
            |part| -> Vec<&str> { data.clips(part).iter().map(|clip| &clip.name[..1]).collect() };
        assert_eq!(names(Part::Training).concat(), "0123468".to_owned() + "9a");
        assert_eq!(names(Part::Validation).concat(), "c");
        assert_eq!(names(Part::Test).concat(), "ef");
        let clip = &data.train[6];
        assert_eq!((&clip.name[..2], &*clip.tags), ("8/", [false, false, true].as_slice()));
        assert_eq!(data.silence_class(), None);
    }

    #[test]
    fn the_most_frequent_tags_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let tags = song_tags();
        assert_eq!(tags.len(), 188);
        // The first tag is everywhere, the second one in all folders but one, and so on up to 16, then anew.
        magnatagatune(dir.path(), &tags, |at, tag| at >= tag % 16);
        let data = loaded(&options(dir.path()));
        // Of those in 12 folders only the first two have room.
        let wanted = |tag: &usize| tag % 16 < 4 || [4, 20].contains(tag);
        let wanted: Vec<&str> = (0..188).filter(wanted).map(|tag| tags[tag]).collect();
        assert_eq!((data.labels.len(), TOP_TAGS), (50, 50));
        assert_eq!(data.labels, wanted);
        assert_eq!(data.train[0].tags.iter().filter(|has| **has).count(), 12);
    }

    #[test]
    fn words_choose_the_tags_and_their_order() {
        let dir = tempfile::tempdir().unwrap();
        magnatagatune(dir.path(), &["guitar", "no voice", "sitar"], |at, tag| at % 3 != tag);
        let with = |words: &[&str]| {
            let words = Some(words.iter().map(|&word| word.to_owned()).collect());
            load(&DataOptions { words, ..options(dir.path()) }, &mut |_, _| ())
        };
        let data = with(&["sitar", "guitar"]).unwrap();
        assert_eq!(data.labels, ["sitar", "guitar"]);
        assert_eq!(*data.train[0].tags, [true, false]);
        let error = |words| with(words).unwrap_err().to_string();
        assert!(error(&["sitra"]).ends_with("no tag `sitra`; did you mean `sitar`?"));
        assert!(error(&["sitar", "sitar"]).contains("given twice"));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let dir = tempfile::tempdir().unwrap();
        magnatagatune(dir.path(), &["guitar", "sitar"], |at, tag| at % 2 == tag);
        let good = fs::read_to_string(table(dir.path())).unwrap();
        let failure = |text: &str| {
            fs::write(table(dir.path()), text).unwrap();
            let error = load(&options(dir.path()), &mut |_, _| ()).unwrap_err().to_string();
            error.rsplit("annotations_final.csv ").next().unwrap().to_owned()
        };
        assert!(failure("").starts_with("line 1: the columns are not `clip_id`, the tags"));
        assert!(failure(&good.replacen("mp3_path", "path", 1)).starts_with("line 1: the columns"));
        let two = good.replacen("\"1\"\t\"0\"", "\"1\"\t\"yes\"", 1);
        assert_eq!(failure(&two), "line 2: `yes` for the tag `quiet` is not 0 or 1");
        assert!(failure(&format!("{good}\"9\"\t\"0\"\n")).starts_with("line 18: has 2 fields"));
        let outside = good.replacen("\"0/", "\"../0/", 1);
        assert!(failure(&outside).contains("lies in none of the folders"), "{}", failure(&outside));
        let twice = format!("{good}{}\n", good.lines().nth(1).unwrap());
        assert!(failure(&twice).contains("is there twice"));
        assert!(failure(&good.replacen("sitar", "guitar", 1)).contains("`guitar` is there twice"));
        let only_training: String = good.lines().take(13).map(|line| format!("{line}\n")).collect();
        assert!(failure(&only_training).contains("the validation part has no recordings"));
        fs::write(table(dir.path()), &good).unwrap();
        let split = SplitScheme::Stratified;
        let other = load(&DataOptions { split, ..options(dir.path()) }, &mut |_, _| ());
        assert!(other.unwrap_err().to_string().contains("leave `--split stratified` out"));
        fs::remove_file(dir.path().join(song(3))).unwrap();
        assert_eq!(loaded(&options(dir.path())).missing, [song(3)]);
        let strict = load(&DataOptions { strict: true, ..options(dir.path()) }, &mut |_, _| ());
        assert!(matches!(strict, Err(DataError::MissingListed { count: 1, .. })));
        tone(dir.path(), &format!("mp3/{}", song(3)), 1.0);
        assert!(loaded(&options(dir.path())).missing.is_empty());
    }
}
