//! Weights in the order in which products read them.
//!
//! Blocks of 16 outputs; in a block groups of neighbouring inputs, four of 8 bits or two of 16 (one for
//! NEON, which multiplies vectors by a single value); in a group output by output. A group of inputs, broadcast, then multiplies a group of weights of 16
//! outputs, and no sum has to be gathered across lanes.

use std::vec;
use std::vec::Vec;

use models::q8::Layer;

#[cfg(target_arch = "aarch64")]
use super::arm;
#[cfg(target_arch = "x86_64")]
use super::x86;
use super::{Machine, Values, plain};

/// Outputs of a block.
pub(super) const BLOCK: usize = 16;

/// The weights of a layer.
#[derive(Debug)]
pub(super) struct Weights {
    machine: Machine,
    /// Inputs of a row.
    row: usize,
    blocks: usize,
    data: Data,
}

#[derive(Debug)]
enum Data {
    /// For inputs of 8 bits.
    Bytes(Vec<i8>),
    /// For inputs of 16 bits, or for machines that multiply nothing else.
    Words(Vec<i16>),
    /// For inputs of 16 bits in loops.
    Pairs(Vec<i8>),
}

impl Weights {
    pub(super) fn new(machine: Machine, layer: &Layer<'_>, narrow: bool) -> Self {
        let (row, blocks) = (layer.shape.row(), layer.shape.outputs.div_ceil(BLOCK));
        let data = match (machine, narrow) {
            (Machine::Plain, false) => Data::Pairs(pack(layer, 2)),
            #[cfg(target_arch = "x86_64")]
            (Machine::Avx2 | Machine::Avx512Vnni, false) => {
                Data::Words(pack(layer, 2).into_iter().map(i16::from).collect())
            }
            #[cfg(target_arch = "aarch64")]
            (Machine::Neon, _) | (Machine::NeonDot, false) => {
                Data::Words(pack(layer, 1).into_iter().map(i16::from).collect())
            }
            (_, true) => Data::Bytes(pack(layer, 4)),
        };
        Self { machine, row, blocks, data }
    }

    /// Sums of rows of inputs, each `step` values after the one before, from `first` on: as many as fit into
    /// `sums`, a row of which holds all blocks.
    pub(super) fn multiply(&self, inputs: Values<'_>, first: usize, step: usize, sums: &mut [i32]) {
        let rows = sums.len() / (self.blocks * BLOCK);
        let needed = first + rows.saturating_sub(1) * step + self.row;
        match (&self.data, inputs) {
            (Data::Bytes(weights), Values::Narrow(inputs)) => {
                assert!(inputs.len() >= needed, "the inputs hold all rows");
                match self.machine {
                    #[cfg(target_arch = "x86_64")]
                    machine @ (Machine::Avx2 | Machine::Avx512Vnni) => {
                        x86::bytes(machine, &inputs[first..], step, self.row, weights, sums);
                    }
                    #[cfg(target_arch = "aarch64")]
                    Machine::NeonDot => arm::bytes(&inputs[first..], step, self.row, weights, sums),
                    _ => self.plain::<u8, 4>(&inputs[first..], step, weights, sums),
                }
            }
            (Data::Pairs(weights), Values::Wide(inputs)) => {
                assert!(inputs.len() >= needed, "the inputs hold all rows");
                self.plain::<i16, 2>(&inputs[first..], step, weights, sums);
            }
            (Data::Words(weights), Values::Wide(inputs)) => {
                assert!(inputs.len() >= needed, "the inputs hold all rows");
                self.words(&inputs[first..], step, weights, sums);
            }
            #[cfg(target_arch = "aarch64")]
            (Data::Words(weights), Values::Narrow(inputs)) => {
                let inputs: Vec<i16> =
                    inputs[first..needed].iter().map(|value| i16::from(*value)).collect();
                self.words(&inputs, step, weights, sums);
            }
            (data, inputs) => panic!("{data:?} for {inputs:?}"),
        }
    }

    fn words(&self, inputs: &[i16], step: usize, weights: &[i16], sums: &mut [i32]) {
        #[cfg(target_arch = "x86_64")]
        x86::words(self.machine, inputs, step, self.row, weights, sums);
        #[cfg(target_arch = "aarch64")]
        arm::words(inputs, step, self.row, weights, sums);
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        unreachable!(
            "words are packed for machines with vectors only: {inputs:?} {step} {weights:?} {sums:?}"
        );
    }

    fn plain<T: Copy + Into<i32>, const G: usize>(
        &self,
        inputs: &[T],
        step: usize,
        weights: &[i8],
        sums: &mut [i32],
    ) {
        for (row, sums) in sums.chunks_exact_mut(self.blocks * BLOCK).enumerate() {
            sums.fill(0);
            let inputs = &inputs[row * step..][..self.row];
            let weights = weights.chunks_exact(self.row * BLOCK);
            for (sums, weights) in sums.chunks_exact_mut(BLOCK).zip(weights) {
                plain::block::<T, G>(inputs, weights, sums);
            }
        }
    }
}

fn pack(layer: &Layer<'_>, group: usize) -> Vec<i8> {
    let (outputs, row) = (layer.shape.outputs, layer.shape.row());
    let mut packed = vec![0; outputs.next_multiple_of(BLOCK) * row];
    for output in 0..outputs {
        let block = (output / BLOCK) * BLOCK * row;
        for (t, weight) in layer.row(output).iter().enumerate() {
            let place = block + (t / group * BLOCK + output % BLOCK) * group + t % group;
            packed[place] = weight.cast_signed();
        }
    }
    packed
}
