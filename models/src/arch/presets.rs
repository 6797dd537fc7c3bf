//! Networks by name: the papers' and the narrow ones for small computers.

use super::{ArchSpec, Block, BlockKind, Head, MAX_BLOCKS, Stem, Task};

/// Sample rate of every preset.
const RATE_HZ: u32 = 16_000;

/// The names that [`preset`] knows, from the smallest to the largest; besides these it takes any
/// `M^N` (for example `3^9`).
pub const PRESETS: &[&str] = &[
    "nano",
    "mcu",
    "micro",
    "small",
    "samplecnn-speech",
    "samplecnn-speech-19683",
    "samplecnn-scene",
    "samplecnn-music",
    "samplecnn-59049",
];

/// Channels of the paper's networks but for the middle blocks: stem and blocks 1 and 2, middle,
/// last.
const PAPER: (u16, u16, u16) = (128, 256, 512);

/// The network called `name` with `classes` outputs, or `None` if there is no such preset.
///
/// Names of the form `M^N` (M from 2 to 5) build the papers' general family: filters, strides
/// and pools of length M, N blocks, a window of M^(N+1) samples.
#[must_use]
pub fn preset(name: &str, classes: u16) -> Option<ArchSpec> {
    let edge = |stem, channels: [u16; 8]| Some(edge_speech(stem, channels, classes));
    match name {
        "nano" => edge(8, [8, 8, 16, 24, 32, 32, 32, 64]),
        "mcu" => edge(12, [12, 24, 32, 48, 64, 64, 64, 128]),
        "micro" => edge(16, [16, 32, 64, 96, 128, 128, 128, 256]),
        "small" => edge(32, [32, 64, 128, 128, 192, 192, 192, 384]),
        "samplecnn-speech" => {
            let mut spec = paper(3, 8, 16_000, classes)?;
            shorten_last(&mut spec);
            Some(spec)
        }
        "samplecnn-speech-19683" | "samplecnn-scene" => paper(3, 8, 19_683, classes),
        "samplecnn-music" => {
            let mut spec = paper(3, 9, 39_366, classes)?;
            shorten_last(&mut spec);
            Some(spec)
        }
        "samplecnn-59049" => paper(3, 9, 59_049, classes),
        _ => general(name, classes),
    }
}

/// The speech geometry of the paper with narrow early blocks, where most of the work is.
fn edge_speech(stem: u16, channels: [u16; 8], classes: u16) -> ArchSpec {
    let pools = [3, 3, 3, 3, 3, 3, 3, 2];
    let blocks = channels.into_iter().zip(pools).map(|(channels, pool)| Block {
        channels,
        kernel: 3,
        pool,
        kind: BlockKind::Basic,
    });
    ArchSpec {
        sample_rate_hz: RATE_HZ,
        window: 16_000,
        stem: Stem { channels: stem, kernel: 3, stride: 3 },
        blocks: blocks.collect(),
        head: Head { channels: channels[7] },
        classes,
        task: Task::MultiClass,
    }
}

/// `M^N` with the paper's channels.
fn general(name: &str, classes: u16) -> Option<ArchSpec> {
    let (m, n) = name.split_once('^')?;
    let (m, n) = (m.parse::<u8>().ok()?, n.parse::<usize>().ok()?);
    if !(2..=5).contains(&m) || !(1..=MAX_BLOCKS).contains(&n) {
        return None;
    }
    let window = u32::from(m).checked_pow(u32::try_from(n).ok()? + 1)?;
    paper(m, n, window, classes)
}

/// The paper's channels (128, 128, 256 …, 512) over `n` blocks of filter and pool length `m`.
fn paper(m: u8, n: usize, window: u32, classes: u16) -> Option<ArchSpec> {
    let (early, middle, last) = PAPER;
    let mut blocks = heapless::Vec::new();
    for index in 0..n {
        let channels = match index {
            _ if index + 1 == n => last,
            0 | 1 => early,
            _ => middle,
        };
        let (kernel, pool, kind) = (m, m, BlockKind::Basic);
        blocks.push(Block { channels, kernel, pool, kind }).ok()?;
    }
    Some(ArchSpec {
        sample_rate_hz: RATE_HZ,
        window,
        stem: Stem { channels: early, kernel: m, stride: m },
        blocks,
        head: Head { channels: last },
        classes,
        task: Task::MultiClass,
    })
}

/// Where the window is no power of 3, the last block has filter and pool length 2.
fn shorten_last(spec: &mut ArchSpec) {
    if let Some(block) = spec.blocks.last_mut() {
        (block.kernel, block.pool) = (2, 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_names_build_the_family() {
        let spec = preset("4^6", 10).unwrap();
        assert_eq!((spec.window, spec.blocks.len()), (16_384, 6));
        assert_eq!(spec.layers().unwrap().layers[6].out_len, 1);
        for m in 2..=5u32 {
            for n in 1..=6u32 {
                let name = std::format!("{m}^{n}");
                let table = preset(&name, 10).unwrap().layers().unwrap();
                assert_eq!(table.layers[n as usize].out_len, 1, "{name}");
            }
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        for name in ["", "huge", "9^9", "3^", "^3", "3^0", "5^16", "3^17"] {
            assert_eq!(preset(name, 10), None, "{name}");
        }
    }

    #[test]
    fn speech_networks_shorten_their_last_block() {
        let speech = preset("samplecnn-speech", 31).unwrap();
        let last = speech.blocks.last().unwrap();
        assert_eq!((last.kernel, last.pool), (2, 2));
    }
}
