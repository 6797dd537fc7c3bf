//! What is told of the hop that was asked for.

use models::arch::{ArchSpec, Streaming};

use super::Overrides;

/// Milliseconds that a hop may differ from the one asked for without a word: samples are no shorter.
const SAME_MS: f64 = 0.1;

impl Overrides {
    /// What to tell of the hop asked for, where a network's windows come every `hop` samples (at least 1): that it is
    /// another one, or that windows share nothing at it. `None` where there is nothing to tell.
    #[must_use]
    pub fn hop_note(&self, hop: u32, arch: &ArchSpec) -> Option<String> {
        let wanted = self.hop_ms?;
        let ms = 1000.0 * f64::from(hop) / f64::from(arch.sample_rate_hz);
        if !Streaming::shares_anything(arch, hop) {
            return Some(format!(
                "at a hop of {ms:.1} ms ({hop} samples) windows share none of their work"
            ));
        }
        ((wanted - ms).abs() > SAME_MS).then(|| {
            format!(
                "a hop of {wanted} ms becomes {ms:.1} ms ({hop} samples), at which windows share more of their work"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use models::arch::preset;

    use super::*;
    use crate::tiny_model::tiny_meta;

    /// The note on a hop asked for, of windows of 64 ms.
    fn note(hop_ms: Option<f64>) -> Option<String> {
        let (meta, overrides) = (tiny_meta(), Overrides { hop_ms, ..Overrides::default() });
        let hop = overrides.apply(&meta).unwrap().hop;
        overrides.hop_note(hop, &meta.arch)
    }

    #[test]
    fn another_hop_than_the_one_asked_for_is_told() {
        let expected = "a hop of 6.5 ms becomes 6.0 ms (96 samples), at which windows share more of their work";
        assert_eq!(note(Some(6.5)).as_deref(), Some(expected));
        assert_eq!(note(Some(6.03)), None);
        assert_eq!(note(None), None);
    }

    #[test]
    fn mel_spectra_are_shared_at_a_hop_near_the_one_asked_for() {
        let (arch, meta) = (preset("melcnn-speech", 3).unwrap(), tiny_meta());
        let overrides = Overrides { hop_ms: Some(136.7), ..Overrides::default() };
        let hop = overrides.apply_to(meta.decision, &arch, &meta.labels).unwrap().hop;
        let expected = "a hop of 136.7 ms becomes 150.0 ms (2400 samples), at which windows share more of their work";
        assert_eq!(overrides.hop_note(hop, &arch).as_deref(), Some(expected));
        // The hop of a model itself is what it is.
        assert_eq!(Overrides::default().hop_note(2187, &arch), None);
    }

    #[test]
    fn a_hop_at_which_nothing_is_shared_is_told() {
        let expected = "at a hop of 0.1 ms (1 samples) windows share none of their work";
        assert_eq!(note(Some(0.0)).as_deref(), Some(expected));
        let gaps = note(Some(100.0)).unwrap();
        assert!(gaps.ends_with("(1600 samples) windows share none of their work"), "{gaps}");
    }
}
