//! `trainer bench`: how fast a network trains on this computer's CPU.

use std::fmt::Write as _;
use std::time::Instant;

use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};
use clap::builder::RangedU64ValueParser;
use models::arch::ArchSpec;
use rand::RngExt;
use serde::Serialize;

use super::data_common::print;
use super::presets::architecture;
use crate::draw;
use crate::net::{Compute, Dropout, Network};

/// Work of a step in forward passes: the backward pass takes two, one for the gradients of the
/// weights and one for those of the activations.
const FORWARD_PASSES: f64 = 3.0;
/// Share of features set to zero before the classifier.
const DROPOUT: f64 = 0.5;
const LEARNING_RATE: f64 = 1e-3;

/// Arguments of `trainer bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Name of the network.
    preset: String,
    /// Windows a step.
    #[arg(long, default_value_t = 16, value_parser = RangedU64ValueParser::<usize>::new().range(2..=4096))]
    batch: usize,
    /// Steps to measure, after one to warm up.
    #[arg(long, default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    steps: usize,
    /// Number of outputs.
    #[arg(long, default_value_t = 31)]
    classes: usize,
    /// Which implementation of the layers to measure.
    #[arg(long, value_enum, default_value = "both")]
    layers: Layers,
    /// Worker threads (default: one a processor).
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    threads: Option<usize>,
    /// What to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Layers {
    /// The fused layers, with which the CPU trains.
    Fused,
    /// Burn's own layers.
    Plain,
    /// Both, a step of one and a step of the other in turn.
    Both,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    preset: String,
    classes: u16,
    batch: usize,
    steps: usize,
    threads: usize,
    params: u64,
    macs_per_window: u64,
    fused: Option<Speed>,
    plain: Option<Speed>,
}

/// Speed of one implementation, from the median step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Speed {
    ms_per_step: f64,
    clips_per_second: f64,
    macs_per_second: f64,
}

impl Speed {
    fn of_step(seconds: f64, batch: usize, macs_per_window: u64) -> Self {
        let clips_per_second = batch as f64 / seconds;
        let macs_per_second = FORWARD_PASSES * macs_per_window as f64 * clips_per_second;
        Self { ms_per_step: 1000.0 * seconds, clips_per_second, macs_per_second }
    }
}

/// Measures the time of a training step on random windows.
///
/// # Errors
/// No such preset, or one that cannot have so many classes.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    if let Some(threads) = args.threads {
        // Fails only if a pool exists already; the report tells its size.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    let arch = architecture(&args.preset, args.classes)?;
    let report = measure(args, &arch)?;
    match args.format {
        Format::Table => print(&table(&report)?),
        Format::Json => print(&format!("{}\n", serde_json::to_string(&report)?)),
    }
}

fn measure(args: &BenchArgs, arch: &ArchSpec) -> anyhow::Result<Report> {
    let table = arch.layers()?;
    let subject = |layers: Layers, compute: fn() -> Compute| {
        let wanted = args.layers == Layers::Both || args.layers == layers;
        wanted.then(|| Subject::new(arch, compute(), args.batch)).transpose()
    };
    let mut fused = subject(Layers::Fused, Compute::cpu)?;
    let mut plain = subject(Layers::Plain, Compute::cpu_plain)?;
    // In turn, so that a computer that is busy with something else slows both down.
    for _ in 0..=args.steps {
        for subject in fused.iter_mut().chain(&mut plain) {
            subject.step();
        }
    }
    let speed = |subject: Subject| Speed::of_step(subject.median(), args.batch, table.macs());
    Ok(Report {
        preset: args.preset.clone(),
        classes: arch.classes,
        batch: args.batch,
        steps: args.steps,
        threads: rayon::current_num_threads(),
        params: table.params(),
        macs_per_window: table.macs(),
        fused: fused.map(speed),
        plain: plain.map(speed),
    })
}

/// A network in training, on one batch again and again.
struct Subject {
    compute: Compute,
    net: Network,
    optimizer: ModuleOptimizer,
    windows: TensorData,
    targets: TensorData,
    /// Seconds of every step so far.
    seconds: Vec<f64>,
}

impl Subject {
    fn new(
        arch: &ArchSpec,
        compute: Compute,
        batch: usize,
    ) -> Result<Self, models::arch::ArchError> {
        let net = Network::new(arch, 0, &compute)?;
        let (window, classes) = (arch.window as usize, usize::from(arch.classes));
        let mut rng = draw::rng(0, "bench", &[]);
        let samples: Vec<f32> = (0..batch * window).map(|_| rng.random_range(-0.5..0.5)).collect();
        let mut targets = vec![0.0f32; batch * classes];
        for (index, row) in targets.chunks_exact_mut(classes).enumerate() {
            row[index % classes] = 1.0;
        }
        Ok(Self {
            net,
            compute,
            optimizer: AdamWConfig::new().with_weight_decay(0.01).init(),
            windows: TensorData::new(samples, [batch, window]),
            targets: TensorData::new(targets, [batch, classes]),
            seconds: Vec::new(),
        })
    }

