//! Trained networks that a training learns from besides the labels.
//!
//! Their mean posteriors for each augmented window become a share of its target: knowledge distillation (Hinton, Vinyals
//! and Dean, 2015) at temperature 1. A network of the size of one learns so what several know together.

use burn::tensor::{Tensor, TensorData};

use super::batch::Batch;
use super::source::Source;
use crate::net::{Compute, Network};

/// The teachers of a training; there may be none.
#[derive(Debug)]
pub struct Teachers {
    nets: Vec<Network>,
    share: f32,
}

impl Teachers {
    /// These networks, whose mean is to be `share` of every target. They read the same windows and have the same
    /// classes as the network that learns.
    #[must_use]
    pub fn new(sources: &[Source], share: f32) -> Self {
        Self { nets: sources.iter().map(Source::trained).collect(), share }
    }

    /// Moves the targets of a batch towards what the teachers say of its windows.
    pub(super) fn teach(&self, batch: &mut Batch, compute: &Compute) {
        let size = batch.classes.len();
        if self.nets.is_empty() || size == 0 {
            return;
        }
        let shape = [size, batch.windows.len() / size];
        let weight = self.share / self.nets.len() as f32;
        batch.targets.iter_mut().for_each(|target| *target *= 1.0 - self.share);
        for net in &self.nets {
            let windows = TensorData::new(batch.windows.clone(), shape);
            let windows = Tensor::<2>::from_data(windows, compute.inference_device());
            let posteriors = net.posteriors(windows, compute).into_data();
            let posteriors: Vec<f32> = posteriors.try_to_vec().expect("f32 posteriors");
            for (target, posterior) in batch.targets.iter_mut().zip(posteriors) {
                *target += weight * posterior;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module as _;
    use models::arch::preset;

    #[test]
    fn targets_move_by_the_share_towards_the_mean_of_the_teachers() {
        let (arch, compute) = (preset("nano", 3).unwrap(), Compute::cpu());
        let nets: Vec<Network> =
            [1, 2].map(|seed| Network::new(&arch, seed, &compute).unwrap().valid()).into();
        let windows: Vec<f32> = (0..2 * 16_000).map(|at| (at as f32 * 0.05).sin()).collect();
        let batch = Batch {
            targets: vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            classes: vec![0, 2],
            negative: vec![false; 2],
            windows,
        };
        let of = |nets: &[Network], share| {
            let mut batch = batch.clone();
            Teachers { nets: nets.to_vec(), share }.teach(&mut batch, &compute);
            batch.targets
        };
        assert_eq!(of(&[], 0.5), batch.targets);
        assert_eq!(of(&nets, 0.0), batch.targets);
        let (first, second, both) = (of(&nets[..1], 1.0), of(&nets[1..], 1.0), of(&nets, 0.6));
        assert_ne!(first, second);
        for (at, target) in both.iter().enumerate() {
            let wanted = 0.4 * batch.targets[at] + 0.3 * (first[at] + second[at]);
            assert!((target - wanted).abs() < 1e-6, "{target} {wanted}");
        }
    }
}
