//! Microphones, through cpal (ALSA on Linux). Nothing outside this folder knows cpal.

mod capture;
mod formats;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{Device, ErrorKind, SampleFormat, StreamConfig};

use super::ring::{RingClosed, RingReader, ring};
use super::{Channel, Health, Source, SourceError};

/// Seconds of sound that may wait to be classified.
const QUEUE_SECONDS: usize = 10;
/// The rate of most models.
const USUAL_RATE_HZ: u32 = 16_000;
/// Longest block delivered, as a fraction of a second.
const BLOCKS_PER_SECOND: usize = 10;
/// Time after which an empty block is delivered.
const PATIENCE: Duration = Duration::from_millis(100);
/// Time that a device has to stop.
const FAREWELL: Duration = Duration::from_millis(500);

/// A microphone that is being listened to.
pub struct Microphone {
    stream: Option<cpal::Stream>,
    /// Gone once nobody listens any more.
    reader: Option<RingReader>,
    lag: Lag,
    block: Vec<f32>,
    name: String,
    format: String,
    rate_hz: u32,
}

impl std::fmt::Debug for Microphone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Microphone").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How far the reader has fallen behind real time. A device that is ahead of its time (see [`capture`]) fills the
/// ring as well, but nobody is late then.
#[derive(Debug, Default)]
struct Lag {
    last: Option<Instant>,
    seconds: f64,
}

impl Lag {
    /// Takes the seconds of sound that were read, and when. A clock of the device that is faster or slower than ours
    /// does not add up: nobody is ahead, and the ring bounds what is behind.
    fn read(&mut self, now: Instant, sound_s: f64) {
        let passed = self.last.replace(now).map_or(0.0, |last| (now - last).as_secs_f64());
        self.seconds = (self.seconds + passed - sound_s).max(0.0);
    }
}

/// A microphone there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputDevice {
    /// The name to ask for it by.
    pub name: String,
    /// What the sound system calls it besides.
    pub description: String,
    /// Whether it is used where none is asked for.
    pub is_default: bool,
    /// Rates, channels and sample formats, or why they are not known.
    pub formats: Result<Vec<String>, String>,
    /// What it is asked for where sound at 16 kHz is wanted.
    pub chosen: Option<String>,
}

/// All microphones of this computer.
///
/// # Errors
/// [`SourceError::NoMicrophone`] where the sound system does not answer.
pub fn input_devices() -> Result<Vec<InputDevice>, SourceError> {
    let host = cpal::default_host();
    let default = host.default_input_device().map(|device| device_name(&device));
    Ok(devices(&host)?
        .iter()
        .map(|device| {
            let name = device_name(device);
            let formats = device.supported_input_configs().map_err(|error| error.to_string());
            let formats = formats.map(Iterator::collect::<Vec<_>>);
            let chosen = formats.as_ref().ok().and_then(|formats| {
                let (config, format) = formats::choose(formats.clone(), USUAL_RATE_HZ, 1)?;
                Some(format_text(&config, format))
            });
            InputDevice {
                description: device.to_string(),
                is_default: default.as_ref() == Some(&name),
                formats: formats.map(formats::describe),
                chosen,
                name,
            }
        })
        .collect())
}

impl Microphone {
    /// Opens the microphone called `name`, or the default one, and starts to listen.
    ///
    /// Of what the device offers the fewest channels and 16-bit samples are preferred. The rate
    /// is `wanted_hz` where the hardware has it. A device that offers any rate at all converts in
    /// software: it is asked for the usual 48 kHz, because the resampling of this program is
    /// better.
    ///
    /// # Errors
    /// [`SourceError::NoMicrophone`], [`SourceError::UnknownDevice`] and [`SourceError::Device`].
    pub fn open(name: Option<&str>, channel: Channel, wanted_hz: u32) -> Result<Self, SourceError> {
        let host = cpal::default_host();
        let device = find(&host, name)?;
        let device_name = device_name(&device);
        let fail = |error: cpal::Error| refusal(&device_name, name.is_some(), &error);
        let ranges = device.supported_input_configs().map_err(fail)?.collect();
        let (config, format) =
            formats::choose(ranges, wanted_hz, channel.least()).ok_or_else(|| {
                let reason = match channel {
                    Channel::Mix => "it offers no format that this program reads".to_owned(),
                    Channel::One(channel) => format!("it has no channel {channel}"),
                };
                SourceError::Device { name: device_name.clone(), reason }
            })?;
        let rate_hz = config.sample_rate;
        let (writer, reader) = ring(QUEUE_SECONDS * rate_hz as usize);
        let stream = capture::build(&device, config, format, channel, writer).map_err(fail)?;
        stream.play().map_err(fail)?;
        Ok(Self {
            stream: Some(stream),
            reader: Some(reader),
            lag: Lag::default(),
            block: Vec::new(),
            format: format_text(&config, format),
            name: device_name,
            rate_hz,
        })
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Rate, channels and sample format in which the device delivers, for people.
    pub fn format(&self) -> &str {
        &self.format
    }
}

impl Source for Microphone {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, SourceError> {
        self.block.clear();
        let most = (self.rate_hz as usize / BLOCKS_PER_SECOND).max(1);
        let Some(reader) = &mut self.reader else { return Ok(None) };
        match reader.pop(&mut self.block, most, PATIENCE) {
            Ok(()) => {
                self.lag.read(Instant::now(), self.block.len() as f64 / f64::from(self.rate_hz));
                Ok(Some(&self.block))
            }
            Err(closed) => {
                let reason = match closed {
                    RingClosed::Failed(reason) => reason,
                    RingClosed::Ended => "the sound system ended it".to_owned(),
                };
                Err(SourceError::Stopped { name: self.name.clone(), reason })
            }
        }
    }

