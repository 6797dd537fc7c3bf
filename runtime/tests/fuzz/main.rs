//! Damaged files of every kind that the program reads: no panic, no endless loop, and each refusal is one line.
//!
//! Runs on stable Rust, without knowledge of the code's branches. What a search has instead: an input that is answered in a
//! way that none before was, is kept and changed further. `fuzz/corpus` holds such inputs of longer searches
//! (`scripts/fuzz`); every run begins with them.

#![allow(clippy::unwrap_used)]

#[path = "../common/model.rs"]
mod model;
mod mutate;
mod targets;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutate::Random;
use targets::Target;

/// Longest time that an input may take, on a busy computer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest input that is kept in memory or in the corpus, in bytes.
const LONGEST: usize = 1 << 16;

/// How long a search goes on.
enum Budget {
    /// So many inputs, always the same.
    Inputs(u32),
    /// Until then, with other inputs each time.
    Until(Instant),
}

impl Budget {
    /// The minutes that the environment names, or the inputs that the everyday tests try.
    fn from_environment(inputs: u32) -> Self {
        match std::env::var("AURICLE_FUZZ_MINUTES") {
            Ok(minutes) => {
                let minutes: f64 = minutes.parse().expect("AURICLE_FUZZ_MINUTES is a number");
                Self::Until(Instant::now() + Duration::from_secs_f64(60.0 * minutes))
            }
            Err(_) => Self::Inputs(inputs),
        }
    }

    fn lasts(&self, tried: u32) -> bool {
        match self {
            Self::Inputs(inputs) => tried < *inputs,
            Self::Until(end) => Instant::now() < *end,
        }
    }

    fn seed(&self) -> u64 {
        let now = || std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64);
        if let Self::Until(_) = self { now() } else { 1 }
    }
}

fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target.name)
}

/// The inputs that longer searches have kept, by name.
fn kept(target: &Target) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder(target)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Writes an input into a folder, named by its content; returns its file.
fn keep(folder: &Path, input: &[u8]) -> PathBuf {
    // FNV-1a, 64 bits.
    let hash = input.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let path = folder.join(format!("{hash:016x}"));
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(&path, input).unwrap();
    path
}

/// How the program answers an input: that it takes it, or why not, without what differs from file to file.
///
/// # Panics
/// If the program does, if it takes too long, or if its refusal is not a line that a person can read.
fn answer(target: &Target, input: &[u8], place: &Path) -> String {
    let path = place.join(target.file);
    std::fs::write(&path, input).unwrap();
    let start = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| (target.read)(&path)));
    let problem = match &answer {
        Err(_) => Some("it panics".to_owned()),
        Ok(_) if start.elapsed() > PATIENCE => Some(format!("it takes {:?}", start.elapsed())),
        Ok(Err(text)) if !is_line(text) => Some(format!("this is no line: {text:?}")),
        Ok(_) => None,
    };
    if let Some(problem) = problem {
        let saved = keep(&std::env::temp_dir().join("auricle-fuzz").join(target.name), input);
        panic!("{}: {problem}; the input is {}", target.name, saved.display());
    }
    match answer {
        Ok(Err(text)) => shape(&text, place),
        _ => "taken".to_owned(),
    }
}

/// Whether a message is a line, or a few, without control characters and of a length that can be read.
fn is_line(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    !lines.is_empty()
        && lines.iter().all(|line| {
            !line.trim().is_empty()
                && line.chars().count() <= 600
                && !line.chars().any(|c| c.is_control())
        })
}

/// A message without path, numbers and what it quotes: all between the first and the last quotation mark.
fn shape(text: &str, place: &Path) -> String {
    let text = text.replace(place.to_str().unwrap(), "");
    let marks = ['\'', '"', '`'];
    let (start, end) = match (text.find(marks), text.rfind(marks)) {
        (Some(start), Some(end)) => (start, end),
        _ => (text.len(), text.len()),
    };
    let told = text[..start].chars().chain(text[end..].chars());
    told.filter(|character| !character.is_ascii_digit()).collect()
}

fn search(target: &Target) {
    let place = tempfile::tempdir().unwrap();
    for (name, content) in &target.beside {
        std::fs::write(place.path().join(name), content).unwrap();
    }
    let mut corpus = target.seeds.clone();
    corpus.extend(kept(target));
    let answers = corpus.iter().map(|input| answer(target, input, place.path()));
    let mut answers: HashSet<String> = answers.collect();
    assert!(answers.contains("taken"), "{}: a seed is sound", target.name);
    let budget = Budget::from_environment(target.inputs);
    let mut random = Random::new(budget.seed());
    let (mut tried, start) = (0, Instant::now());
    while budget.lasts(tried) {
        let mut input = corpus[random.below(corpus.len())].clone();
        let other = &corpus[random.below(corpus.len())];
        mutate::mutate(&mut input, other, target.words, &mut random);
        if let Some(repair) = target.repair {
            repair(&mut input, &mut random);
        }
        input.truncate(LONGEST);
        tried += 1;
        if answers.insert(answer(target, &input, place.path())) {
            if std::env::var_os("AURICLE_FUZZ_KEEP").is_some() {
                keep(&folder(target), &input);
            }
            corpus.push(input);
        }
    }
    println!(
        "{}: {tried} inputs in {:.0} s, {} in the corpus, {} different answers, no failure",
        target.name,
        start.elapsed().as_secs_f64(),
        corpus.len(),
        answers.len()
    );
}

#[test]
fn wav_headers() {
    search(&targets::wav());
}

#[test]
fn raw_formats() {
    search(&targets::raw());
}

#[test]
fn onnx_metadata() {
    search(&targets::onnx());
}

#[test]
fn int8_models() {
    search(&targets::q8());
}

#[test]
fn configurations() {
    search(&targets::config());
}
