//! `trainer describe`

use std::fmt::Write as _;

use models::arch::{ArchSpec, Layer, Node, Streaming};

use super::data_common::print;
use super::fit::architecture;
use super::footprint;

/// Arguments of `trainer describe`.
#[derive(Debug, clap::Args)]
pub struct DescribeArgs {
    /// Name of the network.
    preset: String,
    /// Number of outputs.
    #[arg(long, default_value_t = 12)]
    classes: usize,
    /// Samples between two windows, for the work a second [default: that of a new model of this network].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    hop: Option<u32>,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Prints a network layer by layer.
///
/// # Errors
/// No such preset, or one that cannot have so many classes.
pub fn run(args: &DescribeArgs) -> anyhow::Result<()> {
    let arch = architecture(&args.preset, args.classes)?;
    let hop = args.hop.unwrap_or_else(|| Streaming::usual_hop(&arch));
    let text = if args.json { json(&arch, hop)? } else { table(&args.preset, &arch, hop)? };
    print(&text)
}

fn table(name: &str, arch: &ArchSpec, hop: u32) -> anyhow::Result<String> {
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
    chip(&mut out, arch, hop)?;
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

fn json(arch: &ArchSpec, hop: u32) -> anyhow::Result<String> {
    let table = arch.layers()?;
    let layers: Vec<_> = table
        .layers
        .iter()
        .map(|layer| {
            serde_json::json!({
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
    let all = serde_json::json!({
        "arch": arch,
        "params": table.params(),
        "macs": table.macs(),
        "samples_used": table.samples_used(arch),
        "peak_working_bytes_f32": table.peak_working_bytes(),
        "layers": layers,
        "int8_activations_8_bit": narrow,
        "int8_activations_16_bit": wide,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&all)?))
}
