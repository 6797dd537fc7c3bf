//! All machines compute what straight loops do.

use models::q8::Model;
use models::quant::requantize_relu;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::tests::random;

/// Straight loops.
fn reference(layer: &Layer<'_>, inputs: &[i16], rows: Rows, columns: usize) -> Vec<i16> {
    let width = padded(layer.shape.outputs);
    let mut out = vec![0; columns * width];
    for (column, out) in out.chunks_exact_mut(width).enumerate() {
        for (output, out) in out.iter_mut().take(layer.shape.outputs).enumerate() {
            let sums = (0..rows.pool).map(|position| {
                let start = (column * rows.pool + position) * rows.step;
                let products = layer.row(output).iter().zip(&inputs[start..]);
                products.fold(0i32, |sum, (weight, input)| {
                    sum.wrapping_add(i32::from(weight.cast_signed()) * i32::from(*input))
                })
            });
            let largest = sums.max().unwrap();
            let sum = largest.wrapping_add(layer.bias(output));
            *out = requantize_relu(sum, layer.factor(output), layer.limit);
        }
    }
    out
}

/// `scripts/test-arm` says which instructions an emulated processor has, so that no kernel goes untested unnoticed.
#[test]
fn the_machines_are_those_that_are_expected() {
    if let Ok(expected) = std::env::var("AURICLE_MACHINES") {
        let machines: Vec<_> =
            Machine::all().iter().map(|machine| std::format!("{machine:?}")).collect();
        assert_eq!(machines.join(" "), expected);
    }
}

proptest! {
    #[test]
    fn machines_agree(
        arch in random::arch(), seed: u64, narrow: bool, columns in 0..20usize, step in 1..30usize,
        channels in 1..90u16,
    ) {
        let mut arch = arch;
        arch.stem.channels = channels;
        prop_assume!(arch.layers().is_ok());
        let bytes = random::model(&arch, seed).encode();
        let model = Model::parse(&bytes).unwrap();
        let mut noise = random::Noise(seed);
        for (layer, pool) in model.layers().iter().zip([1, 2, 3, 4, 5, 30].into_iter().cycle()) {
            let rows = Rows { step, pool };
            let len = layer.shape.row() + columns * pool * step;
            let inputs: Vec<i16> = match narrow {
                true => noise.samples(len).into_iter().map(|value| value & 127).collect(),
                false => noise.samples(len),
            };
            let small: Vec<u8> = inputs.iter().map(|value| *value as u8).collect();
            let expected = reference(layer, &inputs, rows, columns);
            for machine in Machine::all() {
                let batch = BatchLayer::on(machine, layer, narrow);
                let inputs = match narrow {
                    true => Values::Narrow(&small),
                    false => Values::Wide(&inputs),
                };
                let mut out = vec![-1; expected.len()];
                batch.columns(inputs, rows, ValuesMut::Wide(&mut out));
                prop_assert_eq!(&out, &expected, "{:?}", machine);
                if layer.bits() == 8 {
                    let mut out = vec![255; expected.len()];
                    batch.columns(inputs, rows, ValuesMut::Narrow(&mut out));
                    let out: Vec<i16> = out.into_iter().map(i16::from).collect();
                    prop_assert_eq!(&out, &expected, "{:?}", machine);
                }
            }
        }
    }
}
