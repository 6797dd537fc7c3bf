//! Which hop between the windows of a stream lets them share their work.

use super::{ArchError, ArchSpec, Streaming};
use crate::stream::DEFAULT_HOP;

impl Streaming {
    /// The hop of a network that nobody chose one for: [`DEFAULT_HOP`]; where windows share nothing at that, the one near
    /// it that [`Streaming::near`] finds, if any.
    #[must_use]
    pub fn usual_hop(arch: &ArchSpec) -> u32 {
        match Self::shares_anything(arch, DEFAULT_HOP) {
            true => DEFAULT_HOP,
            false => Self::near(arch, DEFAULT_HOP).unwrap_or(DEFAULT_HOP),
        }
    }

    /// Whether windows every `hop` samples overlap and have columns in common.
    ///
    /// # Panics
    /// If `hop` is 0.
    #[must_use]
    pub fn shares_anything(arch: &ArchSpec, hop: u32) -> bool {
        let shares = |streaming: Self| !streaming.shared.is_empty();
        hop < arch.window && Self::new(arch, hop).is_ok_and(shares)
    }

    /// The hop near `wanted` samples at which a second of a stream costs least: among the multiples of
    /// the stem's stride at most a tenth from `wanted`, the nearest of the cheapest. Without any that saves windows a
    /// twentieth of their work, `wanted` itself.
    ///
    /// # Errors
    /// An architecture that is none.
    pub fn near(arch: &ArchSpec, wanted: u32) -> Result<u32, ArchError> {
        let table = arch.layers()?;
        let window = arch.window;
        let mut best = (f64::INFINITY, 0, wanted.max(1));
        let whole = Self::new(arch, window)?.cut(arch, 0).cost(&table).per_hop();
        // Deeper levels are shared only at multiples of their longer strides.
        for layer in &table.layers {
            let Ok(stride @ 1..) = u32::try_from(layer.stride) else { continue };
            let below = wanted / stride * stride;
            for hop in [below, below.saturating_add(stride)] {
                let distance = hop.abs_diff(wanted);
                if hop == 0 || hop > window || distance > wanted / 10 {
                    continue;
                }
                let cost = Self::new(arch, hop)?.cost(&table).per_hop();
                if !Self::saves(cost, whole) {
                    continue;
                }
                let cost = cost as f64 / f64::from(hop);
                if (cost, distance) < (best.0, best.1) {
                    best = (cost, distance, hop);
                }
            }
        }
        Ok(best.2)
    }

    /// Whether windows that cost `shared` instead of `whole` are worth the trouble of sharing: a twentieth is what
    /// keeping columns costs by itself.
    #[must_use]
    pub const fn saves(shared: u64, whole: u64) -> bool {
        shared <= whole - whole / 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{PRESETS, preset};

    #[test]
    fn hops_near_the_wanted_one_share_more() {
        let arch = preset("samplecnn-speech", 12).unwrap();
        let near = |wanted| Streaming::near(&arch, wanted).unwrap();
        assert_eq!([near(2187), near(2080), near(1600), near(800)], [2187, 2187, 1458, 729]);
        // Nothing near is shared, or there is nothing to share.
        assert_eq!([near(1), near(2), near(40_000)], [1, 2, 40_000]);
        // Nearly all work is behind the first gate.
        assert_eq!(
            Streaming::near(&preset("rese2-multi-speech", 12).unwrap(), 2187).unwrap(),
            2187
        );
    }

    #[test]
    fn windows_share_work_at_the_usual_hops() {
        for name in PRESETS.iter().chain(&["2^13", "4^6", "5^5"]) {
            let arch = preset(name, 12).unwrap();
            let hop = Streaming::usual_hop(&arch);
            assert!(Streaming::shares_anything(&arch, hop), "{name}");
            if arch.stem.stride == 3 {
                assert_eq!(hop, DEFAULT_HOP, "{name}");
            }
        }
        let hop = |name| Streaming::usual_hop(&preset(name, 12).unwrap());
        let names = ["framecnn-speech", "melcnn-speech", "2^13", "4^6", "5^5"];
        assert_eq!(names.map(hop), [2304, 2400, 2048, 2048, 2250]);
        // Windows that are no longer than that do not overlap.
        assert_eq!(["3^6", "2^7"].map(hop), [DEFAULT_HOP; 2]);
    }
}
