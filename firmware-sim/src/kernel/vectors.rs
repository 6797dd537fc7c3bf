//! Sixteen outputs at a time, on x86-64 hosts.
//!
//! For this the weights are widened and interleaved once ([`Prepared`]): blocks of 16 outputs, in a
//! block pairs of neighbouring weights, in a pair output by output. A pair of inputs, broadcast,
//! then multiplies a pair of weights of 16 outputs, and no sum has to be gathered across lanes.
// Indices, not iterators: the compiler keeps sums in registers only if it unrolls the loops over them.
#![allow(unsafe_code, clippy::needless_range_loop)]

use core::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_max_epi32,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_storeu_si256, _mm512_dpwssd_epi32,
    _mm512_loadu_si512, _mm512_max_epi32, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_storeu_si512,
};
use std::vec;
use std::vec::Vec;

use bytemuck::cast_slice;
use models::q8::{Layer, Model};
use models::quant::{Factor, requantize_relu};

use super::Reach;

/// Outputs of a block.
const BLOCK: usize = 16;

/// The weights of a model in the order of this kernel, for [`crate::Engine::with_prepared`].
#[derive(Clone, Debug)]
pub struct Prepared {
    vectors: Vectors,
    layers: Vec<PackedLayer>,
}

impl Prepared {
    /// Prepares a model; `None` on machines without AVX2, and for networks that are no chains.
    #[must_use]
    pub fn new(model: &Model<'_>) -> Option<Self> {
        if !model.arch().is_chain() {
            return None;
        }
        let vectors = Vectors::detect()?;
        let layers = model.layers().iter().map(PackedLayer::new).collect();
        Some(Self { vectors, layers })
    }

    /// Computes a column of layer `index` like [`super::convolve`], and returns true.
    pub(crate) fn convolve(
        &self,
        index: usize,
        layer: &Layer<'_>,
        reach: &Reach,
        patch: &[u32],
        out: &mut [i16],
    ) -> bool {
        let (out, padding) = out.split_at_mut(layer.shape.outputs);
        padding.fill(0);
        let (packed, patch) = (&self.layers[index], cast_slice(patch));
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let largest = packed.largest(self.vectors, block, patch, reach.step, reach.pool);
            let scales = &packed.scales[block * BLOCK..];
            for ((out, largest), (bias, factor)) in out.iter_mut().zip(largest).zip(scales) {
                *out = requantize_relu(largest.wrapping_add(*bias), *factor, layer.limit);
            }
        }
        true
    }
}

/// The weights of a layer.
#[derive(Clone, Debug)]
struct PackedLayer {
    weights: Vec<i16>,
    row: usize,
    /// Bias and factor of each output.
    scales: Vec<(i32, Factor)>,
}

/// Vector instructions of this machine that the kernel can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vectors {
    /// 256 bits.
    Avx2,
    /// 512 bits, multiplying and adding in one instruction.
    Avx512Vnni,
}

impl Vectors {
    /// The best that this machine has.
    fn detect() -> Option<Self> {
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512vnni")
        {
            Some(Self::Avx512Vnni)
        } else if std::arch::is_x86_feature_detected!("avx2") {
            Some(Self::Avx2)
        } else {
            None
        }
    }
}

impl PackedLayer {
    fn new(layer: &Layer<'_>) -> Self {
        let (outputs, row) = (layer.shape.outputs, layer.shape.row());
        let mut weights = vec![0; outputs.next_multiple_of(BLOCK) * row];
        for output in 0..outputs {
            let block = (output / BLOCK) * BLOCK * row;
            for (t, weight) in layer.row(output).iter().enumerate() {
                let place = block + (t / 2 * BLOCK + output % BLOCK) * 2 + t % 2;
                weights[place] = weight.cast_signed().into();
            }
        }
        let scale = |output| (layer.bias(output), layer.factor(output));
        Self { weights, row, scales: (0..outputs).map(scale).collect() }
    }

    /// The largest sums over `pool` positions of the patch, `step` elements apart, for a block of
    /// outputs.
    fn largest(
        &self,
        vectors: Vectors,
        block: usize,
        patch: &[i16],
        step: usize,
        pool: usize,
    ) -> [i32; BLOCK] {
        let weights = &self.weights[block * BLOCK * self.row..][..BLOCK * self.row];
        assert!(patch.len() >= self.row + (pool - 1) * step, "the patch holds all positions");
        let mut out = [i32::MIN; BLOCK];
        let mut position = 0;
        while position < pool {
            let patch = &patch[position * step..];
            let count = (pool - position).min(4);
            // SAFETY: `vectors` comes from `detect`; the weights are whole pairs of blocks, and the
            // patch holds a row at each position, as checked above.
            unsafe {
                match (vectors, count) {
                    (Vectors::Avx2, 1) => avx2::<1>(weights, patch, step, &mut out),
                    (Vectors::Avx2, 2) => avx2::<2>(weights, patch, step, &mut out),
                    (Vectors::Avx2, 3) => avx2::<3>(weights, patch, step, &mut out),
                    (Vectors::Avx2, _) => avx2::<4>(weights, patch, step, &mut out),
                    (Vectors::Avx512Vnni, 1) => avx512::<1>(weights, patch, step, &mut out),
                    (Vectors::Avx512Vnni, 2) => avx512::<2>(weights, patch, step, &mut out),
                    (Vectors::Avx512Vnni, 3) => avx512::<3>(weights, patch, step, &mut out),
                    (Vectors::Avx512Vnni, _) => avx512::<4>(weights, patch, step, &mut out),
                }
            }
            position += count;
        }
        out
    }
}

