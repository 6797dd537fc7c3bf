//! Figures of networks that find any number of tags in a clip.
//!
//! [`ranking`] measures how well posteriors put the clips of a tag before the others, without any threshold;
//! [`decisions`] what follows from thresholds, which [`thresholds`] chooses; [`report`] shows both.

pub mod decisions;
pub mod ranking;
pub mod report;
pub mod thresholds;

use super::predict::Predictions;

/// Posteriors of a tag beside whether each clip has it.
fn column(predictions: &Predictions, tag: usize) -> Vec<(f32, bool)> {
    let rows = predictions.posteriors.iter().zip(&predictions.tags);
    rows.map(|(row, tags)| (row[tag], tags[tag])).collect()
}

/// Mean of what is there; `None` of nothing.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod fixture {
    use super::Predictions;

    /// Predictions of clips, each with its posteriors and tags.
    pub(super) fn predictions(rows: &[(&[f32], &[bool])]) -> Predictions {
        Predictions {
            posteriors: rows.iter().map(|(row, _)| row.to_vec()).collect(),
            classes: vec![0; rows.len()],
            tags: rows.iter().map(|(_, tags)| (*tags).into()).collect(),
            names: vec![String::new(); rows.len()],
        }
    }
}
