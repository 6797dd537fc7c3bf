//! `runtime doctor`: whether this computer can listen, and what to do where it cannot.

use anyhow::{Result, ensure};

use super::print_line;
use crate::cli::Doctor;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Good,
    Bad,
    /// Good or bad, nobody has asked for it.
    Aside,
}

/// The outcome of one check.
struct Finding {
    outcome: Outcome,
    what: String,
    /// What to do, where there is something to do.
    advice: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self { outcome: Outcome::Good, what: what.into(), advice: None }
    }

    fn bad(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { outcome: Outcome::Bad, what: what.into(), advice: Some(advice.into()) }
    }

    #[cfg_attr(
        not(feature = "microphone"),
        expect(dead_code, reason = "there are several microphones only")
    )]
    fn aside(self) -> Self {
        Self { outcome: Outcome::Aside, advice: None, ..self }
    }
}

/// Checks one thing after the other.
///
/// # Errors
/// What is not well, in one line.
pub(super) fn run(args: &Doctor) -> Result<()> {
    let mut findings = permissions();
    findings.extend(microphones(args));
    findings.push(load());
    findings.extend(model(args));
    for finding in &findings {
        let mark = match finding.outcome {
            Outcome::Good => "ok ",
            Outcome::Bad => "BAD",
            Outcome::Aside => "-- ",
        };
        print_line(&format!("{mark}  {}", finding.what))?;
        if let Some(advice) = &finding.advice {
            print_line(&format!("     {advice}"))?;
        }
    }
    findings.retain(|finding| finding.outcome != Outcome::Aside);
    let bad = findings.iter().filter(|finding| finding.outcome == Outcome::Bad);
    let bad: Vec<&str> = bad.map(|finding| finding.what.as_str()).collect();
    ensure!(
        bad.is_empty(),
        "{} of {} checks failed: {}; what to do is printed below each line that begins with BAD",
        bad.len(),
        findings.len(),
        bad.join("; ")
    );
    Ok(())
}

/// Whether the sound devices of Linux may be read.
#[cfg(target_os = "linux")]
fn permissions() -> Vec<Finding> {
    let entries = std::fs::read_dir("/dev/snd").into_iter().flatten().flatten();
    // pcmC1D0c: card 1, device 0, capture.
    let capture = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("pcm") && name.ends_with('c')
    });
    let paths: Vec<_> = capture.map(|entry| entry.path()).collect();
    if paths.is_empty() {
        return vec![Finding::bad(
            "no sound card with an input in /dev/snd",
            "plug the microphone in and look at `lsusb` and `cat /proc/asound/cards`; a HAT needs its overlay in /boot/firmware/config.txt",
        )];
    }
    paths.iter().map(|path| permission(path)).collect()
}

/// Whether a device may be read, without waiting until it is free.
#[cfg(target_os = "linux")]
fn permission(path: &std::path::Path) -> Finding {
    use std::io::ErrorKind;
    use std::os::unix::fs::OpenOptionsExt as _;

    let at_once = nix::libc::O_NONBLOCK;
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(at_once).open(path);
    match opened.map_err(|error| (error.kind(), error)) {
        Ok(_) => Finding::good(format!("{}: may be read", path.display())),
        Err((ErrorKind::PermissionDenied, _)) => Finding::bad(
            format!("{}: may not be read", path.display()),
            "`sudo usermod -aG audio $USER`, then log in again; the service's user is in that group already",
        ),
        Err((ErrorKind::ResourceBusy | ErrorKind::WouldBlock, _)) => Finding::bad(
            format!("{}: another program is listening", path.display()),
            "`fuser -v /dev/snd/*` tells which, the service perhaps; end it, or let both go through PipeWire or `dsnoop`",
        ),
        Err((_, error)) => Finding::bad(
            format!("{}: {error}", path.display()),
            "unplug it and plug it in again; `dmesg` tells more",
        ),
    }
}

#[cfg(not(target_os = "linux"))]
fn permissions() -> Vec<Finding> {
    Vec::new()
}

