//! The first layer.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The first layer: a convolution on samples without padding, with batch norm and ReLU; or a mel spectrum in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stem {
    /// Output channels; mel bands.
    pub channels: u16,
    /// Taps of the filter; samples of a spectrum.
    pub kernel: u16,
    /// Samples between two output columns.
    pub stride: u16,
    /// Whether it is a mel spectrum, of which nothing is trained: the logarithm of the energies in [`Stem::channels`] bands
    /// ([`super::Op::Mel`]).
    pub mel: bool,
}

/// As text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Readable {
    channels: u16,
    kernel: u16,
    stride: u16,
    #[serde(default, skip_serializing_if = "is_convolution")]
    mel: bool,
}

impl Stem {
    /// A convolution.
    #[must_use]
    pub const fn conv(channels: u16, kernel: u16, stride: u16) -> Self {
        Self { channels, kernel, stride, mel: false }
    }

    /// A mel spectrum of so many bands, of `kernel` samples every `stride` samples.
    #[must_use]
    pub const fn mel(bands: u16, kernel: u16, stride: u16) -> Self {
        Self { channels: bands, kernel, stride, mel: true }
    }

    /// [`Stem::mel`], where there can be one.
    pub(crate) const fn is_mel(&self) -> bool {
        cfg!(feature = "gates") && self.mel
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_convolution(mel: &bool) -> bool {
    !*mel
}

// In bytes, which hold networks in integers, there are convolutions only: spectra have no integer form.
impl Serialize for Stem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { channels, kernel, stride, mel } = *self;
        if serializer.is_human_readable() {
            return Readable { channels, kernel, stride, mel }.serialize(serializer);
        }
        if mel {
            return Err(serde::ser::Error::custom("a mel spectrum has no integer form"));
        }
        (channels, kernel, stride).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Stem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let Readable { channels, kernel, stride, mel } = Readable::deserialize(deserializer)?;
            return Ok(Self { channels, kernel, stride, mel });
        }
        let (channels, kernel, stride) = <(u16, u16, u16)>::deserialize(deserializer)?;
        Ok(Self::conv(channels, kernel, stride))
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn stems_survive_the_round_trip() {
        for stem in [Stem::conv(128, 3, 3), Stem::conv(1, 1024, 512)] {
            let bytes = postcard::to_allocvec(&stem).unwrap();
            assert_eq!(postcard::from_bytes::<Stem>(&bytes).unwrap(), stem);
        }
        for stem in [Stem::conv(128, 3, 3), Stem::mel(64, 512, 160)] {
            let text = serde_json::to_string(&stem).unwrap();
            assert_eq!(serde_json::from_str::<Stem>(&text).unwrap(), stem);
        }
        assert!(postcard::to_allocvec(&Stem::mel(64, 512, 160)).is_err());
    }

    #[test]
    fn small_filters_have_the_bytes_that_they_had_as_single_bytes() {
        let bytes = postcard::to_allocvec(&Stem::conv(300, 127, 3)).unwrap();
        assert_eq!(bytes, postcard::to_allocvec(&(300u16, 127u8, 3u8)).unwrap());
        let text = serde_json::to_string(&Stem::conv(8, 3, 3)).unwrap();
        assert_eq!(text, r#"{"channels":8,"kernel":3,"stride":3}"#);
    }
}
