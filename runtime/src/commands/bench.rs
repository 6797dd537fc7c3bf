//! `runtime bench`: how fast a model runs on this computer.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use runtime::decision::Overrides;
use runtime::engine::{Engine, Model, Stream, Work};
use runtime::pipeline::quantile;
use serde::Serialize;

use super::{decide, print_json, print_line};
use crate::cli::{Bench, Format};

/// Windows run before the measurement.
const WARM_UP_RUNS: usize = 10;

/// What is measured. All on one thread.
#[derive(Serialize)]
struct Report {
    model: String,
    preset: String,
    window_samples: u32,
    sample_rate_hz: u32,
    runs: usize,
    load_ms: f64,
    window_median_ms: f64,
    window_p99_ms: f64,
    /// Mean time of a processor for a window, where the system tells it.
    window_cpu_ms: Option<f64>,
    hop_samples: u32,
    /// Layers whose results the windows of a stream share.
    shared_layers: usize,
    window_macs: u64,
    hop_macs: u64,
    hop_median_ms: f64,
    hop_p99_ms: f64,
    /// Mean time of a processor for a hop, where the system tells it.
    hop_cpu_ms: Option<f64>,
    /// Mean time of a hop over its length: below 1 the model keeps up.
    real_time_factor: f64,
    /// Largest memory the process ever held, where the system tells it.
    peak_memory_kib: Option<u64>,
}

/// What windows took, one after the other.
pub(super) struct Times {
    /// Milliseconds of each by the clock on the wall, sorted.
    pub(super) wall_ms: Vec<f64>,
    /// Milliseconds of a processor, the mean of all, where the system tells it.
    cpu_ms: Option<f64>,
}

pub(super) fn run(args: &Bench) -> Result<()> {
    ensure!(args.runs > 0, "--runs must be at least 1");
    let start = Instant::now();
    let mut engine = args.model.load()?;
    let load_ms = milliseconds(start.elapsed());
    let overrides = Overrides { hop_ms: args.hop, ..Overrides::default() };
    let decision = decide(&overrides, engine.meta())?;
    let sound = sound(args, &engine, decision.hop)?;
    let window = measure(&mut engine, &sound, decision.hop, args.runs)?;
    let mut stream = engine.into_stream(decision.hop)?;
    let of_hop = measure_stream(stream.as_mut(), &sound, args.runs)?;
    let (meta, Work { hop, shared_layers, window_macs, hop_macs }) = (stream.meta(), stream.work());
    let rate_hz = meta.arch.sample_rate_hz;
    let mean_ms = of_hop.wall_ms.iter().sum::<f64>() / of_hop.wall_ms.len() as f64;
    let report = Report {
        model: args.model.model.to_string_lossy().into_owned(),
        preset: meta.preset.clone(),
        window_samples: meta.arch.window,
        sample_rate_hz: rate_hz,
        runs: args.runs,
        load_ms,
        window_median_ms: quantile(&window.wall_ms, 0.5),
        window_p99_ms: quantile(&window.wall_ms, 0.99),
        window_cpu_ms: window.cpu_ms,
        hop_samples: hop,
        shared_layers,
        window_macs,
        hop_macs,
        hop_median_ms: quantile(&of_hop.wall_ms, 0.5),
        hop_p99_ms: quantile(&of_hop.wall_ms, 0.99),
        hop_cpu_ms: of_hop.cpu_ms,
        real_time_factor: mean_ms / (1000.0 * f64::from(hop) / f64::from(rate_hz)),
        peak_memory_kib: peak_memory_kib(),
    };
    match args.format {
        Format::Json => print_json(&report),
        Format::Text => print(&report),
    }
}

/// The recording that was asked for, at the model's rate, or else noise: at least a window and a hop.
fn sound(args: &Bench, engine: &Model, hop: u32) -> Result<Vec<f32>> {
    let arch = &engine.meta().arch;
    let needed = arch.window.max(hop) as usize;
    let Some(path) = &args.input else { return Ok(noise(needed)) };
    let sound = audio::read_mono(path, arch.sample_rate_hz)?;
    let seconds = |samples: usize| samples as f64 / f64::from(arch.sample_rate_hz);
    ensure!(
        sound.len() >= needed,
        "{}: {:.2} s of sound are too few; the windows need {:.2} s",
        path.display(),
        seconds(sound.len()),
        seconds(needed)
    );
    Ok(sound)
}

