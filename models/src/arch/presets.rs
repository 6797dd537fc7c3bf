//! Networks by name: the papers' and the narrow ones for small computers.

use super::{Alpha, ArchSpec, Block, BlockKind, Head, MAX_BLOCKS, Stem, Task};

/// Sample rate of all presets but those for 59,049 samples.
const RATE_HZ: u32 = 16_000;
/// Sample rate of the paper that has windows of 59,049 samples.
const MUSIC_RATE_HZ: u32 = 22_050;

/// The names to choose from: first the narrow networks from the smallest to the largest, then the papers'. Besides
/// these, [`preset`] takes any `M^N` (for example `3^9`), every network of `KIND-multi-TASK` without `-multi`, and
/// every one whose gates have α = 16 with `-reduced` for α = 1/8, `KIND[-multi]-melcnn-TASK` (such as `res2-melcnn-speech`)
/// for these blocks on mel spectra, and `framecnn-TASK` with `-256` or `-1024` for filters
/// of another length than 512 samples.
pub const PRESETS: &[&str] = &[
    "nano",
    "se-nano",
    "rese-nano",
    "mcu",
    "se-mcu",
    "rese-mcu",
    "micro",
    "se-micro",
    "rese-micro",
    "small",
    "se-small",
    "rese-small",
    "samplecnn-speech",
    "samplecnn-speech-19683",
    "samplecnn-scene",
    "samplecnn-music",
    "samplecnn-59049",
    "framecnn-speech",
    "framecnn-scene",
    "framecnn-music",
    "framecnn-59049",
    "melcnn-speech",
    "melcnn-scene",
    "melcnn-music",
    "melcnn-59049",
    "samplecnn-multi-speech",
    "samplecnn-multi-scene",
    "samplecnn-multi-music",
    "samplecnn-multi-59049",
    "se-multi-speech",
    "se-multi-scene",
    "se-multi-music",
    "se-multi-59049",
    "res1-multi-speech",
    "res1-multi-scene",
    "res1-multi-music",
    "res1-multi-59049",
    "res2-multi-speech",
    "res2-multi-scene",
    "res2-multi-music",
    "res2-multi-59049",
    "rese1-multi-speech",
    "rese1-multi-scene",
    "rese1-multi-music",
    "rese1-multi-59049",
    "rese2-multi-speech",
    "rese2-multi-scene",
    "rese2-multi-music",
    "rese2-multi-59049",
];

/// Channels of the paper's networks but for the middle blocks: stem and blocks 1 and 2, middle,
/// last.
const PAPER: (u16, u16, u16) = (128, 256, 512);
/// Samples of a frame and of a mel spectrum, unless the name tells otherwise.
const FRAME: u16 = 512;
/// Samples between two mel spectra.
const MEL_HOP: u16 = 160;
/// Bands of a mel spectrum.
const MEL_BANDS: u16 = 64;
/// α of the gates that small computers can do.
const REDUCED: Alpha = Alpha::Over(8);

/// The network called `name` with `classes` outputs, or `None` if there is no such preset.
///
/// `nano` to `small` have the speech geometry of the paper with few channels; `se-…` adds gates and the
/// multi-level head, `rese-…` shortcuts and second convolutions (`ReSE`-2) as well, with α = 1/8.
///
/// Names of the form `M^N` (M from 2 to 5) build the papers' general family: filters, strides
/// and pools of length M, N blocks, a window of M^(N+1) samples.
#[must_use]
pub fn preset(name: &str, classes: u16) -> Option<ArchSpec> {
    match name {
        "samplecnn-speech" => {
            let mut spec = task("speech", classes)?;
            // The paper's counts of parameters are those of a filter of length 2 in the last block.
            spec.blocks.last_mut()?.kernel = 2;
            Some(spec)
        }
        "samplecnn-music" => {
            let mut spec = task("music", classes)?;
            spec.blocks.last_mut()?.kernel = 2;
            Some(spec)
        }
        "samplecnn-speech-19683" => paper(3, 8, 19_683, classes),
        "samplecnn-scene" => task("scene", classes),
        "samplecnn-59049" => task("59049", classes),
        _ => edge(name, classes)
            .or_else(|| of_kind(name, classes))
            .or_else(|| baseline(name, classes))
            .or_else(|| general(name, classes)),
    }
}