#[cfg(feature = "microphone")]
fn microphones(args: &Doctor) -> Vec<Finding> {
    let devices = match runtime::source::input_devices() {
        Ok(devices) => devices,
        Err(error) => return vec![Finding::bad(error.to_string(), "is the sound system running?")],
    };
    let wanted = args.microphone.device.as_deref();
    let mut findings: Vec<Finding> =
        devices.iter().map(|device| microphone(device, wanted)).collect();
    if devices.is_empty() {
        let advice = "without a microphone, `runtime stream` reads recordings and pipes";
        findings.push(Finding::bad("the sound system knows no microphone", advice));
    } else {
        findings.push(level(args));
    }
    findings
}

/// What a microphone offers; it only matters of the one that is wanted, or else of the default one.
#[cfg(feature = "microphone")]
fn microphone(device: &runtime::source::InputDevice, wanted: Option<&str>) -> Finding {
    let finding = match (&device.formats, &device.chosen) {
        (Ok(_), Some(chosen)) => Finding::good(format!("'{}' offers {chosen}", device.name)),
        (Ok(_), None) => Finding::bad(
            format!("'{}' offers no usable format", device.name),
            "`runtime devices` lists what it offers; take another one with --device",
        ),
        (Err(reason), _) => Finding::bad(
            format!("'{}' cannot be used now: {reason}", device.name),
            "another program may be using it: `fuser -v /dev/snd/*`",
        ),
    };
    let is_wanted = wanted.map_or(device.is_default, |wanted| {
        [&device.name, &device.description].into_iter().any(|name| name == wanted)
    });
    if is_wanted { finding } else { finding.aside() }
}

#[cfg(not(feature = "microphone"))]
fn microphones(args: &Doctor) -> Vec<Finding> {
    let _ = (&args.microphone, args.seconds);
    vec![Finding::bad("this build has no microphone support", super::devices::NO_MICROPHONE)]
}

/// Listens for a while, with a meter, and judges the level.
#[cfg(feature = "microphone")]
fn level(args: &Doctor) -> Finding {
    use runtime::level::{FULL_SCALE, Level};
    use runtime::source::{Microphone, Source as _};

    let which = &args.microphone;
    let opened = Microphone::open(which.device.as_deref(), which.channel, 16_000);
    let mut microphone = match opened {
        Ok(microphone) => microphone,
        Err(error) => {
            return Finding::bad(
                error.to_string(),
                "see the lines above, or name another one with --device",
            );
        }
    };
    let rate_hz = microphone.rate_hz();
    let (mut level, mut second) = (Level::new(rate_hz), 0);
    let (mut heard, mut full, mut low, mut high) = (0_u64, 0_u64, f32::MAX, f32::MIN);
    let patience = std::time::Instant::now();
    let wanted = args.seconds * u64::from(rate_hz);
    while heard < wanted && patience.elapsed().as_secs() < args.seconds + 5 {
        let block = match microphone.next_block() {
            Ok(Some(block)) => block,
            Ok(None) => break,
            Err(error) => {
                return Finding::bad(
                    error.to_string(),
                    "unplug it and plug it in again; `dmesg` tells more",
                );
            }
        };
        level.push(block, |_| {});
        heard += block.len() as u64;
        full += block.iter().filter(|sample| sample.abs() >= FULL_SCALE).count() as u64;
        low = block.iter().copied().fold(low, f32::min);
        high = block.iter().copied().fold(high, f32::max);
        if heard / u64::from(rate_hz) > second {
            second = heard / u64::from(rate_hz);
            let _ = print_line(&format!("     {}", meter(level.rms_dbfs(), level.peak_dbfs())));
        }
    }
    let name = microphone.name();
    let lost = microphone.health().lost_samples;
    if heard < wanted {
        let advice = "a device that delivers nothing hangs: unplug it and plug it in again";
        return Finding::bad(format!("'{name}' delivered {heard} of {wanted} samples"), advice);
    }
    if high - low < 4.0 / 32_768.0 {
        return Finding::bad(
            format!("'{name}' delivers nothing but silence"),
            "turn its capture switch on (`alsamixer`, F4), or name another one with --device",
        );
    }
    if full * 1000 > heard {
        return Finding::bad(
            format!(
                "'{name}' is too loud: {:.1} % of the samples are at full scale",
                100.0 * full as f64 / heard as f64
            ),
            "turn the capture volume down (`alsamixer`, F4)",
        );
    }
    if lost > 0 {
        let advice = "is the computer busy, or the power supply weak? `vcgencmd get_throttled` tells on a Raspberry Pi";
        return Finding::bad(format!("'{name}' lost {lost} samples"), advice);
    }
    Finding::good(format!("'{name}' is heard: {}", meter(level.rms_dbfs(), level.peak_dbfs())))
}