    /// Forward pass, loss, backward pass, optimiser, running statistics.
    fn step(&mut self) {
        let start = Instant::now();
        let device = self.compute.training_device();
        let tensor = |data: TensorData| Tensor::<2>::from_data(data, &device);
        let dropout =
            Dropout { seed: 0, step: self.seconds.len() as u64, share: DROPOUT, ..Dropout::NONE };
        let windows = tensor(self.windows.clone());
        let (logits, statistics) = self.net.forward_train(windows, &dropout, &self.compute);
        let batch = self.windows.shape()[0];
        let targets = tensor(self.targets.clone());
        let loss = (log_softmax(logits, 1) * targets).sum().neg() / batch as f32;
        let mut gradients = loss.backward();
        let gradients = GradientsParams::from_module(&mut gradients, &self.net);
        let net = self.optimizer.step(LEARNING_RATE, self.net.clone(), gradients);
        self.net = net.with_statistics(&statistics);
        self.seconds.push(start.elapsed().as_secs_f64());
    }

    /// Median of the steps after the first, in seconds.
    fn median(mut self) -> f64 {
        self.seconds.remove(0);
        median(&mut self.seconds)
    }
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => 0.0,
        (middle, 0) => f64::midpoint(values[middle - 1], values[middle]),
        (middle, _) => values[middle],
    }
}

fn table(report: &Report) -> anyhow::Result<String> {
    let mut out = String::new();
    writeln!(
        out,
        "{}: {} classes, {} parameters, {:.1} M multiply-accumulates a window",
        report.preset,
        report.classes,
        report.params,
        report.macs_per_window as f64 / 1e6,
    )?;
    writeln!(
        out,
        "training steps of {} windows on {} threads, median of {}\n",
        report.batch, report.threads, report.steps,
    )?;
    writeln!(out, "{:<14} {:>10} {:>10} {:>10}", "layers", "ms/step", "clips/s", "GMAC/s")?;
    let rows = [("fused", report.fused), ("Burn's own", report.plain)];
    for (name, speed) in rows {
        let Some(speed) = speed else { continue };
        writeln!(
            out,
            "{name:<14} {:>10.1} {:>10.1} {:>10.1}",
            speed.ms_per_step,
            speed.clips_per_second,
            speed.macs_per_second / 1e9,
        )?;
    }
    if let (Some(fused), Some(plain)) = (report.fused, report.plain) {
        let ratio = plain.ms_per_step / fused.ms_per_step;
        writeln!(out, "\nfused layers: {ratio:.2} times the speed of Burn's own")?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(layers: Layers) -> BenchArgs {
        BenchArgs {
            preset: "2^3".to_owned(),
            batch: 2,
            steps: 2,
            classes: 3,
            layers,
            threads: None,
            format: Format::Table,
        }
    }

    fn report(layers: Layers) -> Report {
        let args = args(layers);
        measure(&args, &architecture(&args.preset, args.classes).unwrap()).unwrap()
    }

    #[test]
    fn the_wanted_layers_are_measured() {
        let both = report(Layers::Both);
        assert!(both.fused.unwrap().ms_per_step > 0.0);
        assert!(both.plain.unwrap().ms_per_step > 0.0);
        assert!(table(&both).unwrap().contains("times the speed"));
        let fused = report(Layers::Fused);
        assert!(fused.fused.is_some() && fused.plain.is_none());
        assert!(!table(&fused).unwrap().contains("Burn"));
    }

    #[test]
    fn figures_belong_together() {
        let speed = Speed::of_step(0.5, 16, 1000);
        assert_eq!(speed.ms_per_step, 500.0);
        assert_eq!(speed.clips_per_second, 32.0);
        assert_eq!(speed.macs_per_second, 96_000.0);
    }

    #[test]
    fn a_step_trains_the_network() {
        let arch = architecture("2^3", 2).unwrap();
        let mut subject = Subject::new(&arch, Compute::cpu(), 4).unwrap();
        let weights = |subject: &Subject| subject.net.weight.val().into_data();
        let before = weights(&subject);
        subject.step();
        assert_ne!(weights(&subject), before);
        assert_eq!(subject.seconds.len(), 1);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&mut []), 0.0);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