/// The speech geometry of the paper with narrow early blocks, where most of the work is.
fn edge(name: &str, classes: u16) -> Option<ArchSpec> {
    let (kind, name) = match name.split_once('-') {
        None => (BlockKind::Basic, name),
        Some(("se", name)) => (BlockKind::Se(REDUCED), name),
        Some(("rese", name)) => (BlockKind::ReSe2(REDUCED), name),
        Some(_) => return None,
    };
    let (stem, channels) = match name {
        "nano" => (8, [8, 8, 16, 24, 32, 32, 32, 64]),
        "mcu" => (12, [12, 24, 32, 48, 64, 64, 64, 128]),
        "micro" => (16, [16, 32, 64, 96, 128, 128, 128, 256]),
        "small" => (32, [32, 64, 128, 128, 192, 192, 192, 384]),
        _ => return None,
    };
    let pools = [3, 3, 3, 3, 3, 3, 3, 2];
    let blocks = channels.into_iter().zip(pools);
    let blocks = blocks.map(|(channels, pool)| Block { channels, kernel: 3, pool, kind });
    let levels = if kind == BlockKind::Basic { 0 } else { 3 };
    Some(ArchSpec {
        sample_rate_hz: RATE_HZ,
        window: 16_000,
        stem: Stem::conv(stem, 3, 3),
        blocks: blocks.collect(),
        head: Head { channels: channels[7], levels },
        classes,
        task: Task::MultiClass,
    })
}

/// `KIND[-multi]-TASK[-reduced]`: the networks of the paper that compares kinds of blocks. With `melcnn-` before the task
/// they read mel spectra.
fn of_kind(name: &str, classes: u16) -> Option<ArchSpec> {
    let (name, alpha) = match name.strip_suffix("-reduced") {
        Some(name) => (name, REDUCED),
        None => (name, Alpha::Times(16)),
    };
    let (kind, rest) = name.split_once('-')?;
    let kind = match kind {
        "samplecnn" => BlockKind::Basic,
        "se" => BlockKind::Se(alpha),
        "res1" => BlockKind::Res1,
        "res2" => BlockKind::Res2,
        "rese1" => BlockKind::ReSe1(alpha),
        "rese2" => BlockKind::ReSe2(alpha),
        _ => return None,
    };
    if kind.gate().is_none() && alpha == REDUCED {
        return None;
    }
    let (levels, rest) = rest.strip_prefix("multi-").map_or((1, rest), |rest| (3, rest));
    let mut spec = match rest.starts_with("melcnn-") && kind != BlockKind::Basic {
        true => baseline(rest, classes)?,
        false => task(rest, classes)?,
    };
    spec.blocks.iter_mut().for_each(|block| block.kind = kind);
    let pooled = spec.blocks.iter().rev().take(levels.into());
    spec.head = Head { channels: pooled.map(|block| block.channels).sum(), levels };
    Some(spec)
}

/// The networks that the papers compare with: `framecnn-TASK[-LENGTH]`, whose first filters are as long as frames and
/// overlap by half, and `melcnn-TASK`, which reads mel spectra. Blocks behind them are those of the paper, as many as leave
/// one column.
fn baseline(name: &str, classes: u16) -> Option<ArchSpec> {
    let (kind, rest) = name.split_once('-')?;
    let (rest, length) = match rest.split_once('-') {
        Some((rest, "256")) => (rest, 256),
        Some((rest, "1024")) => (rest, 1024),
        Some(_) => return None,
        None => (rest, FRAME),
    };
    let (early, middle, last) = PAPER;
    let stem = match kind {
        "framecnn" => Stem::conv(early, length, length / 2),
        "melcnn" if length == FRAME => Stem::mel(MEL_BANDS, FRAME, MEL_HOP),
        _ => return None,
    };
    let mut spec = task(rest, classes)?;
    let mut columns = (spec.window - u32::from(stem.kernel)) / u32::from(stem.stride) + 1;
    spec.stem = stem;
    spec.blocks.clear();
    while columns > 1 {
        let pool = columns.min(3) as u8;
        columns /= u32::from(pool);
        let channels = match spec.blocks.len() {
            _ if columns == 1 => last,
            0 | 1 => early,
            _ => middle,
        };
        spec.blocks.push(Block { channels, kernel: 3, pool, kind: BlockKind::Basic }).ok()?;
    }
    Some(spec)
}

