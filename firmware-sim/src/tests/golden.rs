//! Golden runs: what small models of every kind of block compute of a made-up sound, pinned to the bit.
//!
//! Models and sound are integers, or come from steps of IEEE 754 arithmetic that are exact everywhere. So every
//! processor, kernel and build must find the same digests.

use models::arch::{Alpha, ArchSpec, Block, BlockKind, Head, Stem, Task};
use models::q8::Model;
use models::stream::Q15;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::random;
use crate::{Engine, Observer, Part, Prepared, memory_words};

/// A network: name, kind of its blocks, levels that its head reads, task; then the seed of its numbers (one with
/// which no part of it is dead) and the hop in samples.
type Network = (&'static str, BlockKind, u8, Task, u64, u32);

/// What a run came to: the network's name, digests of all columns and of all windows.
type Digests = (&'static str, u64, u64);

const NETWORKS: [Network; 10] = [
    ("basic", BlockKind::Basic, 0, Task::MultiClass, 2, 81),
    // No stride divides the hop.
    ("basic, nothing shared", BlockKind::Basic, 0, Task::MultiClass, 2, 100),
    ("se", BlockKind::Se(Alpha::Over(2)), 0, Task::MultiClass, 98, 81),
    ("res1", BlockKind::Res1, 0, Task::MultiClass, 57, 81),
    ("res2", BlockKind::Res2, 0, Task::MultiClass, 98, 81),
    ("rese1", BlockKind::ReSe1(Alpha::Times(2)), 0, Task::MultiClass, 58, 81),
    ("rese2", BlockKind::ReSe2(Alpha::Over(2)), 0, Task::MultiClass, 61, 81),
    ("basic, multi", BlockKind::Basic, 3, Task::MultiClass, 2, 81),
    ("rese2, multi", BlockKind::ReSe2(Alpha::Over(2)), 3, Task::MultiClass, 61, 81),
    ("se, multi, tags", BlockKind::Se(Alpha::Over(2)), 3, Task::MultiLabel, 98, 81),
];

/// In the order of [`NETWORKS`].
const EXPECTED: [Digests; 10] = [
    ("basic", 0xf4108c1d11318a2d, 0x25b122f7dc2d290e),
    ("basic, nothing shared", 0x1dc930eebe5be5df, 0x6c25b9949d7bb84d),
    ("se", 0x3ff4e1780aa84df2, 0x3ed620ba81315b5f),
    ("res1", 0x6db468ea56c432bf, 0xafecab1679dfff44),
    ("res2", 0x82eb2f93db9e46e5, 0x3705e590c728a056),
    ("rese1", 0x09fdbd5c682741ed, 0xccb7561f3a3a7992),
    ("rese2", 0x8ebe8ecd18de237a, 0x6e505cb8cd5ac9ea),
    ("basic, multi", 0xf5cc44b133299c65, 0xcacc998c5066c3ff),
    ("rese2, multi", 0x5a70d7c16ff37a61, 0x49d9fe5e3ac53132),
    ("se, multi, tags", 0x66cf8e9365d87da2, 0x008cdc75e1d3a77a),
];

#[test]
fn every_kind_repeats_its_golden_run() {
    let found: Vec<Digests> = NETWORKS.iter().map(run).collect();
    let line = |(name, columns, windows): &Digests| {
        format!("    ({name:?}, {columns:#018x}, {windows:#018x}),\n")
    };
    let table: String = found.iter().map(line).collect();
    assert!(found == EXPECTED, "the runs are not the golden ones, but\n{table}");
}

/// Four windows and a little more, in chunks of several lengths.
fn run(&(name, kind, levels, task, seed, hop): &Network) -> Digests {
    // The first shortcuts are the inputs themselves, the others change the channels. Two taps are padded on one side.
    let block = |channels, kernel| Block { channels, kernel, pool: 3, kind };
    let arch = ArchSpec {
        sample_rate_hz: 16_000,
        window: 729,
        stem: Stem::conv(6, 3, 3),
        blocks: [block(6, 3), block(6, 3), block(10, 3), block(13, 2)].into_iter().collect(),
        head: Head { channels: 7, levels },
        classes: 5,
        task,
    };
    let bytes = random::model(&arch, seed).encode();
    let model = Model::parse(&bytes).unwrap();
    let samples = random::Noise(9).samples(arch.window as usize + 3 * hop as usize + 7);
    let mut memory = vec![u32::MAX; memory_words(&model, hop).unwrap()];
    let mut engine = Engine::new(&model, hop, &mut memory).unwrap();
    let found = digests(&mut engine, &model, &samples, 256);
    engine.reset();
    assert_eq!(digests(&mut engine, &model, &samples, 61), found, "{name}: once more");
    if let Some(prepared) = Prepared::new(&model) {
        let engine = Engine::new(&model, hop, &mut memory).unwrap();
        let mut engine = engine.with_prepared(&prepared);
        let prepared = digests(&mut engine, &model, &samples, 256);
        assert_eq!(prepared, found, "{name}: from prepared weights");
    }
    let (columns, windows) = found;
    (name, columns, windows)
}

/// Digests of all columns and of all windows of a stream.
fn digests(
    engine: &mut Engine<'_, '_>,
    model: &Model<'_>,
    samples: &[i16],
    chunk: usize,
) -> (u64, u64) {
    let nodes = vec![Digest::EMPTY; model.layers().len()];
    let mut seen = Seen { nodes, windows: Digest::EMPTY };
    for samples in samples.chunks(chunk) {
        engine.push_observed(samples, &mut seen);
    }
    let mut columns = Digest::EMPTY;
    for node in &seen.nodes {
        columns.update(&node.0.to_le_bytes());
    }
    (columns.0, seen.windows.0)
}

/// Looks at everything. Each node has its own digest, so that it does not matter which of two nodes makes a column first.
struct Seen {
    nodes: Vec<Digest>,
    windows: Digest,
}

impl Observer for Seen {
    fn column(&mut self, layer: usize, _: Part, values: &[i16]) {
        for value in values {
            self.nodes[layer].update(&value.to_le_bytes());
        }
    }

    fn window(&mut self, posteriors: &[Q15], end: u64) {
        for posterior in posteriors {
            self.windows.update(&posterior.to_le_bytes());
        }
        self.windows.update(&end.to_le_bytes());
    }
}

/// FNV-1a with 64 bits.
#[derive(Clone, Copy)]
struct Digest(u64);

impl Digest {
    /// Of nothing.
    const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}
