//! Results as lines, in the formats of `runtime stream`.

use std::io::{self, BufWriter, Stdout, Write};

use models::stream::{Event, Q15, to_f32};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::cli::Format;
use crate::sequence::{Gap, GapKind};

/// Prints results. Every line is flushed.
#[derive(Debug)]
pub(crate) struct Printer {
    out: BufWriter<Stdout>,
    format: Format,
    /// The model's sample rate, in Hz.
    rate_hz: u32,
    labels: Vec<String>,
    label_width: usize,
    /// Whether every window's posteriors are printed too.
    posteriors: bool,
}

#[derive(Serialize)]
struct EventLine<'a> {
    start: f64,
    end: f64,
    start_sample: u64,
    end_sample: u64,
    label: &'a str,
    confidence: f32,
}

#[derive(Serialize)]
struct WindowLine<'a> {
    window_end: f64,
    window_end_sample: u64,
    posteriors: Posteriors<'a>,
}

#[derive(Serialize)]
struct GapLine {
    kind: &'static str,
    cause: &'static str,
    time: f64,
    sample: u64,
    missing: u64,
    discarded: u64,
}

#[derive(Serialize)]
struct RecordingLine<'a> {
    kind: &'static str,
    file: &'a str,
}

/// A map from label to posterior in the order of the classes.
struct Posteriors<'a>(&'a [String], &'a [Q15]);

impl Serialize for Posteriors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.1.len()))?;
        for (label, posterior) in self.0.iter().zip(self.1) {
            map.serialize_entry(label, &to_f32(*posterior))?;
        }
        map.end()
    }
}

impl Printer {
    /// A printer to standard output.
    pub(crate) fn new(format: Format, rate_hz: u32, labels: Vec<String>, posteriors: bool) -> Self {
        let label_width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        let out = BufWriter::new(io::stdout());
        Self { out, format, rate_hz, labels, label_width, posteriors }
    }

    /// Says which of several recordings follows.
    pub(crate) fn recording(&mut self, file: &str) -> io::Result<()> {
        match self.format {
            Format::Text => self.line(format_args!("{file}:")),
            Format::Json => self.json(&RecordingLine { kind: "recording", file }),
        }
    }

    /// The posteriors of the window that ends just before sample `end`.
    pub(crate) fn window(&mut self, posteriors: &[Q15], end: u64) -> io::Result<()> {
        if !self.posteriors {
            return Ok(());
        }
        let window_end = self.seconds(end);
        if self.format == Format::Json {
            let posteriors = Posteriors(&self.labels, posteriors);
            let line = WindowLine { window_end, window_end_sample: end, posteriors };
            return write_json(&mut self.out, &line);
        }
        write!(self.out, "{window_end:>10.2} s ")?;
        for (label, posterior) in self.labels.iter().zip(posteriors) {
            write!(self.out, " {label} {:.2}", to_f32(*posterior))?;
        }
        self.line(format_args!(""))
    }

    /// A detection.
    pub(crate) fn event(&mut self, event: &Event) -> io::Result<()> {
        let (start, end) = (self.seconds(event.start), self.seconds(event.end));
        let label = self.labels.get(usize::from(event.class)).map_or("", String::as_str);
        let confidence = to_f32(event.confidence);
        if self.format == Format::Json {
            let (start_sample, end_sample) = (event.start, event.end);
            let line = EventLine { start, end, start_sample, end_sample, label, confidence };
            return write_json(&mut self.out, &line);
        }
        let width = self.label_width;
        writeln!(self.out, "{start:>10.2} s {end:>10.2} s  {label:<width$}  {confidence:.2}")?;
        self.out.flush()
    }

    /// Samples that are missing or were discarded: on standard error, or a line of JSON.
    pub(crate) fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let Gap { kind, sample, samples } = *gap;
        let time = self.seconds(sample);
        if self.format == Format::Text {
            let (count, rate_hz) = (samples, self.rate_hz);
            let ms = count as f64 * 1000.0 / f64::from(rate_hz.max(1));
            let what = match kind {
                GapKind::Missing => "are missing; zeros stand in for them",
                GapKind::Repeated => "came twice; the second ones were discarded",
                GapKind::Late => "came late, after zeros had stood in for them; discarded",
            };
            crate::note(&format!("gap at {time:.3} s: {count} samples ({ms:.0} ms) {what}"));
            return Ok(());
        }
        let (cause, missing, discarded) = match kind {
            GapKind::Missing => ("missing", samples, 0),
            GapKind::Repeated => ("repeated", 0, samples),
            GapKind::Late => ("late", 0, samples),
        };
        self.json(&GapLine { kind: "gap", cause, time, sample, missing, discarded })
    }

    /// A line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        write_json(&mut self.out, value)
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    fn seconds(&self, samples: u64) -> f64 {
        samples as f64 / f64::from(self.rate_hz.max(1))
    }
}

/// Writes a value as one flushed line of JSON.
fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// Prints one flushed line.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// The error of results that cannot be written. The cause stays, because a closed pipe is no failure.
pub(crate) fn no_output(error: io::Error) -> anyhow::Error {
    let message = format!("the results cannot be written: {error}");
    anyhow::Error::new(error).context(message)
}

/// Prints an error on one line; messages contain their causes.
pub(crate) fn error(error: &anyhow::Error) {
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "error: {text}");
}
