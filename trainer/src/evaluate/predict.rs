//! Posteriors of clips.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use models::arch::Task;
use models::stream::segment_starts;
use runtime::engine::{Engine, EngineError};

use super::tags::ranking::macro_roc_auc;
use crate::data::{Clip, Dataset, Part, Placement};
use crate::fit::batch::centre;
use crate::net::{Compute, Network, posteriors_of};

/// Clips a forward pass.
const BATCH: usize = 32;

/// Posteriors of clips whose classes are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// One row of posteriors a clip.
    pub posteriors: Vec<Vec<f32>>,
    /// The true class of each clip.
    pub classes: Vec<usize>,
    /// The true tags of each clip: for each of them, whether it has it. Empty where clips have classes.
    pub tags: Vec<Arc<[bool]>>,
    /// The name of each clip.
    pub names: Vec<String>,
}

impl Predictions {
    /// Number of clips.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are no clips.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Share of clips whose largest posterior is that of their class; 0 without clips.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        let hits =
            self.posteriors.iter().zip(&self.classes).filter(|(row, class)| argmax(row) == **class);
        hits.count() as f64 / self.len().max(1) as f64
    }

    /// Posteriors of a clip.
    #[must_use]
    pub fn labels(&self) -> usize {
        self.posteriors.first().map_or(0, Vec::len)
    }

    /// What the task is judged by: the accuracy, or of tags the macro ROC-AUC (a half where no tag can be
    /// judged).
    #[must_use]
    pub fn score(&self) -> f64 {
        match self.has_tags() {
            true => macro_roc_auc(self).unwrap_or(0.5),
            false => self.accuracy(),
        }
    }

    /// Mean of −ln(posterior of the true class); of tags the mean over all of them of −ln(posterior of what is
    /// true of the tag).
    #[must_use]
    pub fn cross_entropy(&self) -> f64 {
        let log = |posterior: f32| -f64::from(posterior.max(1e-9)).ln();
        let sum: f64 = if self.has_tags() {
            let rows = self.posteriors.iter().zip(&self.tags);
            let all = rows.flat_map(|(row, tags)| row.iter().zip(tags.iter()));
            let logs = all.map(|(p, has)| log(if *has { *p } else { 1.0 - p }));
            logs.sum::<f64>() / self.labels().max(1) as f64
        } else {
            let rows = self.posteriors.iter().zip(&self.classes);
            rows.map(|(row, class)| log(row[*class])).sum()
        };
        sum / self.len().max(1) as f64
    }

    fn has_tags(&self) -> bool {
        self.tags.iter().any(|tags| !tags.is_empty())
    }
}

/// The name of [`Predictions::score`].
#[must_use]
pub const fn score_name(task: Task) -> &'static str {
    match task {
        Task::MultiClass => "accuracy",
        Task::MultiLabel => "ROC-AUC",
    }
}

/// Index of the largest value, the first of equals.
#[must_use]
pub fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

/// The clips of a part with its silence: one seeded crop per ten listed clips.
#[must_use]
pub fn with_silence(data: &Dataset, part: Part, seed: u64) -> Vec<Clip> {
    let mut clips = data.clips(part).to_vec();
    clips.extend(data.silence_clips(part, data.silence_count(part), seed));
    clips
}

/// Posteriors of clips, by whatever computes those of windows: of scenes the mean over evenly spaced segments,
/// as many as windows fit into the clip, rounded up (9 of 1.23 s in 10 s, 12 of 2.46 s in 29 s, as the authors of
/// SampleCNN count them); of words the middle of the clip.
///
/// # Errors
/// What `predict` returns.
pub fn averaged<E>(
    clips: &[Clip],
    window: usize,
    placement: Placement,
    predict: impl FnOnce(&[Clip]) -> Result<Predictions, E>,
) -> Result<Predictions, E> {
    if placement == Placement::Centre {
        return predict(clips);
    }
    let (mut segments, mut counts) = (Vec::new(), Vec::new());
    for clip in clips {
        let before = segments.len();
        let starts = segment_starts(clip.samples.len(), window);
        segments.extend(starts.map(|start| {
            let end = clip.samples.len().min(start + window);
            Clip { samples: clip.samples[start..end].into(), ..clip.clone() }
        }));
        counts.push(segments.len() - before);
    }
    let of_segments = predict(&segments)?;
    let mut rows = of_segments.posteriors.into_iter();
    let mut predictions = empty(clips);
    predictions.posteriors.extend(counts.into_iter().map(|count| {
        let mut mean = rows.next().unwrap_or_default();
        for row in rows.by_ref().take(count - 1) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= count as f32);
        mean
    }));
    Ok(predictions)
}

