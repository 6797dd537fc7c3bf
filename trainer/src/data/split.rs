//! Step 4: which clips train, which choose the model, and which measure it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};

use super::{DataError, esc50, folds, lists, scan, stratify};

/// A part of the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The network learns from it.
    Training,
    /// Chooses the epoch and the thresholds.
    Validation,
    /// Measures the finished model.
    Test,
}

impl Part {
    /// All parts, in their usual order.
    pub const ALL: [Self; 3] = [Self::Training, Self::Validation, Self::Test];

    /// The part's name in text: training, validation or test.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// How clips are distributed over the parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SplitScheme {
    /// Folds or lists where there are any; else by hash where there is a `_background_noise_` folder and
    /// the hash gives every part every class; else stratified.
    #[default]
    Auto,
    /// `validation_list.txt` and `testing_list.txt`; all other clips train.
    Lists,
    /// By the SHA-1 of the speaker, as Speech Commands does it: 10 % validation, 10 % test.
    Sha1,
    /// By the data set's own folds: one is tested, an eighth of the others validates.
    Folds,
    /// Drawn 80/10/10 within every class, whole speakers at a time.
    Stratified,
    /// As the publishers of a data set with tags split it (`MagnaTagATune`, DCASE 2017 task 4).
    Published,
    /// None: every clip trains, and the same clips validate and test. For a handful of recordings, or to measure on
    /// all of a folder.
    None,
}

impl SplitScheme {
    /// The scheme's name in options and configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Lists => "lists",
            Self::Sha1 => "sha1",
            Self::Folds => "folds",
            Self::Stratified => "stratified",
            Self::Published => "published",
            Self::None => "none",
        }
    }
}

/// What the split looks at in a clip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    /// `folder/file`.
    pub name: &'a str,
    pub class: usize,
}

/// The clips to split, and where they came from.
pub(crate) struct Task<'a> {
    pub dir: &'a Path,
    pub labels: &'a [String],
    /// A class that needs no clips, because they are cut from the background.
    pub exempt: Option<usize>,
    pub items: &'a [Item<'a>],
    /// All recordings found, the broken ones too.
    pub found: &'a BTreeSet<&'a str>,
    /// Fold of each recording; empty: none.
    pub folds: &'a BTreeMap<String, u8>,
    /// The fold to test on.
    pub fold: u8,
    pub has_background: bool,
    pub strict: bool,
    pub seed: u64,
}

impl Task<'_> {
    /// What other clips may share with a clip, so that they must stay together: its speaker, or in a data set with folds
    /// the recording that it was cut from.
    pub(super) fn source<'n>(&self, name: &'n str) -> Option<&'n str> {
        match self.folds.is_empty() {
            true => scan::speaker(name),
            false => Some(esc50::original(name)),
        }
    }
}

/// A finished split.
#[derive(Debug)]
pub(crate) struct Split {
    /// One part an item.
    pub parts: Vec<Part>,
    /// The scheme used, never `Auto`.
    pub scheme: SplitScheme,
    /// Listed names that do not exist.
    pub missing: Vec<String>,
}

/// Splits the items; every class has at least one in every part.
pub(crate) fn split(task: &Task<'_>, scheme: SplitScheme) -> Result<Split, DataError> {
    let done = |parts, scheme| Split { parts, scheme, missing: Vec::new() };
    match scheme {
        SplitScheme::Auto if !task.folds.is_empty() => {
            Ok(done(folds::by_folds(task, task.fold)?, SplitScheme::Folds))
        }
        SplitScheme::Auto if lists::any(task.dir) => by_lists(task),
        SplitScheme::Auto => {
            let hashed = by_hash(task);
            if task.has_background && check(task, &hashed, HASH_REMEDY).is_ok() {
                return Ok(done(hashed, SplitScheme::Sha1));
            }
            Ok(done(stratify::stratified(task)?, SplitScheme::Stratified))
        }
        SplitScheme::Lists => by_lists(task),
        SplitScheme::Sha1 => {
            let parts = by_hash(task);
            check(task, &parts, HASH_REMEDY)?;
            Ok(done(parts, scheme))
        }
        SplitScheme::Folds => Ok(done(folds::by_folds(task, task.fold)?, scheme)),
        SplitScheme::Stratified => Ok(done(stratify::stratified(task)?, scheme)),
        SplitScheme::Published => Err(DataError::BadOption(format!(
            "{}: has no published split; leave `--split published` out",
            task.dir.display()
        ))),
        SplitScheme::None => {
            let parts = vec![Part::Training; task.items.len()];
            check_parts(task, &parts, &[Part::Training], "record some, or leave the class out")?;
            Ok(done(parts, scheme))
        }
    }
}

const HASH_REMEDY: &str = "record more, or split with `stratified`";
const LISTS_REMEDY: &str = "name some in the lists, or split with `stratified`";

fn by_lists(task: &Task<'_>) -> Result<Split, DataError> {
    let lists = lists::Lists::read(task.dir)?;
    let missing = lists.missing(task.found);
    if let (true, Some(first)) = (task.strict, missing.first()) {
        let (path, first) = (task.dir.to_path_buf(), first.clone());
        return Err(DataError::MissingListed { path, count: missing.len(), first });
    }
    let parts: Vec<Part> = task.items.iter().map(|item| lists.part(item.name)).collect();
    check(task, &parts, LISTS_REMEDY)?;
    Ok(Split { parts, scheme: SplitScheme::Lists, missing })
}

fn by_hash(task: &Task<'_>) -> Vec<Part> {
    let hash = |item: &Item<'_>| match task.source(item.name) {
        Some(source) => bucket(source),
        None => hashed(item.name),
    };
    task.items.iter().map(hash).collect()
}

