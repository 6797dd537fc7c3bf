//! Matrix products over slices, by the `gemm` crate.
//!
//! A convolution over columns `[T, C]` that lie one after the other is one product: row t of the left
//! matrix is the K·C elements from column t on, so its rows overlap and nothing is copied. The
//! one place of the workspace that hands `gemm` its pointers.
#![allow(unsafe_code)]

/// A read-only matrix inside a slice: element `(r, c)` is `data[r * row_stride + c * col_stride]`.
/// Rows may overlap.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> View<'a> {
    /// A matrix whose rows follow one another.
    #[must_use]
    pub const fn rows(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// A matrix whose rows start `row_stride` elements apart and may overlap.
    #[must_use]
    pub const fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// Rows as columns.
    #[must_use]
    pub const fn transposed(self) -> Self {
        let Self { data, rows, cols, row_stride, col_stride } = self;
        Self { data, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    /// Elements of `data` that the matrix reaches.
    const fn reach(&self) -> usize {
        if self.rows == 0 || self.cols == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride + 1
    }
}

/// `out = a · b`, or `out += a · b` where `accumulate`; `out` is row-major and dense.
///
/// # Panics
/// If the shapes do not fit or a view reaches beyond its slice.
pub fn matmul(out: &mut [f32], a: View<'_>, b: View<'_>, accumulate: bool) {
    assert_eq!(a.cols, b.rows, "inner dimensions agree");
    assert!(a.reach() <= a.data.len(), "left matrix lies inside its slice");
    assert!(b.reach() <= b.data.len(), "right matrix lies inside its slice");
    assert!(a.rows * b.cols <= out.len(), "the product fits into its slice");
    if a.rows == 0 || b.cols == 0 {
        return;
    }
    let alpha = if accumulate { 1.0 } else { 0.0 };
    // SAFETY: the asserts above keep every element that the strides reach inside the slices; `out` is
    // borrowed exclusively, so it does not overlap `a` or `b`; dense row-major rows of `out` do not
    // overlap each other.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out.as_mut_ptr(),
            1,
            b.cols as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            alpha,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(a: View<'_>, b: View<'_>) -> Vec<f32> {
        let at = |m: View<'_>, r: usize, c: usize| m.data[r * m.row_stride + c * m.col_stride];
        let mut out = Vec::new();
        for r in 0..a.rows {
            for c in 0..b.cols {
                out.push((0..a.cols).map(|i| at(a, r, i) * at(b, i, c)).sum());
            }
        }
        out
    }

    proptest! {
        #[test]
        fn equals_the_naive_product(
            m in 0..20usize, k in 1..20usize, n in 1..20usize, row_stride in 1..20usize,
            flip in any::<bool>(), accumulate in any::<bool>(),
        ) {
            // Small integers: every product and sum is exact.
            let data: Vec<f32> = (0..800).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
            let a = View::strided(&data, m, k, row_stride);
            let b = View::rows(&data, n, k).transposed();
            let (a, b) = if flip { (b.transposed(), a.transposed()) } else { (a, b) };
            let mut out = vec![3.0; a.rows * b.cols];
            matmul(&mut out, a, b, accumulate);
            let offset = if accumulate { 3.0 } else { 0.0 };
            let expected: Vec<f32> = naive(a, b).into_iter().map(|v| v + offset).collect();
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    #[should_panic(expected = "left matrix lies inside its slice")]
    fn views_beyond_their_slice_are_refused() {
        matmul(&mut [0.0; 4], View::rows(&[0.0; 3], 2, 2), View::rows(&[0.0; 4], 2, 2), false);
    }
}