/// What single windows of a sound take, one every `hop` samples, from its beginning again when it is over.
fn measure(engine: &mut Model, sound: &[f32], hop: u32, runs: usize) -> Result<Times> {
    let arch = &engine.meta().arch;
    let window = arch.window as usize;
    let mut posteriors = vec![0.0; usize::from(arch.classes)];
    let places = sound.len() - window + 1;
    times(WARM_UP_RUNS, runs, |index| {
        let start = index * hop as usize % places;
        Ok(engine.posteriors(&sound[start..start + window], &mut posteriors)?)
    })
}

/// What the windows of a stream take, each of the samples that a hop adds. The stream is the sound's whole hops, of which there
/// must be one, over and over.
pub(super) fn measure_stream(stream: &mut dyn Stream, sound: &[f32], runs: usize) -> Result<Times> {
    let meta = stream.meta();
    let mut posteriors = vec![0.0; usize::from(meta.arch.classes)];
    let hops: Vec<&[f32]> = sound.chunks_exact(stream.work().hop as usize).collect();
    let before = meta.arch.window / stream.work().hop;
    times(before as usize + 1 + WARM_UP_RUNS, runs, |index| {
        let mut samples = hops[index % hops.len()];
        while !samples.is_empty() {
            let (taken, _) = stream.push(samples, &mut posteriors)?;
            samples = &samples[taken..];
        }
        Ok(())
    })
}

/// Runs windows by their number, and measures the last `runs` of them.
fn times(
    warm_up: usize,
    runs: usize,
    mut window: impl FnMut(usize) -> Result<()>,
) -> Result<Times> {
    for index in 0..warm_up {
        window(index)?;
    }
    let mut wall_ms = Vec::with_capacity(runs);
    let before = cpu_time();
    for index in warm_up..warm_up + runs {
        let start = Instant::now();
        window(index)?;
        wall_ms.push(milliseconds(start.elapsed()));
    }
    let spent = cpu_time().zip(before).map(|(after, before)| after.saturating_sub(before));
    let cpu_ms = spent.map(|spent| milliseconds(spent) / runs as f64);
    wall_ms.sort_by(f64::total_cmp);
    Ok(Times { wall_ms, cpu_ms })
}

/// How long this process has had a processor, all threads together.
#[cfg(unix)]
fn cpu_time() -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};

    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).ok().map(Duration::from)
}

#[cfg(not(unix))]
fn cpu_time() -> Option<Duration> {
    None
}

/// White noise of a tenth of the full scale, always the same (a linear congruential generator
/// with the constants of Numerical Recipes).
pub(super) fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        0.1 * (state as i32) as f32 / i32::MAX as f32
    };
    (0..samples).map(|_| next()).collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The high-water mark of resident memory (`VmHWM`), on Linux.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn print(report: &Report) -> Result<()> {
    let Report { window_samples, sample_rate_hz, hop_samples, .. } = *report;
    let seconds = f64::from(window_samples) / f64::from(sample_rate_hz);
    let hop_ms = 1000.0 * f64::from(hop_samples) / f64::from(sample_rate_hz);
    print_line(&format!("model             {} ({})", report.model, report.preset))?;
    print_line(&format!("window            {window_samples} samples, {seconds:.2} s"))?;
    print_line(&format!("load              {:.1} ms", report.load_ms))?;
    print_line(&format!(
        "one window        {:.3} ms, 99 % within {:.3} ms ({} runs, one thread)",
        report.window_median_ms, report.window_p99_ms, report.runs
    ))?;
    print_line(&format!(
        "of a stream       {:.3} ms, 99 % within {:.3} ms (one window every {hop_ms:.0} ms)",
        report.hop_median_ms, report.hop_p99_ms
    ))?;
    let share = 100.0 * report.hop_macs as f64 / report.window_macs.max(1) as f64;
    print_line(&format!(
        "shared work       {share:.0} % of a window's multiply-accumulates are left ({} of {}; {} layers shared)",
        report.hop_macs, report.window_macs, report.shared_layers
    ))?;
    if let Some(ms) = report.hop_cpu_ms {
        let share = 1000.0 * ms / hop_ms;
        print_line(&format!("processor         {share:.2} ms a second of a stream"))?;
    }
    print_line(&format!("real-time factor  {:.4}", report.real_time_factor))?;
    match report.peak_memory_kib {
        Some(kib) => print_line(&format!("peak memory       {:.1} MiB", kib as f64 / 1024.0)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_fills_its_range_and_repeats() {
        let samples = noise(1000);
        assert_eq!(samples, noise(1000));
        assert!(samples.iter().all(|sample| sample.abs() <= 0.1));
        assert!(samples.iter().any(|sample| *sample > 0.09));
        assert!(samples.iter().any(|sample| *sample < -0.09));
    }
}
