//! `trainer explain`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::data_common::print;
use crate::figure;
use crate::fit::source::Source;
use crate::look::EvidenceFigure;
use crate::look::evidence::{self, Evidence, by_gradient, by_occlusion};
use crate::look::passage::{self, Passage, Wanted};
use crate::net::Compute;

/// Arguments of `trainer explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// Training run or exported model (`model.onnx`).
    #[arg(value_name = "RUN|MODEL")]
    network: PathBuf,
    /// The recording.
    file: PathBuf,
    /// How to find out.
    #[arg(long, value_enum, default_value = "gradient")]
    method: Method,
    /// The class to explain (default: the one that the network is surest of).
    #[arg(long, value_name = "LABEL")]
    class: Option<String>,
    /// Where the window begins, in seconds (default: where the network is surest of the class).
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    at: Option<f64>,
    /// Milliseconds that occlusion hides at a time.
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(10..=1000))]
    hide: u32,
    /// Draw it over waveform and spectrogram (SVG or PNG; may be given twice).
    #[arg(long, value_name = "FILE")]
    plot: Vec<PathBuf>,
    /// What to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// How to find out what made the network decide.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Method {
    /// The gradient by the input, times the input.
    Gradient,
    /// What is lost when a stretch is silenced.
    Occlusion,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Tells which part of a recording made the network decide.
///
/// # Errors
/// No network, no recording, no such class, or an unwritable figure.
pub fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    let compute = Compute::cpu();
    let source = Source::load(&args.network, &compute)?;
    let wanted = wanted(args, &source)?;
    let arch = &source.arch;
    let recording = audio::read_mono(&args.file, arch.sample_rate_hz)?;
    let net = source.trained();
    let window = arch.window as usize;
    let labels = source.labels.as_slice();
    let sound = (recording.as_slice(), window);
    let passage = passage::find(&net, sound, (labels, arch.task), wanted, &compute);
    let passage = passage.with_context(|| format!("{}: no window", args.file.display()))?;
    let (class, rate_hz) = ((passage.class, arch.task), arch.sample_rate_hz);
    let evidence = match args.method {
        Method::Gradient => {
            let plain = Compute::cpu_plain();
            let net = Source::load(&args.network, &plain)?.differentiable();
            by_gradient(&net, &passage.samples, class, rate_hz, &plain)
        }
        Method::Occlusion => {
            let hidden = (u64::from(args.hide) * u64::from(rate_hz) / 1000) as usize;
            by_occlusion(&net, &passage.samples, class, rate_hz, hidden, &compute)
        }
    };
    let found = Found { label: &labels[passage.class], rate_hz, passage, evidence };
    for path in &args.plot {
        figure::write(&found.figure(&args.file), path)?;
    }
    print(&match args.format {
        Format::Text => found.line(&args.file),
        Format::Json => format!("{}\n", found.json(args)),
    })
}

/// What the user wants to know.
fn wanted(args: &ExplainArgs, source: &Source) -> anyhow::Result<Wanted> {
    let labels = &source.labels;
    let class = match &args.class {
        None => None,
        Some(name) => match labels.iter().position(|label| label == name) {
            Some(class) => Some(class),
            None => bail!("--class {name}: no class of this network ({})", labels.join(", ")),
        },
    };
    let start = match args.at {
        None => None,
        Some(at) if at.abs() <= 1e6 => {
            Some((at * f64::from(source.arch.sample_rate_hz)).round() as i64)
        }
        Some(at) => bail!("--at {at}: not a time in seconds"),
    };
    Ok(Wanted { class, start })
}

/// What was found.
struct Found<'a> {
    label: &'a str,
    rate_hz: u32,
    passage: Passage,
    evidence: Evidence,
}

impl Found<'_> {
    /// A sample of the passage, in seconds of the recording.
    fn seconds(&self, sample: usize) -> f64 {
        (self.passage.start as f64 + sample as f64) / f64::from(self.rate_hz)
    }

    /// Where half of what speaks for the class lies, in seconds.
    fn half(&self) -> Option<(f64, f64)> {
        let frames = self.evidence.half()?;
        let frame = self.evidence.frame_samples;
        let end = (frames.end * frame).min(self.passage.samples.len());
        Some((self.seconds(frames.start * frame), self.seconds(end)))
    }

    /// What the network says, and where.
    fn verdict(&self) -> String {
        let Passage { samples, log_odds, .. } = &self.passage;
        let (start, end) = (self.seconds(0), self.seconds(samples.len()));
        let posterior = evidence::posterior(*log_odds);
        format!("{} {posterior:.3} from {start:.2} to {end:.2} s", self.label)
    }

    fn line(&self, file: &Path) -> String {
        let half = match self.half() {
            Some((start, end)) => {
                format!("half of what speaks for it lies in {start:.2} to {end:.2} s")
            }
            None => "nothing speaks for it".to_owned(),
        };
        format!("{}: {}; {half}\n", file.display(), self.verdict())
    }

    fn json(&self, args: &ExplainArgs) -> serde_json::Value {
        let method = match args.method {
            Method::Gradient => "gradient",
            Method::Occlusion => "occlusion",
        };
        json!({
            "file": args.file.to_string_lossy(),
            "method": method,
            "label": self.label,
            "posterior": evidence::posterior(self.passage.log_odds),
            "log_odds": self.passage.log_odds,
            "start_s": self.seconds(0),
            "end_s": self.seconds(self.passage.samples.len()),
            "frame_s": self.evidence.frame_samples as f64 / f64::from(self.rate_hz),
            "evidence": self.evidence.frames,
            "half": self.half().map(|(start, end)| json!({ "start_s": start, "end_s": end })),
        })
    }

    fn figure(&self, file: &Path) -> EvidenceFigure<'_> {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        EvidenceFigure {
            samples: &self.passage.samples,
            rate_hz: self.rate_hz,
            start_s: self.seconds(0),
            evidence: &self.evidence,
            title: format!("{}: {}", name.unwrap_or_default(), self.verdict()),
        }
    }
}