/// A bar of 30 characters from −60 to 0 dB of full scale, `#` up to the level, `|` at the peak.
#[cfg(feature = "microphone")]
fn meter(rms_dbfs: f64, peak_dbfs: f64) -> String {
    let place = |db: f64| ((db + 60.0) / 2.0).clamp(0.0, 29.0) as usize;
    let mut bar: Vec<char> =
        (0..30).map(|at| if at < place(rms_dbfs) { '#' } else { '.' }).collect();
    bar[place(peak_dbfs)] = '|';
    let bar: String = bar.into_iter().collect();
    format!("[{bar}] level {rms_dbfs:.0} dBFS, peak {peak_dbfs:.0}")
}

/// Whether others leave enough of this computer.
fn load() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let Some(load) = text.split_whitespace().next().and_then(|load| load.parse::<f64>().ok())
    else {
        return Finding::good(format!("{cores} cores"));
    };
    let what = format!("load {load:.2} on {cores} cores");
    match load < cores as f64 {
        true => Finding::good(what),
        false => Finding::bad(what, "other programs keep all cores busy: `top` tells which"),
    }
}

/// Whether the model can be loaded and is fast enough here.
fn model(args: &Doctor) -> Option<Finding> {
    use runtime::engine::Engine as _;

    args.model.model.as_ref()?;
    let measured = || -> Result<(f64, f64)> {
        let model = args.model.load()?;
        let (hop, rate_hz) = (model.meta().decision.hop, model.meta().arch.sample_rate_hz);
        let mut stream = model.into_stream(hop)?;
        let sound = super::bench::noise(hop as usize);
        let times = super::bench::measure_stream(stream.as_mut(), &sound, 50)?;
        let hop_ms = 1000.0 * f64::from(hop) / f64::from(rate_hz);
        Ok((runtime::pipeline::quantile(&times.wall_ms, 0.99), hop_ms))
    };
    Some(match measured() {
        Err(error) => {
            Finding::bad(runtime::reason::one_line(&error), "name another model with --model")
        }
        Ok((ms, hop_ms)) => {
            let what = format!(
                "the model takes {ms:.1} ms a window (99 % of them), one every {hop_ms:.0} ms"
            );
            match ms < 0.5 * hop_ms {
                true => Finding::good(what),
                false => Finding::bad(
                    what,
                    "that leaves no reserve: take a longer --hop, a smaller model, or its .q8 form",
                ),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_that_is_not_free_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        // A pipe into which nobody writes keeps whoever opens it waiting, as a device does that is taken.
        let pipe = folder.path().join("pcmC0D0c");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(permission(&pipe).outcome, Outcome::Good);
        assert_eq!(permission(&folder.path().join("none")).outcome, Outcome::Bad);
    }

    #[cfg(feature = "microphone")]
    #[test]
    fn microphones_that_nobody_wants_may_be_broken() {
        let device = |name: &str, is_default| runtime::source::InputDevice {
            name: name.to_owned(),
            description: format!("{name}, a card"),
            is_default,
            formats: Err("it has no input".to_owned()),
            chosen: None,
        };
        let outcome =
            |name, is_default, wanted| microphone(&device(name, is_default), wanted).outcome;
        assert_eq!(outcome("default", true, None), Outcome::Bad);
        assert_eq!(outcome("default", true, Some("mic")), Outcome::Aside);
        assert_eq!(outcome("mic", false, None), Outcome::Aside);
        assert_eq!(outcome("mic", false, Some("mic")), Outcome::Bad);
        assert_eq!(outcome("mic", false, Some("mic, a card")), Outcome::Bad);
    }
}
