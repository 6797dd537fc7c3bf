//! Why bytes are no model.

use core::fmt;

use super::VERSION;
use crate::arch::{ArchError, LayerName};

/// Why bytes are no model that this version can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// It does not begin with the magic bytes.
    NotQ8,
    /// Another version of the container.
    Version(u16),
    /// The file ends too early.
    Truncated {
        /// Bytes that its header announces.
        needed: u64,
    },
    /// The checksum does not match.
    Checksum,
    /// The body cannot be decoded.
    Malformed,
    /// The network cannot be built.
    Arch(ArchError),
    /// The network has gates, shortcuts or global maxima, and this program was built without them.
    Gates,
    /// There are more or fewer weights than the network has.
    DataLength {
        /// Bytes that the network needs.
        needed: u64,
    },
    /// There is not one entry for every layer.
    LayerCount,
    /// A layer's multiplier, shift, limit or output scale is out of range.
    Layer(LayerName),
    /// There is not one label a class, or one is empty.
    Labels,
    /// The decision settings make no sense or do not fit the classes.
    Decision,
}

impl core::error::Error for FormatError {}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotQ8 => {
                write!(f, "this is no int8 model (.q8); `trainer export` writes one")
            }
            Self::Version(version) => write!(
                f,
                "the model has format version {version}, this program reads version {VERSION}; export it again"
            ),
            Self::Truncated { needed } => {
                write!(f, "the model is cut short: it should have {needed} bytes")
            }
            Self::Checksum => write!(f, "the model is damaged: its checksum does not match"),
            Self::Malformed => write!(f, "the model's description cannot be read"),
            Self::Arch(error) => write!(f, "the model's network cannot be built: {error}"),
            Self::Gates => write!(
                f,
                "the model's network has gates, shortcuts or global maxima; build this program with the feature `gates`"
            ),
            Self::DataLength { needed } => {
                write!(f, "the model's weights do not fit its network, which needs {needed} bytes")
            }
            Self::LayerCount => write!(f, "the model does not describe every layer"),
            Self::Layer(name) => write!(f, "{name}: its scale is out of range"),
            Self::Labels => write!(f, "the model's labels do not fit its classes"),
            Self::Decision => write!(f, "the model's decision settings do not fit its classes"),
        }
    }
}
