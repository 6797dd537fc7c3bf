//! The layout of DCASE 2017 task 4: lists of weak or strong labels, and recordings at any depth.
//!
//! The lists have no header and tabs between their columns: file, start, end (seconds), label; one line for each label of a
//! file. They are called `groundtruth_weak_label_SET_set.csv`, SET being `training`, `testing` or `evaluation`; where there is
//! none, the list of strong labels in its place tells the tags. The recordings' names begin with a `Y` more than
//! in the lists. Source: Mesaros et al., "DCASE 2017 challenge setup: tasks, datasets and baseline system" (2017).
//!
//! The training list trains, the testing list (the challenge's development test) validates, the evaluation list is the test. Where
//! only one of the latter two is there, it is the test, and a tenth of the training recordings of each label validates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};

use super::{Row, Table, fields, is_inside};
use crate::data::scan::{self, Found};
use crate::data::{DataError, Part};

/// Where the lists may lie.
const FOLDERS: [&str; 3] = ["", "metadata", "groundtruth_release"];
/// One in so many training recordings of a label validates where there is no list for that.
const VALIDATION_EVERY: usize = 10;

/// The name of a list.
pub(super) fn list_name(kind: &str, set: &str) -> String {
    format!("groundtruth_{kind}_label_{set}_set.csv")
}

/// The list of a set: of weak labels, or else of strong ones.
fn list(dir: &Path, set: &str) -> Option<PathBuf> {
    let names = ["weak", "strong"].map(|kind| list_name(kind, set));
    let places = names.iter().flat_map(|name| FOLDERS.map(|folder| dir.join(folder).join(name)));
    places.into_iter().find(|path| path.is_file())
}

pub(super) fn is_layout(dir: &Path) -> bool {
    ["training", "testing", "evaluation"].iter().any(|set| list(dir, set).is_some())
}

/// Labels of each file of a list.
type Labels = BTreeMap<String, BTreeSet<String>>;

pub(super) fn read(dir: &Path) -> Result<Table, DataError> {
    let labels = |set: &str| list(dir, set).map(|path| read_list(&path)).transpose();
    let training = labels("training")?.ok_or_else(|| {
        DataError::BadOption(format!(
            "{}: there is no {}; it lists what to train with",
            dir.display(),
            list_name("weak", "training")
        ))
    })?;
    let (validation, test) = match (labels("testing")?, labels("evaluation")?) {
        (Some(testing), Some(evaluation)) => (Some(testing), Some(evaluation)),
        (one, other) => (None, one.or(other)),
    };
    let drawn = if validation.is_none() { tenth(&training) } else { BTreeSet::new() };
    let mut files: BTreeMap<String, (BTreeSet<String>, Part)> = BTreeMap::new();
    for (file, labels) in training {
        let part = if drawn.contains(&file) { Part::Validation } else { Part::Training };
        files.insert(file, (labels, part));
    }
    for (list, part) in [(validation, Part::Validation), (test, Part::Test)] {
        for (file, labels) in list.unwrap_or_default() {
            if files.insert(file.clone(), (labels, part)).is_some() {
                return Err(DataError::BadOption(format!(
                    "{}: `{file}` is in two of the lists; take it out of one",
                    dir.display()
                )));
            }
        }
    }
    let all: BTreeSet<&String> = files.values().flat_map(|(labels, _)| labels).collect();
    let tags: Vec<String> = all.into_iter().cloned().collect();
    let paths = paths(dir)?;
    let most = tags.len();
    let rows = files.into_iter().map(|(file, (labels, part))| {
        let tags = labels.iter().filter_map(|label| tags.binary_search(label).ok()).collect();
        let path =
            [format!("Y{file}"), file.clone()].iter().find_map(|name| paths.get(name)).cloned();
        let found = Found { path: path.unwrap_or_else(|| dir.join(&file)), name: file };
        Row { found, tags, part }
    });
    let rows = rows.collect();
    Ok(Table { tags, rows, most })
}

/// Recordings by their names without folders.
fn paths(dir: &Path) -> Result<BTreeMap<String, PathBuf>, DataError> {
    let name = |found: &Found| found.name.rsplit('/').next().unwrap_or(&found.name).to_owned();
    Ok(scan::tree(dir)?.into_iter().map(|found| (name(&found), found.path)).collect())
}

fn read_list(path: &Path) -> Result<Labels, DataError> {
    let wrong =
        |line: u64, reason: String| DataError::BadTable { path: path.to_path_buf(), line, reason };
    let text = fs::read_to_string(path).map_err(|error| DataError::unreadable(path, &error))?;
    let mut labels = Labels::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let [file, start, end, label] = fields(line)[..] else {
            let reason = "is not file, start, end, label with tabs between".to_owned();
            return Err(wrong(number, reason));
        };
        let seconds = [start, end].map(|field| field.parse::<f64>().ok());
        match seconds {
            [Some(start), Some(end)] if 0.0 <= start && start <= end => {}
            _ => return Err(wrong(number, format!("`{start}` to `{end}` is no stretch of time"))),
        }
        if !is_inside(file) || file.contains(['/', '\\']) {
            return Err(wrong(number, format!("`{file}` is no plain name of a file")));
        }
        if label.is_empty() {
            return Err(wrong(number, "has no label".to_owned()));
        }
        labels.entry(file.to_owned()).or_default().insert(label.to_owned());
    }
    match labels.is_empty() {
        true => Err(wrong(1, "no recordings listed".to_owned())),
        false => Ok(labels),
    }
}

