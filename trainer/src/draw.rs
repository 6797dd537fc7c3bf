//! Random draws that depend on nothing but what they are for.
//!
//! There is no running generator: every draw is a function of the seed, its purpose and its
//! indices (epoch, clip, …). Work can so be cut among threads, or taken up again in the middle,
//! and still draws the same numbers.

use rand::SeedableRng as _;
pub use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};

/// The generator for one purpose: its key is the SHA-256 of `seed`, `purpose` and `indices`.
///
/// Different purposes, or different indices within one, give independent streams of numbers.
#[must_use]
pub fn rng(seed: u64, purpose: &str, indices: &[u64]) -> ChaCha8Rng {
    let mut key = Sha256::new();
    key.update(seed.to_le_bytes());
    // The length keeps ("a", index) apart from purposes that end in the index's bytes.
    key.update((purpose.len() as u64).to_le_bytes());
    key.update(purpose);
    for index in indices {
        key.update(index.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;

    fn first(seed: u64, purpose: &str, indices: &[u64]) -> u64 {
        rng(seed, purpose, indices).next_u64()
    }

    #[test]
    fn draws_depend_on_seed_purpose_and_indices_only() {
        let draw = first(1, "crop", &[2, 3]);
        assert_eq!(draw, first(1, "crop", &[2, 3]));
        let others =
            [first(2, "crop", &[2, 3]), first(1, "gain", &[2, 3]), first(1, "crop", &[3, 2])];
        assert!(!others.contains(&draw));
        assert_ne!(first(1, "crop", &[2]), first(1, "crop", &[2, 0]));
    }

    #[test]
    fn draws_stay_the_same_over_versions() {
        // A model's seed must give the same model next year.
        assert_eq!(first(0, "test", &[]), 16_195_020_660_076_750_045);
    }
}
