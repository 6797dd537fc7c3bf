//! Mel spectra are those that the graph's operations make, by themselves and in a network.

use std::f64::consts::TAU;
use std::path::Path;

use models::arch::{ArchSpec, Block, BlockKind, Head, Stem, Task};
use models::meta::ModelMeta;
use proptest::prelude::*;
use prost::Message as _;
use tract_onnx::pb::ModelProto;

use super::TractEngine;
use super::chain::Layer;
use super::mel::{BLOCK, Mel};
use super::shared_tests::numbers;
use crate::engine::shared::Shape;
use crate::engine::{Engine as _, Stream as _};
use crate::tiny_model::{int, ints, node, tiny_meta, tiny_proto, weights};

/// The waves of a mel spectrum, and bands of random weights.
pub(super) fn front_end(
    stem: Stem,
    floor: f32,
    number: &mut impl FnMut() -> f32,
) -> (Layer, Layer) {
    let [kernel, stride, bands] = [stem.kernel, stem.stride, stem.channels].map(usize::from);
    let frequencies = kernel / 2 + 1;
    let turn = |index: usize| TAU * (index % kernel) as f64 / kernel as f64;
    let mut waves = Vec::with_capacity(kernel * 2 * frequencies);
    for tap in 0..kernel {
        let window = 0.5 - 0.5 * turn(tap).cos();
        let angles: Vec<f64> = (0..frequencies).map(|frequency| turn(frequency * tap)).collect();
        waves.extend(angles.iter().map(|angle| (window * angle.cos()) as f32));
        waves.extend(angles.iter().map(|angle| (window * angle.sin()) as f32));
    }
    let mut weights: Vec<f32> =
        (0..frequencies * bands).map(|_| number().abs() / kernel as f32).collect();
    // No band reaches down to 0 Hz.
    weights[..bands].fill(0.0);
    let layer = |kernel, stride, weight, bias: Vec<f32>, inputs| {
        let shape = Shape { kernel, stride, padding: (0, 0), pool: 1 };
        Layer { shape, weight, outputs: bias.len(), bias, inputs }
    };
    let parts = 2 * frequencies;
    let waves = layer(kernel, stride, waves, vec![0.0; parts], 1);
    (waves, layer(1, 1, [weights.clone(), weights].concat(), vec![floor; bands], parts))
}

/// What the operations of the graph make of samples, `[columns, bands]`.
fn plain(waves: &Layer, bands: &Layer, x: &[f32]) -> Vec<f64> {
    let mut made = Vec::new();
    for seen in x.windows(waves.shape.kernel).step_by(waves.shape.stride) {
        let product = |inputs: &[f64], layer: &Layer, output: usize| -> f64 {
            let weights = layer.weight.iter().skip(output).step_by(layer.outputs);
            inputs.iter().zip(weights).map(|(x, weight)| x * f64::from(*weight)).sum()
        };
        let seen: Vec<f64> = seen.iter().copied().map(f64::from).collect();
        let parts = (0..waves.outputs).map(|part| product(&seen, waves, part));
        let powers: Vec<f64> = parts.map(|part| part * part).collect();
        let energy = |band| product(&powers, bands, band) + f64::from(bands.bias[band]);
        made.extend((0..bands.outputs).map(|band| energy(band).ln()));
    }
    made
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn spectra_are_those_of_the_graph(
        kernel in 16..80u16, stride in 1..40u16, bands in 1..8u16, columns in 1..3 * BLOCK,
        level in prop::sample::select(vec![0.0, 1e-3, 1.0f32]), seed in any::<u64>(),
    ) {
        let mut number = numbers(seed);
        let (waves, bands) = front_end(Stem::mel(bands, kernel, stride), 1e-6, &mut number);
        let mel = Mel::new(&waves, &bands).unwrap();
        let samples = mel.shape.reach(columns);
        let x: Vec<f32> = (0..samples).map(|_| level * number()).collect();
        let mut found = vec![0.0; columns * mel.outputs()];
        mel.compute(&x, &mut found);
        let expected = plain(&waves, &bands, &x);
        prop_assert_eq!(found.len(), expected.len());
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let near = (f64::from(*found) - expected).abs() <= 1e-4;
            prop_assert!(near, "value {index}: {found} {expected}");
        }
    }
}

#[test]
fn what_is_no_number_shows() {
    let (waves, bands) = front_end(Stem::mel(3, 16, 4), 1e-6, &mut numbers(1));
    let mel = Mel::new(&waves, &bands).unwrap();
    let mut x = vec![0.1; mel.shape.reach(10)];
    x[20] = f32::NAN;
    let mut found = vec![0.0; 10 * 3];
    mel.compute(&x, &mut found);
    for (column, energies) in found.chunks(3).enumerate() {
        // The first sample of a window has no weight.
        let unknown = (4 * column + 1..4 * column + 16).contains(&20);
        assert!(energies.iter().all(|energy| energy.is_nan() == unknown), "column {column}");
    }
}

#[test]
fn other_waves_and_bands_are_no_mel_spectra() {
    let reads = |change: fn(&mut Layer, &mut Layer)| {
        let (mut waves, mut bands) = front_end(Stem::mel(3, 16, 4), 1e-6, &mut numbers(2));
        change(&mut waves, &mut bands);
        Mel::new(&waves, &bands).is_some()
    };
    assert!(reads(|_, _| ()));
    // A cosine at one side only, not a number, and a window that does not begin with 0.
    assert!(!reads(|waves, _| waves.weight[40] += 1e-3));
    assert!(!reads(|waves, _| waves.weight[40] = f32::NAN));
    assert!(!reads(|waves, _| waves.weight[0] = 0.1));
    assert!(!reads(|waves, _| waves.bias[3] = 0.1));
    // The weight of a cosine, but not of its sine.
    assert!(!reads(|_, bands| bands.weight[7] += 0.1));
    assert!(!reads(|_, bands| bands.shape.stride = 2));
}

