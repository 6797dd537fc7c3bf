//! Tells others how the program fares: the status file, metrics and systemd.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use models::meta::{DecisionDefaults, ModelMeta};
use runtime::level::Level;
use runtime::pipeline::Stats;
use runtime::service::{MetricsServer, PULSE, Status, Systemd};
use runtime::source::Health;
use tracing::warn;

use super::Options;

/// Tells it once a second.
pub(super) struct Reporter {
    status: Option<PathBuf>,
    metrics_port: Option<u16>,
    systemd: Systemd,
    model: String,
    rate_hz: f64,
    hop_ms: f64,
    started: Instant,
    last: Option<Instant>,
    /// Whether it was told that the status file cannot be written.
    told: bool,
}

impl Reporter {
    pub(super) fn new(options: Options<'_>, meta: &ModelMeta, decision: &DecisionDefaults) -> Self {
        let rate_hz = f64::from(meta.arch.sample_rate_hz);
        Self {
            status: options.service.status.clone(),
            metrics_port: options.service.metrics_port,
            systemd: Systemd::from_environment(),
            model: options.model.name(),
            rate_hz,
            hop_ms: 1000.0 * f64::from(decision.hop) / rate_hz,
            started: Instant::now(),
            last: None,
            told: false,
        }
    }

    /// Begins: the source is there, and so is everything else.
    pub(super) fn start(&mut self) -> Result<()> {
        if let Some(path) = &self.status {
            self.now(&Health::default(), &Stats::default(), &Level::new(1), 0)
                .write(path)
                .with_context(|| format!("{}: the status cannot be written", path.display()))?;
        }
        if let Some(port) = self.metrics_port {
            server(port).map_err(|error| anyhow!("port {port} cannot be listened on: {error}"))?;
        }
        self.pulse("READY=1");
        Ok(())
    }

    /// Takes the place of another one. Metrics stay where they are served.
    pub(super) fn go_on(&mut self, before: &Self) {
        self.started = before.started;
        if before.metrics_port.is_some() && self.metrics_port != before.metrics_port {
            warn!("metrics are served at another port, or not at all, only after a restart");
            self.metrics_port = before.metrics_port;
        }
        if let Some(Err(error)) = self.metrics_port.map(server) {
            warn!("metrics cannot be served: {error}");
        }
    }

    /// Tells systemd something.
    pub(super) fn pulse(&self, state: &str) {
        self.systemd.tell(state);
    }

    /// Tells how things are, if the last time is long enough ago.
    pub(super) fn report(&mut self, health: &Health, stats: &Stats, level: &Level, position: u64) {
        if self.last.is_some_and(|last| last.elapsed() < PULSE) {
            return;
        }
        self.last = Some(Instant::now());
        let status = self.now(health, stats, level, position);
        self.pulse(&format!("WATCHDOG=1\nSTATUS={}", status.line()));
        if let Some(Ok(server)) = self.metrics_port.map(server) {
            server.set(status.metrics());
        }
        let Some(path) = &self.status else { return };
        match status.write(path) {
            Ok(()) => self.told = false,
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    warn!("{}: cannot be written: {error}; detections go on", path.display());
                }
            }
        }
    }

    /// Tells how things were in the end.
    pub(super) fn finish(&mut self, health: &Health, stats: &Stats, level: &Level, position: u64) {
        self.last = None;
        self.report(health, stats, level, position);
        self.pulse("STOPPING=1");
    }

    fn now(&self, health: &Health, stats: &Stats, level: &Level, position: u64) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            model: self.model.clone(),
            updated: Status::now(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            sound_s: position as f64 / self.rate_hz,
            windows: stats.windows,
            quiet: stats.quiet,
            skipped: stats.skipped,
            detections: stats.events,
            window_ms_p50: stats.window_ms(0.5),
            window_ms_p90: stats.window_ms(0.9),
            window_ms_p99: stats.window_ms(0.99),
            hop_ms: self.hop_ms,
            overruns: health.overruns,
            lost_s: health.lost_samples as f64 / level.rate_hz() as f64,
            reconnects: health.reconnects,
            connected: !health.absent,
            rms_dbfs: level.rms_dbfs(),
            peak_dbfs: level.peak_dbfs(),
        }
    }
}

/// The one server of this process; a port that is another after a reload counts from the next start on.
fn server(port: u16) -> Result<&'static MetricsServer, &'static str> {
    static SERVER: OnceLock<Result<MetricsServer, String>> = OnceLock::new();
    let server =
        SERVER.get_or_init(|| MetricsServer::start(port).map_err(|error| error.to_string()));
    server.as_ref().map_err(String::as_str)
}
