//! Choosing among ways to quantise, by what they do on validation.

use burn::module::Module as _;
use models::meta::ModelMeta;
use models::q8::{Model, Parts};
use serde::Serialize;

use super::calibrate::{Method, Ranges};
use super::noise::{self, LayerNoise};
use super::scale;
use crate::data::{Clip, Dataset, Part};
use crate::evaluate::{gain, int8, predict};
use crate::export::fold::Folded;
use crate::net::{Activation, Compute, Network};

/// Clips of the training split that ranges are watched on.
const CALIBRATION_CLIPS: usize = 512;
/// Clips that the noise of layers is measured on.
const NOISE_CLIPS: usize = 32;
/// The most layers that 16-bit activations are tried in.
const MOST_WIDE: usize = 6;
/// Recordings from far away, for which the first layers may need 16 bits.
pub const QUIET_DB: f64 = -24.0;
/// Accuracy on validation that an int8 model may lose, as recorded and quiet.
const MAY_LOSE: [f64; 2] = [0.001, 0.005];

/// What was chosen, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Choice {
    /// How the ranges of 8-bit activations were found.
    pub method: Method,
    /// Layers, from the stem on, whose activations have 16 bits.
    pub wide: usize,
    /// Share of validation clips classified correctly (of tags the macro ROC-AUC, on the middles of the clips): as
    /// recorded, and 24 dB quieter.
    pub accuracy: [f64; 2],
    /// The same by the network in floating point.
    pub float_accuracy: [f64; 2],
    /// What follows for what each node but the classifier makes; of a chain, for the activations of its layers.
    pub stored: Vec<Activation>,
}

/// An int8 model.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The file.
    pub bytes: Vec<u8>,
    /// What was chosen.
    pub choice: Choice,
    /// Everything that was tried, in that order.
    pub tried: Vec<Choice>,
    /// Precision layer by layer.
    pub noise: Vec<LayerNoise>,
}

/// How the activations of a model are chosen.
#[derive(Clone, Copy, Debug)]
pub enum Activations<'a> {
    /// By what does best on validation.
    Search,
    /// As the network was trained for.
    Trained(&'a [Activation]),
}

/// Quantises a trained network. Ranges come from the training clips, the choice among methods from the
/// validation clips.
///
/// All methods are tried with 8-bit activations, then with 16 bits in more and more of the first layers,
/// until a model loses next to nothing of the accuracy, as recorded and 24 dB quieter. If none does,
/// the best one is kept.
///
/// # Panics
/// If the network, its description and the data do not belong together.
#[must_use]
pub fn quantize(
    net: &Network,
    folded: &Folded,
    meta: &ModelMeta,
    data: &Dataset,
    activations: Activations<'_>,
    compute: &Compute,
) -> Quantized {
    let seed = meta.provenance.seed;
    let window = meta.arch.window as usize;
    let net = net.valid().without_rounding();
    let validation = predict::with_silence(data, Part::Validation, seed);
    let both = [validation.clone(), gain::apply(&validation, QUIET_DB)];
    let float_accuracy =
        both.each_ref().map(|clips| predict::network(&net, clips, window, compute).score());

    let attempt = |method, wide, stored: Vec<Activation>| {
        let layers = scale::layers(folded, &stored);
        let bytes = encode(meta, layers);
        let accuracy = both.each_ref().map(|clips| int8::predict(&read(&bytes), clips).score());
        (Choice { method, wide, accuracy, float_accuracy, stored }, bytes)
    };
    let tried = match activations {
        Activations::Trained(stored) => {
            let wide = stored.iter().filter(|stored| stored.limit > scale::NARROW).count();
            vec![attempt(Method::Trained, wide, stored.to_vec())]
        }
        Activations::Search => {
            let training = predict::with_silence(data, Part::Training, seed);
            let clips = every(&training, CALIBRATION_CLIPS);
            let ranges = Ranges::watch(&net, &clips, window, compute);
            let mut tried: Vec<(Choice, Vec<u8>)> = Vec::new();
            for wide in 0..=MOST_WIDE.min(meta.arch.blocks.len() + 2) {
                for method in Method::SEARCHED {
                    let stored = scale::activations(&meta.arch, &ranges, method, wide);
                    tried.push(attempt(method, wide, stored));
                }
                if tried.iter().any(|(choice, _)| choice.is_enough()) {
                    break;
                }
            }
            tried
        }
    };
    let best = tried.iter().rev().max_by(|a, b| a.0.merit().total_cmp(&b.0.merit()));
    let (choice, bytes) = best.expect("something was tried").clone();
    let noise = noise::measure(&read(&bytes), &net, &every(&validation, NOISE_CLIPS), compute);
    let tried = tried.into_iter().map(|(choice, _)| choice).collect();
    Quantized { bytes, choice, tried, noise }
}

fn read(bytes: &[u8]) -> Model<'_> {
    Model::parse(bytes).expect("what was just written can be read")
}

impl Choice {
    fn loss(&self) -> [f64; 2] {
        [0, 1].map(|index| self.float_accuracy[index] - self.accuracy[index])
    }

    fn is_enough(&self) -> bool {
        self.loss().iter().zip(MAY_LOSE).all(|(loss, may)| *loss <= may)
    }

    /// Enough first, then accuracy as recorded with a little regard to quiet recordings.
    fn merit(&self) -> f64 {
        let enough = if self.is_enough() { 1.0 } else { 0.0 };
        enough + self.accuracy[0] + 0.1 * self.accuracy[1]
    }
}

fn encode(meta: &ModelMeta, layers: Vec<models::q8::LayerParts>) -> Vec<u8> {
    let parts = Parts {
        preset: meta.preset.clone(),
        arch: meta.arch.clone(),
        labels: meta.labels.clone(),
        decision: meta.decision.clone(),
        seed: meta.provenance.seed,
        layers,
    };
    parts.encode()
}

/// At most `count` clips, evenly picked.
fn every(clips: &[Clip], count: usize) -> Vec<Clip> {
    let step = clips.len().div_ceil(count).max(1);
    clips.iter().step_by(step).cloned().collect()
}
