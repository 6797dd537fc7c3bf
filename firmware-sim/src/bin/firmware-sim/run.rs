//! `firmware-sim run`: detections in recordings, and what they take.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use firmware_sim::Part;
use models::q8::Model;
use models::stream::{Event, Q15};

use crate::board::{Board, Memory, Results};
use crate::cli::{Format, Run};
use crate::cost::Meter;
use crate::fault::Faults;
use crate::print::{Printer, no_output};
use crate::recording::Recording;
use crate::sequence::{Gap, GapKind};
use crate::summary::{Counts, Summary};
use crate::trace::Trace;
use crate::{file, note};

pub(crate) fn run(args: &Run) -> Result<ExitCode> {
    let bytes = file::read(&args.model, file::MODEL)?;
    let model = file::parse(&args.model, &bytes)?;
    let memory = Memory::plan(&model, &args.stream)?;
    if let Some(ram) = args.ram {
        memory.fit(ram)?;
    }
    if args.trace.is_some() && args.files.len() > 1 {
        bail!("--trace takes one recording, not {}", args.files.len());
    }
    let mut words = memory.engine_words();
    let mut board = Board::new(&model, &args.stream, &mut words)?;
    let mut report = Report::new(args, &model)?;
    for path in &args.files {
        if args.files.len() > 1 {
            let name = path.display().to_string();
            report.printer.recording(&name).map_err(no_output)?;
        }
        hear(args, &model, path, &mut board, &mut report)?;
    }
    report.trace.take().map_or(Ok(()), Trace::finish)?;
    let summary = Summary::new(&report.counts, &memory, &report.meter, bytes.len());
    match args.format {
        Format::Json => report.printer.json(&summary).map_err(no_output)?,
        Format::Text => {
            for line in summary.lines() {
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays one recording to its end or to its fault.
fn hear(
    args: &Run,
    model: &Model<'_>,
    path: &Path,
    board: &mut Board<'_, '_>,
    report: &mut Report,
) -> Result<()> {
    let arch = model.arch();
    let mut recording = Recording::open(path, arch.sample_rate_hz, args.stream.dma)?;
    let mut faults = Faults::new(&args.fault);
    board.reset();
    report.meter.reset();
    report.counts.recordings += 1;
    let ended = loop {
        let interrupt = match recording.next() {
            Ok(Some(interrupt)) => interrupt,
            end => break end,
        };
        for interrupt in faults.pass(interrupt) {
            board.interrupt(&interrupt, report)?;
        }
    };
    for interrupt in faults.finish() {
        board.interrupt(&interrupt, report)?;
    }
    // The samples before a fault of the file count, so they are heard before it is told.
    let heard = recording.position();
    board.stop(heard, report)?;
    ended?;
    if heard < u64::from(arch.window) {
        let seconds = |samples: u64| samples as f64 / f64::from(arch.sample_rate_hz);
        let (heard, window) = (seconds(heard), seconds(arch.window.into()));
        note(&format!("{heard:.2} s of sound is shorter than the model's window of {window:.2} s"));
    }
    Ok(())
}

/// Prints, counts and traces what happens.
#[derive(Debug)]
struct Report {
    printer: Printer,
    meter: Meter,
    trace: Option<Trace>,
    counts: Counts,
}

impl Report {
    fn new(args: &Run, model: &Model<'_>) -> Result<Self> {
        let labels = model.labels().map(str::to_owned).collect();
        let rate_hz = model.arch().sample_rate_hz;
        let layers = model.layers().len();
        let trace = args.trace.as_deref().map(|path| Trace::create(path, layers));
        Ok(Self {
            printer: Printer::new(args.format, rate_hz, labels, args.posteriors),
            meter: Meter::new(model),
            trace: trace.transpose()?,
            counts: Counts::default(),
        })
    }
}

impl Results for Report {
    fn column(&mut self, layer: usize, part: Part, values: &[i16]) {
        self.meter.column(layer);
        if let Some(trace) = &mut self.trace {
            trace.column(layer, part, values);
        }
    }

    fn window(&mut self, posteriors: &[Q15], end: u64) -> io::Result<()> {
        self.meter.window();
        self.counts.windows += 1;
        self.printer.window(posteriors, end)
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.counts.events += 1;
        self.printer.event(event)
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        match gap.kind {
            GapKind::Missing => self.counts.missing += gap.samples,
            GapKind::Repeated | GapKind::Late => self.counts.discarded += gap.samples,
        }
        self.printer.gap(gap)
    }
}
