//! Writes the int8 model (`.q8`) of a preset with random weights: what it takes of a chip does not depend
//! on what it has learned.
//!
//! ```text
//! cargo run -p auricle-models --example random_model -- PRESET FILE
//! ```

use std::error::Error;

use models::arch::{ArchSpec, PRESETS, preset};
use models::meta::DecisionDefaults;
use models::q8::{LayerParts, MAX_LIMIT, Parts};
use models::quant::Factor;

const CLASSES: u16 = 12;
/// The largest activation of 8 bits.
const NARROW: u16 = 127;
/// A typical weight.
const WEIGHT: f64 = 64.0;
/// A typical logit to base 2, in units of 2^-10.
const LOGIT: f64 = 3_000.0;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, file] = arguments.as_slice() else {
        return Err("give a preset and the file to write".into());
    };
    let unknown = || format!("unknown preset `{name}`; there are {}", PRESETS.join(", "));
    let arch = preset(name, CLASSES).ok_or_else(unknown)?;
    if !arch.is_chain() {
        return Err(
            format!("`{name}` has gates or shortcuts; this writes plain networks only").into()
        );
    }
    std::fs::write(file, model(name, &arch)?.encode())?;
    Ok(())
}

/// Activations as the exporter stores them: of the stem in 16 bits, of all others in 8.
fn model(name: &str, arch: &ArchSpec) -> Result<Parts, Box<dyn Error>> {
    let table = arch.layers()?;
    let last = table.layers.len() - 1;
    let mut noise = Noise(1);
    let (mut input, mut layers) = (MAX_LIMIT, Vec::new());
    for (index, layer) in table.layers.iter().enumerate() {
        let (outputs, products) = (layer.out_channels, layer.in_channels * layer.kernel);
        let limit = if index == 0 || index == last { MAX_LIMIT } else { NARROW };
        let wanted = if index == last { LOGIT } else { f64::from(limit) };
        let factor =
            Factor::from_real(wanted / (WEIGHT * f64::from(input) * (products as f64).sqrt()));
        layers.push(LayerParts {
            weights: (0..outputs * products).map(|_| noise.next()).collect(),
            biases: vec![0; outputs],
            factors: vec![factor.ok_or("a factor out of range")?; outputs],
            limit,
            scale: 1.0,
        });
        input = limit;
    }
    let labels: Vec<String> = (0..CLASSES).map(|class| class.to_string()).collect();
    let decision = DecisionDefaults::for_labels(&labels, arch.sample_rate_hz);
    Ok(Parts { preset: name.into(), arch: arch.clone(), labels, decision, seed: 1, layers })
}

/// A generator of numbers that look random.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> i8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 56) as i8
    }
}
