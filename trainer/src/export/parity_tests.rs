//! Every kind of network: Burn against the exported file in the runtime's engine, and that in ONNX Runtime.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use burn::module::Module as _;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Tensor, TensorData};
use models::arch::{ArchSpec, PRESETS, Task, preset};
use models::meta::{DecisionDefaults, ModelMeta, Provenance};
use rand::RngExt as _;
use runtime::engine::{Engine as _, Stream as _, TractEngine};

use super::{check, fold, onnx};
use crate::draw;
use crate::net::{Compute, Dropout, Network};

/// A network whose every number has moved away from where it starts, statistics included.
pub(super) fn network(arch: &ArchSpec, steps: u64, compute: &Compute) -> Network {
    let mut net = Network::new(arch, 5, compute).unwrap();
    let mut optimizer = AdamWConfig::new().init();
    let window = arch.window as usize;
    for step in 0..=steps {
        let mut rng = draw::rng(1, "parity", &[step]);
        let windows: Vec<f32> = (0..2 * window).map(|_| rng.random_range(-0.7..0.7)).collect();
        let windows = TensorData::new(windows, [2, window]);
        let x = Tensor::from_data(windows, &compute.training_device());
        let (logits, statistics) = net.forward_train(x, &Dropout::NONE, compute);
        if step < steps {
            let loss = (logits.clone() * logits).mean();
            let gradients = GradientsParams::from_module(&mut loss.backward(), &net);
            net = optimizer.step(0.02, net, gradients);
        }
        net = net.with_statistics(&statistics);
    }
    net.valid()
}

pub(super) fn meta(arch: &ArchSpec) -> ModelMeta {
    let labels: Vec<String> = (0..arch.classes).map(|class| class.to_string()).collect();
    ModelMeta {
        preset: "parity".to_owned(),
        arch: arch.clone(),
        decision: DecisionDefaults::for_labels(&labels, arch.sample_rate_hz),
        labels,
        provenance: Provenance::default(),
    }
}

/// Compares a network with its file in the runtime's engine, which reads it as layers up to the classifier, and returns the
/// file.
///
/// It stays in the folder, and beside it for `scripts/peers/parity.py`, as little-endian f32, the windows (`.windows`) and
/// what the network said of them (`.posteriors`).
fn check(folder: &Path, name: &str, arch: &ArchSpec, steps: u64) -> PathBuf {
    let compute = Compute::cpu();
    let net = network(arch, steps, &compute);
    let file = folder.join(format!("{name}.onnx"));
    std::fs::write(&file, onnx::encode(&fold::fold(&net), &meta(arch))).unwrap();
    let (mut windows, mut posteriors) = (Vec::<u8>::new(), Vec::<u8>::new());
    let difference = check::compare(&file, |samples, task| {
        let own = check::of_network(&net, samples, task, &compute);
        windows.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        posteriors.extend(own.iter().flat_map(|posterior| posterior.to_le_bytes()));
        own
    });
    assert!(difference.is_ok(), "{name}: {}", difference.unwrap_err());
    let last = if arch.task == Task::MultiClass { "Softmax" } else { "Sigmoid" };
    let engine = TractEngine::load(&file).unwrap();
    assert_eq!(engine.operators_left(), ["Flatten", "Gemm", last], "{name}");
    std::fs::write(file.with_extension("windows"), windows).unwrap();
    std::fs::write(file.with_extension("posteriors"), posteriors).unwrap();
    file
}

/// A Python with ONNX Runtime, where there is one.
fn python() -> Option<OsString> {
    let python = std::env::var_os("AURICLE_CHECK_PYTHON");
    if python.is_none() {
        println!(
            "skipped ONNX Runtime: AURICLE_CHECK_PYTHON names no Python with onnx and onnxruntime; scripts/test sets it up"
        );
    }
    python
}

