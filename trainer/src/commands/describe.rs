//! `trainer describe`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use models::arch::{ArchSpec, Layer, Node, PRESETS, Streaming, preset};
use serde_json::{Value, json};

use super::data_common::print;
use super::describe_trained::Trained;
use super::footprint::{self, Footprint};
use super::presets;

/// Outputs of a network by name.
const CLASSES: usize = 12;

/// Arguments of `trainer describe`.
#[derive(Debug, clap::Args)]
pub struct DescribeArgs {
    /// Name of a network, or a trained one: a training run, an exported model (`model.onnx` or `model.q8`) or its folder
    /// [default: the names that there are].
    #[arg(value_name = "PRESET|RUN|MODEL")]
    network: Option<PathBuf>,
    /// Number of outputs of a network by name [default: 12].
    #[arg(long)]
    classes: Option<usize>,
    /// Samples between two windows, for the work a second [default: that of the model, or of a new one of this network].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    hop: Option<u32>,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Prints a network layer by layer, and of a trained one what it is first.
///
/// # Errors
/// No such preset, run or model, or a preset that cannot have so many classes.
pub fn run(args: &DescribeArgs) -> anyhow::Result<()> {
    let text = match &args.network {
        None if args.json => pretty(&json!(PRESETS))?,
        None => presets::list(),
        Some(path) if is_path(path) => trained(args, path)?,
        Some(name) => named(args, &name.to_string_lossy())?,
    };
    print(&text)
}

/// Whether this is a run or a file, and not the name of a network: those have neither dots nor slashes. A folder that is
/// called like a network is named by a longer path, such as `./nano`.
fn is_path(network: &Path) -> bool {
    let name = network.to_string_lossy();
    name.contains(['.', '/', '\\']) || (network.exists() && preset(&name, 2).is_none())
}

/// A network by name.
fn named(args: &DescribeArgs, name: &str) -> anyhow::Result<String> {
    let arch = presets::architecture(name, args.classes.unwrap_or(CLASSES))?;
    let hop = args.hop.unwrap_or_else(|| Streaming::usual_hop(&arch));
    match args.json {
        true => pretty(&layers_json(&arch, hop)?),
        false => table(name, &arch, hop, None),
    }
}

/// A training run or a model.
fn trained(args: &DescribeArgs, path: &Path) -> anyhow::Result<String> {
    if args.classes.is_some() {
        bail!("--classes: {} has its own; leave it out", path.display());
    }
    let trained = Trained::open(path)?;
    let hop = args.hop.unwrap_or_else(|| trained.hop());
    let int8 = trained.footprint(hop)?;
    if args.json {
        let mut all =
            trained.arch().map_or_else(|| Ok(json!({})), |arch| layers_json(arch, hop))?;
        trained.add_to(&mut all);
        if let Some(int8) = int8 {
            all["int8"] = json!(int8);
        }
        return pretty(&all);
    }
    let mut out = trained.lines();
    if let Some(arch) = trained.arch() {
        write!(out, "\n{}", table(trained.preset(), arch, hop, int8.as_ref())?)?;
    }
    Ok(out)
}

/// JSON for people.
fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// A network in lines for people; `int8` is what the model in integers needs, where there is one already.
fn table(
    name: &str,
    arch: &ArchSpec,
    hop: u32,
    int8: Option<&Footprint>,
) -> anyhow::Result<String> {
    let layers = arch.layers()?;
    let rate = f64::from(arch.sample_rate_hz);
    let mut out = String::new();
    writeln!(
        out,
        "{name}: window {} samples ({:.2} s at {} Hz), {} classes\n",
        arch.window,
        f64::from(arch.window) / rate,
        arch.sample_rate_hz,
        arch.classes,
    )?;
    writeln!(
        out,
        "{:<11} {:>11} {:>11} {:>6} {:>10} {:>12} {:>9} {:>7} {:>10}",
        "layer", "in (C×T)", "out (C×T)", "kernel", "params", "MACs", "sees", "stride", "out f32 B"
    )?;
    let nodes = arch.nodes()?;
    for layer in &layers.layers {
        row(&mut out, layer)?;
        let parts: Vec<&Node> = nodes.iter().filter(|node| node.layer == layer.name).collect();
        if parts.len() > 1 {
            parts.into_iter().try_for_each(|node| part(&mut out, node))?;
        }
    }
    writeln!(out, "\nparameters            {:>12}", layers.params())?;
    writeln!(out, "MACs a window         {:>12}", layers.macs())?;
    let used = layers.samples_used(arch);
    writeln!(out, "samples used          {used:>12}   of {} in a window", arch.window)?;
    writeln!(
        out,
        "peak layer in and out {:>12} B as f32, whole window",
        layers.peak_working_bytes()
    )?;
    match int8 {
        Some(int8) => write!(out, "\n{}", int8.table()?)?,
        None => chip(&mut out, arch, hop)?,
    }
    Ok(out)
}

/// What an int8 export will need, as far as it is known before there are weights.
fn chip(out: &mut String, arch: &ArchSpec, hop: u32) -> anyhow::Result<()> {
    let Some([narrow, wide]) = footprint::bounds(arch, hop)? else {
        writeln!(out, "\nint8: none, as mel spectra have no integer form")?;
        return Ok(());
    };
    write!(out, "\nint8, activations of 8 bits in all layers, {}", narrow.table()?)?;
    if arch.is_chain() {
        let other = wide.engine;
        writeln!(
            out,
            "  engine memory     {other:>12} B   with activations of 16 bits in all layers"
        )?;
    }
    Ok(())
}

fn row(out: &mut String, layer: &Layer) -> std::fmt::Result {
    writeln!(
        out,
        "{:<11} {:>11} {:>11} {:>6} {:>10} {:>12} {:>9} {:>7} {:>10}",
        layer.name,
        format!("{}×{}", layer.in_channels, layer.in_len),
        format!("{}×{}", layer.out_channels, layer.out_len),
        layer.kernel,
        layer.params,
        layer.macs,
        layer.receptive_field,
        layer.stride,
        layer.output_bytes(),
    )
}

/// One operation of a layer that has several.
fn part(out: &mut String, node: &Node) -> std::fmt::Result {
    writeln!(
        out,
        "  {:<9} {:>11} {:>11} {:>6} {:>10} {:>12}",
        node.part.name(),
        format!("{}×{}", node.in_channels, node.in_len),
        format!("{}×{}", node.out_channels, node.out_len),
        node.kernel(),
        node.params(),
        node.macs(),
    )
}

fn layers_json(arch: &ArchSpec, hop: u32) -> anyhow::Result<Value> {
    let table = arch.layers()?;
    let layers: Vec<_> = table
        .layers
        .iter()
        .map(|layer| {
            json!({
                "name": layer.name.to_string(),
                "in_channels": layer.in_channels,
                "in_len": layer.in_len,
                "out_channels": layer.out_channels,
                "out_len": layer.out_len,
                "kernel": layer.kernel,
                "params": layer.params,
                "macs": layer.macs,
                "receptive_field": layer.receptive_field,
                "stride": layer.stride,
                "output_bytes_f32": layer.output_bytes(),
            })
        })
        .collect();
    let (narrow, wide) = footprint::bounds(arch, hop)?.map(|[a, b]| (a, b)).unzip();
    Ok(json!({
        "arch": arch,
        "params": table.params(),
        "macs": table.macs(),
        "samples_used": table.samples_used(arch),
        "peak_working_bytes_f32": table.peak_working_bytes(),
        "layers": layers,
        "int8_activations_8_bit": narrow,
        "int8_activations_16_bit": wide,
    }))
}
