//! A tract operator for mel spectra of samples, `[T, 1]`.
//!
//! In the graph they are a convolution with cosines and sines under a window, squares, a product with bands and a
//! logarithm. Under a window that is symmetric about its middle, cosines are symmetric too, and sines are but for
//! their sign. So the two samples that have the same weight are added and subtracted first, which halves the products.

use std::fmt;
use std::sync::Arc;

use matrix::{View, matmul};
use tract_onnx::tract_core::internal::*;

use super::super::shared::Shape;
use super::chain::Layer;

/// Spectra that are made at a time; what lies between samples and energies stays in the second-level cache.
pub(super) const BLOCK: usize = 64;

/// The logarithms of energies in bands: ln(floor + Σ w·|X|²) with the spectra X of overlapping stretches of K samples.
#[derive(Debug, PartialEq)]
pub(super) struct Mel {
    /// Of the stretches.
    pub(super) shape: Shape,
    /// Cosines of F frequencies for the sums of samples 1 and K − 1, 2 and K − 2, …: `[K/2, F]`.
    cosines: Vec<f32>,
    /// Sines for the differences, `[K/2, F]`.
    sines: Vec<f32>,
    /// Weights of the frequencies, `[F, bands]`.
    weights: Vec<f32>,
    /// What is added to the energies, `[bands]`.
    floor: Vec<f32>,
}

// Weights are finite numbers, which the load checks.
impl Eq for Mel {}

impl Mel {
    /// Of a convolution that makes all cosines, then all sines, and of the product of their squares with bands. `None`
    /// if waves are not symmetric like that, or bands do not weigh a frequency's cosine and sine alike.
    pub(super) fn new(waves: &Layer, bands: &Layer) -> Option<Self> {
        let (frequencies, outputs) = (waves.outputs / 2, bands.outputs);
        let fits = waves.inputs == 1
            && bands.inputs == 2 * frequencies
            && bands.inputs == waves.outputs
            && bands.shape == Shape::POINT
            && waves.bias.iter().all(|bias| *bias == 0.0);
        fits.then_some(())?;
        let taps: Vec<&[f32]> = waves.weight.chunks_exact(waves.outputs).collect();
        are_symmetric(&taps, frequencies).then_some(())?;
        let (weights, of_sines) = bands.weight.split_at(frequencies * outputs);
        (weights == of_sines).then_some(())?;
        let rows: Vec<&[f32]> = weights.chunks_exact(outputs).collect();
        // Those of 0 Hz and half the rate have no weight, or nearly none.
        let weighed = (0..frequencies).filter(|row| rows[*row].iter().any(|weight| *weight != 0.0));
        let cosines: Vec<usize> = weighed.collect();
        let sines: Vec<usize> = cosines.iter().map(|row| frequencies + row).collect();
        Some(Self {
            shape: waves.shape,
            weights: cosines.iter().flat_map(|row| rows[*row]).copied().collect(),
            cosines: folded(&taps, &cosines),
            sines: folded(&taps, &sines),
            floor: bands.bias.clone(),
        })
    }

    /// Bands.
    pub(super) const fn outputs(&self) -> usize {
        self.floor.len()
    }

    /// `out`, `[columns, bands]`, from the samples that they see.
    pub(super) fn compute(&self, x: &[f32], out: &mut [f32]) {
        for (index, out) in out.chunks_mut(BLOCK * self.outputs()).enumerate() {
            self.compute_block(&x[index * BLOCK * self.shape.stride..], out);
        }
    }

