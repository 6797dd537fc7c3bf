//! The written model against the network it came from.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use models::arch::Task;
use rand::RngExt as _;
use runtime::engine::{Engine as _, EngineError, TractEngine};
use thiserror::Error;

use crate::draw;
use crate::net::{Compute, Network, posteriors_of};

/// Largest difference of a posterior between network and model file.
pub const TOLERANCE: f32 = 1e-4;

/// Why a model file is refused.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The runtime's engine refuses it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It computes something else.
    #[error(
        "the written model differs from the trained network by {difference:.2e} in a posterior (at most {TOLERANCE:.0e} is allowed); nothing was written"
    )]
    Differs {
        /// Largest difference found.
        difference: f32,
    },
}

/// Runs network and file on the same windows (noise of many levels, a click, silence) and returns
/// the largest difference of a posterior.
///
/// # Errors
/// The file cannot be run, or differs by more than [`TOLERANCE`].
pub fn check(path: &Path, net: &Network, compute: &Compute) -> Result<f32, CheckError> {
    compare(path, |samples, task| of_network(net, samples, task, compute))
}

/// Posteriors that a network itself computes of a window.
pub(super) fn of_network(
    net: &Network,
    samples: &[f32],
    task: Task,
    compute: &Compute,
) -> Vec<f32> {
    let samples = TensorData::new(samples.to_vec(), [1, samples.len()]);
    let x = Tensor::<2>::from_data(samples, compute.inference_device());
    posteriors(net.forward(x, compute), task)
}

/// Posteriors of logits `[1, N]`.
#[must_use]
pub fn posteriors(logits: Tensor<2>, task: Task) -> Vec<f32> {
    posteriors_of(task, logits).into_data().try_to_vec().expect("f32 posteriors")
}

/// The same for whatever computes the posteriors of a window.
///
/// # Errors
/// As [`check`].
pub fn compare(
    path: &Path,
    mut posteriors: impl FnMut(&[f32], Task) -> Vec<f32>,
) -> Result<f32, CheckError> {
    let mut engine = TractEngine::load(path)?;
    let window = engine.meta().arch.window as usize;
    let classes = engine.meta().labels.len();
    let mut difference = 0.0f32;
    for samples in windows(window) {
        let mut file = vec![0.0; classes];
        engine.posteriors(&samples, &mut file)?;
        let own = posteriors(&samples, engine.meta().arch.task);
        for (own, file) in own.iter().zip(&file) {
            // NaN on either side is a difference.
            let distance = (own - file).abs();
            difference = if distance <= difference { difference } else { distance };
        }
    }
    if difference <= TOLERANCE { Ok(difference) } else { Err(CheckError::Differs { difference }) }
}

fn windows(window: usize) -> Vec<Vec<f32>> {
    let mut click = vec![0.0; window];
    click[window / 2] = 1.0;
    let mut all = vec![vec![0.0; window], click];
    for (index, level) in [1.0f32, 0.1, 0.01, 0.001].into_iter().enumerate() {
        let mut rng = draw::rng(0, "export check", &[index as u64]);
        all.push((0..window).map(|_| level * rng.random_range(-1.0..1.0f32)).collect());
    }
    all
}
