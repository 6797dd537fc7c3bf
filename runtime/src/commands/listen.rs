//! `runtime listen`: detections in what a microphone hears.

use anyhow::Result;

use crate::cli::Listen;

#[cfg(feature = "microphone")]
pub(super) fn run(args: &Listen) -> Result<()> {
    use anyhow::{bail, ensure};
    use runtime::engine::Engine;
    use runtime::source::{Microphone, Reconnecting, Source as _, SystemClock};
    use tracing::{info, warn};

    use super::session::{Control, Options, Session};
    use crate::cli::{Cli, Command};
    use crate::{config, signals};

    const fn options(args: &Listen) -> Options<'_> {
        Options { model: &args.model, detection: &args.detection, service: &args.service }
    }

    let seconds = args.seconds;
    ensure!(
        seconds.is_none_or(|seconds| seconds.is_finite() && seconds > 0.0),
        "--seconds must be more than 0"
    );
    // Before there is a second thread, which would not know of it.
    let signals = signals::catch(args.file.is_given())?;
    let model = args.model.load()?;
    args.detection.overrides().apply(model.meta())?;
    let wanted = args.microphone.clone();
    let rate_hz = model.meta().arch.sample_rate_hz;
    let open = move || Microphone::open(wanted.device.as_deref(), wanted.channel, rate_hz);
    let microphone = open()?;
    info!("listening to '{}' ({}); Ctrl-C stops", microphone.name(), microphone.format());
    let mut source = Reconnecting::new(microphone, SystemClock::default(), open);
    let reload = |rate_hz| match config::again()? {
        Cli { command: Command::Listen(new) } => {
            if new.microphone != args.microphone {
                warn!("another microphone is listened to only after a restart");
            }
            Session::new(options(&new), rate_hz)
        }
        _ => bail!("this is another command"),
    };
    let session = Session::with_model(model, options(args), source.rate_hz())?;
    session.run(&mut source, &Control { signals: &signals, live: true, seconds, reload: &reload })
}

#[cfg(not(feature = "microphone"))]
pub(super) fn run(args: &Listen) -> Result<()> {
    let _ = (&args.model, &args.microphone, args.seconds, &args.service);
    anyhow::bail!(super::devices::NO_MICROPHONE)
}
