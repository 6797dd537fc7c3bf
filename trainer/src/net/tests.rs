//! The fused layers against Burn's own, and the network against its description.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use models::arch::{ArchSpec, Block, BlockKind, Head, Stem, Task, preset};
use proptest::prelude::*;
use rand::RngExt;

use super::{Compute, Network};
use crate::draw;

fn random(seed: u64, shape: [usize; 2]) -> TensorData {
    let mut rng = draw::rng(seed, "test", &[]);
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| rng.random_range(-1.0..1.0)).collect();
    TensorData::new(values, shape)
}

/// Loss, gradients by layer (weight, gamma, beta), statistics, and inference logits.
fn step(arch: &ArchSpec, compute: &Compute, batch: usize) -> Vec<Vec<f32>> {
    let device = compute.training_device();
    let net = Network::new(arch, 7, compute).unwrap();
    let windows = random(1, [batch, arch.window as usize]);
    let dropout = Tensor::from_data(random(2, [batch, net.features()]), &device);
    let x = Tensor::from_data(windows.clone(), &device);
    let (logits, statistics) = net.forward_train(x, dropout, compute);
    let targets = Tensor::from_data(random(3, [batch, usize::from(arch.classes)]), &device);
    let loss = (logits * targets).sum();
    let mut out = vec![loss.clone().into_data().try_to_vec().unwrap()];
    let mut grads = loss.backward();
    let mut grads = GradientsParams::from_module(&mut grads, &net);
    for layer in &net.layers {
        let take = |data: TensorData| data.try_to_vec::<f32>().unwrap();
        out.push(take(grads.remove::<3>(layer.weight.id).unwrap().into_data()));
        out.push(take(grads.remove::<1>(layer.gamma.id).unwrap().into_data()));
        out.push(take(grads.remove::<1>(layer.beta.id).unwrap().into_data()));
    }
    for stats in &statistics {
        out.extend([stats.mean.clone(), stats.variance.clone()]);
    }
    let net = net.with_statistics(&statistics).valid();
    let x = Tensor::from_data(windows, compute.inference_device());
    out.push(net.forward(x, compute).into_data().try_to_vec().unwrap());
    out
}

/// Largest difference relative to the largest magnitude.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = a.iter().chain(b).fold(1e-3f32, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / largest
}

/// Burn's own backward pass of the first convolutions rounds this much.
const GRADIENT_TOLERANCE: f32 = 0.01;

fn compare(arch: &ArchSpec, batch: usize) {
    let fused = step(arch, &Compute::cpu(), batch);
    let plain = step(arch, &Compute::cpu_plain(), batch);
    for (index, (fused, plain)) in fused.iter().zip(&plain).enumerate() {
        let distance = distance(fused, plain);
        assert!(distance < GRADIENT_TOLERANCE, "array {index} differs by {distance}");
    }
}

#[test]
fn fused_layers_compute_what_burn_computes_for_nano() {
    compare(&preset("nano", 5).unwrap(), 3);
}

fn any_arch() -> impl Strategy<Value = ArchSpec> {
    let block = (1..7u16, 1..6u8, 1..4u8);
    let blocks = prop::collection::vec(block, 1..4);
    (2..7u16, 1..6u8, 1..5u8, blocks, 1..7u16, 2..6u16, 60..300u32).prop_map(
        |(stem, kernel, stride, blocks, head, classes, window)| ArchSpec {
            sample_rate_hz: 16_000,
            window,
            stem: Stem { channels: stem, kernel, stride },
            blocks: blocks
                .into_iter()
                .map(|(channels, kernel, pool)| Block {
                    channels,
                    kernel,
                    pool,
                    kind: BlockKind::Basic,
                })
                .collect(),
            head: Head { channels: head },
            classes,
            task: Task::MultiClass,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shapes_and_counts_are_those_of_the_description(arch in any_arch()) {
        let Ok(table) = arch.layers() else { return Ok(()) };
        let compute = Compute::cpu();
        let net = Network::new(&arch, 0, &compute).unwrap();
        let running: usize = net.layers.iter().map(|l| 2 * l.gamma.shape().num_elements()).sum();
        prop_assert_eq!((net.num_params() - running) as u64, table.params());

        let net = net.valid();
        let x = Tensor::from_data(random(1, [2, arch.window as usize]), compute.inference_device());
        let mut x = compute.input(x);
        for (layer, shape) in net.layers.iter().zip(&table.layers) {
            x = layer.forward(x, &compute);
            prop_assert_eq!(x.dims(), [2, shape.out_len, shape.out_channels]);
        }
        let logits = net.classify(compute.features(x));
        prop_assert_eq!(logits.dims(), [2, usize::from(arch.classes)]);
    }

    #[test]
    fn fused_layers_compute_what_burn_computes(arch in any_arch(), batch in 1..4usize) {
        if arch.layers().is_ok() {
            compare(&arch, batch);
        }
    }
}
