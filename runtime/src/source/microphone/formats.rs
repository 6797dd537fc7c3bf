//! Which of the formats that a device offers it is asked for.

use cpal::{
    BufferSize, SampleFormat, StreamConfig, SupportedBufferSize, SupportedStreamConfigRange,
};

/// A device that claims a higher rate is a software converter.
const HIGHEST_HARDWARE_HZ: u32 = 768_000;
/// The rate at which most hardware works.
const USUAL_HZ: u32 = 48_000;
/// Blocks a second that a device is asked for; it buffers two.
const BLOCKS_PER_SECOND: u32 = 16;

/// Rates, channels and sample formats for people: one line for each kind of rate.
pub(super) fn describe(ranges: Vec<SupportedStreamConfigRange>) -> Vec<String> {
    let mut kinds: Vec<Kind> = Vec::new();
    for range in ranges.iter().filter(|range| !range.sample_format().is_dsd()) {
        let rates_hz = (range.min_sample_rate(), range.max_sample_rate());
        let (channels, format) = (range.channels(), range.sample_format());
        let known = kinds.iter().position(|kind| kind.rates_hz == rates_hz);
        let place = known.unwrap_or(kinds.len());
        if known.is_none() {
            kinds.push(Kind { rates_hz, channels: Vec::new(), formats: Vec::new() });
        }
        let kind = &mut kinds[place];
        if !kind.channels.contains(&channels) {
            kind.channels.push(channels);
        }
        if !kind.formats.contains(&format) {
            kind.formats.push(format);
        }
    }
    kinds.iter().map(Kind::to_string).collect()
}

/// What a device offers at a rate or range of rates.
struct Kind {
    rates_hz: (u32, u32),
    channels: Vec<u16>,
    formats: Vec<SampleFormat>,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let range = |least: u32, most: u32| match least == most {
            true => least.to_string(),
            false => format!("{least} to {most}"),
        };
        let rates = range(self.rates_hz.0, self.rates_hz.1);
        let (least, most) = (self.channels.iter().min(), self.channels.iter().max());
        let most = most.copied().unwrap_or(0);
        let channels = range(u32::from(least.copied().unwrap_or(0)), u32::from(most));
        let noun = if most == 1 { "channel" } else { "channels" };
        let formats: Vec<String> = self.formats.iter().map(SampleFormat::to_string).collect();
        write!(f, "{rates} Hz, {channels} {noun}, {}", formats.join(" "))
    }
}

/// The rate, channels and sample format to ask for.
pub(super) fn choose(
    ranges: Vec<SupportedStreamConfigRange>,
    wanted_hz: u32,
    least_channels: u16,
) -> Option<(StreamConfig, SampleFormat)> {
    let rank = |range: &SupportedStreamConfigRange| {
        let format = match range.sample_format() {
            SampleFormat::I16 => 0,
            SampleFormat::F32 => 1,
            SampleFormat::I32 => 2,
            SampleFormat::I24 => 3,
            SampleFormat::F64 => 4,
            SampleFormat::U16 | SampleFormat::U24 | SampleFormat::U32 => 5,
            SampleFormat::I64 | SampleFormat::U64 => 6,
            _ => 7,
        };
        (rate_rank(rate_of(range, wanted_hz), wanted_hz), range.channels(), format)
    };
    let usable = ranges.into_iter().filter(|range| {
        range.channels() >= least_channels.max(1)
            && !range.sample_format().is_dsd()
            && (audio::MIN_RATE_HZ..=audio::MAX_RATE_HZ).contains(&rate_of(range, wanted_hz))
    });
    let best = usable.min_by_key(rank)?;
    let config = StreamConfig {
        channels: best.channels(),
        sample_rate: rate_of(&best, wanted_hz),
        buffer_size: buffer_size(&best, wanted_hz),
    };
    Some((config, best.sample_format()))
}

/// Blocks long enough for a busy small computer to be in time for, as near as the device has them.
fn buffer_size(range: &SupportedStreamConfigRange, wanted_hz: u32) -> BufferSize {
    match *range.buffer_size() {
        SupportedBufferSize::Range { min, max } if min <= max => {
            BufferSize::Fixed((rate_of(range, wanted_hz) / BLOCKS_PER_SECOND).clamp(min, max))
        }
        _ => BufferSize::Default,
    }
}

