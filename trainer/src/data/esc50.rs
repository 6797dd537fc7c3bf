//! The layout of ESC-50 and ESC-10: all recordings in `audio/`, classes and folds in `meta/esc50.csv`.
//!
//! Source: Piczak, "ESC: Dataset for environmental sound classification" (2015). A recording's name is
//! `fold-clip-take-target`; takes of one clip are pieces of one original, and lie in one fold.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::DataError;
use super::scan::{Folder, Found, Scan};

/// The columns that are looked at; the table has no quotes.
const COLUMNS: [&str; 3] = ["filename", "fold", "category"];

fn table(dir: &Path) -> PathBuf {
    dir.join("meta").join("esc50.csv")
}

/// Whether `dir` has this layout.
pub(crate) fn is_layout(dir: &Path) -> bool {
    table(dir).is_file()
}

/// The recordings of the table, a folder a category. Listed recordings that are not there are left to whoever
/// reads them.
pub(crate) fn scan(dir: &Path) -> Result<Scan, DataError> {
    let path = table(dir);
    let wrong =
        |line: u64, reason: String| DataError::BadTable { path: path.clone(), line, reason };
    let text = fs::read_to_string(&path).map_err(|error| DataError::unreadable(&path, &error))?;
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let header: Vec<&str> = match lines.next() {
        Some((_, header)) => header.split(',').map(str::trim).collect(),
        None => Vec::new(),
    };
    let mut columns = [0; COLUMNS.len()];
    for (column, name) in columns.iter_mut().zip(COLUMNS) {
        *column = (header.iter().position(|field| *field == name))
            .ok_or_else(|| wrong(1, format!("has no column `{name}`")))?;
    }
    let mut categories: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    let mut folds = BTreeMap::new();
    for (number, line) in lines {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [filename, fold, category] =
            columns.map(|column| fields.get(column).copied().unwrap_or(""));
        let fold = match fold.parse::<u8>() {
            Ok(fold) if fold > 0 => fold,
            _ => return Err(wrong(number, format!("`{fold}` is no fold; they count from 1"))),
        };
        let plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\']);
        if !plain(filename) || !plain(category) {
            return Err(wrong(number, format!("`{filename}`, `{category}`: no plain names")));
        }
        let name = format!("{category}/{filename}");
        let found = Found { path: dir.join("audio").join(filename), name: name.clone() };
        if folds.insert(name, fold).is_some() {
            return Err(wrong(number, format!("`{filename}` is there twice")));
        }
        categories.entry(category.to_owned()).or_default().push(found);
    }
    let folders: Vec<Folder> = categories
        .into_iter()
        .map(|(name, mut files)| {
            files.sort_by(|a, b| a.name.cmp(&b.name));
            Folder { name, files }
        })
        .collect();
    match folders.is_empty() {
        true => Err(wrong(1, "no recordings listed".to_owned())),
        false => Ok(Scan { folders, folds, ..Scan::default() }),
    }
}

/// Up to this magnitude (−66 dB of full scale) a sample counts as silence.
const SILENT: u16 = 16;

/// A recording without the digital silence that short sounds are padded with to five seconds; all of it if there is
/// nothing else.
pub(crate) fn unpadded(samples: &[i16]) -> &[i16] {
    let sounds = |sample: &i16| sample.unsigned_abs() > SILENT;
    match (samples.iter().position(sounds), samples.iter().rposition(sounds)) {
        (Some(first), Some(last)) => &samples[first..=last],
        _ => samples,
    }
}

