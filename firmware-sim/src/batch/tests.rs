//! All machines compute what straight loops do.

use models::q8::{Layer, Model, padded};
use models::quant::{Factor, join, requantize, requantize_relu, sigmoid};
use models::stream::Q15;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

use super::layer::{Scales, Tile};
use super::mean::Sums;
use super::*;
use crate::tests::random::{self, Noise};

/// What comes of a sum.
fn value(sum: i32, factor: Factor, limit: u16, signed: bool) -> i16 {
    match signed {
        true => requantize(sum, factor).clamp(-i32::from(limit), limit.into()) as i16,
        false => requantize_relu(sum, factor, limit),
    }
}

/// An output's sum of a row of inputs from `start` on.
fn sum(layer: &Layer<'_>, output: usize, inputs: &[i16], start: usize) -> i32 {
    let products = layer.row(output).iter().zip(&inputs[start..]);
    products.fold(0i32, |sum, (weight, input)| {
        sum.wrapping_add(i32::from(weight.cast_signed()) * i32::from(*input))
    })
}

/// Columns by straight loops.
fn reference(
    layer: &Layer<'_>,
    inputs: &[i16],
    rows: Rows,
    columns: usize,
    signed: bool,
) -> Vec<i16> {
    let width = padded(layer.shape.outputs);
    let mut out = vec![0; columns * width];
    for (column, out) in out.chunks_exact_mut(width).enumerate() {
        for (output, out) in out.iter_mut().take(layer.shape.outputs).enumerate() {
            let starts = (0..rows.pool).map(|row| (column * rows.pool + row) * rows.step);
            let largest = starts.map(|start| sum(layer, output, inputs, start)).max().unwrap();
            let sum = largest.wrapping_add(layer.bias(output));
            *out = value(sum, layer.factor(output), layer.limit, signed);
        }
    }
    out
}

/// Gates by straight loops.
fn reference_gates(layer: &Layer<'_>, inputs: &[i16]) -> Vec<Q15> {
    let mut gates = vec![0; padded(layer.shape.outputs)];
    for (output, gate) in gates.iter_mut().take(layer.shape.outputs).enumerate() {
        let sum = sum(layer, output, inputs, 0).wrapping_add(layer.bias(output));
        sigmoid(&[requantize(sum, layer.factor(output))], core::slice::from_mut(gate));
    }
    gates
}

/// Any integer, often one at the ends of a range.
fn integer(noise: &mut Noise) -> i32 {
    const ENDS: [i32; 9] =
        [i32::MIN, i32::MIN + 1, -32_768, -1, 0, 1, 32_767, i32::MAX - 1, i32::MAX];
    match noise.next() % 4 {
        0 => ENDS[noise.next() as usize % ENDS.len()],
        1 => (noise.next() as i16).into(),
        _ => ((noise.next() << 16) ^ noise.next()).cast_signed(),
    }
}

/// Any factor, often one with the least or the largest multiplier.
fn factor(noise: &mut Noise) -> Factor {
    let multiplier = match noise.next() % 4 {
        0 => 1 << 30,
        1 => i32::MAX,
        _ => (1 << 30) | (noise.next() >> 1).cast_signed(),
    };
    Factor { multiplier, shift: 1 + (noise.next() % 62) as u8 }
}

/// Values of both widths: all of the range, or from 0 to 127.
struct Both {
    wide: Vec<i16>,
    bytes: Vec<u8>,
    narrow: bool,
}

impl Both {
    fn new(noise: &mut Noise, count: usize, narrow: bool) -> Self {
        let mask = if narrow { 127 } else { -1 };
        let wide: Vec<i16> = (0..count).map(|_| integer(noise) as i16 & mask).collect();
        let bytes = wide.iter().map(|value| *value as u8).collect();
        Self { wide, bytes, narrow }
    }

    fn values(&self) -> Values<'_> {
        match self.narrow {
            true => Values::Narrow(&self.bytes),
            false => Values::Wide(&self.wide),
        }
    }
}

