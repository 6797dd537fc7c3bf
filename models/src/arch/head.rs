//! What lies between the blocks and the classifier.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The 1×1 convolution (with batch norm, ReLU and dropout) between the blocks and the classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Output channels.
    pub channels: u16,
    /// What it reads. 0: all columns of the last block. Else the global maxima over time of this many
    /// last blocks, their channels one after the other: 3 is the papers' *multi-level* aggregation.
    pub levels: u8,
}

/// As text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Readable {
    channels: u16,
    #[serde(default, skip_serializing_if = "is_zero")]
    levels: u8,
}

impl Head {
    /// [`Head::levels`], where there can be any.
    pub(crate) const fn levels(&self) -> u8 {
        if cfg!(feature = "gates") { self.levels } else { 0 }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(levels: &u8) -> bool {
    *levels == 0
}

// In bytes one number: the channels, and above their 16 bits the levels. Heads that read all columns so have the
// bytes that they had when there were no others.
impl Serialize for Head {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { channels, levels } = *self;
        if serializer.is_human_readable() {
            Readable { channels, levels }.serialize(serializer)
        } else {
            (u32::from(levels) << 16 | u32::from(channels)).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let Readable { channels, levels } = Readable::deserialize(deserializer)?;
            return Ok(Self { channels, levels });
        }
        let number = u32::deserialize(deserializer)?;
        let levels = u8::try_from(number >> 16)
            .map_err(|_| serde::de::Error::custom("more than 255 levels"))?;
        Ok(Self { channels: number as u16, levels })
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn heads_survive_the_round_trip() {
        for levels in [0, 1, 3, 255] {
            let head = Head { channels: 65_535, levels };
            let bytes = postcard::to_allocvec(&head).unwrap();
            assert_eq!(postcard::from_bytes::<Head>(&bytes).unwrap(), head);
            let text = serde_json::to_string(&head).unwrap();
            assert_eq!(serde_json::from_str::<Head>(&text).unwrap(), head);
        }
        assert!(postcard::from_bytes::<Head>(&[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    }

    #[test]
    fn heads_that_read_all_columns_are_the_number_of_their_channels() {
        let head = Head { channels: 512, levels: 0 };
        assert_eq!(postcard::to_allocvec(&head).unwrap(), postcard::to_allocvec(&512u16).unwrap());
        assert_eq!(serde_json::to_string(&head).unwrap(), r#"{"channels":512}"#);
    }
}
