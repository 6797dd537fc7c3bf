//! `trainer visualize`

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::data_common::{self, print};
use crate::figure;
use crate::fit::checkpoint::replace;
use crate::fit::source::Source;
use crate::look::FilterFigure;
use crate::look::filters::{self, Ascent, LayerFilters, SAMPLES};
use crate::net::Compute;

/// Arguments of `trainer visualize`.
#[derive(Debug, clap::Args)]
pub struct VisualizeArgs {
    /// Training run or exported model (`model.onnx`).
    #[arg(value_name = "RUN|MODEL")]
    network: PathBuf,
    /// Folder for `filters.svg`, `filters.png` and `filters.json`, made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Layers to show, from the stem on.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..))]
    layers: u8,
    /// Length of the waveforms in samples (default: 729, or more where the last layer needs more).
    #[arg(long, value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    samples: Option<u32>,
    /// Steps along the gradient.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: u32,
    /// Seed of the noise to start from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Finds the waveforms that a network's filters respond to, and draws their spectra.
///
/// # Errors
/// No network, waveforms too short for the network, or an unwritable folder.
pub fn run(args: &VisualizeArgs) -> anyhow::Result<()> {
    let compute = Compute::cpu_plain();
    let source = Source::load(&args.network, &compute)?;
    let net = source.differentiable();
    let arch = &source.arch;
    let given = args.samples.map(|samples| samples as usize);
    let (names, needed) = filters::layers(arch, args.layers.into(), given)?;
    let samples = given.unwrap_or(SAMPLES.max(needed));
    if names.is_empty() {
        bail!("--samples {samples}: shorter than the filters of the stem ({})", arch.stem.kernel);
    }
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let ascent = Ascent { samples, steps: args.steps, seed: args.seed };
    let bar = data_common::progress_bar("filters");
    let filters = |layer| filters::output(&net, layer).1 as u64;
    bar.set_length(names.iter().map(|layer| filters(*layer)).sum());
    let look = |layer| {
        filters::look(&net, layer, arch.sample_rate_hz, ascent, &compute, |done| {
            bar.inc(done as u64);
        })
    };
    let layers: Vec<LayerFilters> = names.iter().map(|layer| look(*layer)).collect();
    bar.finish_and_clear();

    let title = format!("{}, {} classes", source.preset, source.labels.len());
    let drawn = FilterFigure { layers: &layers, rate_hz: arch.sample_rate_hz, title };
    for name in ["filters.svg", "filters.png"] {
        figure::write(&drawn, &args.out.join(name))?;
    }
    let path = args.out.join("filters.json");
    let text = format!("{}\n", report(&source, ascent, &layers));
    replace(&path, &[text.as_bytes()]).with_context(|| path.display().to_string())?;
    print(&table(&layers)?)
}

fn report(source: &Source, ascent: Ascent, layers: &[LayerFilters]) -> serde_json::Value {
    json!({
        "preset": source.preset,
        "labels": source.labels,
        "rate_hz": source.arch.sample_rate_hz,
        "samples": ascent.samples,
        "steps": ascent.steps,
        "seed": ascent.seed,
        "layers": layers,
    })
}

fn table(layers: &[LayerFilters]) -> anyhow::Result<String> {
    let mut out = String::new();
    writeln!(
        out,
        "{:<9} {:>7} {:>6}  {:>8} {:>8} {:>8}  {:>13}  {:>7}",
        "layer", "filters", "silent", "peak 25%", "50%", "75% (Hz)", "below 1000 Hz", "breadth"
    )?;
    for layer in layers {
        let peak = |share| layer.peak_at(share).map_or("-".to_owned(), |hz| format!("{hz:.0}"));
        writeln!(
            out,
            "{:<9} {:>7} {:>6}  {:>8} {:>8} {:>8}  {:>11.0} %  {:>5.1} %",
            layer.layer,
            layer.filters.len(),
            layer.silent.len(),
            peak(0.25),
            peak(0.5),
            peak(0.75),
            100.0 * layer.share_below(1000.0),
            100.0 * layer.breadth(),
        )?;
    }
    Ok(out)
}
