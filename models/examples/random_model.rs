//! Writes the int8 model (`.q8`) of a preset with random weights: what it takes of a chip does not depend
//! on what it has learned.
//!
//! ```text
//! cargo run -p auricle-models --example random_model -- PRESET FILE
//! ```

use std::error::Error;

use models::arch::{Activation, ArchSpec, Node, Op, PRESETS, Part, preset};
use models::meta::DecisionDefaults;
use models::q8::{LayerParts, MAX_LIMIT, Parts, Shape};
use models::quant::{Factor, JOIN_BITS};
use models::stream::ONE;

const CLASSES: u16 = 12;
/// The largest activation of 8 bits.
const NARROW: u16 = 127;
/// A typical weight.
const WEIGHT: f64 = 64.0;
/// A typical logit to base 2, in units of 2^-10.
const LOGIT: f64 = 3_000.0;
/// A typical value over its layer's mean.
const SPREAD: f64 = 4.0;
/// A typical gate.
const GATE: f64 = 0.5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, file] = arguments.as_slice() else {
        return Err("give a preset and the file to write".into());
    };
    let unknown = || format!("unknown preset `{name}`; there are {}", PRESETS.join(", "));
    let arch = preset(name, CLASSES).ok_or_else(unknown)?;
    if !arch.has_integer_form() {
        return Err(format!("`{name}` reads mel spectra, which have no integer form").into());
    }
    std::fs::write(file, model(name, &arch)?.encode())?;
    Ok(())
}

/// Every node with random weights and factors that spread what it makes over its range.
fn model(name: &str, arch: &ArchSpec) -> Result<Parts, Box<dyn Error>> {
    let nodes = arch.nodes()?;
    let last = nodes.len() - 1;
    let mut noise = Noise(1);
    let mut layers: Vec<LayerParts> = Vec::new();
    for (index, (node, shape)) in nodes.iter().zip(Shape::of(arch)?).enumerate() {
        let inputs: Vec<u16> = node.operands.iter().map(|operand| layers[*operand].limit).collect();
        let is_end = index == 0 || index == last;
        let limit = if is_end || is_wide(node) { MAX_LIMIT } else { NARROW };
        let factors = factors(node, shape, &inputs, limit, index == last).into_iter();
        let factors: Option<Vec<Factor>> = factors.map(Factor::from_real).collect();
        layers.push(LayerParts {
            weights: (0..shape.outputs * shape.taps * shape.inputs).map(|_| noise.next()).collect(),
            biases: vec![0; shape.outputs],
            factors: factors.ok_or("a factor out of range")?,
            limit,
            scale: 1.0,
        });
    }
    let labels: Vec<String> = (0..CLASSES).map(|class| class.to_string()).collect();
    let decision = DecisionDefaults::for_labels(&labels, arch.sample_rate_hz);
    Ok(Parts { preset: name.into(), arch: arch.clone(), labels, decision, seed: 1, layers })
}

/// Whether a node's values have 16 bits as the exporter stores them: what may be negative, and the units of gates. Of the
/// others only the stem's.
fn is_wide(node: &Node) -> bool {
    node.is_signed() || matches!(node.part, Part::Squeeze | Part::Excite)
}

/// Factors of a node that reads values up to `inputs`, an operand each, or samples.
fn factors(node: &Node, shape: Shape, inputs: &[u16], limit: u16, is_last: bool) -> Vec<f64> {
    let input = f64::from(inputs.first().copied().unwrap_or(MAX_LIMIT));
    let limit = f64::from(limit);
    match node.op {
        Op::Conv { activation, .. } => {
            let is_logit = is_last || activation == Activation::Sigmoid;
            let products = (shape.taps * shape.inputs) as f64;
            let wanted = if is_logit { LOGIT } else { limit };
            vec![wanted / (WEIGHT * input * products.sqrt()); shape.outputs]
        }
        Op::Mean => vec![SPREAD * limit / (input * node.in_len as f64)],
        Op::Join { gated, residual, .. } => {
            let unit = limit * f64::from(1 << JOIN_BITS);
            let gate = if gated { GATE * f64::from(ONE) } else { 1.0 };
            let shortcut = inputs.last().filter(|_| residual).map(|input| unit / f64::from(*input));
            std::iter::once(unit / (input * gate)).chain(shortcut).collect()
        }
        Op::Peaks => inputs.iter().map(|input| limit / f64::from(*input)).collect(),
        Op::Mel { .. } => Vec::new(),
    }
}

/// A generator of numbers that look random.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> i8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 56) as i8
    }
}
