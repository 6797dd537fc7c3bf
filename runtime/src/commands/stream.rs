//! `runtime stream`: detections in a recording or pipe.

use anyhow::{Result, bail};
use runtime::source::{FileSource, Input, Paced, Source, Threaded};

use super::session::{Control, Options, Session};
use crate::cli::{self, Cli, Command};
use crate::{config, signals};

pub(super) fn run(args: &cli::Stream) -> Result<()> {
    // Before there is a second thread, which would not know of it.
    let signals = signals::catch(args.file.is_given())?;
    let model = args.model.load()?;
    let input = Input::from(args.input.clone());
    let source = FileSource::open(&input, args.raw)?;
    let mut source: Box<dyn Source> = match (args.realtime, input) {
        (true, _) => Box::new(Threaded::live(Paced::new(source))),
        // Signals are looked at while a pipe has nothing to say.
        (false, Input::Standard) => Box::new(Threaded::patient(source)),
        (false, Input::Path(_)) => Box::new(source),
    };
    let reload = |rate_hz| match config::again()? {
        Cli { command: Command::Stream(new) } => Session::new(options(&new), rate_hz),
        _ => bail!("this is another command"),
    };
    let session = Session::with_model(model, options(args), source.rate_hz())?;
    let control = Control { signals: &signals, live: false, seconds: None, reload: &reload };
    session.run(&mut source, &control)
}

const fn options(args: &cli::Stream) -> Options<'_> {
    Options { model: &args.model, detection: &args.detection, service: &args.service }
}
