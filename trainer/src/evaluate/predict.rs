//! Posteriors of clips.

use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};
use runtime::engine::{Engine, EngineError};

use crate::data::{Clip, Dataset, Part};
use crate::fit::batch::centre;
use crate::net::{Compute, Network};

/// Clips a forward pass.
const BATCH: usize = 32;

/// Posteriors of clips whose classes are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// One row of posteriors a clip.
    pub posteriors: Vec<Vec<f32>>,
    /// The true class of each clip.
    pub classes: Vec<usize>,
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

    /// Mean of −ln(posterior of the true class).
    #[must_use]
    pub fn cross_entropy(&self) -> f64 {
        let log = |(row, class): (&Vec<f32>, &usize)| -f64::from(row[*class].max(1e-9)).ln();
        let sum: f64 = self.posteriors.iter().zip(&self.classes).map(log).sum();
        sum / self.len().max(1) as f64
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

/// Posteriors by a network from [`burn::module::Module::valid`].
#[must_use]
pub fn network(net: &Network, clips: &[Clip], window: usize, compute: &Compute) -> Predictions {
    let mut predictions = empty(clips);
    for batch in clips.chunks(BATCH) {
        let windows = TensorData::new(windows(batch, window), [batch.len(), window]);
        let x = Tensor::<2>::from_data(windows, compute.inference_device());
        let posteriors = softmax(net.forward(x, compute), 1).into_data();
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
