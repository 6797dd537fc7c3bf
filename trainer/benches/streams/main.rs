//! What a decision costs as a function of hop, window length and number of channels: whole windows, windows that
//! share their work, in f32 and in int8, on one thread; and what this machine's arithmetic allows.
//!
//! ```text
//! cargo bench --profile dev -p auricle-trainer --bench streams -- [PLOT.svg]
//! ```

#[path = "../common/mod.rs"]
mod common;
mod plot;

use std::time::Duration;

use matrix::View;
use models::arch::{ArchSpec, preset};
use runtime::engine::Engine as _;

use common::{Subject, floats, milliseconds, noise, stream_ms};

const ROUNDS: usize = 5;
const CLASSES: u16 = 12;
/// What a measurement is to take at least.
const LEAST: Duration = Duration::from_millis(150);
/// Windows of a stream in a measurement.
const WINDOWS: usize = 40;

/// Points along one axis.
pub(crate) struct Sweep {
    pub(crate) axis: &'static str,
    pub(crate) points: Vec<Point>,
}

/// Medians, in milliseconds a decision.
pub(crate) struct Point {
    /// Hop or window in samples, or channels as a share of the preset's.
    pub(crate) at: f64,
    pub(crate) hop_macs: u64,
    pub(crate) window_macs: u64,
    pub(crate) whole: f64,
    pub(crate) shared: f64,
    pub(crate) int8: f64,
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let picture = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let _ = rayon::ThreadPoolBuilder::new().num_threads(1).build_global();
    let peak = peak_macs_per_ms();
    println!(
        "peak: {:.1} G multiply-accumulates a second in f32 (product of 240 by 240)",
        peak / 1e6
    );
    println!(
        "milliseconds a decision, medians of {ROUNDS} rounds, one thread; limit: multiply-accumulates over peak"
    );
    let speech = preset("samplecnn-speech", CLASSES).expect("a preset");
    let hops = [243, 729, 2187, 6561].map(|hop| (f64::from(hop), speech.clone(), hop));
    let windows = ["3^6", "3^7", "3^8", "3^9"].map(|name| {
        let arch = preset(name, CLASSES).expect("a preset");
        (f64::from(arch.window), arch, 729)
    });
    let widths = [8, 4, 2, 1].map(|by| (1.0 / f64::from(by), narrower(&speech, by), 2187));
    let sweeps = [
        sweep("hop (samples), samplecnn-speech", hops, peak),
        sweep("window (samples), 3^6 to 3^9, hop 729", windows, peak),
        sweep("channels (share of samplecnn-speech), hop 2187", widths, peak),
    ];
    if let Some(path) = picture {
        let svg = plot::svg(&sweeps, peak).unwrap_or_else(|error| panic!("{path}: {error}"));
        std::fs::write(&path, svg).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

/// The network with a `by`-th of its channels.
fn narrower(arch: &ArchSpec, by: u16) -> ArchSpec {
    let mut arch = arch.clone();
    arch.stem.channels /= by;
    arch.head.channels /= by;
    arch.blocks.iter_mut().for_each(|block| block.channels /= by);
    arch
}

fn sweep<const N: usize>(
    axis: &'static str,
    places: [(f64, ArchSpec, u32); N],
    peak: f64,
) -> Sweep {
    println!(
        "\n{axis:<48} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "M whole", "M hop", "whole", "shared", "limit", "share", "int8"
    );
    let points = places.map(|(at, arch, hop)| {
        let point = measure(at, arch, hop);
        println!(
            "{at:>48} {:>8.2} {:>8.2} {:>8.3} {:>8.3} {:>8.3} {:>8} {:>8.3}",
            point.window_macs as f64 / 1e6,
            point.hop_macs as f64 / 1e6,
            point.whole,
            point.shared,
            point.hop_macs as f64 / peak,
            format!("1/{:.1}", point.whole / point.shared),
            point.int8,
        );
        point
    });
    Sweep { axis, points: points.into() }
}

fn measure(at: f64, arch: ArchSpec, hop: u32) -> Point {
    let subject = Subject::new("bench", arch);
    let window = subject.arch.window as usize;
    let samples = floats(&noise(9, window + WINDOWS * hop as usize).samples);
    let mut engine = subject.float_engine();
    let mut shared = subject.float_engine().into_stream(hop).expect("a stream");
    let mut int8 = subject.int8_engine().into_stream(hop);
    let mut out = vec![0.0; usize::from(CLASSES)];
    let mut one = || engine.posteriors(&samples[..window], &mut out).expect("the engine runs");
    let runs = (LEAST.as_secs_f64() * 1000.0 / milliseconds(2, &mut one)).ceil() as usize;
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        times[0].push(milliseconds(runs.max(2), &mut one));
        times[1].push(stream_ms(shared.as_mut(), &samples));
        times[2].push(stream_ms(int8.as_mut(), &samples));
        shared.reset();
        int8.reset();
    }
    let [whole, shared_ms, int8] = times.map(median);
    let work = shared.work();
    assert_eq!(work.hop, hop, "windows share at this hop");
    let (hop_macs, window_macs) = (work.hop_macs, work.window_macs);
    Point { at, hop_macs, window_macs, whole, shared: shared_ms, int8 }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The best of many products whose matrices fit into the nearest caches.
fn peak_macs_per_ms() -> f64 {
    const N: usize = 240;
    let (a, b, mut out) = (vec![0.5; N * N], vec![0.25; N * N], vec![0.0; N * N]);
    let mut product =
        || matrix::matmul(&mut out, View::rows(&a, N, N), View::rows(&b, N, N), false);
    let fastest = (0..200).map(|_| milliseconds(1, &mut product)).fold(f64::INFINITY, f64::min);
    (N * N * N) as f64 / fastest
}
