//! Networks with random weights to measure, and clocks.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module as _;
use models::arch::ArchSpec;
use models::meta::{DecisionDefaults, ModelMeta, Provenance};
use models::q8::Parts;
use rand::RngExt as _;
use runtime::engine::{Int8Engine, Stream, TractEngine};
use trainer::data::Clip;
use trainer::draw;
use trainer::export::{fold, onnx};
use trainer::net::{Compute, Network};
use trainer::quantize::{Method, Ranges, scale};

/// A network with random weights, as ONNX and as int8.
pub(crate) struct Subject {
    folder: tempfile::TempDir,
    pub(crate) int8: Vec<u8>,
    pub(crate) arch: ArchSpec,
}

impl Subject {
    pub(crate) fn new(name: &str, arch: ArchSpec) -> Self {
        let compute = Compute::cpu();
        let net = Network::new(&arch, 1, &compute).expect("presets are networks").valid();
        let window = arch.window as usize;
        let clips: Vec<Clip> = (0..4).map(|index| noise(index, window)).collect();
        let ranges = Ranges::watch(&net, &clips, window, &compute);
        let folded = fold::fold(&net);
        let stored = scale::activations(&arch, &ranges, Method::MinMax, 1);
        let labels: Vec<String> = (0..arch.classes).map(|class| format!("class{class}")).collect();
        let decision = DecisionDefaults::for_labels(&labels, arch.sample_rate_hz);
        let layers = scale::layers(&folded, &stored);
        let parts = Parts {
            preset: name.to_owned(),
            arch: arch.clone(),
            labels: labels.clone(),
            decision: decision.clone(),
            seed: 1,
            layers,
        };
        let provenance = Provenance::default();
        let meta =
            ModelMeta { preset: name.to_owned(), arch: arch.clone(), labels, decision, provenance };
        let folder = tempfile::tempdir().expect("a folder for the model");
        let path = folder.path().join("model.onnx");
        std::fs::write(path, onnx::encode(&folded, &meta)).expect("the model is written");
        Self { folder, int8: parts.encode(), arch }
    }

    pub(crate) fn onnx(&self) -> PathBuf {
        self.folder.path().join("model.onnx")
    }

    pub(crate) fn float_engine(&self) -> TractEngine {
        TractEngine::load(&self.onnx()).expect("the model is loaded")
    }

    pub(crate) fn int8_engine(&self) -> Int8Engine {
        Int8Engine::from_bytes(&self.int8, Path::new("model.q8")).expect("a model")
    }
}

/// White noise.
pub(crate) fn noise(index: u64, samples: usize) -> Clip {
    let mut rng = draw::rng(1, "bench", &[index]);
    let samples = (0..samples).map(|_| rng.random_range(-8000..8000i16)).collect();
    let (name, tags) = Default::default();
    Clip { name, class: 0, tags, speaker: None, samples }
}

/// Samples as engines for floating point take them.
pub(crate) fn floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect()
}

/// The mean of so many runs.
pub(crate) fn milliseconds(runs: usize, mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..runs {
        run();
    }
    1000.0 * start.elapsed().as_secs_f64() / runs as f64
}

/// Milliseconds a window of a stream, after the first.
pub(crate) fn stream_ms(stream: &mut dyn Stream, samples: &[f32]) -> f64 {
    let window = stream.meta().arch.window as usize;
    let mut out = vec![0.0; usize::from(stream.meta().arch.classes)];
    let mut push = |mut samples: &[f32]| {
        let mut windows = 0;
        while !samples.is_empty() {
            let (taken, ended) = stream.push(samples, &mut out).expect("the engine runs");
            samples = &samples[taken..];
            windows += u32::from(ended);
        }
        windows
    };
    let (first, rest) = samples.split_at(window);
    push(first);
    let start = Instant::now();
    let windows = push(rest);
    1000.0 * start.elapsed().as_secs_f64() / f64::from(windows)
}
