//! Large arrays that are used again from step to step.
//!
//! Zeroing fresh memory is serial work between the parallel parts of a step. Arrays that live within the
//! kernels keep their old contents instead; those handed to Burn are zeroed by all threads.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Arrays that nobody uses at the moment.
static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// The most arrays that are kept.
const KEPT: usize = 64;

/// An array of arbitrary contents that goes back to the pool when dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    data: Vec<f32>,
    len: usize,
}

impl Buffer {
    /// An array of `len` elements. Its contents are whatever its last user left.
    pub(super) fn new(len: usize) -> Self {
        let reused = take(&mut FREE.lock().unwrap_or_else(PoisonError::into_inner), len);
        Self { data: reused.unwrap_or_else(|| zeros(len)), len }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        give(&mut free, std::mem::take(&mut self.data));
    }
}

/// The array of at least `len` elements that fits best; a much larger one is left for a larger need.
fn take(free: &mut Vec<Vec<f32>>, len: usize) -> Option<Vec<f32>> {
    let fits = |(_, data): &(usize, &Vec<f32>)| (len..=2 * len).contains(&data.len());
    let best = free.iter().enumerate().filter(fits).min_by_key(|(_, data)| data.len());
    best.map(|(index, _)| index).map(|index| free.swap_remove(index))
}

fn give(free: &mut Vec<Vec<f32>>, data: Vec<f32>) {
    if free.len() >= KEPT {
        free.remove(0);
    }
    free.push(data);
}

/// Zeros, written by all threads.
pub(super) fn zeros<T: Copy + Default + Send + Sync>(len: usize) -> Vec<T> {
    let mut data = Vec::new();
    rayon::iter::repeat_n(T::default(), len).with_min_len(1 << 14).collect_into_vec(&mut data);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_array_that_fits_best_is_used_again() {
        let mut free = Vec::new();
        [100, 30, 50].into_iter().for_each(|len| give(&mut free, vec![len as f32; len]));
        assert_eq!(take(&mut free, 40).unwrap()[0], 50.0);
        assert!(take(&mut free, 49).is_none(), "100 is much larger, 30 too small");
        assert_eq!(take(&mut free, 50).unwrap()[0], 100.0);
        (0..2 * KEPT).for_each(|_| give(&mut free, Vec::new()));
        assert_eq!(free.len(), KEPT);
    }

    #[test]
    fn buffers_have_the_length_asked_for() {
        drop(Buffer::new(123_457));
        assert_eq!(Buffer::new(123_450).len(), 123_450);
    }

    #[test]
    fn zeros_are_zero() {
        assert!(zeros::<f32>(100_001).iter().all(|value| *value == 0.0));
        assert_eq!(zeros::<u8>(0), [0u8; 0]);
    }
}