    fn compute_block(&self, x: &[f32], out: &mut [f32]) {
        let Shape { kernel, stride, .. } = self.shape;
        let (columns, half) = (out.len() / self.outputs(), kernel / 2);
        let mut sums = Vec::with_capacity(columns * half);
        let mut differences = Vec::with_capacity(columns * half);
        for seen in x.windows(kernel).step_by(stride).take(columns) {
            // The first sample has no weight.
            let pairs = || seen[1..=half].iter().zip(seen[kernel - half..].iter().rev());
            sums.extend(pairs().map(|(early, late)| early + late));
            differences.extend(pairs().map(|(early, late)| early - late));
        }
        let frequencies = self.weights.len() / self.outputs();
        let product = |x: &[f32], waves: &[f32]| {
            let mut product = vec![0.0; columns * frequencies];
            let (x, waves) = (View::rows(x, columns, half), View::rows(waves, half, frequencies));
            matmul(&mut product, x, waves, false);
            product
        };
        let mut powers = product(&sums, &self.cosines);
        for (power, sine) in powers.iter_mut().zip(product(&differences, &self.sines)) {
            *power = *power * *power + sine * sine;
        }
        let powers = View::rows(&powers, columns, frequencies);
        matmul(out, powers, View::rows(&self.weights, frequencies, self.outputs()), false);
        for energies in out.chunks_exact_mut(self.outputs()) {
            for (energy, floor) in energies.iter_mut().zip(&self.floor) {
                *energy = (*energy + floor).ln();
            }
        }
    }
}

/// Whether waves, a row for each of K taps, are 0 at the first one and else symmetric about the middle: so many
/// cosines, then sines, these with another sign.
fn are_symmetric(taps: &[&[f32]], cosines: usize) -> bool {
    let Some((first, others)) = taps.split_first() else { return false };
    let largest = others.iter().copied().flatten().fold(0.0f32, |most, wave| most.max(wave.abs()));
    // Early and late taps are rounded each by itself. Never true of what is no number.
    let near = |a: f32, b: f32| (a - b).abs() <= f32::EPSILON * largest;
    let mirror = |(early, late): (&&[f32], &&[f32])| {
        let mut pairs = early.iter().zip(*late).enumerate();
        pairs.all(|(wave, (early, late))| near(*early, if wave < cosines { *late } else { -*late }))
    };
    let starts_at_zero = first.iter().all(|wave| near(*wave, 0.0));
    starts_at_zero && others.iter().zip(others.iter().rev()).all(mirror)
}

/// Some of the waves, a row for each tap from 1 to K/2: `[K/2, waves]`. That in the middle is halved, because its
/// sample is added to itself.
fn folded(taps: &[&[f32]], waves: &[usize]) -> Vec<f32> {
    let half = taps.len() / 2;
    let mut folded = Vec::with_capacity(half * waves.len());
    for (tap, row) in taps.iter().enumerate().take(half + 1).skip(1) {
        let share = if 2 * tap == taps.len() { 0.5 } else { 1.0 };
        folded.extend(waves.iter().map(|wave| share * row[*wave]));
    }
    folded
}

/// Mel spectra of a run of samples. The output is `[before + columns + after, bands]`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct MelColumns {
    pub(super) mel: Arc<Mel>,
    /// Columns that it makes.
    pub(super) columns: usize,
    /// Zero columns before and after the output, which the next layer wants.
    pub(super) margin: (usize, usize),
}

impl fmt::Debug for MelColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mel, columns, margin } = self;
        let (shape, outputs) = (mel.shape, mel.outputs());
        write!(f, "MelColumns({outputs}, {shape:?}, {columns}, margin {margin:?})")
    }
}

impl MelColumns {
    /// Samples that the columns see.
    pub(super) fn reach(&self) -> usize {
        self.mel.shape.reach(self.columns)
    }

    fn shape(&self) -> [usize; 2] {
        [self.margin.0 + self.columns + self.margin.1, self.mel.outputs()]
    }
}

impl Op for MelColumns {
    fn name(&self) -> StaticName {
        "MelColumns".into()
    }

    op_as_typed_op!();
}

impl EvalOp for MelColumns {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let view = input.view();
        let x = view.as_slice::<f32>()?;
        ensure!(x.len() >= self.reach(), "{} elements for {self:?}", x.len());
        let mut out = Tensor::zero::<f32>(&self.shape())?;
        let mut made = out.try_as_plain_ram_mut()?;
        let made = made.as_slice_mut::<f32>()?;
        let (before, outputs) = (self.margin.0, self.mel.outputs());
        self.mel.compute(x, &mut made[before * outputs..][..self.columns * outputs]);
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for MelColumns {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let Some([samples, 1]) = inputs[0].shape.as_concrete() else {
            bail!("samples have two axes of fixed length, the second one of 1");
        };
        ensure!(*samples >= self.reach(), "{samples} samples of {}", self.reach());
        Ok(tvec!(f32::fact(self.shape())))
    }

    as_op!();
}
