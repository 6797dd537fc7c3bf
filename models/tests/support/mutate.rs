//! Hostile files.

use models::arch::{ArchSpec, Block, BlockKind, Head, Stem, Task};
use models::q8::HEADER_LEN;
use proptest::prelude::*;
use proptest::sample::Index;

use super::container::{self, Body};
use super::networks;

/// Any number, with a liking for the ends of the range.
macro_rules! extreme {
    ($number:ty) => {
        prop_oneof![
            4 => 1..=4 as $number,
            1 => Just(0 as $number),
            2 => any::<$number>(),
            1 => Just(<$number>::MAX),
        ]
    };
}

/// A sound file with some bytes changed, most of them in header and body; with or without a
/// checksum that fits again.
pub(crate) fn flipped() -> impl Strategy<Value = Vec<u8>> {
    let flips = prop::collection::vec((any::<Index>(), 1..=255u8, 0..4u8), 1..8);
    (networks::arch(), any::<u64>(), flips, prop::bool::weighted(0.8)).prop_map(
        |(arch, seed, flips, repaired)| {
            let mut bytes = networks::model(&arch, seed).encode();
            let body_len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
            for (place, change, region) in flips {
                let range = match region {
                    0 => 0..bytes.len(),
                    1 => 0..HEADER_LEN,
                    _ => HEADER_LEN..HEADER_LEN + body_len,
                };
                bytes[range.start + place.index(range.len())] ^= change;
            }
            if repaired {
                container::repair(&mut bytes);
            }
            bytes
        },
    )
}

/// Any bytes behind a header that fits them.
pub(crate) fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    (bytes(200), bytes(2000)).prop_map(|(body, data)| container::seal(&body, &data))
}

/// A header with any lengths before some bytes.
pub(crate) fn lengths() -> impl Strategy<Value = Vec<u8>> {
    let rest = prop::collection::vec(any::<u8>(), 0..100);
    (extreme!(u32), extreme!(u32), rest).prop_map(|(body_len, data_len, rest)| {
        let mut bytes = container::seal(&rest, &[]);
        bytes[12..16].copy_from_slice(&body_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&data_len.to_le_bytes());
        container::repair(&mut bytes);
        bytes
    })
}

fn hostile_arch() -> impl Strategy<Value = ArchSpec> {
    let block = (extreme!(u16), extreme!(u8), extreme!(u8));
    let blocks = prop::collection::vec(block, 0..=16);
    let window = prop_oneof![1..2000u32, Just(1 << 24), extreme!(u32)];
    let stem = (extreme!(u16), extreme!(u16), extreme!(u16));
    let outputs = (extreme!(u16), extreme!(u16), any::<bool>());
    (extreme!(u32), window, stem, blocks, outputs).prop_map(
        |(sample_rate_hz, window, stem, blocks, (head, classes, multi_label))| ArchSpec {
            sample_rate_hz,
            window,
            stem: Stem::conv(stem.0, stem.1, stem.2),
            blocks: blocks
                .into_iter()
                .map(|(channels, kernel, pool)| {
                    let kind = BlockKind::Basic;
                    Block { channels, kernel, pool, kind }
                })
                .collect(),
            head: Head { channels: head, levels: 0 },
            classes,
            task: if multi_label { Task::MultiLabel } else { Task::MultiClass },
        },
    )
}

/// A body that can be decoded, with any numbers, and data of the length that they ask for where that is
/// not too much.
pub(crate) fn numbers() -> impl Strategy<Value = Vec<u8>> {
    let arch = prop_oneof![1 => networks::arch(), 2 => hostile_arch()];
    let hop = prop_oneof![3 => 1..2000u32, 1 => extreme!(u32)];
    let release = prop_oneof![4 => 1..=1u16 << 15, 1 => extreme!(u16)];
    let level = prop_oneof![4 => 0..=1u32 << 30, 1 => extreme!(u32)];
    let own = prop_oneof![4 => Just(None), 8 => Just(Some(4)), 1 => (0..9usize).prop_map(Some)];
    let min_count = prop_oneof![4 => 0..20u16, 1 => extreme!(u16)];
    let more = (min_count, release, level, own);
    let settings = (hop, extreme!(u16), extreme!(u16), extreme!(u32), more);
    let few = |weight| prop::bool::weighted(weight);
    let wrong = (few(0.1), few(0.1), few(0.1), few(0.1));
    (arch, settings, any::<u64>(), any::<f32>(), extreme!(u16), wrong).prop_map(
        |(arch, (hop, smoothing, warm_up, suppression, more), seed, scale, limit, wrong)| {
            let (min_count, release, gate, cooldown) = more;
            let classes = usize::from(arch.classes).min(1000);
            let threshold = if wrong.0 { [1, 0x80] } else { [0, 0x30] };
            let layers = arch.blocks.len() + 3 + usize::from(wrong.1);
            let body = Body {
                preset: String::new(),
                labels: vec![if wrong.2 { "" } else { "x" }; classes].join("\n"),
                hop,
                smoothing,
                min_count,
                release,
                warm_up,
                suppression,
                gate,
                thresholds: threshold.repeat(classes),
                cooldowns: cooldown.map_or(Vec::new(), |bytes| vec![1; bytes * classes]),
                seed,
                layers: vec![(if wrong.3 { scale } else { 1.0 }, limit); layers],
                arch: arch.clone(),
            };
            container::seal(&postcard::to_allocvec(&body).unwrap(), &data(&arch))
        },
    )
}

/// Data for a network, with valid factors; nothing if there is no such network or
/// it is large.
fn data(arch: &ArchSpec) -> Vec<u8> {
    let Ok(table) = arch.layers() else { return Vec::new() };
    let mut data = Vec::new();
    for (index, layer) in table.layers.iter().enumerate() {
        // The classifier's table counts features; its rows hold columns of the head's channels.
        let (taps, inputs) = match index.checked_sub(arch.blocks.len() + 2) {
            Some(_) => {
                (layer.in_channels / usize::from(arch.head.channels), arch.head.channels.into())
            }
            None if index == 0 => (1, layer.kernel),
            None => (layer.kernel, layer.in_channels),
        };
        let (outputs, row) = (layer.out_channels, taps * inputs.next_multiple_of(4));
        if outputs as u64 * (row as u64 + 9) > 1 << 20 {
            return Vec::new();
        }
        data.extend((0..outputs * row).map(|weight| (weight * 73 + 41) as u8));
        data.resize(data.len() + outputs * 4, 0);
        data.extend((1i32 << 30).to_le_bytes().repeat(outputs));
        data.resize(data.len() + outputs, 42);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    data
}
