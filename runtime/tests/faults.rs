//! A live source with every fault that a microphone can have, through all that stands behind one.

#![allow(clippy::unwrap_used)]

#[path = "common/model.rs"]
mod model;

use std::time::{Duration, Instant};

use models::stream::Event;
use runtime::engine::{Engine, EngineError, Rolling, Stream};
use runtime::level::{Level, LevelChange};
use runtime::pipeline::Pipeline;
use runtime::sink::{Collected, Sink};
use runtime::source::{
    Clock, Fault, FaultyDevice, Health, Incident, Reconnecting, SimulatedClock, Source,
    SystemClock, Threaded,
};

const RATE_HZ: u32 = 1600;

/// A sound of whose samples no two are alike.
fn sound() -> Vec<f32> {
    (1..=1 << 20).map(|index| index as f32 / (1 << 21) as f32).collect()
}

fn incident(fault: Fault, at: u64, samples: u64) -> Incident {
    Incident { fault, at, samples }
}

/// What is heard of a device in `samples` samples of time, and how it fared.
fn hear(incidents: Vec<Incident>, samples: usize) -> (Vec<f32>, Health) {
    let clock = SimulatedClock::default();
    let device = FaultyDevice::new(RATE_HZ, sound(), incidents, clock.clone());
    let source = device.open().unwrap();
    let mut source = Reconnecting::new(source, clock, move || device.open());
    let mut heard = Vec::new();
    while heard.len() < samples {
        heard.extend_from_slice(source.next_block().unwrap().unwrap());
    }
    (heard, source.health())
}

/// Every sample is in its place, but for zeros: nothing is lost, double or moved. Tells the zeros.
fn zeros(heard: &[f32]) -> Vec<usize> {
    let sound = sound();
    let mut zeros = Vec::new();
    for (index, sample) in heard.iter().enumerate() {
        match *sample {
            0.0 => zeros.push(index),
            sample => assert_eq!(sample, sound[index % sound.len()], "sample {index}"),
        }
    }
    zeros
}

#[test]
fn a_sound_device_is_heard_as_it_is() {
    let (heard, health) = hear(Vec::new(), 10_000);
    assert!(zeros(&heard).is_empty());
    assert_eq!(health, Health::default());
}

#[test]
fn overruns_are_bridged_with_the_right_number_of_samples() {
    let gaps = vec![incident(Fault::Overrun, 500, 30), incident(Fault::Overrun, 5000, 777)];
    let (heard, health) = hear(gaps, 10_000);
    let expected: Vec<usize> = (500..530).chain(5000..5777).collect();
    assert_eq!(zeros(&heard), expected);
    assert_eq!((health.lost_samples, health.overruns), (807, 2));
}

#[test]
fn a_device_that_is_unplugged_is_waited_for() {
    let (heard, health) = hear(vec![incident(Fault::Vanish, 3000, 12_345)], 40_000);
    let zeros = zeros(&heard);
    assert_eq!(zeros[0], 3000);
    // It is looked for once a second, so it is heard at most that much later.
    let late = zeros.len() - 12_345;
    assert!(late <= (1.2 * f64::from(RATE_HZ)) as usize, "{late} samples late");
    assert_eq!(zeros.last(), Some(&(3000 + zeros.len() - 1)), "one gap");
    assert_eq!(health.lost_samples, zeros.len() as u64);
    assert_eq!((health.reconnects, health.absent), (1, false));
}

#[test]
fn a_device_that_falls_silent_for_good_is_opened_anew() {
    // Five seconds without a word; opened again it is still hung, until it is not.
    let (heard, health) = hear(vec![incident(Fault::Stall, 3000, 9 * 1600)], 60_000);
    let zeros = zeros(&heard);
    assert_eq!(zeros[0], 3000);
    assert_eq!(health.lost_samples, zeros.len() as u64);
    assert!(health.reconnects >= 1 && !health.absent);
}

#[test]
fn a_device_may_be_away_while_somebody_looks() {
    let clock = SimulatedClock::default();
    let incidents = vec![incident(Fault::Vanish, 1600, 16_000)];
    let device = FaultyDevice::new(RATE_HZ, sound(), incidents, clock.clone());
    let source = device.open().unwrap();
    let mut source = Reconnecting::new(source, clock, move || device.open());
    let mut heard = 0;
    while heard < 8000 {
        heard += source.next_block().unwrap().unwrap().len();
    }
    assert!(source.health().absent);
}

