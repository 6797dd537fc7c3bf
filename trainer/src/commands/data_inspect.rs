//! `trainer data inspect`: what a data set holds and how it would be split.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::data_common::{load, print};
use crate::data::{DataOptions, Dataset, Part, SplitScheme};

/// Show a data set's classes, clips, speakers, split and broken files.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// Folder with one folder of recordings a class
    pub dir: PathBuf,
    /// Words to tell apart, separated by commas; all other folders count as `_unknown_`
    #[arg(long, value_delimiter = ',', value_name = "WORD,...")]
    pub words: Option<Vec<String>>,
    /// Fail at the first broken recording, or listed recording that does not exist
    #[arg(long)]
    pub strict: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Sample rate that recordings are brought to
    #[arg(long, default_value_t = 16_000, value_name = "HZ")]
    pub rate: u32,
    /// How to split
    #[arg(long, value_enum, default_value_t)]
    pub split: SplitScheme,
    /// Of a data set with folds (ESC-50), the one to test on
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub fold: u8,
    /// Seed of a drawn split
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Loads the data set and prints what is in it.
///
/// # Errors
/// As [`crate::data::load`], or the output cannot be written.
pub fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let (split, fold, seed, strict) = (args.split, args.fold, args.seed, args.strict);
    let words = args.words.clone();
    // The window matters here only in that background must last five of them.
    let base = DataOptions::new(&args.dir, args.rate, args.rate as usize);
    let data = load(&DataOptions { words, split, fold, seed, strict, ..base })?;
    let report = Report::of(&data);
    match args.format {
        Format::Table => print(&report.table()),
        Format::Json => {
            let json = serde_json::to_string_pretty(&report).context("report as JSON")?;
            print(&(json + "\n"))
        }
    }
}

/// What a data set holds.
#[derive(Debug, Serialize)]
struct Report {
    dir: PathBuf,
    rate_hz: u32,
    split: &'static str,
    classes: Vec<ClassReport>,
    clips: usize,
    speakers: usize,
    background_recordings: usize,
    background_minutes: f64,
    sources: Vec<SourceReport>,
    memory_bytes: usize,
    data_sha256: String,
    split_sha256: String,
    left_out: Vec<LeftOut>,
    listed_but_missing: Vec<String>,
    folders_without_recordings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ClassReport {
    label: String,
    /// Whether the clips are cut from the background instead of being files.
    generated: bool,
    training: usize,
    validation: usize,
    test: usize,
    seconds: f64,
    shortest_seconds: f64,
    longest_seconds: f64,
    /// Known speakers.
    speakers: usize,
}

#[derive(Debug, Serialize)]
struct SourceReport {
    rate_hz: u32,
    channels: usize,
    files: usize,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    name: String,
    reason: String,
}

impl Report {
    fn of(data: &Dataset) -> Self {
        let classes = (0..data.labels.len()).map(|class| ClassReport::of(data, class)).collect();
        let all = || Part::ALL.iter().flat_map(|&part| data.clips(part));
        let speakers: BTreeSet<&String> = all().filter_map(|clip| clip.speaker.as_ref()).collect();
        let background: usize = Part::ALL.iter().map(|&part| data.background.samples(part)).sum();
        let source = |(format, &files): (&crate::data::SourceFormat, &usize)| SourceReport {
            rate_hz: format.rate_hz,
            channels: format.channels,
            files,
        };
        let left_out = data.left_out.iter();
        Self {
            dir: data.dir.clone(),
            rate_hz: data.rate_hz,
            split: data.split.name(),
            classes,
            clips: all().count(),
            speakers: speakers.len(),
            background_recordings: data.background.names().count(),
            background_minutes: background as f64 / f64::from(data.rate_hz) / 60.0,
            sources: data.formats.iter().map(source).collect(),
            memory_bytes: data.memory_bytes(),
            data_sha256: data.data_sha256.clone(),
            split_sha256: data.split_sha256.clone(),
            left_out: left_out
                .map(|b| LeftOut { name: b.name.clone(), reason: b.reason.clone() })
                .collect(),
            listed_but_missing: data.missing.clone(),
            folders_without_recordings: data.empty_folders.clone(),
        }
    }

