//! Hours of sound with every fault a microphone can have, as fast as the computer can: nothing is lost or double, and
//! nothing grows. `AURICLE_SOAK_HOURS=168` makes it a week (`scripts/soak`).

#![allow(clippy::unwrap_used)]

#[path = "common/model.rs"]
mod model;

use std::io;
use std::time::Instant;

use models::stream::Event;
use prost::Message;
use runtime::engine::Model;
use runtime::level::{Level, LevelChange};
use runtime::pipeline::Pipeline;
use runtime::sink::{Both, Collected, JsonSink, RotatingFile, Sink, Style};
use runtime::source::{Clock, Fault, FaultyDevice, Incident, Reconnecting, SimulatedClock, Source};

const RATE_HZ: u32 = 16_000;
const S: u64 = RATE_HZ as u64;
/// Every so many seconds a tone of 0.6 s is heard, this long after the beginning of the period.
const PERIOD_S: u64 = 60;
const TONE_AT_S: u64 = 30;
/// Seconds between two incidents; not a multiple of the period, so that incidents hit every part of it.
const INCIDENTS_S: u64 = 131;

/// The events alone; windows would grow without bound.
struct Events(Collected);

impl Sink for Events {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.0.event(event)
    }
}

/// One incident of each kind in turn, of varying length.
fn incidents(seconds: u64) -> Vec<Incident> {
    let kinds = [Fault::Overrun, Fault::Vanish, Fault::Mute, Fault::Stall, Fault::Clip];
    let count = seconds.saturating_sub(INCIDENTS_S) / INCIDENTS_S;
    (0..count)
        .map(|index| {
            let fault = kinds[index as usize % kinds.len()];
            let samples = match fault {
                Fault::Overrun => 100 + 997 * (index % 50),
                Fault::Stall => 2 * S,
                Fault::Clip => S,
                _ => (12 + index % 40) * S + 7 * index % S,
            };
            Incident { fault, at: (index + 1) * INCIDENTS_S * S + 13 * index, samples }
        })
        .collect()
}

/// Resident memory in KiB and open files, on Linux.
fn resources() -> Option<(u64, usize)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib, std::fs::read_dir("/proc/self/fd").ok()?.count()))
}

