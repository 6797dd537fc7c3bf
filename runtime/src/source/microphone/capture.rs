//! The capture callback: mixes to mono and fills the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cpal::traits::DeviceTrait;
use cpal::{
    Device, ErrorKind, FromSample, I24, InputCallbackInfo, Sample, SampleFormat, SizedSample,
    StreamConfig, StreamInstant, U24,
};

use super::super::Channel;
use super::super::ring::RingWriter;

/// The longest gap believed, in seconds.
const LONGEST_GAP_S: u64 = 3600;

/// Makes a stream that fills the ring with what `device` hears.
pub(super) fn build(
    device: &Device,
    config: StreamConfig,
    format: SampleFormat,
    channel: Channel,
    writer: RingWriter,
) -> Result<cpal::Stream, cpal::Error> {
    match format {
        SampleFormat::I8 => capture::<i8>(device, config, channel, writer),
        SampleFormat::I16 => capture::<i16>(device, config, channel, writer),
        SampleFormat::I24 => capture::<I24>(device, config, channel, writer),
        SampleFormat::I32 => capture::<i32>(device, config, channel, writer),
        SampleFormat::I64 => capture::<i64>(device, config, channel, writer),
        SampleFormat::U8 => capture::<u8>(device, config, channel, writer),
        SampleFormat::U16 => capture::<u16>(device, config, channel, writer),
        SampleFormat::U24 => capture::<U24>(device, config, channel, writer),
        SampleFormat::U32 => capture::<u32>(device, config, channel, writer),
        SampleFormat::U64 => capture::<u64>(device, config, channel, writer),
        SampleFormat::F32 => capture::<f32>(device, config, channel, writer),
        SampleFormat::F64 => capture::<f64>(device, config, channel, writer),
        other => Err(cpal::Error::with_message(
            ErrorKind::UnsupportedConfig,
            format!("sample format {other} is not supported"),
        )),
    }
}

fn capture<T>(
    device: &Device,
    config: StreamConfig,
    channel: Channel,
    writer: RingWriter,
) -> Result<cpal::Stream, cpal::Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let overrun = Arc::new(AtomicBool::new(false));
    let end = writer.end();
    let mut recorder = Recorder {
        writer,
        overrun: Arc::clone(&overrun),
        channels: usize::from(config.channels),
        channel,
        rate_hz: config.sample_rate,
        mono: Vec::new(),
        last: None,
        start: None,
        frames: 0,
    };
    let on_error = move |error: cpal::Error| match error.kind() {
        ErrorKind::Xrun => overrun.store(true, Ordering::Relaxed),
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => end.fail(error.to_string()),
    };
    let on_data = move |data: &[T], info: &InputCallbackInfo| {
        recorder.take(data, info.timestamp().capture);
    };
    device.build_input_stream(config, on_data, on_error, None)
}

/// What the capture callback does.
struct Recorder {
    writer: RingWriter,
    /// Set when the device has overwritten samples before they were read.
    overrun: Arc<AtomicBool>,
    channels: usize,
    channel: Channel,
    rate_hz: u32,
    mono: Vec<f32>,
    /// Time and length of the last block.
    last: Option<(StreamInstant, u64)>,
    /// When the first block had been heard, and the frames since, the missed ones included.
    start: Option<Instant>,
    frames: u64,
}

impl Recorder {
    fn take<T>(&mut self, data: &[T], captured: StreamInstant)
    where
        T: Sample,
        f32: FromSample<T>,
    {
        let scale = 1.0 / self.channels as f64;
        let frames = data.chunks_exact(self.channels);
        self.mono.clear();
        match self.channel {
            Channel::Mix => self.mono.extend(frames.map(|frame| {
                let samples = frame.iter().map(|&sample| f64::from(f32::from_sample(sample)));
                (samples.sum::<f64>() * scale) as f32
            })),
            Channel::One(channel) => {
                let index = usize::from(channel - 1);
                self.mono.extend(frames.map(|frame| f32::from_sample(frame[index])));
            }
        }
        let frames = self.mono.len() as u64;
        if self.overrun.swap(false, Ordering::Relaxed) {
            let missed = self.samples_missed(captured);
            self.writer.push_gap(missed);
            self.frames += missed;
        }
        self.last = Some((captured, frames));
        let patience = self.patience(frames);
        self.writer.push(&self.mono, patience);
    }

    /// How long the device can do without being read.
    ///
    /// The device's own buffer holds two blocks: while it fills the second one, the first one may
    /// wait. A device that is ahead of its time (ALSA can play a file as if it were a microphone)
    /// waits for as long as anybody likes.
    fn patience(&mut self, frames: u64) -> Duration {
        let rate_hz = f64::from(self.rate_hz.max(1));
        let start = *self.start.get_or_insert_with(Instant::now);
        let heard = Duration::from_secs_f64(self.frames as f64 / rate_hz);
        self.frames += frames;
        let block = Duration::from_secs_f64(frames as f64 / rate_hz);
        heard.saturating_sub(start.elapsed()).max(block)
    }

    /// Samples between the last block and one captured at `captured`, from the device's clock.
    fn samples_missed(&self, captured: StreamInstant) -> u64 {
        let Some((last, frames)) = self.last else { return 0 };
        let elapsed = captured.saturating_duration_since(last).as_secs_f64();
        let passed = (elapsed * f64::from(self.rate_hz)).round() as u64;
        passed.saturating_sub(frames).min(LONGEST_GAP_S * u64::from(self.rate_hz))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ring::{RingReader, ring};
    use super::*;

    fn recorder(channels: usize, channel: Channel) -> (Recorder, RingReader) {
        let (writer, reader) = ring(1000);
        let recorder = Recorder {
            writer,
            overrun: Arc::new(AtomicBool::new(false)),
            channels,
            channel,
            rate_hz: 1000,
            mono: Vec::new(),
            last: None,
            start: None,
            frames: 0,
        };
        (recorder, reader)
    }

    fn drain(reader: &mut RingReader) -> Vec<f32> {
        let mut out = Vec::new();
        while reader.backlog() > 0 {
            reader.pop(&mut out, 100, Duration::ZERO).unwrap();
        }
        out
    }

    #[test]
    fn channels_are_averaged_and_overruns_bridged() {
        let (mut recorder, mut reader) = recorder(2, Channel::Mix);
        recorder.take(&[i16::MIN, 0, 1 << 14, 1 << 14], StreamInstant::from_millis(0));
        recorder.overrun.store(true, Ordering::Relaxed);
        recorder.take(&[u16::MAX / 2 + 1; 4], StreamInstant::from_millis(5));
        assert_eq!(drain(&mut reader), [-0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!((reader.lost(), reader.overruns()), (3, 1));
    }

    #[test]
    fn a_single_channel_is_heard_alone() {
        let (mut recorder, mut reader) = recorder(2, Channel::One(2));
        recorder.take(&[0, i16::MIN, 1 << 14, 0], StreamInstant::from_millis(0));
        assert_eq!(drain(&mut reader), [-1.0, 0.0]);
    }

    #[test]
    fn a_device_ahead_of_its_time_can_wait() {
        let (mut recorder, _reader) = recorder(1, Channel::Mix);
        assert_eq!(recorder.patience(50), Duration::from_millis(50));
        assert_eq!(recorder.patience(1_000_000), Duration::from_secs(1000));
        assert!(recorder.patience(50) > Duration::from_secs(900));
    }
}
