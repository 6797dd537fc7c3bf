//! How well posteriors order clips: areas under the ROC curve and under the precision-recall curve.

use super::super::predict::Predictions;
use super::{column, mean};

/// Area under the ROC curve: the probability that a clip with the tag has a larger posterior than one without it,
/// equal ones counting half; `None` where there are no clips with or none without it.
///
/// Source: Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC)
/// curve" (1982), by the ranks of Mann and Whitney.
#[must_use]
pub fn roc_auc(clips: &[(f32, bool)]) -> Option<f64> {
    let with = clips.iter().filter(|(_, has)| *has).count();
    let pairs = with as f64 * (clips.len() - with) as f64;
    // Clips with the tag, each with the clips without it below it.
    let (mut below, mut wins) = (0.0, 0.0);
    for group in groups(clips, |a, b| a.total_cmp(&b)) {
        let (own, others) = (group.with as f64, group.without as f64);
        wins += own * (below + 0.5 * others);
        below += others;
    }
    (pairs > 0.0).then(|| wins / pairs)
}

/// Area under the precision-recall curve as average precision: the mean of the precisions at each clip with the tag,
/// clips of equal posterior taken together; `None` where there is no clip with the tag.
///
/// Source: Davis and Goadrich, "The relationship between precision-recall and ROC curves" (2006), who tell why the points are not
/// joined by straight lines.
#[must_use]
pub fn pr_auc(clips: &[(f32, bool)]) -> Option<f64> {
    let all = clips.iter().filter(|(_, has)| *has).count() as f64;
    let (mut hits, mut claimed, mut area) = (0.0, 0.0, 0.0);
    for group in groups(clips, |a, b| b.total_cmp(&a)) {
        hits += group.with as f64;
        claimed += (group.with + group.without) as f64;
        area += group.with as f64 * hits / claimed;
    }
    (all > 0.0).then(|| area / all)
}

/// Clips of equal posterior.
struct Group {
    with: usize,
    without: usize,
}

fn groups(
    clips: &[(f32, bool)],
    order: impl Fn(f32, f32) -> std::cmp::Ordering,
) -> impl Iterator<Item = Group> {
    let mut sorted = clips.to_vec();
    sorted.sort_by(|a, b| order(a.0, b.0));
    let groups: Vec<Group> = sorted
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| {
            let with = group.iter().filter(|(_, has)| *has).count();
            Group { with, without: group.len() - with }
        })
        .collect();
    groups.into_iter()
}

/// Mean over the tags of [`roc_auc`]; tags for which there is none do not count.
#[must_use]
pub fn macro_roc_auc(predictions: &Predictions) -> Option<f64> {
    mean((0..predictions.labels()).map(|tag| roc_auc(&column(predictions, tag))))
}

/// The same of [`pr_auc`].
#[must_use]
pub fn macro_pr_auc(predictions: &Predictions) -> Option<f64> {
    mean((0..predictions.labels()).map(|tag| pr_auc(&column(predictions, tag))))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::predictions;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn areas_of_textbook_cases() {
        // The example of scikit-learn's documentation of both functions.
        let clips = [(0.1, false), (0.4, false), (0.35, true), (0.8, true)];
        assert_eq!(roc_auc(&clips), Some(0.75));
        assert!((pr_auc(&clips).unwrap() - 0.833_333).abs() < 1e-5);
        let perfect = [(0.9, true), (0.1, false)];
        assert_eq!((roc_auc(&perfect), pr_auc(&perfect)), (Some(1.0), Some(1.0)));
        let equal = [(0.5, true), (0.5, false), (0.5, false), (0.5, false)];
        assert_eq!((roc_auc(&equal), pr_auc(&equal)), (Some(0.5), Some(0.25)));
        assert_eq!((roc_auc(&[(0.5, true)]), pr_auc(&[(0.5, false)])), (None, None));
        assert_eq!((roc_auc(&[]), pr_auc(&[])), (None, None));
    }

    #[test]
    fn tags_that_cannot_be_measured_do_not_count() {
        let rows: [(&[f32], &[bool]); 2] =
            [(&[0.9, 0.1], &[true, true]), (&[0.1, 0.2], &[false, true])];
        assert_eq!(macro_roc_auc(&predictions(&rows)), Some(1.0));
        assert_eq!(macro_pr_auc(&predictions(&rows)), Some(1.0));
        assert_eq!(macro_roc_auc(&predictions(&[])), None);
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs_in_order(
            clips in prop::collection::vec((0..6u8, any::<bool>()), 0..40),
        ) {
            let clips: Vec<(f32, bool)> =
                clips.into_iter().map(|(level, has)| (f32::from(level), has)).collect();
            let with = clips.iter().filter(|(_, has)| *has);
            let pairs = with.flat_map(|(own, _)| {
                clips.iter().filter(|(_, has)| !has).map(move |(other, _)| (own, other))
            });
            let shares: Vec<f64> = pairs
                .map(|(own, other)| match own.total_cmp(other) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                })
                .collect();
            let wanted = (!shares.is_empty())
                .then(|| shares.iter().sum::<f64>() / shares.len() as f64);
            match (roc_auc(&clips), wanted) {
                (Some(area), Some(wanted)) => prop_assert!((area - wanted).abs() < 1e-9),
                (area, wanted) => prop_assert_eq!(area, wanted),
            }
        }
    }
}
