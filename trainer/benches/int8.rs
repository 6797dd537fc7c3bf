//! One window in int8, by the runtime and by the microcontroller's engine, in floating point by the runtime, and by
//! ONNX Runtime in int8, in turn, on one thread; then the windows of streams that share their work.
//!
//! ```text
//! cargo bench --profile dev -p auricle-trainer --bench int8 -- [PRESET]…
//! ```
//!
//! ONNX Runtime is measured where `AURICLE_PEERS_VENV` names a Python environment with the packages
//! of `scripts/peers/requirements-check.txt`.

#[path = "common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use firmware_sim::Prepared;
use models::arch::preset;
use models::q8::Model;
use runtime::engine::Engine;
use serde_json::Value;
use trainer::evaluate::int8::Int8;

use common::{Subject, floats, milliseconds, noise, stream_ms};

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

fn measure(name: &str) {
    let arch = preset(name, CLASSES).unwrap_or_else(|| panic!("no preset `{name}`"));
    let subject = Subject::new(name, arch);
    let model = Model::parse(&subject.int8).expect("what was just written can be read");
    let length = subject.arch.window as usize;
    let samples = noise(9, 8 * length).samples;
    let (window, floats) = (&samples[..length], floats(&samples));
    let mut tract = subject.float_engine();
    let mut out = vec![0.0; usize::from(CLASSES)];
    let prepared = Prepared::new(&model);
    let mut whole = Int8::new(&model, prepared.as_ref());
    let mut engine = subject.int8_engine();
    let mut columns: [Vec<f64>; 6] = Default::default();
    for _ in 0..ROUNDS {
        columns[0].push(milliseconds(RUNS, || {
            tract.posteriors(&floats[..length], &mut out).expect("tract runs");
        }));
        columns[1].extend(onnx_runtime(&subject, &floats));
        columns[2].push(milliseconds(RUNS, || {
            engine.posteriors(&floats[..length], &mut out).expect("the engine runs");
        }));
        columns[3].push(milliseconds(RUNS, || {
            whole.posteriors(window);
        }));
        for (column, hop) in columns[4..].iter_mut().zip(HOPS) {
            let mut stream = subject.int8_engine().into_stream(hop);
            column.push(stream_ms(stream.as_mut(), &floats));
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

/// Milliseconds a window of ONNX Runtime with static quantisation, on windows of the same samples.
fn onnx_runtime(subject: &Subject, samples: &[f32]) -> Option<f64> {
    let python = PathBuf::from(std::env::var_os("AURICLE_PEERS_VENV")?).join("bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/peers/ort_latency.py");
    let (model, arch) = (subject.onnx(), &subject.arch);
    let recording = model.with_file_name("sound.wav");
    audio::write_wav_i16(&recording, samples, arch.sample_rate_hz).ok()?;
    let [runs, hop] = [RUNS.to_string(), arch.window.to_string()];
    let mut command = Command::new(python);
    command.arg(script).arg(&model).arg(runs).arg(recording).arg(hop).arg("--int8");
    let told: Value = serde_json::from_slice(&command.output().ok()?.stdout).ok()?;
    told["window_median_ms"].as_f64()
}
