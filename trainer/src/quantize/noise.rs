//! Where an int8 model loses precision.

use burn::tensor::{Tensor, TensorData};
use firmware_sim::{Observer, Part, Prepared};
use models::arch::Node;
use models::q8::Model;
use models::stream::Q15;
use serde::Serialize;

use crate::data::{Clip, I16_SCALE};
use crate::evaluate::int8::{Int8, window_i16};
use crate::net::{Compute, Network};

/// Precision of one layer's outputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerNoise {
    /// Name of the layer.
    pub layer: String,
    /// Bits of its activations.
    pub bits: u32,
    /// Power of the float network's activations over that of the difference, in decibels.
    pub sqnr_db: f64,
}

/// Collects the outputs of each layer, column by column.
#[derive(Default)]
struct Outputs(Vec<Vec<i16>>);

impl Observer for Outputs {
    fn column(&mut self, layer: usize, _: Part, values: &[i16]) {
        if self.0.len() <= layer {
            self.0.resize_with(layer + 1, Vec::new);
        }
        self.0[layer].extend_from_slice(values);
    }

    fn window(&mut self, _: &[Q15], _: u64) {}
}

/// Signal to quantisation noise of every node but the classifier and those of gates, over clips. Errors of a layer
/// include those that it inherits.
#[must_use]
pub fn measure(
    model: &Model<'_>,
    net: &Network,
    clips: &[Clip],
    compute: &Compute,
) -> Vec<LayerNoise> {
    let window = model.arch().window as usize;
    let nodes = net.nodes();
    let count = nodes.len() - 1;
    let (mut signal, mut noise) = (vec![0.0f64; count], vec![0.0f64; count]);
    let prepared = Prepared::new(model);
    let mut engine = Int8::new(model, prepared.as_ref());
    for clip in clips {
        let samples = window_i16(clip, window);
        let mut outputs = Outputs::default();
        engine.observe(&samples, &mut outputs);
        let floats: Vec<f32> = samples.iter().map(|s| f32::from(*s) / I16_SCALE).collect();
        let x = Tensor::<2>::from_data(
            TensorData::new(floats, [1, window]),
            compute.inference_device(),
        );
        net.forward_watched(x, compute, |layer, values| {
            let scale = f64::from(model.layers()[layer].scale);
            for (value, stored) in values.iter().zip(&outputs.0[layer]) {
                let value = f64::from(*value);
                signal[layer] += value * value;
                noise[layer] += (value - scale * f64::from(*stored)).powi(2);
            }
        });
    }
    let single = |node: &Node| nodes.iter().filter(|other| other.layer == node.layer).count() == 1;
    let name = |node: &Node| match single(node) {
        true => node.layer.to_string(),
        false => format!("{} {}", node.layer, node.part.name()),
    };
    let layers = nodes.iter().zip(model.layers()).zip(signal.iter().zip(&noise));
    // The engine shows no columns of gates.
    let shown = layers.filter(|(_, (signal, noise))| **signal > 0.0 || **noise > 0.0);
    shown
        .map(|((node, layer), (signal, noise))| LayerNoise {
            layer: name(node),
            bits: layer.bits(),
            sqnr_db: 10.0 * (signal / noise.max(1e-30)).log10(),
        })
        .collect()
}
