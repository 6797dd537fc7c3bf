//! `runtime stream`: detections in a recording or pipe.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use audio::RawFormat;
use runtime::source::{FileSource, Input, Paced, Source, Threaded};

use super::session::{Control, Options, Session};
use crate::cli::{self, Cli, Command};
use crate::config;
use crate::signals::{self, Signals};

/// How often signals are looked at while the input is opened.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(args: &cli::Stream) -> Result<()> {
    // Before there is a second thread, which would not know of it.
    let signals = signals::catch(args.file.is_given())?;
    let model = args.model.load()?;
    let input = Input::from(args.input.clone());
    let waits = input.waits();
    let Some(source) = open(input, args.raw, &signals)? else { return Ok(()) };
    let mut source: Box<dyn Source> = match (args.realtime, waits) {
        (true, _) => Box::new(Threaded::live(Paced::new(source))),
        // Signals are looked at while a pipe has nothing to say.
        (false, true) => Box::new(Threaded::patient(source)),
        (false, false) => Box::new(source),
    };
    let reload = |rate_hz| match config::again()? {
        Cli { command: Command::Stream(new) } => Session::new(options(&new), rate_hz),
        _ => bail!("this is another command"),
    };
    let session = Session::with_model(model, options(args), source.rate_hz())?;
    let control = Control { signals: &signals, live: false, seconds: None, reload: &reload };
    session.run(&mut source, &control)
}

/// Opens the input; `None` where somebody wants the program to end before a pipe has said what comes.
fn open(input: Input, raw: Option<RawFormat>, signals: &Signals) -> Result<Option<FileSource>> {
    let (sender, opened) = mpsc::channel();
    let thread = thread::Builder::new().name("open".to_owned());
    thread.spawn(move || sender.send(FileSource::open(&input, raw)))?;
    while !signals.stop.load(Ordering::Relaxed) {
        match opened.recv_timeout(LOOK) {
            Ok(source) => return Ok(Some(source?)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the input cannot be opened"),
        }
    }
    Ok(None)
}

const fn options(args: &cli::Stream) -> Options<'_> {
    Options { model: &args.model, detection: &args.detection, service: &args.service }
}
