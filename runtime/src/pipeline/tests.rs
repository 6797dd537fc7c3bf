//! The same samples give the same results, and too slow a network skips windows.

use super::*;
use crate::engine::{Engine, Rolling};
use crate::sink::Collected;
use crate::tiny_model::{tiny_meta, tone};
use models::arch::Task;
use models::stream::Event;
use proptest::prelude::*;

/// Posteriors that depend on every sample of the window and on its order.
struct Toy(ModelMeta);

impl Engine for Toy {
    fn meta(&self) -> &ModelMeta {
        &self.0
    }

    fn posteriors(&mut self, window: &[f32], out: &mut [f32]) -> Result<(), EngineError> {
        assert_eq!(window.len(), self.0.arch.window as usize);
        let weighed = window.iter().enumerate().map(|(i, x)| f64::from(*x) * (i % 7) as f64);
        let sum = weighed.sum::<f64>().abs();
        out[0] = (sum - sum.floor()) as f32;
        out[1] = 1.0 - out[0];
        out[2] = window[0].abs();
        Ok(())
    }
}

fn toy(window: u32) -> Toy {
    let mut meta = tiny_meta();
    meta.arch.window = window;
    Toy(meta)
}

fn decision(hop: u32) -> DecisionDefaults {
    let mut decision = tiny_meta().decision;
    (decision.hop, decision.suppression) = (hop, 50);
    decision
}

fn run(window: u32, hop: u32, rate_hz: u32, blocks: &[&[f32]]) -> Collected {
    run_with(window, &decision(hop), rate_hz, blocks)
}

/// All settings that decide, away from what they usually are.
fn strict(hop: u32) -> DecisionDefaults {
    let release = 0.75;
    let cooldowns = vec![100, 300, 0];
    DecisionDefaults { min_count: 2, release, cooldowns, gate: 30_000_000, ..decision(hop) }
}

/// The samples in pieces of these lengths, and what is left.
fn cut_at<'a>(samples: &'a [f32], cuts: &[usize]) -> Vec<&'a [f32]> {
    let (mut blocks, mut rest) = (Vec::new(), samples);
    for cut in cuts {
        let (block, tail) = rest.split_at((*cut).min(rest.len()));
        blocks.push(block);
        rest = tail;
    }
    blocks.push(rest);
    blocks
}

fn run_with(
    window: u32,
    decision: &DecisionDefaults,
    rate_hz: u32,
    blocks: &[&[f32]],
) -> Collected {
    let stream = Rolling::new(toy(window), decision.hop);
    let mut pipeline = Pipeline::new(stream, rate_hz, decision).unwrap();
    let mut results = Collected::default();
    for block in blocks {
        pipeline.push(block, &mut results).unwrap();
    }
    pipeline.finish(&mut results).unwrap();
    results
}

#[test]
fn windows_are_those_of_the_whole_recording() {
    let samples = tone(333.0, 1000);
    let results = run(256, 100, 16_000, &[&samples]);
    let ends: Vec<u64> = results.windows.iter().map(|(end, _)| *end).collect();
    assert_eq!(ends, [256, 356, 456, 556, 656, 756, 856, 956]);
    let mut posteriors = [0.0; 3];
    for (end, found) in &results.windows {
        let end = *end as usize;
        toy(256).posteriors(&samples[end - 256..end], &mut posteriors).unwrap();
        assert_eq!(found, &posteriors);
    }
    assert!(!results.events.is_empty());
}

#[test]
fn tags_begin_end_and_overlap_in_the_same_way_for_any_blocks() {
    let samples = tone(333.0, 3000);
    let run = |blocks: &[&[f32]]| {
        let mut toy = toy(256);
        toy.0.arch.task = Task::MultiLabel;
        let mut decision = DecisionDefaults::for_model(&toy.0.arch, &toy.0.labels);
        (decision.hop, decision.smoothing) = (100, 1);
        decision.thresholds[2] = Some(0.1);
        let mut pipeline = Pipeline::new(Rolling::new(toy, 100), 16_000, &decision).unwrap();
        let mut results = Collected::default();
        blocks.iter().for_each(|block| pipeline.push(block, &mut results).unwrap());
        pipeline.finish(&mut results).unwrap();
        assert_eq!(pipeline.stats().events, results.events.len() as u64);
        results
    };
    let whole = run(&[&samples]);
    assert_eq!(run(&cut_at(&samples, &[1, 300, 77, 901])), whole);
    assert_eq!(whole.begun.len(), whole.events.len(), "what is heard last ends with the stream");
    let overlap = |a: &Event, b: &Event| a.class != b.class && a.start < b.end && b.start < a.end;
    assert!(whole.events.iter().any(|a| whole.events.iter().any(|b| overlap(a, b))));
    for event in &whole.events {
        assert!(event.start < event.end && event.end <= samples.len() as u64, "{event:?}");
    }
}

#[test]
fn a_recording_at_another_rate_is_as_long_in_time() {
    let results = run(256, 100, 48_000, &[&tone(333.0, 3000)]);
    assert_eq!(results.windows.len(), 8);
    assert!(Pipeline::new(Rolling::new(toy(256), 10), 100, &decision(10)).is_err());
}

