//! What follows from thresholds: precision, recall and F, tag by tag and over all.

use super::super::predict::Predictions;
use super::mean;

/// Claims of a tag, or of all tags together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Claimed and there.
    pub hits: u64,
    /// Claimed.
    pub claimed: u64,
    /// There.
    pub clips: u64,
}

impl Counts {
    fn add(&mut self, claimed: bool, there: bool) {
        self.hits += u64::from(claimed && there);
        self.claimed += u64::from(claimed);
        self.clips += u64::from(there);
    }

    fn plus(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            claimed: self.claimed + other.claimed,
            clips: self.clips + other.clips,
        }
    }

    /// Of the claims, the share that is right; `None` without claims.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        (self.claimed > 0).then(|| self.hits as f64 / self.claimed as f64)
    }

    /// Of what is there, the share that is claimed; `None` where nothing is.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        (self.clips > 0).then(|| self.hits as f64 / self.clips as f64)
    }

    /// The harmonic mean of both; `None` where nothing is there and nothing claimed.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        let sum = self.claimed + self.clips;
        (sum > 0).then(|| 2.0 * self.hits as f64 / sum as f64)
    }
}

/// F-scores of decisions. Each is `None` where there is nothing to decide.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions {
    /// One entry a tag.
    pub tags: Vec<Counts>,
    /// Mean over the clips of F of each one's tags (instance-based, "samples" average); a clip without tags for
    /// which none is claimed counts as 1.
    pub instance_f1: Option<f64>,
}

impl Decisions {
    /// Counts the decisions that thresholds, one a tag, make: a tag is claimed from its threshold on. `None` never is.
    ///
    /// Source of the averages: Tsoumakas and Katakis, "Multi-label classification: an overview" (2007).
    #[must_use]
    pub fn new(predictions: &Predictions, thresholds: &[Option<f32>]) -> Self {
        let mut tags = vec![Counts::default(); thresholds.len()];
        let rows = predictions.posteriors.iter().zip(&predictions.tags);
        let clips: Vec<Counts> = rows
            .map(|(row, there)| {
                let mut clip = Counts::default();
                for (tag, threshold) in thresholds.iter().enumerate() {
                    let claimed = threshold.is_some_and(|threshold| row[tag] >= threshold);
                    clip.add(claimed, there[tag]);
                    tags[tag].add(claimed, there[tag]);
                }
                clip
            })
            .collect();
        let instance_f1 = mean(clips.iter().map(|clip| Some(clip.f1().unwrap_or(1.0))));
        Self { tags, instance_f1 }
    }

    /// F of all claims together.
    #[must_use]
    pub fn micro_f1(&self) -> Option<f64> {
        self.tags.iter().fold(Counts::default(), |sum, tag| sum.plus(*tag)).f1()
    }

    /// Mean over the tags of their F; tags that are nowhere and nowhere claimed do not count.
    #[must_use]
    pub fn macro_f1(&self) -> Option<f64> {
        mean(self.tags.iter().map(Counts::f1))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::predictions;
    use super::*;

    #[test]
    fn averages_differ_in_what_they_weigh() {
        let rows: [(&[f32], &[bool]); 4] = [
            (&[0.9, 0.8, 0.1], &[true, false, false]),
            (&[0.9, 0.2, 0.1], &[true, true, false]),
            (&[0.1, 0.7, 0.1], &[false, true, false]),
            (&[0.1, 0.2, 0.1], &[false, false, false]),
        ];
        let decisions = Decisions::new(&predictions(&rows), &[Some(0.5); 3]);
        let counts = |hits, claimed, clips| Counts { hits, claimed, clips };
        assert_eq!(decisions.tags, [counts(2, 2, 2), counts(1, 2, 2), counts(0, 0, 0)]);
        // 2·1/3, 2·1/3, 1 and 1.
        assert!((decisions.instance_f1.unwrap() - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(decisions.micro_f1(), Some(0.75));
        assert_eq!(decisions.macro_f1(), Some(0.75));
        assert_eq!(
            (decisions.tags[1].precision(), decisions.tags[1].recall()),
            (Some(0.5), Some(0.5))
        );
        assert_eq!(decisions.tags[2].f1(), None);
    }

    #[test]
    fn a_threshold_belongs_to_what_is_claimed_and_none_claims_nothing() {
        let rows: [(&[f32], &[bool]); 1] = [(&[0.5, 1.0], &[true, true])];
        let decisions = Decisions::new(&predictions(&rows), &[Some(0.5), None]);
        assert_eq!(decisions.tags.iter().map(|tag| tag.hits).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(Decisions::new(&predictions(&[]), &[Some(0.5)]).instance_f1, None);
    }
}
