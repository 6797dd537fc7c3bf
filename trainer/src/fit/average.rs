//! A moving average of the weights.
//!
//! The weights of a single step are a noisy draw around the minimum; their average lies nearer to
//! it, and generalises better. Source: Polyak and Juditsky, "Acceleration of stochastic
//! approximation by averaging" (1992); the exponential form and its warm-up as in TensorFlow's
//! `ExponentialMovingAverage`.

use crate::net::Network;

/// Exponential moving average of a network's weights and statistics.
#[derive(Debug)]
pub(super) struct Average {
    net: Network,
    decay: f64,
    /// Whether the classifier alone moves: an average of what stays would round.
    frozen: bool,
}

impl Average {
    /// Starts from `net`, a network from [`burn::module::Module::valid`].
    pub(super) const fn new(net: Network, decay: f64, frozen: bool) -> Self {
        Self { net, decay, frozen }
    }

    /// The average so far.
    pub(super) const fn net(&self) -> &Network {
        &self.net
    }

    /// Takes in the weights after step `step`, counted from 0.
    pub(super) fn add(&mut self, net: &Network, step: u64) {
        let share = 1.0 - self.decay_at(step);
        let old = self.net.clone();
        self.net = match self.frozen {
            true => old.classifier_toward(net, share as f32),
            false => old.toward(net, share as f32),
        };
    }

    /// The first steps count for little: the average is never longer than a ninth of the training
    /// so far.
    fn decay_at(&self, step: u64) -> f64 {
        let step = step as f64;
        self.decay.min((1.0 + step) / (10.0 + step))
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module as _;

    use super::*;
    use crate::net::Compute;

    fn net(seed: u64) -> Network {
        let compute = Compute::cpu();
        let arch = models::arch::preset("nano", 3).unwrap();
        Network::new(&arch, seed, &compute).unwrap().valid()
    }

    fn first_weight(net: &Network) -> f32 {
        net.layers[0].weight.val().into_data().try_to_vec::<f32>().unwrap()[0]
    }

    #[test]
    fn the_average_of_a_constant_is_the_constant() {
        let mut average = Average::new(net(1), 0.9, false);
        let constant = net(2);
        for step in 0..400 {
            average.add(&constant, step);
        }
        assert!((first_weight(average.net()) - first_weight(&constant)).abs() < 1e-6);
    }

    #[test]
    fn late_steps_count_by_the_decay_and_early_ones_more() {
        let (from, to) = (first_weight(&net(1)), first_weight(&net(2)));
        let moved = |step| {
            let mut average = Average::new(net(1), 0.9, false);
            average.add(&net(2), step);
            (first_weight(average.net()) - from) / (to - from)
        };
        assert!((moved(10_000) - 0.1).abs() < 1e-4);
        assert!((moved(0) - 0.9).abs() < 1e-4);
    }
}