    fn table(&self) -> String {
        let mut text = format!("{}\n\n", self.dir.display());
        let width = self.classes.iter().map(|c| c.label.chars().count()).max().unwrap_or(0).max(5);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:width$}  {:>8} {:>10} {:>6} {:>9} {:>13} {:>8}",
            "class", "training", "validation", "test", "seconds", "clip seconds", "speakers"
        );
        for class in &self.classes {
            text += &class.row(width);
        }
        text.push('\n');
        self.totals(&mut text);
        for LeftOut { name, reason } in &self.left_out {
            let _ = writeln!(text, "left out    {name}: {reason}");
        }
        for name in &self.listed_but_missing {
            let _ = writeln!(text, "missing     {name}: in a list, but there is no such recording");
        }
        for name in &self.folders_without_recordings {
            let _ = writeln!(text, "no class    {name}: a folder without recordings");
        }
        text
    }

    fn totals(&self, text: &mut String) {
        let sources: Vec<String> = self
            .sources
            .iter()
            .map(|s| format!("{} × {} Hz, {} ch", s.files, s.rate_hz, s.channels))
            .collect();
        let mebibytes = self.memory_bytes as f64 / f64::from(1 << 20);
        let _ = writeln!(text, "clips       {} by {} known speakers", self.clips, self.speakers);
        let _ = writeln!(
            text,
            "background  {:.1} minutes in {} recordings",
            self.background_minutes, self.background_recordings
        );
        let _ = writeln!(text, "split       {}, SHA-256 {}", self.split, self.split_sha256);
        let _ = writeln!(text, "files       {}", sources.join("; "));
        let _ = writeln!(text, "memory      {mebibytes:.1} MiB at {} Hz", self.rate_hz);
        let _ = writeln!(text, "data        SHA-256 {}", self.data_sha256);
    }
}

impl ClassReport {
    fn of(data: &Dataset, class: usize) -> Self {
        let of_part = |part| data.clips(part).iter().filter(move |clip| clip.has(class));
        let all = || Part::ALL.into_iter().flat_map(of_part);
        let is_silence = data.silence_class() == Some(class);
        let generated = is_silence && !data.background.is_empty();
        let count =
            |part| of_part(part).count() + if generated { data.silence_count(part) } else { 0 };
        let rate_hz = f64::from(data.rate_hz);
        let seconds = |samples: usize| samples as f64 / rate_hz;
        let lengths = || all().map(|clip| clip.samples.len());
        let speakers: BTreeSet<&String> = all().filter_map(|clip| clip.speaker.as_ref()).collect();
        Self {
            label: data.labels[class].clone(),
            generated,
            training: count(Part::Training),
            validation: count(Part::Validation),
            test: count(Part::Test),
            seconds: seconds(lengths().sum()),
            shortest_seconds: seconds(lengths().min().unwrap_or(0)),
            longest_seconds: seconds(lengths().max().unwrap_or(0)),
            speakers: speakers.len(),
        }
    }

    fn row(&self, width: usize) -> String {
        let Self { label, training, validation, test, .. } = self;
        let counts = format!("{label:width$}  {training:>8} {validation:>10} {test:>6}");
        if self.generated {
            return format!("{counts}   cut from the background\n");
        }
        let range = format!("{:.2}-{:.2}", self.shortest_seconds, self.longest_seconds);
        format!("{counts} {:>9.1} {range:>13} {:>8}\n", self.seconds, self.speakers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{loaded, options, tone, words};

    #[test]
    fn reports_count_classes_parts_and_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        words(dir.path(), &["down", "up"], 20);
        tone(dir.path(), "_background_noise_/hum.wav", 3.0);
        std::fs::write(dir.path().join("up/30.wav"), "").unwrap();
        std::fs::create_dir(dir.path().join("docs")).unwrap();
        let split = SplitScheme::Stratified;
        let report = Report::of(&loaded(&DataOptions { split, ..options(dir.path()) }));
        assert_eq!(report.classes.len(), 3);
        let up = &report.classes[1];
        assert_eq!((up.training, up.validation, up.test), (16, 2, 2));
        assert_eq!((up.seconds, up.shortest_seconds), (5.0, 0.25));
        assert_eq!(report.sources[0].files, 41);
        let silence = &report.classes[2];
        assert_eq!((silence.generated, silence.training), (true, 3));
        let table = report.table();
        assert!(table.contains("left out    up/30.wav: holds no audio"), "{table}");
        assert!(table.contains("no class    docs"), "{table}");
        assert!(table.contains("cut from the background"), "{table}");
        let json: serde_json::Value =
            serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(json["classes"][0]["label"], "down");
        assert_eq!(json["split"], "stratified");
    }
}
