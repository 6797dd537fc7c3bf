//! The classifier by itself: what training with everything else frozen needs.

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};

use super::{Compute, Dropout, Network, fake, layer};

impl Network {
    /// Features `[B, F]` of windows `[B, T]`, as the classifier sees them. Takes a network from
    /// [`burn::module::Module::valid`].
    #[must_use]
    pub fn head_features(&self, windows: Tensor<2>, compute: &Compute) -> Tensor<2> {
        let x = self.features_of(windows, compute, |_, _| {});
        compute.features(x)
    }

    /// The largest value over time of each channel of these nodes' outputs, in the order of the nodes: `[B, C]` each.
    #[must_use]
    pub fn peaks(&self, windows: Tensor<2>, nodes: &[usize], compute: &Compute) -> Vec<Vec<f32>> {
        let mut peaks = Vec::with_capacity(nodes.len());
        self.features_of(windows, compute, |node, x| {
            if nodes.contains(&node) {
                let peak = x.clone().max_dim(compute.time()).into_data();
                peaks.push(peak.try_to_vec().expect("f32 activations"));
            }
        });
        peaks
    }

    /// Logits `[B, N]` of features `[B, F]`.
    #[must_use]
    pub fn classify(&self, features: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let rounds = self.layers.iter().any(|layer| layer.stored.is_some());
        let weight = if rounds { fake::linear(weight) } else { weight };
        features.matmul(weight) + self.bias.val().unsqueeze()
    }

    /// The same in training: some features are dropped.
    #[must_use]
    pub fn classify_train(
        &self,
        features: Tensor<2>,
        dropout: &Dropout,
        compute: &Compute,
    ) -> Tensor<2> {
        let factors = dropout.features(features.dims(), compute);
        self.classify(features * factors)
    }

    /// Moves the classifier alone by `share` of the way to that of `other`. Takes networks from
    /// [`burn::module::Module::valid`].
    #[must_use]
    pub fn classifier_toward(mut self, other: &Self, share: f32) -> Self {
        self.weight = layer::toward(self.weight, &other.weight, share);
        self.bias = layer::toward(self.bias, &other.bias, share);
        self
    }

    /// Takes all weights of `source`, a network that differs in its classes at most. Output `n` is the source's
    /// output `kept[n]`, or where there is none starts as it is.
    #[must_use]
    pub fn with_weights_of(mut self, source: &Self, kept: &[Option<usize>]) -> Self {
        let device = self.weight.val().device();
        let [features, classes] = self.weight.shape().dims();
        let theirs = source.weight.shape().dims::<2>()[1];
        let read = |tensor: Tensor<1>| -> Vec<f32> {
            tensor.into_data().try_to_vec().expect("f32 parameters")
        };
        let flat = |weight: &Param<Tensor<2>>| read(weight.val().flatten(0, 1));
        let (mut weight, from) = (flat(&self.weight), flat(&source.weight));
        let (mut bias, from_bias) = (read(self.bias.val()), read(source.bias.val()));
        for (class, kept) in kept.iter().enumerate() {
            let Some(kept) = *kept else { continue };
            bias[class] = from_bias[kept];
            for feature in 0..features {
                weight[feature * classes + class] = from[feature * theirs + kept];
            }
        }
        self.layers.clone_from(&source.layers);
        self.gates.clone_from(&source.gates);
        self.weight = Param::from_data(TensorData::new(weight, [features, classes]), &device);
        self.bias = Param::from_data(TensorData::new(bias, [classes]), &device);
        self.without_rounding()
    }
}