/// Limits of 8 and of 16 bits.
fn limit() -> impl Strategy<Value = u16> {
    prop_oneof![1..=127u16, 1..=32_767u16]
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
        let mut noise = Noise(seed);
        for (layer, pool) in model.layers().iter().zip([1, 2, 3, 4, 5, 30].into_iter().cycle()) {
            let rows = Rows { step, pool };
            let len = layer.shape.row() + columns * pool * step;
            let inputs = Both::new(&mut noise, len, narrow);
            let expected = reference(layer, &inputs.wide, rows, columns, false);
            let signed = reference(layer, &inputs.wide, Rows { step, pool: 1 }, columns, true);
            let gates = reference_gates(layer, &inputs.wide);
            for machine in Machine::all() {
                let batch = BatchLayer::on(machine, layer, narrow);
                let mut out = vec![-1; expected.len()];
                batch.columns(inputs.values(), rows, ValuesMut::Wide(&mut out));
                prop_assert_eq!(&out, &expected, "{:?}", machine);
                if layer.bits() == 8 {
                    let mut out = vec![255; expected.len()];
                    batch.columns(inputs.values(), rows, ValuesMut::Narrow(&mut out));
                    let out: Vec<i16> = out.into_iter().map(i16::from).collect();
                    prop_assert_eq!(&out, &expected, "{:?}", machine);
                }
                let mut out = vec![-1; signed.len()];
                batch.signed_columns(inputs.values(), step, &mut out);
                prop_assert_eq!(&out, &signed, "{:?}", machine);
                let mut out = vec![1; gates.len()];
                batch.gates(inputs.values(), &mut out);
                prop_assert_eq!(&out, &gates, "{:?}", machine);
            }
        }
    }

    #[test]
    fn any_sums_become_their_values(
        seed: u64, outputs in 1..90usize, columns in 0..7usize, pool in 1..5usize, limit in limit(),
        signed: bool,
    ) {
        let mut noise = Noise(seed);
        let given: Vec<(i32, Factor)> =
            (0..outputs).map(|_| (integer(&mut noise), factor(&mut noise))).collect();
        let scales = &Scales::new(given.iter().copied());
        let (column, width) = (padded(outputs), outputs.next_multiple_of(pack::BLOCK));
        let sums = &(0..columns * pool * width).map(|_| integer(&mut noise)).collect::<Vec<_>>();
        let expected = (0..columns * column).map(|place| {
            let Some((bias, factor)) = given.get(place % column) else { return 0 };
            let first = place / column * pool * width + place % column;
            let largest = sums[first..].iter().step_by(width).take(pool).max().unwrap();
            value(largest.wrapping_add(*bias), *factor, limit, signed)
        });
        let expected: Vec<i16> = expected.collect();
        for machine in Machine::all() {
            let mut values = vec![-1; expected.len()];
            let out = ValuesMut::Wide(&mut values);
            machine.run(Tile { sums, scales, pool, limit, signed, column, out });
            prop_assert_eq!(&values, &expected, "{:?}", machine);
            if limit <= 127 && !signed {
                let mut values = vec![255; expected.len()];
                let out = ValuesMut::Narrow(&mut values);
                machine.run(Tile { sums, scales, pool, limit, signed, column, out });
                let values: Vec<i16> = values.into_iter().map(i16::from).collect();
                prop_assert_eq!(&values, &expected, "{:?}", machine);
            }
        }
    }

    #[test]
    fn columns_join_as_single_values_do(
        seed: u64, channels in 1..90usize, columns in 0..7usize, pool in 1..5usize, limit in limit(),
        narrow: [bool; 2], gated: bool, residual: bool,
    ) {
        let mut noise = Noise(seed);
        let column = padded(channels);
        let factors = [factor(&mut noise), factor(&mut noise)];
        let parts = narrow.map(|narrow| Both::new(&mut noise, columns * pool * column, narrow));
        let gates: Vec<Q15> = (0..column).map(|_| integer(&mut noise) as Q15).collect();
        let gate = gated.then_some(gates.as_slice());
        let single = |place: usize| {
            let added = residual.then(|| (parts[1].wide[place], factors[1]));
            let gate = gate.map(|gate| gate[place % column]);
            join((parts[0].wide[place], gate, factors[0]), added, limit)
        };
        let expected = (0..columns * column).map(|place| {
            let first = place / column * pool * column + place % column;
            (0..pool).map(|position| single(first + position * column)).max().unwrap()
        });
        let expected: Vec<i16> = expected.collect();
        let shortcut = residual.then_some(factors[1]);
        let added = residual.then(|| parts[1].values());
        let operands = Operands { branch: parts[0].values(), gate, shortcut: added };
        for machine in Machine::all() {
            let batch = BatchJoin { machine, branch: factors[0], shortcut, pool, limit, column };
            let mut out = vec![-1; expected.len()];
            batch.columns(operands, ValuesMut::Wide(&mut out));
            prop_assert_eq!(&out, &expected, "{:?}", machine);
            if limit <= 127 {
                let mut out = vec![255; expected.len()];
                batch.columns(operands, ValuesMut::Narrow(&mut out));
                let out: Vec<i16> = out.into_iter().map(i16::from).collect();
                prop_assert_eq!(&out, &expected, "{:?}", machine);
            }
        }
    }

    #[test]
    fn means_are_those_of_all_columns(
        seed: u64, channels in 1..90usize, columns in 0..99usize, limit in limit(), narrow: bool,
    ) {
        let mut noise = Noise(seed);
        let (column, factor) = (padded(channels), factor(&mut noise));
        let inputs = Both::new(&mut noise, columns * column, narrow);
        let sum = |channel: usize| -> i32 {
            let values = inputs.wide.iter().skip(channel).step_by(column);
            values.map(|value| i32::from(*value)).sum()
        };
        let wanted: Vec<i32> = (0..column).map(sum).collect();
        let means: Vec<i16> = wanted.iter().map(|sum| value(*sum, factor, limit, true)).collect();
        for machine in Machine::all() {
            let mut sums = vec![-1; column];
            machine.run(Sums { values: inputs.values(), sums: &mut sums });
            prop_assert_eq!(&sums, &wanted, "{:?}", machine);
            let mut out = vec![-1; column];
            BatchMean { machine, factor, limit }.column(inputs.values(), &mut out);
            prop_assert_eq!(&out, &means, "{:?}", machine);
        }
    }
}
