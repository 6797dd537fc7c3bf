//! Thresholds of tags, chosen on validation.

use super::super::predict::Predictions;
use super::column;

/// The threshold of a tag that nothing is known of.
pub const USUAL: f32 = 0.5;

/// For each tag the threshold with the largest F on these clips, in the middle between the posteriors that it parts; of
/// equally good ones the largest. [`USUAL`] for a tag that no clip has.
///
/// Tuned tag by tag, they maximise the macro F (Lipton, Elkan and Naryanaswamy, "Optimal thresholding of
/// classifiers to maximize F1 measure", 2014).
#[must_use]
pub fn tune(predictions: &Predictions) -> Vec<f32> {
    (0..predictions.labels()).map(|tag| best(column(predictions, tag)).unwrap_or(USUAL)).collect()
}

fn best(mut clips: Vec<(f32, bool)>) -> Option<f32> {
    let there = clips.iter().filter(|(_, has)| *has).count();
    clips.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut best) = (0usize, None);
    for (claimed, (posterior, has)) in (1..).zip(&clips) {
        hits += usize::from(*has);
        let next = clips.get(claimed).map_or(0.0, |(next, _)| *next);
        if next == *posterior && claimed < clips.len() {
            continue;
        }
        let f1 = 2.0 * hits as f64 / (claimed + there) as f64;
        if hits > 0 && best.is_none_or(|(largest, _)| f1 > largest) {
            best = Some((f1, (posterior + next) / 2.0));
        }
    }
    best.map(|(_, threshold)| threshold)
}

#[cfg(test)]
mod tests {
    use super::super::decisions::Decisions;
    use super::super::fixture::predictions;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thresholds_lie_between_what_they_part() {
        let rows: [(&[f32], &[bool]); 3] = [
            (&[0.30, 0.9, 0.2], &[true, true, false]),
            (&[0.20, 0.8, 0.2], &[true, false, false]),
            (&[0.10, 0.7, 0.2], &[false, true, false]),
        ];
        let tuned = tune(&predictions(&rows));
        assert!((tuned[0] - 0.15).abs() < 1e-6, "between 0.2 and 0.1");
        assert!((tuned[1] - 0.35).abs() < 1e-6, "all of them: F 0.8 against 0.67");
        assert_eq!(tuned[2], USUAL);
    }

    proptest! {
        #[test]
        fn no_other_threshold_does_better(
            clips in prop::collection::vec((0..8u8, any::<bool>()), 1..30),
        ) {
            let rows: Vec<(Vec<f32>, Vec<bool>)> = clips
                .into_iter()
                .map(|(level, has)| (vec![f32::from(level) / 8.0], vec![has]))
                .collect();
            let rows: Vec<(&[f32], &[bool])> =
                rows.iter().map(|(row, tags)| (row.as_slice(), tags.as_slice())).collect();
            let predictions = predictions(&rows);
            let f1 = |threshold| {
                let decisions = Decisions::new(&predictions, &[Some(threshold)]);
                decisions.tags[0].f1().unwrap_or(0.0)
            };
            let tuned = f1(tune(&predictions)[0]);
            if rows.iter().any(|(_, tags)| tags[0]) {
                for other in 0..18u8 {
                    prop_assert!(tuned >= f1(f32::from(other) / 16.0) - 1e-12);
                }
            }
        }
    }
}