    fn health(&self) -> Health {
        let reader = self.reader.as_ref();
        let lag = (self.lag.seconds * f64::from(self.rate_hz)) as u64;
        Health {
            lost_samples: reader.map_or(0, RingReader::lost),
            overruns: reader.map_or(0, RingReader::overruns),
            backlog: reader.map_or(0, RingReader::backlog).min(lag),
            ..Health::default()
        }
    }

    fn arrived(&self) -> u64 {
        self.reader.as_ref().map_or(0, RingReader::backlog)
    }
}

impl Drop for Microphone {
    /// Stops listening. A driver that does not return is left behind after half a second.
    fn drop(&mut self) {
        drop(self.reader.take());
        let stream = self.stream.take();
        let (done, wait) = mpsc::channel();
        let stopper = std::thread::Builder::new().name("microphone-stop".to_owned());
        let started = stopper.spawn(move || {
            drop(stream);
            let _ = done.send(());
        });
        if started.is_ok() {
            let _ = wait.recv_timeout(FAREWELL);
        }
    }
}

/// Why a device cannot be listened to. That the default one does not answer means that there is none, unless it says
/// something else.
fn refusal(device: &str, asked_for: bool, error: &cpal::Error) -> SourceError {
    let reason = match error.kind() {
        ErrorKind::DeviceBusy => {
            "another program is listening; `fuser -v /dev/snd/*` tells which".to_owned()
        }
        ErrorKind::PermissionDenied => {
            "it may not be read; `sudo usermod -aG audio $USER`, then log in again".to_owned()
        }
        _ if !asked_for => return SourceError::NoMicrophone { reason: error.to_string() },
        _ => error.to_string(),
    };
    SourceError::Device { name: device.to_owned(), reason }
}

/// Rate, channels and sample format, for people.
fn format_text(config: &StreamConfig, format: SampleFormat) -> String {
    let noun = if config.channels == 1 { "channel" } else { "channels" };
    format!("{} Hz, {} {noun}, {format}", config.sample_rate, config.channels)
}

/// The name that a device is asked for by.
fn device_name(device: &Device) -> String {
    device.id().map_or_else(|_| device.to_string(), |id| id.id().to_owned())
}

/// The microphones there are, without ALSA's stand-in for none.
fn devices(host: &cpal::Host) -> Result<Vec<Device>, SourceError> {
    let devices = host.input_devices();
    let devices =
        devices.map_err(|error| SourceError::NoMicrophone { reason: error.to_string() })?;
    Ok(devices.filter(|device| device_name(device) != "null").collect())
}

fn find(host: &cpal::Host, name: Option<&str>) -> Result<Device, SourceError> {
    let default = host.default_input_device();
    let default = default.filter(|device| name.is_none_or(|name| device_name(device) == name));
    let all = devices(host)?;
    if let Some(device) = default.filter(|_| !all.is_empty()) {
        return Ok(device);
    }
    let names: Vec<String> = all.iter().map(device_name).collect();
    let Some(name) = name else {
        return Err(SourceError::NoMicrophone { reason: "there is no sound device".to_owned() });
    };
    let is_meant = |device: &Device| device_name(device) == name || device.to_string() == name;
    let found = all.into_iter().find(is_meant);
    found.ok_or_else(|| SourceError::UnknownDevice { name: name.to_owned(), devices: names })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_microphone_is_not_called_missing() {
        let told =
            |asked_for, kind: ErrorKind| refusal("hw:1", asked_for, &kind.into()).to_string();
        for asked_for in [true, false] {
            assert_eq!(
                told(asked_for, ErrorKind::DeviceBusy),
                "microphone 'hw:1' cannot be used: another program is listening; `fuser -v /dev/snd/*` tells which"
            );
            let denied = told(asked_for, ErrorKind::PermissionDenied);
            assert!(denied.contains("usermod -aG audio"), "{denied}");
        }
        let missing = told(false, ErrorKind::DeviceNotAvailable);
        assert!(missing.starts_with("no microphone found ("), "{missing}");
        let missing = told(true, ErrorKind::DeviceNotAvailable);
        assert!(missing.starts_with("microphone 'hw:1' cannot be used: "), "{missing}");
    }

    #[test]
    fn who_reads_slowly_is_late_and_a_fast_clock_does_not_hide_it() {
        let (start, mut lag, mut now) = (Instant::now(), Lag::default(), 0.0);
        let mut read = |lag: &mut Lag, pause_s: f64| {
            now += pause_s;
            lag.read(start + Duration::from_secs_f64(now), 0.1);
        };
        (0..1000).for_each(|_| read(&mut lag, 0.09));
        assert_eq!(lag.seconds, 0.0);
        (0..10).for_each(|_| read(&mut lag, 0.3));
        assert!((lag.seconds - 2.0).abs() < 1e-6);
        (0..30).for_each(|_| read(&mut lag, 0.01));
        assert_eq!(lag.seconds, 0.0);
    }
}