#[test]
fn short_recordings_are_padded_on_request() {
    let mut pipeline = Pipeline::new(Rolling::new(toy(256), 100), 16_000, &decision(100)).unwrap();
    let mut results = Collected::default();
    pipeline.push(&[0.5; 10], &mut results).unwrap();
    pipeline.finish(&mut results).unwrap();
    assert!(results.windows.is_empty());
    pipeline.fill_first_window(&mut results).unwrap();
    pipeline.fill_first_window(&mut results).unwrap();
    assert_eq!(results.windows.len(), 1);
    assert_eq!(results.windows[0].0, 256);
}

#[test]
fn a_full_disk_ends_the_stream() {
    struct Full;
    impl Sink for Full {
        fn event(&mut self, _: &models::stream::Event) -> io::Result<()> {
            Ok(())
        }
        fn window(&mut self, _: u64, _: &[f32]) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let mut pipeline = Pipeline::new(Rolling::new(toy(4), 4), 16_000, &decision(4)).unwrap();
    let error = pipeline.push(&[0.0; 4], &mut Full).unwrap_err();
    assert!(matches!(error, PipelineError::Output(_)));
}

#[test]
fn a_pipeline_that_takes_over_goes_on_in_time() {
    let samples = tone(333.0, 3000);
    let whole = run(256, 100, 16_000, &[&samples]);
    let mut pipeline = Pipeline::new(Rolling::new(toy(256), 100), 16_000, &decision(100)).unwrap();
    pipeline.start_at(1000);
    let mut found = Collected::default();
    pipeline.push(&samples[1000..], &mut found).unwrap();
    let from_there: Vec<_> = whole.windows.iter().filter(|(end, _)| *end >= 1256).collect();
    assert!(found.windows.iter().eq(from_there));
}

#[test]
fn quiet_windows_are_counted_apart() {
    let samples = [tone(333.0, 2000), vec![0.0; 3000], tone(333.0, 500)].concat();
    let gated = DecisionDefaults { gate: 1000, ..decision(100) };
    let mut pipeline = Pipeline::new(Rolling::new(toy(256), 100), 16_000, &gated).unwrap();
    let mut found = Collected::default();
    pipeline.push(&samples, &mut found).unwrap();
    let zeros = found.windows.iter().filter(|(_, row)| row.iter().all(|value| *value == 0.0));
    let (quiet, stats) = (zeros.count() as u64, pipeline.stats());
    assert!(pipeline.has_gate() && quiet > 20, "{quiet}");
    assert_eq!((stats.quiet, stats.windows + quiet), (quiet, found.windows.len() as u64));
}

#[test]
fn too_slow_a_network_skips_windows_and_the_rest_is_as_ever() {
    let samples = tone(333.0, 200_000);
    let whole = run(256, 100, 16_000, &[&samples]);
    for late_s in [2, 6] {
        let mut pipeline =
            Pipeline::new(Rolling::new(toy(256), 100), 16_000, &decision(100)).unwrap();
        let mut found = Collected::default();
        for block in samples.chunks(1600) {
            pipeline.behind(late_s * 16_000);
            pipeline.push(block, &mut found).unwrap();
        }
        let stats = pipeline.stats();
        assert_eq!(stats.windows, found.windows.len() as u64);
        let last = found.windows.last().unwrap().0;
        let until_last = whole.windows.iter().filter(|(end, _)| *end <= last).count() as u64;
        assert_eq!(stats.windows + stats.skipped, until_last);
        assert!(stats.skipped > stats.windows);
        assert!(found.windows.iter().all(|window| whole.windows.contains(window)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn chunking_changes_nothing_with_other_settings(
        cuts in prop::collection::vec(0..900_usize, 0..12),
        parts in prop::collection::vec((0.0..1.0_f32, 1..400_usize), 1..8),
        window in 1..300_u32, hop in 1..100_u32,
    ) {
        let part = |(level, length): &(f32, usize)| {
            tone(333.0, *length).into_iter().map(move |s| s * level).collect::<Vec<f32>>()
        };
        let samples: Vec<f32> = parts.iter().flat_map(part).collect();
        let whole = run_with(window, &strict(hop), 16_000, &[&samples]);
        let blocks = cut_at(&samples, &cuts);
        prop_assert_eq!(run_with(window, &strict(hop), 16_000, &blocks), whole);
    }

    #[test]
    fn chunking_changes_nothing(
        cuts in prop::collection::vec(0..900_usize, 0..12),
        samples in prop::collection::vec(-1.0..1.0_f32, 1..2500),
        window in 1..300_u32, hop in 1..400_u32,
        rate_hz in prop::sample::select(vec![8_000, 16_000, 44_100, 48_000]),
    ) {
        let whole = run(window, hop, rate_hz, &[&samples]);
        let blocks = cut_at(&samples, &cuts);
        prop_assert_eq!(run(window, hop, rate_hz, &blocks), whole);
    }
}
