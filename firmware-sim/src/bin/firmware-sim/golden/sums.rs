//! Checksums of the layers' outputs.
//!
//! Outputs are checked as 16-bit little-endian integers, column by column in the order in which the
//! engine computes them. This order depends on the samples alone, never on how they are cut into
//! interrupts.

use crc::{CRC_16_IBM_3740, CRC_32_ISO_HDLC, Crc, Digest};
use models::q8::Model;
use serde::{Deserialize, Serialize};

/// The one of Ethernet and zip.
static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// Also known as CCITT-FALSE.
static CRC16: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_3740);

/// Checksums of one layer's outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerSums {
    /// CRC-32 of all outputs.
    pub(crate) all: u32,
    /// CRC-16 of each column.
    pub(crate) columns: Vec<u8>,
    /// CRC-32 of each channel's outputs.
    pub(crate) channels: Vec<u32>,
}

impl LayerSums {
    /// The checksums of the columns.
    pub(crate) fn columns(&self) -> &[[u8; 2]] {
        self.columns.as_chunks().0
    }
}

/// Checksums in the making.
pub(crate) struct Sums {
    layers: Vec<Layer>,
}

struct Layer {
    all: Digest<'static, u32>,
    columns: Vec<u8>,
    channels: Vec<Digest<'static, u32>>,
}

impl Sums {
    /// Of every node but the classifier; of a chain stem, blocks, head.
    pub(crate) fn new(model: &Model<'_>) -> Self {
        let mut nodes = model.arch().nodes().expect("a parsed model's network was checked");
        nodes.pop();
        let sums = |outputs: usize| Layer {
            all: CRC32.digest(),
            columns: Vec::new(),
            channels: vec![CRC32.digest(); outputs],
        };
        Self { layers: nodes.iter().map(|node| sums(node.out_channels)).collect() }
    }

    pub(crate) fn column(&mut self, layer: usize, values: &[i16]) {
        let Layer { all, columns, channels } = &mut self.layers[layer];
        let mut column = CRC16.digest();
        for (channel, value) in channels.iter_mut().zip(values) {
            let bytes = value.to_le_bytes();
            column.update(&bytes);
            channel.update(&bytes);
            all.update(&bytes);
        }
        columns.extend(column.finalize().to_le_bytes());
    }

    pub(crate) fn finish(self) -> Vec<LayerSums> {
        let finish = |Layer { all, columns, channels }: Layer| LayerSums {
            all: all.finalize(),
            columns,
            channels: channels.into_iter().map(|channel| channel.finalize()).collect(),
        };
        self.layers.into_iter().map(finish).collect()
    }
}
