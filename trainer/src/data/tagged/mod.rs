//! Recordings with any number of tags each: data sets for multi-label training.
//!
//! The tags of a clip are weak labels: they tell what is heard in it, not where. [`magnatagatune`] and [`dcase`]
//! read the tables of two published layouts, which also say how the recordings are split;
//! [`soundscapes`] writes a data set in either.

mod dcase;
mod magnatagatune;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::labels::BACKGROUND_FOLDER;
use super::scan::{self, Folder, Found, Scan};
use super::split::Split;
use super::{Clip, DataError, Part, SplitScheme};

pub use write::{Layout, soundscapes};

/// What a table says of its recordings.
#[derive(Debug, Default)]
struct Table {
    /// All tags there are, in the order of the table's columns, or sorted.
    tags: Vec<String>,
    rows: Vec<Row>,
    /// At most so many tags are looked at: the most frequent ones.
    most: usize,
}

#[derive(Debug)]
struct Row {
    found: Found,
    /// Indices into the table's tags.
    tags: BTreeSet<usize>,
    part: Part,
}

/// The tags and parts of the recordings of a data set.
#[derive(Debug)]
pub(crate) struct Tagged {
    dir: PathBuf,
    /// The tags, in the order of the network's outputs.
    pub labels: Vec<String>,
    /// Which of them each recording has, and its part.
    recordings: BTreeMap<String, (Arc<[bool]>, Part)>,
    /// Recordings of the table that are not there.
    missing: Vec<String>,
}

/// What the folder of a data set with tags holds; `None` where it has no such layout.
///
/// `words` chooses the tags and their order. Without it these are all of a DCASE set and the 50 most frequent of
/// MagnaTagATune. Recordings without any of them are left out.
pub(crate) fn scan(
    dir: &Path,
    words: Option<&[String]>,
) -> Result<Option<(Scan, Tagged)>, DataError> {
    let table = if magnatagatune::is_layout(dir) {
        magnatagatune::read(dir)?
    } else if dcase::is_layout(dir) {
        dcase::read(dir)?
    } else {
        return Ok(None);
    };
    let chosen = match words {
        Some(words) => table.named(dir, words)?,
        None => table.most_frequent(),
    };
    let labels: Vec<String> = chosen.iter().map(|&tag| table.tags[tag].clone()).collect();
    if labels.is_empty() {
        return Err(DataError::NoAudio { path: dir.to_path_buf() });
    }
    let (mut recordings, mut files, mut missing) = (BTreeMap::new(), Vec::new(), Vec::new());
    for Row { found, tags, part } in table.rows {
        let tags: Arc<[bool]> = chosen.iter().map(|tag| tags.contains(tag)).collect();
        if !tags.contains(&true) {
            continue;
        }
        if !found.path.is_file() {
            missing.push(found.name);
            continue;
        }
        recordings.insert(found.name.clone(), (tags, part));
        files.push(found);
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let background = dir.join(BACKGROUND_FOLDER);
    let background = match background.is_dir() {
        true => scan::recordings(BACKGROUND_FOLDER, &background)?,
        false => Vec::new(),
    };
    let folders = vec![Folder { name: String::new(), files }];
    let tagged = Tagged { dir: dir.to_path_buf(), labels, recordings, missing };
    Ok(Some((Scan { folders, background, ..Scan::default() }, tagged)))
}

impl Table {
    /// The tags asked for, in that order.
    fn named(&self, dir: &Path, words: &[String]) -> Result<Vec<usize>, DataError> {
        let mut chosen: Vec<usize> = Vec::new();
        for word in words {
            let tag = self.tags.iter().position(|tag| tag == word);
            let tag = tag.ok_or_else(|| {
                let near = |tag: &String| strsim::jaro_winkler(tag, word);
                let nearest = self.tags.iter().max_by(|a, b| near(a).total_cmp(&near(b)));
                let (path, word) = (dir.to_path_buf(), word.clone());
                DataError::UnknownTag { path, word, nearest: nearest.cloned() }
            })?;
            if chosen.contains(&tag) {
                return Err(DataError::BadOption(format!("the tag `{word}` is given twice")));
            }
            chosen.push(tag);
        }
        Ok(chosen)
    }

    /// The tags that most recordings have, in the table's order.
    fn most_frequent(&self) -> Vec<usize> {
        let mut counts = vec![0; self.tags.len()];
        self.rows.iter().flat_map(|row| &row.tags).for_each(|&tag| counts[tag] += 1);
        let mut tags: Vec<usize> = (0..counts.len()).filter(|&tag| counts[tag] > 0).collect();
        tags.sort_by_key(|&tag| std::cmp::Reverse(counts[tag]));
        tags.truncate(self.most);
        tags.sort_unstable();
        tags
    }
}

impl Tagged {
    /// Gives the clips their tags.
    pub(crate) fn label(&self, clips: &mut [Clip]) {
        for clip in clips {
            if let Some((tags, _)) = self.recordings.get(&clip.name) {
                clip.tags = Arc::clone(tags);
                clip.class = tags.iter().position(|tag| *tag).unwrap_or(0);
            }
        }
    }

    /// No tag at all.
    pub(crate) fn none(&self) -> Arc<[bool]> {
        vec![false; self.labels.len()].into()
    }

    /// The parts of the clips, as their publishers split them.
    pub(crate) fn split(
        &self,
        clips: &[Clip],
        scheme: SplitScheme,
        strict: bool,
    ) -> Result<Split, DataError> {
        let path = || self.dir.clone();
        if !matches!(scheme, SplitScheme::Auto | SplitScheme::Published) {
            let (dir, name) = (self.dir.display(), scheme.name());
            return Err(DataError::BadOption(match scheme {
                SplitScheme::Folds => {
                    format!("{dir}: has no folds; it is split as its publishers did")
                }
                _ => {
                    format!("{dir}: is split as its publishers did; leave `--split {name}` out")
                }
            }));
        }
        if let (true, Some(first)) = (strict, self.missing.first()) {
            let (count, first) = (self.missing.len(), first.clone());
            return Err(DataError::MissingListed { path: path(), count, first });
        }
        let part = |clip: &Clip| self.recordings.get(&clip.name).map(|(_, part)| *part);
        let parts: Vec<Part> =
            clips.iter().map(|clip| part(clip).unwrap_or(Part::Training)).collect();
        for part in Part::ALL {
            if !parts.contains(&part) {
                return Err(DataError::EmptyPart { path: path(), part: part.name() });
            }
        }
        for (tag, label) in self.labels.iter().enumerate() {
            let of_tag = || clips.iter().zip(&parts).filter(|(clip, _)| clip.has(tag));
            if !of_tag().any(|(_, part)| *part == Part::Training) {
                let (class, count) = (label.clone(), of_tag().count());
                let part = Part::Training.name();
                let remedy = "choose other tags with `--words`";
                return Err(DataError::PartLacksClass { class, count, part, remedy });
            }
        }
        Ok(Split { parts, scheme: SplitScheme::Published, missing: self.missing.clone() })
    }
}

/// The fields of a line: tabs between them, quotes around them or not.
fn fields(line: &str) -> Vec<&str> {
    line.split('\t').map(unquoted).collect()
}

fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}

/// Whether a path of a table stays in its folder.
fn is_inside(path: &str) -> bool {
    let path = Path::new(path);
    !path.as_os_str().is_empty() && path.components().all(|c| matches!(c, Component::Normal(_)))
}