#[test]
fn nothing_is_lost_or_double_and_nothing_grows() {
    let hours = std::env::var("AURICLE_SOAK_HOURS").map_or(0.25, |hours| hours.parse().unwrap());
    let seconds = (3600.0 * hours) as u64;
    let folder = tempfile::tempdir().unwrap();
    let (path, log) = (folder.path().join("model.onnx"), folder.path().join("log.jsonl"));
    let mut meta = model::tiny_meta();
    meta.decision.hop = 1600;
    std::fs::write(&path, model::tiny_proto(&meta).encode_to_vec()).unwrap();
    let stream = Model::load(&path, Default::default()).unwrap();
    let stream = stream.into_stream(meta.decision.hop).unwrap();

    let mut sound = vec![0.0; (PERIOD_S * S) as usize];
    let tone = model::tone(200.0, 9600);
    sound[(TONE_AT_S * S) as usize..][..tone.len()].copy_from_slice(&tone);
    // Never quite silent: a real microphone is not.
    sound.iter_mut().enumerate().for_each(|(index, x)| *x += (index % 3) as f32 * 1e-3 - 1e-3);

    let incidents = incidents(seconds);
    let clock = SimulatedClock::default();
    let device = FaultyDevice::new(RATE_HZ, sound, incidents.clone(), clock.clone());
    let source = device.open().unwrap();
    let mut source = Reconnecting::new(source, clock.clone(), move || device.open());
    let mut pipeline = Pipeline::new(stream, RATE_HZ, &meta.decision).unwrap();
    let style = Style {
        rate_hz: RATE_HZ,
        labels: meta.labels.clone(),
        posteriors: false,
        wall_clock: true,
    };
    let file = RotatingFile::open(&log, 1 << 14).unwrap();
    let mut sink = Both(Events(Collected::default()), JsonSink::new(file, style));
    let (mut level, mut told) = (Level::new(RATE_HZ), Vec::new());

    let start = Instant::now();
    let mut warm = None;
    while pipeline.position() < seconds * S {
        let block = source.next_block().unwrap().unwrap();
        level.push(block, |change| told.push(change));
        pipeline.push(block, &mut sink).unwrap();
        pipeline.behind(source.health().backlog);
        // What is kept for good (lists, buffers) is there by then.
        if warm.is_none() && pipeline.position() > seconds * S / 10 {
            warm = resources();
        }
    }
    let took = start.elapsed().as_secs_f64();
    let (health, stats) = (source.health(), pipeline.stats());
    let count = |fault| incidents.iter().filter(|i| i.fault == fault).count() as u64;
    println!("{hours} h of sound in {took:.1} s, {:.0} times real time", seconds as f64 / took);
    println!(
        "{} windows, {} detections, {} incidents, {} overruns, {} reconnects, {:.3} s lost",
        stats.windows,
        stats.events,
        incidents.len(),
        health.overruns,
        health.reconnects,
        health.lost_samples as f64 / f64::from(RATE_HZ)
    );

    // Time is true to the sample.
    let now = (clock.now().as_secs_f64() * f64::from(RATE_HZ)).round() as u64;
    assert!(now.abs_diff(pipeline.position()) <= S / 10, "{now} and {}", pipeline.position());
    // Every incident has been noticed, and what was lost has been counted.
    assert_eq!(health.overruns, count(Fault::Overrun) + count(Fault::Stall));
    assert_eq!(health.reconnects, count(Fault::Vanish));
    let lossy = |i: &&Incident| matches!(i.fault, Fault::Overrun | Fault::Vanish | Fault::Stall);
    let least: u64 = incidents.iter().filter(lossy).map(|i| i.samples).sum();
    // A microphone that is back is noticed within a second or so.
    let most = least + count(Fault::Vanish) * (S + S / 5) + count(Fault::Stall) * S / 5;
    assert!((least..=most).contains(&health.lost_samples), "{}", health.lost_samples);
    let clippings = told.iter().filter(|c| matches!(c, LevelChange::Clipping(_))).count() as u64;
    assert_eq!(clippings, count(Fault::Clip));
    let silences = told.iter().filter(|c| matches!(c, LevelChange::Silent)).count() as u64;
    assert!(silences >= count(Fault::Mute));

    // Every tone that no incident has touched is detected once, and nothing else is, but for incidents themselves.
    let events: Vec<u64> = sink.0.0.events.iter().map(|event| event.end).collect();
    let tones = (0..seconds / PERIOD_S).map(|period| (period * PERIOD_S + TONE_AT_S) * S);
    let near_incident = |from: u64, to: u64| {
        incidents.iter().any(|i| i.at < to + 2 * S && from < i.at + i.samples + 2 * S)
    };
    for tone in tones.filter(|tone| !near_incident(*tone, tone + 2 * S)) {
        let heard = events.iter().filter(|end| (tone..tone + 2 * S).contains(end)).count();
        assert_eq!(heard, 1, "of the tone at {} s", tone / S);
    }
    for end in events {
        let since_tone = (end + (PERIOD_S - TONE_AT_S) * S) % (PERIOD_S * S);
        assert!(since_tone < 2 * S || near_incident(end, end), "at {} s", end / S);
    }

    let logs = std::fs::read_dir(folder.path()).unwrap().filter_map(Result::ok);
    let bytes: u64 = logs.filter(|e| e.path() != path).map(|e| e.metadata().unwrap().len()).sum();
    assert!(bytes <= 5 << 14, "{bytes} bytes of logs");
    if let (Some((kib, files)), Some((kib_now, files_now))) = (warm, resources()) {
        println!(
            "memory {kib} KiB after a tenth of the time, {kib_now} KiB at the end; {files_now} files open"
        );
        assert_eq!(files, files_now);
        assert!(kib_now <= kib + 2048, "{kib} KiB have become {kib_now}");
    }
}