/// One less than the number of buckets, and what a bucket is a share of.
const MAX_CLIPS_PER_CLASS: u32 = (1 << 27) - 1;

/// The part of `folder/file` by its SHA-1, so that a clip stays in its part when others come.
///
/// As published with Speech Commands (Warden 2018, `which_set`): what follows `_nohash_` is not
/// hashed, the hash modulo 2^27 as percentage of 2^27 - 1 is validation below 10 and test below
/// 20. What follows `_NO_`, another mark of the speaker's end, is not hashed either.
pub(crate) fn hashed(name: &str) -> Part {
    let file = name.rsplit('/').next().unwrap_or(name);
    bucket(scan::speaker(name).unwrap_or(file))
}

fn bucket(text: &str) -> Part {
    let digest = Sha1::digest(text);
    let last = digest.last_chunk::<4>().copied().unwrap_or_default();
    let bucket = u32::from_be_bytes(last) % (MAX_CLIPS_PER_CLASS + 1);
    let percentage = f64::from(bucket) * (100.0 / f64::from(MAX_CLIPS_PER_CLASS));
    match percentage {
        p if p < 10.0 => Part::Validation,
        p if p < 20.0 => Part::Test,
        _ => Part::Training,
    }
}

/// Whether every class has an item in every part.
pub(crate) fn check(
    task: &Task<'_>,
    parts: &[Part],
    remedy: &'static str,
) -> Result<(), DataError> {
    check_parts(task, parts, &Part::ALL, remedy)
}

fn check_parts(
    task: &Task<'_>,
    parts: &[Part],
    wanted: &[Part],
    remedy: &'static str,
) -> Result<(), DataError> {
    for (class, label) in task.labels.iter().enumerate() {
        if task.exempt == Some(class) {
            continue;
        }
        let of_class = || task.items.iter().zip(parts).filter(|(item, _)| item.class == class);
        let count = of_class().count();
        for &part in wanted {
            if !of_class().any(|(_, &of)| of == part) {
                let (class, part) = (label.clone(), part.name());
                return Err(DataError::PartLacksClass { class, count, part, remedy });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_give_the_published_parts() {
        // Names and parts from the lists published with Speech Commands.
        for speaker in ["a69b9b3e", "439c84f4", "060cd039", "7fd25f7c", "d3831f6a"] {
            assert_eq!(hashed(&format!("right/{speaker}_nohash_4.wav")), Part::Validation);
        }
        for speaker in ["bb05582b", "97f4c236", "f2e59fea", "c22d3f18", "8769c34c"] {
            assert_eq!(hashed(&format!("eight/{speaker}_nohash_0.wav")), Part::Test);
        }
        assert_eq!(hashed("bed/00176480_nohash_0.wav"), Part::Training);
        assert_eq!(hashed("x/439c84f4_NO_1.flac"), Part::Validation);
    }

    #[test]
    fn hashes_give_about_the_published_shares() {
        let count = |part| (0..5000).filter(|n| hashed(&format!("a/{n}.wav")) == part).count();
        assert!((450..550).contains(&count(Part::Validation)));
        assert!((450..550).contains(&count(Part::Test)));
    }

    fn task_of<'a>(
        dir: &'a Path,
        labels: &'a [String],
        folds: &'a BTreeMap<String, u8>,
        items: &'a [Item<'a>],
        found: &'a BTreeSet<&'a str>,
    ) -> Task<'a> {
        let (exempt, has_background, strict, seed) = (None, true, false, 0);
        let fold = 1;
        Task { dir, labels, exempt, items, found, folds, fold, has_background, strict, seed }
    }

    #[test]
    fn a_scheme_is_found_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let labels = ["a".to_owned()];
        let names: Vec<String> = (0..200).map(|n| format!("a/{n}.wav")).collect();
        let items: Vec<Item<'_>> = names.iter().map(|name| Item { name, class: 0 }).collect();
        let found = names.iter().map(String::as_str).collect();
        let folds = BTreeMap::new();
        let mut task = task_of(dir.path(), &labels, &folds, &items, &found);
        assert_eq!(split(&task, SplitScheme::Auto).unwrap().scheme, SplitScheme::Sha1);
        task.items = &items[..3];
        assert_eq!(split(&task, SplitScheme::Auto).unwrap().scheme, SplitScheme::Stratified);
        assert!(matches!(
            split(&task, SplitScheme::Sha1),
            Err(DataError::PartLacksClass { count: 3, .. })
        ));
        let whole = split(&task, SplitScheme::None).unwrap();
        assert_eq!(whole.parts, [Part::Training; 3]);
        task.items = &[];
        assert!(matches!(
            split(&task, SplitScheme::None),
            Err(DataError::PartLacksClass { count: 0, .. })
        ));
        task.items = &items;
        task.has_background = false;
        assert_eq!(split(&task, SplitScheme::Auto).unwrap().scheme, SplitScheme::Stratified);
        std::fs::write(dir.path().join("validation_list.txt"), "a/1.wav\n").unwrap();
        assert!(matches!(split(&task, SplitScheme::Auto), Err(DataError::MissingList { .. })));
        std::fs::write(dir.path().join("testing_list.txt"), "a/2.wav\r\n\na/none.wav\n").unwrap();
        let by_lists = split(&task, SplitScheme::Auto).unwrap();
        assert_eq!(by_lists.scheme, SplitScheme::Lists);
        assert_eq!(by_lists.parts[..4], [0, 1, 2, 0].map(|part: usize| Part::ALL[part]));
        assert_eq!(by_lists.missing, ["a/none.wav"]);
        task.strict = true;
        assert!(matches!(
            split(&task, SplitScheme::Lists),
            Err(DataError::MissingListed { count: 1, .. })
        ));
    }
}