/// Compares what [`check`] left behind with ONNX Runtime, all files in one process.
fn check_in_onnx_runtime(python: &OsStr, files: &[PathBuf]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(python)
        .arg(root.join("scripts/peers/parity.py"))
        .args(["--tolerance", &check::TOLERANCE.to_string()])
        .args(files)
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// All presets, with the rarer ways to write their names.
fn presets() -> impl Iterator<Item = String> {
    let more = ["se-speech", "res2-scene", "rese2-music-reduced", "3^5", "4^3", "5^2", "2^7"];
    let frames = ["framecnn-speech-256", "framecnn-scene-1024"];
    let more = more.into_iter().chain(frames);
    PRESETS.iter().copied().chain(more).map(str::to_owned)
}

/// The same network with so many times fewer channels.
pub(super) fn narrow(mut arch: ArchSpec, times: u16) -> ArchSpec {
    let narrow = |channels: &mut u16| *channels = channels.div_ceil(times).max(2);
    narrow(&mut arch.stem.channels);
    narrow(&mut arch.head.channels);
    arch.blocks.iter_mut().for_each(|block| narrow(&mut block.channels));
    arch
}

#[test]
fn every_preset_runs_as_it_was_trained_with_few_channels() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for name in presets() {
        let arch = narrow(preset(&name, 5).unwrap(), 32);
        files.push(check(folder.path(), &name, &arch, 1));
        if name.starts_with("rese") {
            let (name, task) = (format!("{name}-tags"), Task::MultiLabel);
            files.push(check(folder.path(), &name, &ArchSpec { task, ..arch }, 0));
        }
    }
    if let Some(python) = python() {
        check_in_onnx_runtime(&python, &files);
    }
}

#[test]
#[ignore = "takes minutes; scripts/test-all runs it"]
fn every_preset_runs_as_it_was_trained() {
    let python = python();
    for name in presets() {
        // Files of 100 MB: each goes before the next one comes.
        let folder = tempfile::tempdir().unwrap();
        let file = check(folder.path(), &name, &preset(&name, 31).unwrap(), 0);
        if let Some(python) = &python {
            check_in_onnx_runtime(python, &[file]);
        }
    }
}

#[test]
fn streams_share_what_lies_before_the_first_gate() {
    // Of layers that windows share: at most the stem, it and no more, or blocks as well.
    let (at_most, stem, blocks) = (0..=1, 1..=1, 2..=8);
    for (name, hop, shared) in [
        ("samplecnn-multi-speech", 2187, &blocks),
        ("se-multi-speech", 2187, &blocks),
        ("res1-multi-speech", 2187, &blocks),
        ("res2-speech", 2187, &blocks),
        ("rese2-multi-speech", 2187, &at_most),
        // Behind the stem most of a window's columns feel its edges, or are little work.
        ("framecnn-speech", 2304, &stem),
        ("melcnn-speech", 2400, &stem),
        ("rese2-multi-melcnn-speech-reduced", 2400, &stem),
    ] {
        let arch = narrow(preset(name, 5).unwrap(), 8);
        let net = network(&arch, 1, &Compute::cpu());
        let bytes = onnx::encode(&fold::fold(&net), &meta(&arch));
        let load = || TractEngine::from_bytes(&bytes, Path::new(name)).unwrap();
        let window = arch.window as usize;
        let mut rng = draw::rng(2, "parity", &[]);
        let samples: Vec<f32> =
            (0..window + 3 * hop).map(|_| rng.random_range(-0.7..0.7)).collect();
        let mut stream = load().into_stream(hop as u32).unwrap();
        assert!(shared.contains(&stream.work().shared_layers), "{name}: {:?}", stream.work());
        let (mut rest, mut found) = (samples.as_slice(), Vec::new());
        while !rest.is_empty() {
            let mut out = [0.0; 5];
            let (taken, ended) = stream.push(rest, &mut out).unwrap();
            rest = &rest[taken..];
            found.extend(ended.then_some(out));
        }
        assert_eq!(found.len(), 4);
        let mut engine = load();
        for (window, found) in samples.windows(window).step_by(hop).zip(found) {
            let mut expected = [0.0; 5];
            engine.posteriors(window, &mut expected).unwrap();
            for (expected, found) in expected.iter().zip(found) {
                assert!((expected - found).abs() < 1e-5, "{name}: {expected} {found}");
            }
        }
    }
}
