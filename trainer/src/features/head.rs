//! Small classifiers on features.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, LBFGSConfig, LineSearchFn};
use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::{Tensor, TensorData};
use models::arch::Task;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::Features;
use super::scale::Scale;
use crate::data::Part;
use crate::draw;
use crate::evaluate::predict::{Predictions, argmax};
use crate::export::check::posteriors;
use crate::fit::loss::binary_cross_entropy;
use crate::net::{Compute, Dropout, Linear};

/// Strengths of the regularisation that are tried.
const L2: [f32; 5] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0];
/// Most steps of L-BFGS.
const ITERATIONS: usize = 300;
/// Of the connected classifier.
const LEARNING_RATE: f64 = 1e-3;
const WEIGHT_DECAY: f32 = 0.01;
const DROPOUT: f64 = 0.5;

/// What classifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Logistic regression (multinomial, or one for each tag), by L-BFGS; how strongly it is regularised is chosen on validation.
    #[default]
    Logistic,
    /// One hidden layer with ReLU and dropout, by `AdamW`; the epoch is chosen on validation.
    Connected,
}

/// How a classifier is trained.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What it is.
    pub kind: Kind,
    /// Units of the hidden layer.
    pub hidden: usize,
    /// Passes over all training clips.
    pub epochs: u32,
    /// Seed of weights and dropout.
    pub seed: u64,
}

/// A layer's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Weights, `[I, O]`.
    pub weight: Vec<f32>,
    /// Bias, `[O]`.
    pub bias: Vec<f32>,
}

/// A trained classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Its layers, with ReLU between them.
    pub layers: Vec<Dense>,
    /// What was chosen on validation, in words.
    pub choice: String,
}

impl Head {
    /// Logits of one row of features.
    #[must_use]
    pub fn logits(&self, row: &[f32]) -> Vec<f32> {
        let mut values = row.to_vec();
        for (index, Dense { weight, bias }) in self.layers.iter().enumerate() {
            if index > 0 {
                values.iter_mut().for_each(|value| *value = value.max(0.0));
            }
            let mut sums = bias.clone();
            for (value, weights) in values.iter().zip(weight.chunks_exact(bias.len())) {
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
            values = sums;
        }
        values
    }

    /// How many clips of a part it classifies correctly, of how many.
    #[must_use]
    pub fn correct(&self, features: &Features, part: Part) -> (u64, u64) {
        let clips = features.of_part(part);
        let hit = |(row, class): (&[f32], &usize)| argmax(&self.logits(row)) == *class;
        let hits = clips.rows().zip(&clips.classes).filter(|pair| hit(*pair)).count();
        (hits as u64, clips.len() as u64)
    }

    /// Posteriors of the clips of a part.
    #[must_use]
    pub fn predictions(&self, features: &Features, part: Part, compute: &Compute) -> Predictions {
        let (clips, task) = (features.of_part(part), features.task());
        let row = |row: &[f32]| {
            let logits = self.logits(row);
            let shape = [1, logits.len()];
            let logits = TensorData::new(logits, shape);
            posteriors(Tensor::from_data(logits, compute.inference_device()), task)
        };
        let posteriors = clips.rows().map(row).collect();
        let Features { classes, tags, names, .. } = clips;
        Predictions { posteriors, classes, tags, names }
    }
}

/// Layers while they learn, on features of mean 0 and variance 1.
#[derive(Module, Debug)]
struct Layers {
    layers: Vec<Linear>,
}

impl Layers {
    /// He-uniform weights; the last layer begins at zero.
    fn new(sizes: &[usize], seed: u64, compute: &Compute) -> Self {
        let device = compute.training_device();
        let last = sizes.len() - 2;
        let layers = sizes.windows(2).enumerate().map(|(index, pair)| {
            let mut rng = draw::rng(seed, "head", &[index as u64]);
            let bound = if index == last { 0.0 } else { (6.0 / pair[0] as f32).sqrt() };
            let mut weight = || (2.0 * rng.random::<f32>() - 1.0) * bound;
            let weight = (0..pair[0] * pair[1]).map(|_| weight()).collect::<Vec<_>>();
            Linear::new(TensorData::new(weight, [pair[0], pair[1]]), &device)
        });
        Self { layers: layers.collect() }
    }

    /// Logits `[B, N]`; `drop` makes the factors of the last layer's input.
    fn forward(&self, x: Tensor<2>, drop: Option<(&Dropout, &Compute)>) -> Tensor<2> {
        let last = self.layers.len() - 1;
        let mut x = x;
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                x = relu(x);
            }
            if let (true, Some((dropout, compute))) = (index == last, drop) {
                x = x.clone() * dropout.features(x.dims(), compute);
            }
            x = layer.forward(x);
        }
        x
    }

    /// The layers for features as they are.
    fn folded(&self, scale: &Scale, choice: String) -> Head {
        let values = |tensor: Tensor<1>| -> Vec<f32> {
            tensor.into_data().try_to_vec().expect("f32 parameters")
        };
        let dense = |layer: &Linear| Dense {
            weight: values(layer.weight.val().flatten(0, 1)),
            bias: values(layer.bias.val()),
        };
        let mut layers: Vec<Dense> = self.layers.iter().map(dense).collect();
        if let Some(first) = layers.first_mut() {
            let outputs = first.bias.len();
            let mut bias: Vec<f64> = first.bias.iter().map(|bias| f64::from(*bias)).collect();
            for (row, (mean, factor)) in
                first.weight.chunks_exact_mut(outputs).zip(scale.mean.iter().zip(&scale.factor))
            {
                for (weight, bias) in row.iter_mut().zip(&mut bias) {
                    let scaled = f64::from(*weight) * factor;
                    *bias -= scaled * mean;
                    *weight = scaled as f32;
                }
            }
            first.bias = bias.into_iter().map(|bias| bias as f32).collect();
        }
        Head { layers, choice }
    }
}