/// The rate to ask for within a range.
fn rate_of(range: &SupportedStreamConfigRange, wanted_hz: u32) -> u32 {
    let (lowest, highest) = (range.min_sample_rate(), range.max_sample_rate());
    let converts = lowest < highest && highest > HIGHEST_HARDWARE_HZ;
    let wanted_hz = if converts { USUAL_HZ.max(wanted_hz) } else { wanted_hz };
    wanted_hz.clamp(lowest, highest.max(lowest))
}

/// The wanted rate is best, then the nearest higher ones, then the nearest lower ones.
fn rate_rank(rate_hz: u32, wanted_hz: u32) -> (bool, u32) {
    (rate_hz < wanted_hz, rate_hz.abs_diff(wanted_hz))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(
        channels: u16,
        rates_hz: (u32, u32),
        format: SampleFormat,
    ) -> SupportedStreamConfigRange {
        let (lowest, highest) = rates_hz;
        SupportedStreamConfigRange::new(
            channels,
            lowest,
            highest,
            SupportedBufferSize::Unknown,
            format,
        )
    }

    fn chosen(ranges: Vec<SupportedStreamConfigRange>) -> Option<(u32, u16, SampleFormat)> {
        let (config, format) = choose(ranges, 16_000, 1)?;
        Some((config.sample_rate, config.channels, format))
    }

    #[test]
    fn hardware_is_asked_for_the_models_rate_where_it_has_it() {
        use SampleFormat::{DsdU8, F32, I16, I32};
        let ranges = vec![
            range(2, (48_000, 48_000), I16),
            range(2, (16_000, 16_000), I32),
            range(1, (16_000, 16_000), F32),
            range(1, (8_000, 8_000), I16),
        ];
        assert_eq!(chosen(ranges), Some((16_000, 1, F32)));
        let ranges = vec![
            range(2, (8_000, 8_000), I16),
            range(2, (44_100, 44_100), I16),
            range(2, (48_000, 48_000), I16),
        ];
        assert_eq!(chosen(ranges), Some((44_100, 2, I16)));
        assert_eq!(chosen(vec![range(1, (8_000, 8_000), I16)]), Some((8_000, 1, I16)));
        assert_eq!(chosen(vec![range(2, (44_100, 96_000), I32)]), Some((44_100, 2, I32)));
        assert_eq!(chosen(vec![range(1, (16_000, 16_000), DsdU8)]), None);
        assert_eq!(chosen(vec![]), None);
    }

    #[test]
    fn a_device_must_have_the_channel_that_is_heard() {
        let ranges = vec![
            range(1, (16_000, 16_000), SampleFormat::I16),
            range(4, (16_000, 16_000), SampleFormat::I16),
            range(8, (16_000, 16_000), SampleFormat::I16),
        ];
        let channels = |least| Some(choose(ranges.clone(), 16_000, least)?.0.channels);
        assert_eq!([1, 2, 4, 9].map(channels), [Some(1), Some(4), Some(4), None]);
    }

    #[test]
    fn software_converters_are_asked_for_the_usual_rate() {
        let ranges = vec![
            range(2, (4_000, u32::MAX), SampleFormat::F32),
            range(1, (4_000, u32::MAX), SampleFormat::F32),
            range(1, (4_000, u32::MAX), SampleFormat::I16),
        ];
        assert_eq!(chosen(ranges), Some((48_000, 1, SampleFormat::I16)));
    }

    #[test]
    fn blocks_are_as_long_as_the_device_allows() {
        let size = |min, max| {
            let sizes = SupportedBufferSize::Range { min, max };
            let range =
                SupportedStreamConfigRange::new(1, 16_000, 16_000, sizes, SampleFormat::I16);
            choose(vec![range], 16_000, 1).map(|(config, _)| config.buffer_size)
        };
        assert_eq!(size(1, u32::MAX), Some(BufferSize::Fixed(1000)));
        assert_eq!(size(64, 512), Some(BufferSize::Fixed(512)));
        assert_eq!(size(2048, 4096), Some(BufferSize::Fixed(2048)));
    }

    #[test]
    fn formats_are_told_in_few_lines() {
        let ranges = vec![
            range(1, (16_000, 16_000), SampleFormat::I16),
            range(2, (16_000, 16_000), SampleFormat::I16),
            range(2, (16_000, 16_000), SampleFormat::I32),
            range(2, (16_000, 16_000), SampleFormat::DsdU8),
            range(1, (8_000, 48_000), SampleFormat::F32),
        ];
        let expected = ["16000 Hz, 1 to 2 channels, i16 i32", "8000 to 48000 Hz, 1 channel, f32"];
        assert_eq!(describe(ranges), expected);
    }
}
