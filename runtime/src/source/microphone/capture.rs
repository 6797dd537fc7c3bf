//! The capture callback: mixes to mono and fills the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cpal::traits::DeviceTrait;
use cpal::{
    Device, ErrorKind, FromSample, I24, InputCallbackInfo, Sample, SampleFormat, SizedSample,
    StreamConfig, StreamInstant, U24,
};

use super::super::queue::SampleQueue;

/// The longest gap believed, in seconds.
const LONGEST_GAP_S: u64 = 3600;

/// Makes a stream that fills `queue` with what `device` hears.
pub(super) fn build(
    device: &Device,
    config: StreamConfig,
    format: SampleFormat,
    queue: &Arc<SampleQueue>,
) -> Result<cpal::Stream, cpal::Error> {
    match format {
        SampleFormat::I8 => capture::<i8>(device, config, queue),
        SampleFormat::I16 => capture::<i16>(device, config, queue),
        SampleFormat::I24 => capture::<I24>(device, config, queue),
        SampleFormat::I32 => capture::<i32>(device, config, queue),
        SampleFormat::I64 => capture::<i64>(device, config, queue),
        SampleFormat::U8 => capture::<u8>(device, config, queue),
        SampleFormat::U16 => capture::<u16>(device, config, queue),
        SampleFormat::U24 => capture::<U24>(device, config, queue),
        SampleFormat::U32 => capture::<u32>(device, config, queue),
        SampleFormat::U64 => capture::<u64>(device, config, queue),
        SampleFormat::F32 => capture::<f32>(device, config, queue),
        SampleFormat::F64 => capture::<f64>(device, config, queue),
        other => Err(cpal::Error::with_message(
            ErrorKind::UnsupportedConfig,
            format!("sample format {other} is not supported"),
        )),
    }
}

fn capture<T>(
    device: &Device,
    config: StreamConfig,
    queue: &Arc<SampleQueue>,
) -> Result<cpal::Stream, cpal::Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let overrun = Arc::new(AtomicBool::new(false));
    let mut recorder = Recorder {
        queue: Arc::clone(queue),
        overrun: Arc::clone(&overrun),
        channels: usize::from(config.channels),
        rate_hz: config.sample_rate,
        mono: Vec::new(),
        last: None,
        start: None,
        frames: 0,
    };
    let queue = Arc::clone(queue);
    let on_error = move |error: cpal::Error| match error.kind() {
        ErrorKind::Xrun => overrun.store(true, Ordering::Relaxed),
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => queue.fail(error.to_string()),
    };
    let on_data = move |data: &[T], info: &InputCallbackInfo| {
        recorder.take(data, info.timestamp().capture);
    };
    device.build_input_stream(config, on_data, on_error, None)
}

/// What the capture callback does.
struct Recorder {
    queue: Arc<SampleQueue>,
    /// Set when the device has overwritten samples before they were read.
    overrun: Arc<AtomicBool>,
    channels: usize,
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
        self.mono.clear();
        self.mono.extend(data.chunks_exact(self.channels).map(|frame| {
            let sum: f64 = frame.iter().map(|&sample| f64::from(f32::from_sample(sample))).sum();
            (sum * scale) as f32
        }));
        let frames = self.mono.len() as u64;
        if self.overrun.swap(false, Ordering::Relaxed) {
            let missed = self.samples_missed(captured);
            self.queue.push_gap(missed);
            self.frames += missed;
        }
        self.last = Some((captured, frames));
        let patience = self.patience(frames);
        self.queue.push(&self.mono, patience);
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
    use super::*;

    #[test]
    fn channels_are_averaged_and_overruns_bridged() {
        let queue = Arc::new(SampleQueue::new(1000));
        let overrun = Arc::new(AtomicBool::new(false));
        let mut recorder = Recorder {
            queue: Arc::clone(&queue),
            overrun: Arc::clone(&overrun),
            channels: 2,
            rate_hz: 1000,
            mono: Vec::new(),
            last: None,
            start: None,
            frames: 0,
        };
        recorder.take(&[i16::MIN, 0, 1 << 14, 1 << 14], StreamInstant::from_millis(0));
        overrun.store(true, Ordering::Relaxed);
        recorder.take(&[u16::MAX / 2 + 1; 4], StreamInstant::from_millis(5));
        let mut out = Vec::new();
        for _ in 0..4 {
            queue.pop(&mut out, 100, Duration::ZERO).unwrap();
        }
        assert_eq!(out, [-0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(queue.lost(), 3);
    }

    #[test]
    fn a_device_ahead_of_its_time_can_wait() {
        let mut recorder = Recorder {
            queue: Arc::new(SampleQueue::new(10)),
            overrun: Arc::new(AtomicBool::new(false)),
            channels: 1,
            rate_hz: 100,
            mono: Vec::new(),
            last: None,
            start: None,
            frames: 0,
        };
        assert_eq!(recorder.patience(5), Duration::from_millis(50));
        assert_eq!(recorder.patience(100_000), Duration::from_secs(1000));
        assert!(recorder.patience(5) > Duration::from_secs(900));
    }
}
