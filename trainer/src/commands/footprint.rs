//! What an int8 model needs on a chip.

use std::fmt::Write as _;

use anyhow::Context as _;
use models::arch::{ArchSpec, StreamCost, Streaming};
use models::meta::DecisionDefaults;
use models::q8::{LayerParts, Model, Parts, Shape, passes};
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
        let cost = if arch.is_chain() {
            Streaming::new(arch, hop)?.cost(&layers)
        } else {
            let nodes = arch.nodes()?;
            let work = nodes.iter().zip(passes(&nodes)).map(|(node, passes)| passes * node.macs());
            StreamCost { tail: work.sum(), ..StreamCost::default() }
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
        })
    }

    /// Multiply-accumulates a second.
    fn macs_a_second(&self) -> f64 {
        self.hop_macs as f64 * self.windows
    }

    /// As lines for people.
    ///
    /// # Errors
    /// Never: memory can be written to.
    pub(super) fn table(&self) -> anyhow::Result<String> {
        let mut out = String::new();
        let Self { hop, windows, file, weights, engine, detector, cost, .. } = self;
        writeln!(out, "on a chip, hop {hop} samples ({windows:.1} windows a second):")?;
        writeln!(out, "  flash for weights {weights:>12} B   (model.q8: {file} B)")?;
        writeln!(out, "  engine memory     {engine:>12} B")?;
        writeln!(out, "  detector memory   {detector:>12} B")?;
        writeln!(
            out,
            "  MACs a window     {:>12}   ({} shared, {} edges, {} behind; {} computed whole)",
            cost.per_hop(),
            cost.shared,
            cost.edges,
            cost.tail,
            self.window_macs,
        )?;
        writeln!(out, "  MACs a second     {:>12.0}", self.macs_a_second())?;
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