#[test]
fn a_device_that_comes_back_at_another_rate_is_brought_to_the_first() {
    let clock = SimulatedClock::default();
    let first = FaultyDevice::new(
        8000,
        vec![0.5; 100],
        vec![incident(Fault::Vanish, 8000, 1 << 40)],
        clock.clone(),
    );
    let second = FaultyDevice::new(48_000, vec![0.25; 100], Vec::new(), clock.clone());
    let source = first.open().unwrap();
    let mut source = Reconnecting::new(source, clock.clone(), move || second.open());
    let mut heard: Vec<f32> = Vec::new();
    while heard.len() < 80_000 {
        heard.extend_from_slice(source.next_block().unwrap().unwrap());
    }
    assert_eq!(source.rate_hz(), 8000);
    let second = heard.iter().filter(|sample| (**sample - 0.25).abs() < 0.01).count();
    assert!(second > 63_000, "{second} samples of the second device");
    // The time line is true: the resampler holds back a few milliseconds at most.
    let time = (clock.now().as_secs_f64() * 8000.0) as i64;
    assert!((time - heard.len() as i64).abs() < 800, "{time} and {}", heard.len());
}

#[test]
fn dead_and_loud_microphones_are_told() {
    let second = u64::from(RATE_HZ);
    let incidents = vec![
        incident(Fault::Mute, 5 * second, 20 * second),
        incident(Fault::Clip, 40 * second, second),
    ];
    let (heard, _) = hear(incidents, 60 * second as usize);
    let (mut level, mut changes) = (Level::new(RATE_HZ), Vec::new());
    level.push(&heard, |change| changes.push(change));
    let kinds: Vec<&str> = changes
        .iter()
        .map(|change| match change {
            LevelChange::Silent => "silent",
            LevelChange::Heard => "heard",
            LevelChange::Clipping(_) => "clipping",
        })
        .collect();
    assert_eq!(kinds, ["silent", "heard", "clipping"]);
}

/// A network that takes its time.
struct Slow(models::meta::ModelMeta, Duration);

impl Engine for Slow {
    fn meta(&self) -> &models::meta::ModelMeta {
        &self.0
    }

    fn posteriors(&mut self, window: &[f32], out: &mut [f32]) -> Result<(), EngineError> {
        std::thread::sleep(self.1);
        out.fill(0.0);
        out[0] = window[0];
        Ok(())
    }
}

/// Notes when each window was computed, in the time of the device.
struct Timed {
    results: Collected,
    start: Instant,
    late_s: Vec<f64>,
}

impl Sink for Timed {
    fn window(&mut self, end: u64, posteriors: &[f32]) -> std::io::Result<()> {
        self.late_s.push(self.start.elapsed().as_secs_f64() - end as f64 / 16_000.0);
        self.results.window(end, posteriors)
    }

    fn event(&mut self, event: &Event) -> std::io::Result<()> {
        self.results.event(event)
    }
}

#[test]
fn a_network_too_slow_skips_windows_and_stays_near_the_sound() {
    const RATE_HZ: u32 = 16_000;
    const HOP: u32 = 160;
    let mut meta = model::tiny_meta();
    meta.decision.hop = HOP;
    let decision = meta.decision.clone();
    // Three and a half hops a window.
    let network = Rolling::new(Slow(meta, Duration::from_millis(35)), HOP);
    let clock = SystemClock::default();
    let device = FaultyDevice::new(RATE_HZ, sound(), Vec::new(), clock);
    let mut source = Threaded::live(device.open().unwrap());
    let mut pipeline = Pipeline::new(network, RATE_HZ, &decision).unwrap();
    let mut sink =
        Timed { results: Collected::default(), start: Instant::now(), late_s: Vec::new() };
    while pipeline.position() < 6 * u64::from(RATE_HZ) {
        let block = source.next_block().unwrap().unwrap();
        pipeline.push(block, &mut sink).unwrap();
        pipeline.behind(source.health().backlog);
    }
    let stats = pipeline.stats();
    assert_eq!(source.health().lost_samples, 0);
    assert!(stats.skipped > stats.windows, "{} skipped, {} computed", stats.skipped, stats.windows);
    let latest = sink.late_s.iter().copied().fold(0.0, f64::max);
    assert!(latest < 5.0, "{latest} s late");
    // Windows that are computed are those of the stream, on its grid.
    let window = u64::from(pipeline.meta().arch.window);
    let sample = |posteriors: &[f32]| (posteriors[0] * (1 << 21) as f32) as u64;
    // The device's time had begun before it was listened to.
    let before = sample(&sink.results.windows[0].1);
    for (end, posteriors) in &sink.results.windows {
        assert_eq!((end - window) % u64::from(HOP), 0);
        assert_eq!(sample(posteriors), before + end - window);
    }
}