/// Rows with their classes or tags, ready to learn from.
struct Set {
    x: Tensor<2>,
    targets: Tensor<2>,
    task: Task,
}

impl Set {
    fn new(clips: &Features, scale: &Scale, labels: usize, compute: &Compute) -> Self {
        let targets = TensorData::new(clips.targets(labels), [clips.len(), labels]);
        let targets = Tensor::from_data(targets, &compute.training_device());
        Self { x: scale.apply(&clips.values, compute), targets, task: clips.task() }
    }

    /// Mean cross-entropy of these logits; of tags the sum over them of the mean binary cross-entropy of each, so that each has
    /// a regression of its own.
    fn loss(&self, logits: Tensor<2>) -> Tensor<1> {
        let [rows, labels] = logits.dims();
        match self.task {
            Task::MultiClass => {
                let log_posteriors = log_softmax(logits, 1) * self.targets.clone();
                log_posteriors.sum().neg() / rows.max(1) as f32
            }
            Task::MultiLabel => binary_cross_entropy(logits, self.targets.clone()) * labels as f32,
        }
    }

    fn loss_of(&self, layers: &Layers) -> f64 {
        scalar(&self.loss(layers.forward(self.x.clone(), None)))
    }
}

fn scalar(tensor: &Tensor<1>) -> f64 {
    let values: Vec<f32> = tensor.clone().into_data().try_to_vec().expect("one f32");
    f64::from(values[0])
}

/// Trains a classifier for `labels` classes or tags on the training clips and chooses on the validation clips.
///
/// # Errors
/// There are no training or no validation clips.
pub fn train(
    features: &Features,
    labels: usize,
    options: &Options,
    compute: &Compute,
) -> Result<Head, String> {
    let (train, validation) =
        (features.of_part(Part::Training), features.of_part(Part::Validation));
    if train.is_empty() || validation.is_empty() {
        return Err("has no training or no validation clips".to_owned());
    }
    let scale = Scale::of(&train.values, features.width);
    let train = Set::new(&train, &scale, labels, compute);
    let validation = Set::new(&validation, &scale, labels, compute);
    let (layers, choice) = match options.kind {
        Kind::Logistic => {
            let sizes = [features.width, labels];
            let tried = L2.map(|l2| {
                let layers = logistic(Layers::new(&sizes, options.seed, compute), &train, l2);
                (validation.loss_of(&layers), l2, layers)
            });
            let best = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
            let (_, l2, layers) = best.ok_or("nothing was tried")?;
            (layers, format!("regularisation {l2}"))
        }
        Kind::Connected => {
            let sizes = [features.width, options.hidden, labels];
            let layers = Layers::new(&sizes, options.seed, compute);
            connected(layers, &train, &validation, options, compute)
        }
    };
    Ok(layers.folded(&scale, choice))
}

/// Minimises mean cross-entropy + `l2`/2·|w|².
fn logistic(layers: Layers, train: &Set, l2: f32) -> Layers {
    let mut optimizer = LBFGSConfig::new()
        .with_max_iter(ITERATIONS)
        .with_history_size(10)
        .with_line_search_fn(LineSearchFn::StrongWolfe)
        .init();
    let objective = |layers: Layers| {
        let weight = layers.layers[0].weight.val();
        let size = (weight.clone() * weight).sum() * (l2 / 2.0);
        let loss = train.loss(layers.forward(train.x.clone(), None)) + size;
        let value = scalar(&loss);
        (value, GradientsParams::from_module(&mut loss.backward(), &layers))
    };
    optimizer.step(1.0, layers, objective).0
}

fn connected(
    mut layers: Layers,
    train: &Set,
    validation: &Set,
    options: &Options,
    compute: &Compute,
) -> (Layers, String) {
    let mut optimizer = AdamWConfig::new().with_weight_decay(WEIGHT_DECAY).init();
    let mut best = (f64::INFINITY, layers.clone(), 0);
    for epoch in 1..=options.epochs {
        let dropout =
            Dropout { seed: options.seed, step: u64::from(epoch), share: DROPOUT, ..Dropout::NONE };
        let loss = train.loss(layers.forward(train.x.clone(), Some((&dropout, compute))));
        let gradients = GradientsParams::from_module(&mut loss.backward(), &layers);
        layers = optimizer.step(LEARNING_RATE, layers, gradients);
        let loss = validation.loss_of(&layers);
        if loss < best.0 {
            best = (loss, layers.clone(), epoch);
        }
    }
    (best.1, format!("epoch {}", best.2))
}

#[cfg(test)]
mod tests;
