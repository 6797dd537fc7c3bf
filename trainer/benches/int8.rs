//! One window in int8, by the runtime and by the microcontroller's engine, in floating point by the runtime, and by
//! ONNX Runtime in int8, in turn, on one thread; then the windows of streams that share their work.
//!
//! ```text
//! cargo bench --profile dev -p auricle-trainer --bench int8 -- [PRESET]…
//! ```
//!
//! ONNX Runtime is measured where `AURICLE_PEERS_VENV` names a Python environment with the packages
//! of `scripts/peers/requirements-check.txt`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use burn::module::Module as _;
use firmware_sim::Prepared;
use models::arch::preset;
use models::meta::{DecisionDefaults, ModelMeta, Provenance};
use models::q8::{Model, Parts};
use rand::RngExt as _;
use runtime::engine::{Engine, Int8Engine, TractEngine};
use trainer::data::Clip;
use trainer::draw;
use trainer::evaluate::int8::Int8;
use trainer::export::{fold, onnx};
use trainer::net::{Compute, Network};
use trainer::quantize::{Method, Ranges, scale};

const ROUNDS: usize = 7;
const RUNS: usize = 20;
const CLASSES: u16 = 31;
const HOPS: [u32; 2] = [2187, 729];

fn main() {
    // `cargo bench` and `cargo test` add flags of their own.
    let named: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let presets = if named.is_empty() {
        ["mcu", "micro", "small", "samplecnn-speech"].map(str::to_owned).to_vec()
    } else {
        named
    };
    let _ = rayon::ThreadPoolBuilder::new().num_threads(1).build_global();
    println!("milliseconds, median (fastest) of {ROUNDS} rounds of {RUNS} windows, one thread");
    println!(
        "{:<18} {:>15} {:>15} {:>15} {:>15} {:>15} {:>15}",
        "network", "f32", "ONNX RT int8", "int8", "int8, chip's", "int8 hop 2187", "int8 hop 729"
    );
    for name in presets {
        measure(&name);
    }
}

/// A network with random weights, as ONNX and as int8.
struct Subject {
    folder: tempfile::TempDir,
    int8: Vec<u8>,
    window: usize,
}

impl Subject {
    fn new(name: &str) -> Self {
        let arch = preset(name, CLASSES).unwrap_or_else(|| panic!("no preset `{name}`"));
        let compute = Compute::cpu();
        let net = Network::new(&arch, 1, &compute).expect("presets are networks").valid();
        let window = arch.window as usize;
        let clips: Vec<Clip> = (0..4).map(|index| noise(index, window)).collect();
        let ranges = Ranges::watch(&net, &clips, window, &compute);
        let folded = fold::fold(&net);
        let stored = scale::activations(&arch, &ranges, Method::MinMax, 1);
        let labels: Vec<String> = (0..CLASSES).map(|class| format!("class{class}")).collect();
        let decision = DecisionDefaults::for_labels(&labels, arch.sample_rate_hz);
        let layers = scale::layers(&folded, &stored);
        let preset = name.to_owned();
        let (labels_, decision_) = (labels.clone(), decision.clone());
        let parts = Parts {
            preset: preset.clone(),
            arch: arch.clone(),
            labels: labels_,
            decision: decision_,
            seed: 1,
            layers,
        };
        let provenance = Provenance::default();
        let meta = ModelMeta { preset, arch, labels, decision, provenance };
        let folder = tempfile::tempdir().expect("a folder for the model");
        let path = folder.path().join("model.onnx");
        std::fs::write(path, onnx::encode(&folded, &meta)).expect("the model is written");
        Self { folder, int8: parts.encode(), window }
    }

    fn onnx(&self) -> PathBuf {
        self.folder.path().join("model.onnx")
    }
}

fn noise(index: u64, window: usize) -> Clip {
    let mut rng = draw::rng(1, "bench", &[index]);
    let samples = (0..window).map(|_| rng.random_range(-8000..8000i16)).collect();
    Clip { name: String::new(), class: 0, speaker: None, samples }
}

fn measure(name: &str) {
    let subject = Subject::new(name);
    let model = Model::parse(&subject.int8).expect("what was just written can be read");
    let samples = noise(9, 8 * subject.window).samples;
    let window = &samples[..subject.window];
    let floats: Vec<f32> = window.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let mut tract = TractEngine::load(&subject.onnx()).expect("the model is loaded");
    let mut out = vec![0.0; usize::from(CLASSES)];
    let prepared = Prepared::new(&model);
    let mut whole = Int8::new(&model, prepared.as_ref());
    let load = || Int8Engine::from_bytes(&subject.int8, Path::new("model.q8")).expect("a model");
    let mut engine = load();
    let mut columns: [Vec<f64>; 6] = Default::default();
    for _ in 0..ROUNDS {
        columns[0].push(milliseconds(RUNS, || {
            tract.posteriors(&floats, &mut out).expect("tract runs");
        }));
        columns[1].extend(onnx_runtime(&subject.onnx()));
        columns[2].push(milliseconds(RUNS, || {
            engine.posteriors(&floats, &mut out).expect("the engine runs");
        }));
        columns[3].push(milliseconds(RUNS, || {
            whole.posteriors(window);
        }));
        for (column, hop) in columns[4..].iter_mut().zip(HOPS) {
            column.push(stream(load(), hop, &samples));
        }
    }
    print!("{name:<18}");
    for mut column in columns {
        column.sort_by(f64::total_cmp);
        match column.first() {
            Some(fastest) => {
                print!(" {:>15}", format!("{:.2} ({fastest:.2})", column[column.len() / 2]))
            }
            None => print!(" {:>15}", "-"),
        }
    }
    println!();
}

fn milliseconds(runs: usize, mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..runs {
        run();
    }
    1000.0 * start.elapsed().as_secs_f64() / runs as f64
}

/// Milliseconds a window of a stream whose windows share their columns.
fn stream(engine: Int8Engine, hop: u32, samples: &[i16]) -> f64 {
    let window = engine.meta().arch.window as usize;
    let mut stream = engine.into_stream(hop);
    let mut out = vec![0.0; usize::from(CLASSES)];
    let floats: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let mut push = |mut samples: &[f32]| {
        let mut windows = 0;
        while !samples.is_empty() {
            let (taken, ended) = stream.push(samples, &mut out).expect("the engine runs");
            samples = &samples[taken..];
            windows += u32::from(ended);
        }
        windows
    };
    let (first, rest) = floats.split_at(window);
    push(first);
    let start = Instant::now();
    let windows = push(rest);
    1000.0 * start.elapsed().as_secs_f64() / f64::from(windows)
}

/// Milliseconds a window of ONNX Runtime with static quantisation.
fn onnx_runtime(model: &Path) -> Option<f64> {
    let python = PathBuf::from(std::env::var_os("AURICLE_PEERS_VENV")?).join("bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/peers/ort_int8_latency.py");
    let output = Command::new(python).arg(script).arg(model).arg(RUNS.to_string()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