#[test]
fn a_source_on_its_own_thread_ends_as_it_would_without() {
    struct Broken(u32);
    impl Source for Broken {
        fn rate_hz(&self) -> u32 {
            8000
        }
        fn next_block(&mut self) -> Result<Option<&[f32]>, runtime::source::SourceError> {
            self.0 += 1;
            match self.0 {
                1..=40 => Ok(Some(&[0.5; 8000])),
                _ => Err(audio_error()),
            }
        }
    }
    fn audio_error() -> runtime::source::SourceError {
        audio::AudioError::Empty { path: "x.wav".into() }.into()
    }
    let mut source = Threaded::patient(Broken(0));
    let mut heard = 0;
    let error = loop {
        match source.next_block() {
            Ok(block) => heard += block.unwrap().len(),
            Err(error) => break error,
        }
    };
    assert_eq!((heard, source.health()), (320_000, Health::default()));
    assert_eq!(error.to_string(), audio_error().to_string());
}

#[test]
fn a_block_longer_than_the_ring_arrives_whole() {
    struct Once(Option<Vec<f32>>, Vec<f32>);
    impl Source for Once {
        fn rate_hz(&self) -> u32 {
            4000
        }
        fn next_block(&mut self) -> Result<Option<&[f32]>, runtime::source::SourceError> {
            let Some(block) = self.0.take() else { return Ok(None) };
            self.1 = block;
            Ok(Some(&self.1))
        }
    }
    let sound = sound()[..65_535].to_vec();
    let mut source = Threaded::patient(Once(Some(sound.clone()), Vec::new()));
    let (start, mut heard) = (Instant::now(), Vec::new());
    while let Some(block) = source.next_block().unwrap() {
        heard.extend_from_slice(block);
        assert!(start.elapsed() < Duration::from_secs(60), "{} samples came", heard.len());
    }
    assert_eq!((heard == sound, source.health()), (true, Health::default()));
    assert_eq!(source.arrived(), 0);
}

#[test]
fn what_has_come_is_counted() {
    let clock = SystemClock::default();
    let device = FaultyDevice::new(RATE_HZ, sound(), Vec::new(), clock);
    let mut source = Threaded::live(device.open().unwrap());
    let start = Instant::now();
    while source.arrived() < u64::from(RATE_HZ / 10) {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(source.next_block().unwrap().unwrap().len(), RATE_HZ as usize / 10);
}

/// The engine's streams pass over windows without a trace.
#[test]
fn windows_that_are_passed_over_change_no_other() {
    use prost::Message;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let meta = model::tiny_meta();
    std::fs::write(&path, model::tiny_proto(&meta).encode_to_vec()).unwrap();
    let load = || {
        let model = runtime::engine::Model::load(&path, Default::default()).unwrap();
        model.into_stream(meta.decision.hop).unwrap()
    };
    let samples = model::tone(700.0, 60_000);
    let classes = usize::from(meta.arch.classes);
    let run = |mut stream: Box<dyn Stream>, pass: &dyn Fn(usize) -> bool| {
        let (mut rest, mut index, mut found) = (samples.as_slice(), 0, Vec::new());
        let mut out = vec![0.0; classes];
        while !rest.is_empty() {
            let (taken, ended) = match pass(index) {
                true => stream.pass(rest).unwrap(),
                false => stream.push(rest, &mut out).unwrap(),
            };
            rest = &rest[taken..];
            if ended {
                found.push((!pass(index)).then(|| out.clone()));
                index += 1;
            }
        }
        found
    };
    let whole = run(load(), &|_| false);
    let some = run(load(), &|index| index % 3 != 0);
    assert_eq!(whole.len(), some.len());
    assert!(whole.len() > 50);
    for (whole, some) in whole.iter().zip(some).filter(|(_, some)| some.is_some()) {
        assert_eq!(whole, &some);
    }
}