/// A network of one block behind mel spectra.
fn meta() -> ModelMeta {
    let block = Block { channels: 6, kernel: 3, pool: 4, kind: BlockKind::Basic };
    let arch = ArchSpec {
        sample_rate_hz: 16_000,
        window: 4096,
        stem: Stem::mel(8, 256, 64),
        blocks: [block].into_iter().collect(),
        head: Head { channels: 5, levels: 0 },
        classes: 3,
        task: Task::MultiClass,
    };
    ModelMeta { arch, ..tiny_meta() }
}

/// The network as ONNX; its spectra are read from `input`.
fn proto(meta: &ModelMeta, input: &str) -> ModelProto {
    let mut number = numbers(3);
    let (waves, bands) = front_end(meta.arch.stem, 1e-6, &mut number);
    let by_output = |layer: &Layer| -> Vec<f32> {
        let outputs = 0..layer.outputs;
        let weights = outputs.map(|output| layer.weight.iter().skip(output).step_by(layer.outputs));
        weights.flatten().copied().collect()
    };
    let mut random = |name, dims: &[i64]| {
        let count = dims.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|_| 0.2 * number()).collect();
        weights(name, dims, &values)
    };
    let conv = |inputs: &[&str], output, kernel, stride, pads: [i64; 2]| {
        let (kernel, stride) = (ints("kernel_shape", &[kernel]), ints("strides", &[stride]));
        node("Conv", inputs, output, vec![kernel, stride, ints("pads", &pads)])
    };
    let pool = vec![ints("kernel_shape", &[4]), ints("strides", &[4])];
    let mut proto = tiny_proto(meta);
    let graph = proto.graph.as_mut().unwrap();
    // 61 spectra, of which pooling leaves 15 columns.
    graph.node = vec![
        conv(&[input, "waves", "zeros"], "parts", 256, 64, [0, 0]),
        node("Mul", &["parts", "parts"], "powers", vec![]),
        conv(&["powers", "bands", "floor"], "energies", 1, 1, [0, 0]),
        node("Log", &["energies"], "spectra", vec![]),
        conv(&["spectra", "filters", "shifts"], "filtered", 3, 1, [1, 1]),
        node("Relu", &["filtered"], "rectified", vec![]),
        node("MaxPool", &["rectified"], "pooled", pool),
        conv(&["pooled", "mixers", "mixed_shifts"], "mixed", 1, 1, [0, 0]),
        node("Relu", &["mixed"], "head", vec![]),
        node("Flatten", &["head"], "features", vec![int("axis", 1)]),
        node("Gemm", &["features", "rows"], "logits", vec![]),
        node("Softmax", &["logits"], "posteriors", vec![int("axis", 1)]),
    ];
    graph.initializer = vec![
        weights("waves", &[258, 1, 256], &by_output(&waves)),
        weights("zeros", &[258], &waves.bias),
        weights("bands", &[8, 258, 1], &by_output(&bands)),
        weights("floor", &[8], &bands.bias),
        random("filters", &[6, 8, 3]),
        random("shifts", &[6]),
        random("mixers", &[5, 6, 1]),
        random("mixed_shifts", &[5]),
        random("rows", &[75, 3]),
    ];
    proto
}

#[test]
fn windows_share_the_spectra_that_a_graph_begins_with() {
    let meta = meta();
    let load = |proto: &ModelProto| {
        TractEngine::from_bytes(&proto.encode_to_vec(), Path::new("mel.onnx")).unwrap()
    };
    let (hop, window) = (640, meta.arch.window as usize);
    let mut stream = load(&proto(&meta, "waveform")).into_stream(hop).unwrap();
    assert_eq!(stream.work().shared_layers, 1);
    let mut alone = load(&proto(&meta, "waveform"));
    // A graph that begins with something else is run by the library as it is.
    let mut other = proto(&meta, "samples");
    let nodes = &mut other.graph.as_mut().unwrap().node;
    nodes.insert(0, node("Identity", &["waveform"], "samples", vec![]));
    assert_eq!(load(&other).into_stream(hop).unwrap().work().shared_layers, 0);
    let mut other = load(&other);
    // Silence, sound that is hardly any, and noise.
    let mut number = numbers(4);
    let levels = [0.0, 1e-4, 0.7].into_iter().cycle().take(9);
    let samples = levels.flat_map(|level| (0..1500).map(move |_| level));
    let samples: Vec<f32> = samples.map(|level| level * number()).collect();
    let (mut rest, mut heard) = (samples.as_slice(), Vec::new());
    while !rest.is_empty() {
        let mut out = [0.0; 3];
        let (taken, ended) = stream.push(rest, &mut out).unwrap();
        rest = &rest[taken..];
        heard.extend(ended.then_some(out));
    }
    let windows = samples.windows(window).step_by(hop as usize);
    assert_eq!(heard.len(), windows.len());
    for (index, (window, heard)) in windows.zip(heard).enumerate() {
        for engine in [&mut alone, &mut other] {
            let mut expected = [0.0; 3];
            engine.posteriors(window, &mut expected).unwrap();
            for (found, expected) in heard.iter().zip(expected) {
                // Never true of what is no number.
                let near = (found - expected).abs() <= 1e-5;
                assert!(near, "window {index}: {found} {expected}");
            }
        }
    }
}