/// Two inputs as one element of 32 bits.
///
/// # Safety
///
/// `inputs` points to two elements.
#[inline]
unsafe fn pair(inputs: *const i16) -> i32 {
    // SAFETY: the caller says so; the read does not ask for alignment.
    unsafe { inputs.cast::<i32>().read_unaligned() }
}

/// # Safety
///
/// The machine has AVX2, `weights` holds whole pairs of a block, and the patch as many elements as a row
/// has at each of the P positions.
#[target_feature(enable = "avx2")]
unsafe fn avx2<const P: usize>(
    weights: &[i16],
    patch: &[i16],
    step: usize,
    out: &mut [i32; BLOCK],
) {
    let inputs: [*const i16; P] = core::array::from_fn(|j| patch[j * step..].as_ptr());
    let mut sums = [[_mm256_setzero_si256(); 2]; P];
    for (t, weights) in weights.chunks_exact(2 * BLOCK).enumerate() {
        let weights = weights.as_ptr().cast::<__m256i>();
        // SAFETY: a chunk holds two vectors; t is a pair of the row.
        let weights = unsafe { [_mm256_loadu_si256(weights), _mm256_loadu_si256(weights.add(1))] };
        for j in 0..P {
            // SAFETY: as above.
            let input = _mm256_set1_epi32(unsafe { pair(inputs[j].add(2 * t)) });
            for half in 0..2 {
                let products = _mm256_madd_epi16(weights[half], input);
                sums[j][half] = _mm256_add_epi32(sums[j][half], products);
            }
        }
    }
    let out = out.as_mut_ptr().cast::<__m256i>();
    for half in 0..2 {
        // SAFETY: `out` holds two vectors.
        unsafe {
            let mut largest = _mm256_loadu_si256(out.add(half));
            for sums in &sums {
                largest = _mm256_max_epi32(largest, sums[half]);
            }
            _mm256_storeu_si256(out.add(half), largest);
        }
    }
}

/// # Safety
///
/// As for [`avx2`], on a machine with AVX-512 and its VNNI.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn avx512<const P: usize>(
    weights: &[i16],
    patch: &[i16],
    step: usize,
    out: &mut [i32; BLOCK],
) {
    let inputs: [*const i16; P] = core::array::from_fn(|j| patch[j * step..].as_ptr());
    let mut sums = [_mm512_setzero_si512(); P];
    for (t, weights) in weights.chunks_exact(2 * BLOCK).enumerate() {
        // SAFETY: a chunk holds one vector; t is a pair of the row.
        let weights = unsafe { _mm512_loadu_si512(weights.as_ptr().cast::<__m512i>()) };
        for j in 0..P {
            // SAFETY: as above.
            let input = _mm512_set1_epi32(unsafe { pair(inputs[j].add(2 * t)) });
            sums[j] = _mm512_dpwssd_epi32(sums[j], weights, input);
        }
    }
    let out = out.as_mut_ptr().cast::<__m512i>();
    // SAFETY: `out` holds one vector.
    unsafe {
        let mut largest = _mm512_loadu_si512(out);
        for sum in sums {
            largest = _mm512_max_epi32(largest, sum);
        }
        _mm512_storeu_si512(out, largest);
    }
}

#[cfg(test)]
mod tests {
    use models::q8::Model;
    use proptest::prelude::*;

    use super::super::scalar;
    use super::*;
    use crate::tests::random;

    /// The instructions that this machine has, not only the best.
    fn all() -> impl Iterator<Item = Vectors> {
        let best = Vectors::detect();
        let avx2 = best.map(|_| Vectors::Avx2);
        avx2.into_iter().chain(best)
    }

    proptest! {
        #[test]
        fn all_vectors_compute_the_same(arch in random::arch(), seed: u64, step in 1..9usize) {
            let parts = random::model(&arch, seed);
            let bytes = parts.encode();
            let model = Model::parse(&bytes).unwrap();
            let mut noise = random::Noise(seed);
            for (layer, pool) in model.layers().iter().zip([1, 2, 3, 4, 5, 9].into_iter().cycle()) {
                let (packed, row) = (PackedLayer::new(layer), layer.shape.row());
                let patch = noise.samples(row + (pool - 1) * step);
                let dot = |output: usize, position: usize| {
                    let weights = layer.row(output);
                    let [[sum], _] = scalar::dots::<1>([weights; 2], &patch[position * step..], 0);
                    sum
                };
                for vectors in all() {
                    for output in 0..layer.shape.outputs {
                        let found = packed.largest(vectors, output / BLOCK, &patch, step, pool);
                        let wanted = (0..pool).map(|position| dot(output, position)).max();
                        prop_assert_eq!(Some(found[output % BLOCK]), wanted, "{:?}", vectors);
                    }
                }
            }
        }
    }
}
