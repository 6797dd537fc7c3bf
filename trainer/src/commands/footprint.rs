//! What an int8 model needs on a chip.

use std::fmt::Write as _;

use models::arch::Streaming;
use models::q8::Model;
use models::stream::Detector;

/// Flash, memory and work of a model at a hop.
///
/// # Errors
/// Never for a model that was parsed.
pub(super) fn table(model: &Model<'_>, hop: u32) -> anyhow::Result<String> {
    let arch = model.arch();
    let layers = arch.layers()?;
    let streaming = Streaming::new(arch, hop)?;
    let cost = streaming.cost(&layers);
    let engine = 4 * firmware_sim::memory_words(model, hop)?;
    let classes = usize::from(arch.classes);
    let detector = 2 * Detector::<&mut [u16]>::memory_len(classes, model.decision().smoothing);
    let windows = f64::from(arch.sample_rate_hz) / f64::from(hop);
    let weights: usize = model.layers().iter().map(|layer| layer.bytes()).sum();
    let mut out = String::new();
    writeln!(out, "on a chip, hop {hop} samples ({windows:.1} windows a second):")?;
    writeln!(out, "  flash for weights {weights:>12} B")?;
    writeln!(out, "  engine memory     {:>12} B", engine)?;
    writeln!(out, "  detector memory   {detector:>12} B")?;
    writeln!(
        out,
        "  MACs a window     {:>12}   ({} shared, {} edges, {} behind; {} computed whole)",
        cost.per_hop(),
        cost.shared,
        cost.edges,
        cost.tail,
        layers.macs(),
    )?;
    writeln!(out, "  MACs a second     {:>12.0}", cost.per_hop() as f64 * windows)?;
    Ok(out)
}
