//! `runtime listen`: detections in what a microphone hears.

use anyhow::Result;

use crate::cli::Listen;

#[cfg(feature = "microphone")]
pub(super) fn run(args: &Listen) -> Result<()> {
    use anyhow::ensure;
    use runtime::engine::Engine;
    use runtime::notes::note;
    use runtime::source::{Microphone, Reconnecting, SystemClock};

    use super::session::{Stop, detect};
    use crate::signals;

    let seconds = args.seconds;
    ensure!(
        seconds.is_none_or(|seconds| seconds.is_finite() && seconds > 0.0),
        "--seconds must be more than 0"
    );
    // Before there is a second thread, which would not know of it.
    let asked = signals::catch()?;
    let engine = args.model.load()?;
    args.detection.overrides().apply(engine.meta())?;
    let (device, channel) = (args.device.clone(), args.channel);
    let rate_hz = engine.meta().arch.sample_rate_hz;
    let open = move || Microphone::open(device.as_deref(), channel, rate_hz);
    let microphone = open()?;
    note(&format!("listening to '{}' ({}); Ctrl-C stops", microphone.name(), microphone.format()));
    let microphone = Reconnecting::new(microphone, SystemClock::default(), open);
    detect(microphone, engine, &args.detection, &Stop { asked: &asked.stop, seconds })
}

#[cfg(not(feature = "microphone"))]
pub(super) fn run(args: &Listen) -> Result<()> {
    let _ = (&args.model, &args.device, args.channel, args.seconds);
    anyhow::bail!(super::devices::NO_MICROPHONE)
}
