//! A split by the folds that a data set brings along: one is tested, the others train.

use std::collections::BTreeMap;

use sha1::{Digest as _, Sha1};

use super::split::{Task, check};
use super::{DataError, Part, esc50};

/// One in so many recordings of the other folds is for validation.
const VALIDATION_EVERY: usize = 8;

/// One part an item: the fold `test` is tested; of the others, whole originals of each class, chosen by their
/// SHA-1, validate.
pub(crate) fn by_folds(task: &Task<'_>, test: u8) -> Result<Vec<Part>, DataError> {
    let fold = |name: &str| task.folds.get(name).copied().unwrap_or(0);
    if task.folds.is_empty() {
        return Err(DataError::BadOption(format!(
            "{}: has no folds (meta/esc50.csv); split it in another way",
            task.dir.display()
        )));
    }
    let last = task.folds.values().copied().max().unwrap_or(0);
    if test == 0 || test > last {
        return Err(DataError::BadOption(format!(
            "{}: has no fold {test}; folds are 1 to {last}",
            task.dir.display()
        )));
    }
    let mut parts: Vec<Part> = task
        .items
        .iter()
        .map(|item| if fold(item.name) == test { Part::Test } else { Part::Training })
        .collect();
    for class in 0..task.labels.len() {
        let mut originals: BTreeMap<[u8; 20], Vec<usize>> = BTreeMap::new();
        for (index, item) in task.items.iter().enumerate() {
            if item.class == class && parts[index] == Part::Training {
                let hash = Sha1::digest(esc50::original(item.name)).into();
                originals.entry(hash).or_default().push(index);
            }
        }
        let count: usize = originals.values().map(Vec::len).sum();
        let mut wanted = (count / VALIDATION_EVERY).max(1);
        for indices in originals.values() {
            // An original with more pieces than wanted stays in training.
            if indices.len() <= wanted {
                indices.iter().for_each(|&index| parts[index] = Part::Validation);
                wanted -= indices.len();
            }
        }
    }
    check(task, &parts, "split with `stratified`")?;
    Ok(parts)
}