/// The original that the recording `category/fold-clip-take-target.*` is a piece of.
pub(crate) fn original(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.split('-').nth(1).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{esc50, options, tone};
    use crate::data::{DataOptions, Part, Placement, SplitScheme, load};
    use std::collections::BTreeSet;

    #[test]
    fn folds_are_parts_and_originals_stay_together() {
        let dir = tempfile::tempdir().unwrap();
        esc50(dir.path(), &["dog", "rain"], 5, 8);
        let mut tested = BTreeSet::new();
        for fold in 1..=5 {
            let options = DataOptions { fold, ..options(dir.path()) };
            let data = load(&options, &mut |_, _| ()).unwrap();
            assert_eq!((data.split, data.folds), (SplitScheme::Folds, 5));
            assert_eq!(data.labels, ["dog", "rain"]);
            assert_eq!(data.placement, Placement::Anywhere);
            assert_eq!((data.train.len(), data.validation.len(), data.test.len()), (56, 8, 16));
            let begins = format!("/{fold}-");
            assert!(data.test.iter().all(|clip| clip.name.contains(&begins)));
            let originals = |part| -> BTreeSet<&str> {
                data.clips(part).iter().map(|clip| original(&clip.name)).collect()
            };
            let (train, validation) = (originals(Part::Training), originals(Part::Validation));
            assert!(train.is_disjoint(&validation));
            tested.extend(data.test.iter().map(|clip| clip.name.clone()));
        }
        assert_eq!(tested.len(), 80, "every recording is tested once");
    }

    #[test]
    fn drawn_splits_keep_originals_together_too() {
        let dir = tempfile::tempdir().unwrap();
        esc50(dir.path(), &["dog", "rain"], 5, 30);
        for split in [SplitScheme::Stratified, SplitScheme::Sha1] {
            let options = DataOptions { split, ..options(dir.path()) };
            let data = load(&options, &mut |_, _| ()).unwrap();
            let originals = Part::ALL.map(|part| -> BTreeSet<&str> {
                data.clips(part).iter().map(|clip| original(&clip.name)).collect()
            });
            let pieces: usize = originals.iter().map(BTreeSet::len).sum();
            assert_eq!(pieces, 5 * 2 * 15, "{split:?}");
        }
    }

    #[test]
    fn padding_is_cut_off() {
        assert_eq!(unpadded(&[0, 16, -17, 0, 5, 100, -16, 0]), [-17, 0, 5, 100]);
        assert_eq!(unpadded(&[0, 16, -16]), [0, 16, -16]);
        assert_eq!(unpadded(&[]), [0i16; 0]);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let dir = tempfile::tempdir().unwrap();
        esc50(dir.path(), &["dog", "rain"], 5, 8);
        let good = fs::read_to_string(table(dir.path())).unwrap();
        let failure = |text: &str| {
            fs::write(table(dir.path()), text).unwrap();
            let error = load(&options(dir.path()), &mut |_, _| ()).unwrap_err().to_string();
            error.rsplit("esc50.csv ").next().unwrap().to_owned()
        };
        assert!(failure(&good.replacen(",1,", ",one,", 1)).starts_with("line 2: `one` is no fold"));
        assert!(failure("filename,fold,category\n").contains("no recordings"));
        assert!(failure("filename,fold\na.wav,1\n").contains("no column `category`"));
        assert!(failure("").contains("no column `filename`"));
        assert!(failure(&format!("{good}a.wav\n")).contains("is no fold"));
        assert!(failure(&good.replacen("1-", "../1-", 1)).contains("no plain names"));
        let twice = format!("{good}{}", good.lines().nth(1).unwrap());
        assert!(failure(&twice).contains("is there twice"));
        assert!(failure(&good.replacen(",1,", ",0,", 1)).contains("count from 1"));
        fs::write(table(dir.path()), &good).unwrap();
        let error = |fold| load(&DataOptions { fold, ..options(dir.path()) }, &mut |_, _| ());
        assert!(error(6).unwrap_err().to_string().contains("fold 6"));
        fs::remove_file(dir.path().join("audio/1-1000-A-0.wav")).unwrap();
        let data = load(&options(dir.path()), &mut |_, _| ()).unwrap();
        assert_eq!(data.left_out.len(), 1);
        tone(dir.path(), "audio/1-1000-A-0.wav", 1.0);
    }
}