/// Posteriors by a network from [`burn::module::Module::valid`].
#[must_use]
pub fn network(net: &Network, clips: &[Clip], window: usize, compute: &Compute) -> Predictions {
    of_features(net, clips, &features(net, clips, window, compute), compute)
}

/// What the classifier of a network from [`burn::module::Module::valid`] sees of clips: one row a clip.
pub(crate) fn features(
    net: &Network,
    clips: &[Clip],
    window: usize,
    compute: &Compute,
) -> Vec<f32> {
    let mut features = Vec::with_capacity(clips.len() * net.features());
    for batch in clips.chunks(BATCH) {
        let windows = TensorData::new(windows(batch, window), [batch.len(), window]);
        let x = Tensor::<2>::from_data(windows, compute.inference_device());
        let rows = net.head_features(x, compute).into_data();
        features.extend(rows.try_to_vec::<f32>().expect("f32 features"));
    }
    features
}

/// Posteriors of clips with these [`features`].
pub(crate) fn of_features(
    net: &Network,
    clips: &[Clip],
    features: &[f32],
    compute: &Compute,
) -> Predictions {
    let mut predictions = empty(clips);
    for (batch, features) in clips.chunks(BATCH).zip(features.chunks(BATCH * net.features())) {
        let features = TensorData::new(features.to_vec(), [batch.len(), net.features()]);
        let x = Tensor::<2>::from_data(features, compute.inference_device());
        let posteriors = posteriors_of(net.task(), net.classify(x)).into_data();
        let posteriors: Vec<f32> = posteriors.try_to_vec().expect("f32 posteriors");
        let classes = posteriors.len() / batch.len();
        predictions.posteriors.extend(posteriors.chunks_exact(classes).map(<[f32]>::to_vec));
    }
    predictions
}

/// Posteriors by an engine of the runtime.
///
/// # Errors
/// What the engine says.
pub fn engine(engine: &mut dyn Engine, clips: &[Clip]) -> Result<Predictions, EngineError> {
    let window = engine.meta().arch.window as usize;
    let classes = engine.meta().labels.len();
    let mut predictions = empty(clips);
    for clip in clips {
        let mut row = vec![0.0; classes];
        engine.posteriors(&windows(std::slice::from_ref(clip), window), &mut row)?;
        predictions.posteriors.push(row);
    }
    Ok(predictions)
}

pub(super) fn empty(clips: &[Clip]) -> Predictions {
    Predictions {
        posteriors: Vec::with_capacity(clips.len()),
        classes: clips.iter().map(|clip| clip.class).collect(),
        tags: clips.iter().map(|clip| Arc::clone(&clip.tags)).collect(),
        names: clips.iter().map(|clip| clip.name.clone()).collect(),
    }
}

/// The windows of clips, one after the other.
pub(crate) fn windows(clips: &[Clip], window: usize) -> Vec<f32> {
    let mut out = vec![0.0; clips.len() * window];
    for (clip, window) in clips.iter().zip(out.chunks_exact_mut(window)) {
        centre(&clip.samples, window);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn tags_are_judged_by_their_order() {
        let predictions = Predictions {
            posteriors: vec![vec![0.9, 0.4], vec![0.2, 0.6]],
            classes: vec![0, 1],
            tags: vec![[true, false].into(), [false, false].into()],
            names: vec![String::new(); 2],
        };
        assert_eq!(predictions.score(), 1.0);
        let expected = -(0.9f64 * 0.6 * 0.8 * 0.4).ln() / 4.0;
        assert!((predictions.cross_entropy() - expected).abs() < 1e-6);
        let classes = Predictions { tags: vec![[].into(); 2], ..predictions };
        assert_eq!(classes.score(), classes.accuracy());
    }

    #[test]
    fn posteriors_of_segments_are_averaged() {
        let clip = |samples: &[i16]| Clip {
            name: "a".into(),
            class: 0,
            tags: [].into(),
            speaker: None,
            samples: samples.into(),
        };
        let clips = [clip(&[2, 2, 6, 6]), clip(&[5])];
        // The posteriors are the first sample.
        let first = |segments: &[Clip]| -> Result<Predictions, Infallible> {
            let row = |clip: &Clip| vec![f32::from(clip.samples[0])];
            let posteriors = segments.iter().map(row).collect();
            Ok(Predictions { posteriors, ..empty(segments) })
        };
        let Ok(mean) = averaged(&clips, 2, Placement::Anywhere, first);
        assert_eq!(mean.posteriors, [[4.0], [5.0]]);
        assert_eq!(mean.names, ["a", "a"]);
        let Ok(middle) = averaged(&clips, 2, Placement::Centre, first);
        assert_eq!(middle.posteriors, [[2.0], [5.0]]);
    }
}