/// The windows of the papers' tasks. Where the window is no power of 3, the last block has a pool of 2.
fn task(name: &str, classes: u16) -> Option<ArchSpec> {
    let (n, window, last_pool) = match name {
        "speech" => (8, 16_000, 2),
        "scene" => (8, 19_683, 3),
        "music" => (9, 39_366, 2),
        "59049" => (9, 59_049, 3),
        _ => return None,
    };
    let mut spec = paper(3, n, window, classes)?;
    spec.blocks.last_mut()?.pool = last_pool;
    if name == "59049" {
        spec.sample_rate_hz = MUSIC_RATE_HZ;
    }
    Some(spec)
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
        stem: Stem::conv(early, m.into(), m.into()),
        blocks,
        head: Head { channels: last, levels: 0 },
        classes,
        task: Task::MultiClass,
    })
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
        let strange = ["se", "se-huge", "rese2-multi", "res3-speech", "res2-multi-speech-reduced"];
        let strange = strange.into_iter();
        for name in strange.chain(["", "huge", "9^9", "3^", "^3", "3^0", "5^16", "3^17"]) {
            assert_eq!(preset(name, 10), None, "{name}");
        }
    }

    #[test]
    fn baselines_read_frames_and_end_in_one_column() {
        for (name, window, stem, blocks) in [
            ("framecnn-speech", 16_000, Stem::conv(128, 512, 256), 4),
            ("framecnn-speech-256", 16_000, Stem::conv(128, 256, 128), 4),
            ("framecnn-speech-1024", 16_000, Stem::conv(128, 1024, 512), 3),
            ("framecnn-music", 39_366, Stem::conv(128, 512, 256), 4),
            ("melcnn-speech", 16_000, Stem::mel(64, 512, 160), 4),
            ("melcnn-music", 39_366, Stem::mel(64, 512, 160), 5),
        ] {
            let spec = preset(name, 12).unwrap();
            assert_eq!(
                (spec.window, spec.stem, spec.blocks.len()),
                (window, stem, blocks),
                "{name}"
            );
            let table = spec.layers().unwrap();
            assert_eq!(table.layers[blocks].out_len, 1, "{name}");
            assert_eq!(spec.blocks.last().unwrap().channels, 512);
        }
        for name in ["framecnn", "framecnn-speech-512", "melcnn-speech-256", "melcnn-multi-speech"]
        {
            assert_eq!(preset(name, 12), None, "{name}");
        }
    }

    #[test]
    fn mel_spectra_go_with_every_kind_of_block() {
        let spec = preset("rese2-multi-melcnn-speech-reduced", 12).unwrap();
        assert_eq!((spec.stem, spec.blocks.len()), (Stem::mel(64, 512, 160), 4));
        assert!(spec.blocks.iter().all(|block| block.kind == BlockKind::ReSe2(REDUCED)));
        assert_eq!(spec.head, Head { channels: 896, levels: 3 });
        for name in ["samplecnn-melcnn-speech", "res2-framecnn-speech", "res2-melcnn-speech-256"] {
            assert_eq!(preset(name, 12), None, "{name}");
        }
    }

    #[test]
    fn speech_networks_shorten_their_last_block() {
        let speech = preset("samplecnn-speech", 31).unwrap();
        let last = speech.blocks.last().unwrap();
        assert_eq!((last.kernel, last.pool), (2, 2));
    }

    #[test]
    fn kinds_come_with_and_without_levels_and_reduction() {
        let spec = preset("se-scene-reduced", 17).unwrap();
        assert_eq!(spec.head, Head { channels: 512, levels: 1 });
        assert!(spec.blocks.iter().all(|block| block.kind == BlockKind::Se(REDUCED)));
        let spec = preset("rese1-multi-59049", 50).unwrap();
        assert_eq!(spec.head, Head { channels: 1024, levels: 3 });
        assert_eq!((spec.sample_rate_hz, spec.window), (22_050, 59_049));
        assert!(spec.blocks.iter().all(|block| block.kind == BlockKind::ReSe1(Alpha::Times(16))));
    }
}