/// A tenth of each label's files, chosen by their SHA-1.
fn tenth(training: &Labels) -> BTreeSet<String> {
    let mut of_label: BTreeMap<&String, BTreeMap<[u8; 20], &String>> = BTreeMap::new();
    for (file, labels) in training {
        for label in labels {
            let hash = Sha1::digest(file).into();
            of_label.entry(label).or_default().insert(hash, file);
        }
    }
    let first = |files: &BTreeMap<[u8; 20], &String>| -> Vec<String> {
        let count = (files.len() / VALIDATION_EVERY).max(1);
        files.values().take(count).map(|&file| file.clone()).collect()
    };
    of_label.values().flat_map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{dcase, loaded, options};
    use crate::data::{Dataset, SplitScheme, load};
    use models::arch::Task;

    const LABELS: [&str; 3] = ["Air horn, truck horn", "Car", "Screaming"];

    fn names(data: &Dataset, part: Part) -> BTreeSet<&str> {
        data.clips(part).iter().map(|clip| clip.name.as_str()).collect()
    }

    #[test]
    fn lists_are_parts() {
        let dir = tempfile::tempdir().unwrap();
        let sets = [("training", 12), ("testing", 3), ("evaluation", 6)];
        dcase(dir.path(), &LABELS, &sets);
        let data = loaded(&options(dir.path()));
        assert_eq!((data.task, data.split), (Task::MultiLabel, SplitScheme::Published));
        assert_eq!(data.labels, LABELS);
        assert_eq!((data.train.len(), data.validation.len(), data.test.len()), (12, 3, 6));
        // Of each set the clip 1 has the labels 1 and 2.
        assert_eq!(*data.test[1].tags, [false, true, true]);
        assert_eq!(data.test[1].name, "evaluation-001_30.000_31.000.wav");
    }

    #[test]
    fn strong_labels_tell_the_tags_where_there_are_no_weak_ones() {
        let dir = tempfile::tempdir().unwrap();
        dcase(dir.path(), &LABELS, &[("training", 12), ("testing", 3), ("evaluation", 6)]);
        let weak = loaded(&options(dir.path()));
        let at = |name: String| dir.path().join("metadata").join(name);
        let text = fs::read_to_string(at(list_name("weak", "evaluation"))).unwrap();
        let strong: String = text
            .lines()
            .map(|line| {
                format!(
                    "{}\n{}\n",
                    line.replace("30.000\t31.000", "0\t0.4"),
                    line.replace("30.000\t31.000", "0.5\t1")
                )
            })
            .collect();
        fs::write(at(list_name("strong", "evaluation")), strong).unwrap();
        fs::remove_file(at(list_name("weak", "evaluation"))).unwrap();
        assert_eq!(loaded(&options(dir.path())).test, weak.test);
    }

    #[test]
    fn a_tenth_validates_where_there_is_no_list_for_that() {
        let dir = tempfile::tempdir().unwrap();
        dcase(dir.path(), &LABELS, &[("training", 45), ("evaluation", 6)]);
        let data = loaded(&options(dir.path()));
        assert_eq!(data.test.len(), 6);
        assert!((3..=9).contains(&data.validation.len()), "{}", data.validation.len());
        assert_eq!(data.train.len() + data.validation.len(), 45);
        assert!(names(&data, Part::Training).is_disjoint(&names(&data, Part::Validation)));
        for tag in 0..LABELS.len() {
            assert!(data.validation.iter().any(|clip| clip.has(tag)));
        }
        assert_eq!(data.split_sha256, loaded(&options(dir.path())).split_sha256);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let dir = tempfile::tempdir().unwrap();
        dcase(dir.path(), &LABELS, &[("training", 6), ("testing", 3), ("evaluation", 3)]);
        let path = dir.path().join("metadata").join(list_name("weak", "training"));
        let good = fs::read_to_string(&path).unwrap();
        let failure = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = load(&options(dir.path()), &mut |_, _| ()).unwrap_err().to_string();
            error.rsplit("training_set.csv ").next().unwrap().to_owned()
        };
        let first = good.lines().next().unwrap();
        let spaces = first.replace('\t', " ");
        assert_eq!(failure(&spaces), "line 1: is not file, start, end, label with tabs between");
        let backwards = good.replacen("30.000\t31.000", "31.000\t30.000", 1);
        assert!(failure(&backwards).starts_with("line 1: `31.000` to `30.000` is no stretch"));
        assert!(failure(&format!("{good}../{first}")).contains("is no plain name"));
        assert!(failure(&format!("{good}a.wav\t0\t1\t\n")).ends_with("has no label"));
        assert!(failure("\n").contains("no recordings listed"));
        let elsewhere = good.replacen("training-000", "testing-000", 1);
        assert!(failure(&elsewhere).contains("`testing-000_30.000_31.000.wav` is in two"));
        fs::remove_file(&path).unwrap();
        let error = load(&options(dir.path()), &mut |_, _| ()).unwrap_err().to_string();
        assert!(error.contains("no groundtruth_weak_label_training_set.csv"), "{error}");
    }
}
