//! What the system asks this program to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// Set from outside, looked at between two blocks of sound.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    /// By Ctrl-C (SIGINT) and SIGTERM.
    pub(crate) stop: Arc<AtomicBool>,
    /// By SIGHUP, where there is a configuration to be read again; otherwise that stops as well, as when a terminal is closed.
    pub(crate) reload: Arc<AtomicBool>,
}

/// Takes signals from now on; those who start no threads before this are safe from being ended by them.
///
/// Whoever asks twice does not want to wait: the second one ends the process.
#[cfg(unix)]
pub(crate) fn catch(reloads: bool) -> Result<Signals> {
    use nix::sys::signal::{SigSet, Signal};

    let signals = Signals::default();
    let Signals { stop, reload } = signals.clone();
    let set: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    set.thread_block().context("signals cannot be caught")?;
    let wait = move || {
        while let Ok(signal) = set.wait() {
            if signal == Signal::SIGHUP && reloads {
                reload.store(true, Ordering::Relaxed);
            } else if stop.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
    thread.context("signals cannot be caught")?;
    Ok(signals)
}

/// As on Unix, with Ctrl-C alone.
#[cfg(not(unix))]
pub(crate) fn catch(_reloads: bool) -> Result<Signals> {
    let signals = Signals::default();
    let Signals { stop, .. } = signals.clone();
    ctrlc::set_handler(move || stop.store(true, Ordering::Relaxed))
        .context("Ctrl-C cannot be caught")?;
    Ok(signals)
}
