//! What an int8 model needs on a chip.

use std::fmt::Write as _;

use anyhow::Context as _;
use models::arch::{ArchSpec, StreamCost, Streaming};
use models::meta::DecisionDefaults;
use models::q8::{LayerParts, Model, Parts, PassPlan, Shape, passes};
use models::quant::Factor;
use models::stream::Detector;
use serde::Serialize;

/// Flash, memory and work of a model at a hop.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Footprint {
    /// Samples between two windows.
    pub(super) hop: u32,
    /// Windows a second.
    windows: f64,
    /// Bytes of the model file.
    pub(super) file: usize,
    /// Bytes of weights, biases and factors in it.
    weights: usize,
    /// Bytes of memory that the engine is handed.
    pub(super) engine: usize,
    /// Bytes of memory that the detector is handed.
    detector: usize,
    /// Multiply-accumulates of a window computed whole.
    window_macs: u64,
    /// Multiply-accumulates of a hop, by what they are for.
    #[serde(skip)]
    cost: StreamCost,
    /// Multiply-accumulates of a hop.
    hop_macs: u64,
    /// Passes over the samples of a window.
    #[serde(skip)]
    passes: usize,
    /// The other way to compute a network with gates, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    maps_kept: Option<MapsKept>,
}

/// What differs where the maps of all gates are kept: more memory, a single pass, less work.
#[derive(Clone, Copy, Debug, Serialize)]
struct MapsKept {
    /// Bytes of memory that the engine is handed.
    engine: usize,
    /// Multiply-accumulates of a hop.
    hop_macs: u64,
}

impl Footprint {
    /// That of a model file.
    ///
    /// # Errors
    /// No model, or a hop of 0.
    pub(super) fn new(file: &[u8], hop: u32) -> anyhow::Result<Self> {
        let model = &Model::parse(file).context("model.q8")?;
        let arch = model.arch();
        let layers = arch.layers()?;
        let engine = 4 * firmware_sim::memory_words(model, hop)?;
        let (mut passes_over, mut maps_kept) = (1, None);
        let cost = if arch.is_chain() {
            Streaming::new(arch, hop)?.cost(&layers)
        } else {
            let nodes = arch.nodes()?;
            let work = |plan: &PassPlan| {
                let work = nodes.iter().zip(passes(&nodes, plan));
                work.map(|(node, passes)| passes * node.macs()).sum::<u64>()
            };
            let (least, roomy) = (PassPlan::new(arch), PassPlan::within(arch, usize::MAX));
            passes_over = least.passes();
            if least != roomy {
                let engine = firmware_sim::roomy_memory_words(model, hop)?.saturating_mul(4);
                maps_kept = Some(MapsKept { engine, hop_macs: work(&roomy) });
            }
            StreamCost { tail: work(&least), ..StreamCost::default() }
        };
        let classes = usize::from(arch.classes);
        Ok(Self {
            hop,
            windows: f64::from(arch.sample_rate_hz) / f64::from(hop),
            file: file.len(),
            weights: model.layers().iter().map(|layer| layer.bytes()).sum(),
            engine,
            detector: 2 * Detector::<&mut [u16]>::memory_len(classes, model.decision().smoothing),
            window_macs: layers.macs(),
            cost,
            hop_macs: cost.per_hop(),
            passes: passes_over,
            maps_kept,
        })
    }

    /// Multiply-accumulates a second, of so many a hop.
    fn macs_a_second(&self, hop_macs: u64) -> f64 {
        hop_macs as f64 * self.windows
    }

    /// As lines for people.
    ///
    /// # Errors
    /// Never: memory can be written to.
    pub(super) fn table(&self) -> anyhow::Result<String> {
        let mut out = String::new();
        let Self { hop, windows, file, weights, engine, detector, cost, hop_macs, .. } = self;
        writeln!(out, "on a chip, hop {hop} samples ({windows:.1} windows a second):")?;
        writeln!(out, "  flash for weights {weights:>12} B   (model.q8: {file} B)")?;
        writeln!(out, "  engine memory     {engine:>12} B")?;
        writeln!(out, "  detector memory   {detector:>12} B")?;
        writeln!(
            out,
            "  MACs a window     {hop_macs:>12}   ({} shared, {} edges, {} behind; {} computed whole)",
            cost.shared, cost.edges, cost.tail, self.window_macs,
        )?;
        writeln!(out, "  MACs a second     {:>12.0}", self.macs_a_second(*hop_macs))?;
        if let Some(MapsKept { engine, hop_macs }) = self.maps_kept {
            let passes = self.passes;
            writeln!(
                out,
                "with the maps of all gates kept, 1 pass over a window in place of {passes}:"
            )?;
            writeln!(out, "  engine memory     {engine:>12} B")?;
            writeln!(out, "  MACs a window     {hop_macs:>12}")?;
            writeln!(out, "  MACs a second     {:>12.0}", self.macs_a_second(hop_macs))?;
        }
        Ok(out)
    }
}

/// What an architecture will need before there are weights, with activations of 8 bits everywhere
/// and of 16 bits everywhere: what an export chooses lies between. `None` if it has no integer form.
///
/// # Errors
/// An architecture that is none, or a hop of 0.
pub(super) fn bounds(arch: &ArchSpec, hop: u32) -> anyhow::Result<Option<[Footprint; 2]>> {
    if !arch.has_integer_form() {
        return Ok(None);
    }
    let of = |limit| Footprint::new(&blank(arch, limit)?, hop);
    Ok(Some([of(i8::MAX.unsigned_abs().into())?, of(models::q8::MAX_LIMIT)?]))
}

/// A model file with zeros for weights.
fn blank(arch: &ArchSpec, limit: u16) -> anyhow::Result<Vec<u8>> {
    let labels: Vec<String> = (0..arch.classes).map(|class| class.to_string()).collect();
    let decision = DecisionDefaults::for_labels(&labels, arch.sample_rate_hz);
    let half = Factor::from_real(0.5).context("a half is a factor")?;
    let layer = |Shape { outputs, taps, inputs }| LayerParts {
        weights: vec![0; outputs * taps * inputs],
        biases: vec![0; outputs],
        factors: vec![half; outputs],
        limit,
        scale: 1.0,
    };
    let layers = Shape::of(arch)?.into_iter().map(layer).collect();
    let parts =
        Parts { preset: String::new(), arch: arch.clone(), labels, decision, seed: 0, layers };
    Ok(parts.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_a_network_with_gates_are_told() {
        let footprint = |name| {
            let arch = models::arch::preset(name, 12).unwrap();
            bounds(&arch, 2187).unwrap().unwrap()[0]
        };
        let least = footprint("rese-nano");
        let kept = least.maps_kept.unwrap();
        assert!(kept.engine > least.engine && kept.hop_macs < least.hop_macs);
        assert_eq!(kept.hop_macs, least.window_macs);
        let told = least.table().unwrap();
        assert!(told.contains("kept, 1 pass over a window in place of 8:"), "{told}");
        for name in ["nano", "res2-speech"] {
            assert!(footprint(name).maps_kept.is_none(), "{name}");
        }
    }
}
