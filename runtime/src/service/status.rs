//! How a running program fares.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// How a running program fares; all counts are since it was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Process.
    pub pid: u32,
    /// The model's file.
    pub model: String,
    /// When this was written, in seconds since 1970.
    pub updated: f64,
    /// Seconds since the start.
    pub uptime_s: f64,
    /// Seconds of sound classified.
    pub sound_s: f64,
    /// Windows computed.
    pub windows: u64,
    /// Windows that a gate found too quiet to be computed.
    // A program that was started before an upgrade does not tell.
    #[serde(default)]
    pub quiet: u64,
    /// Windows skipped because the network was too slow.
    pub skipped: u64,
    /// Detections.
    pub detections: u64,
    /// Milliseconds within which half of the last thousand windows were computed.
    pub window_ms_p50: f64,
    /// The same of 90 %.
    pub window_ms_p90: f64,
    /// The same of 99 %.
    pub window_ms_p99: f64,
    /// Milliseconds between two windows.
    pub hop_ms: f64,
    /// Times that sound was lost because it was not read in time.
    pub overruns: u64,
    /// Seconds of sound lost, bridged by silence.
    pub lost_s: f64,
    /// Times that the microphone came back.
    pub reconnects: u64,
    /// Whether it is there.
    pub connected: bool,
    /// Root mean square of the last second of sound, in decibels of full scale.
    pub rms_dbfs: f64,
    /// Peak of it.
    pub peak_dbfs: f64,
}

impl Status {
    /// Seconds since 1970.
    #[must_use]
    pub fn now() -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }

    /// Writes it to a file at once: a reader never sees half of it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        serde_json::to_writer(&mut file, self)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // Whoever may look into the folder may read it.
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(path)?;
        Ok(())
    }

    /// Reads what [`Status::write`] has written.
    ///
    /// # Errors
    /// The file cannot be read, or is something else.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "up {}, {} windows, {} quiet, {} skipped, {} detections, {:.1} ms a window (99 % within {:.1}, one every {:.0}), {} overruns, {:.1} s lost, {} reconnects, {}",
            duration(self.uptime_s),
            self.windows,
            self.quiet,
            self.skipped,
            self.detections,
            self.window_ms_p50,
            self.window_ms_p99,
            self.hop_ms,
            self.overruns,
            self.lost_s,
            self.reconnects,
            match self.connected {
                true => format!("level {:.0} dBFS, peak {:.0}", self.rms_dbfs, self.peak_dbfs),
                false => "no microphone".to_owned(),
            }
        )
    }

    /// In Prometheus' text format, version 0.0.4.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let mut add = |name: &str, kind: &str, help: &str, value: f64| {
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "# HELP auricle_{name} {help}\n# TYPE auricle_{name} {kind}\nauricle_{name} {value}\n"
            );
        };
        add("uptime_seconds", "gauge", "Seconds since the start.", self.uptime_s);
        add("sound_seconds_total", "counter", "Seconds of sound classified.", self.sound_s);
        add("windows_total", "counter", "Windows computed.", self.windows as f64);
        let help = "Windows that a gate found too quiet to be computed.";
        add("windows_quiet_total", "counter", help, self.quiet as f64);
        let help = "Windows skipped because the network was too slow.";
        add("windows_skipped_total", "counter", help, self.skipped as f64);
        add("detections_total", "counter", "Detections.", self.detections as f64);
        add("overruns_total", "counter", "Times that sound was lost.", self.overruns as f64);
        add("lost_seconds_total", "counter", "Seconds of sound lost.", self.lost_s);
        let help = "Times that the microphone came back.";
        add("reconnects_total", "counter", help, self.reconnects as f64);
        let connected = f64::from(u8::from(self.connected));
        add("microphone_connected", "gauge", "Whether there is a microphone.", connected);
        add("level_rms_dbfs", "gauge", "Level of the last second.", self.rms_dbfs);
        add("level_peak_dbfs", "gauge", "Peak of the last second.", self.peak_dbfs);
        let _ = write!(
            text,
            "# HELP auricle_window_seconds Time to compute a window, of the last thousand.\n# TYPE auricle_window_seconds summary\n"
        );
        let quantiles =
            [(0.5, self.window_ms_p50), (0.9, self.window_ms_p90), (0.99, self.window_ms_p99)];
        for (quantile, ms) in quantiles {
            let _ =
                writeln!(text, "auricle_window_seconds{{quantile=\"{quantile}\"}} {}", ms / 1e3);
        }
        text
    }
}

/// Days, hours, minutes and seconds, the two largest that are not zero.
fn duration(seconds: f64) -> String {
    let seconds = seconds as u64;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, _, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        let status = Status { windows: 7, model: "m.onnx".to_owned(), ..Status::default() };
        status.write(&path).unwrap();
        status.write(&path).unwrap();
        assert_eq!(Status::read(&path).unwrap(), status);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let older = std::fs::read_to_string(&path).unwrap().replace("\"quiet\":0,", "");
        std::fs::write(&path, older).unwrap();
        assert_eq!(Status::read(&path).unwrap(), status);
        std::fs::write(&path, "{}").unwrap();
        assert!(Status::read(&path).is_err());
    }

    #[test]
    fn times_are_short() {
        let texts = [59.9, 61.0, 7200.0, 90_000.0].map(duration);
        assert_eq!(texts, ["59 s", "1 min 1 s", "2 h 0 min", "1 d 1 h"]);
    }

    #[test]
    fn metrics_have_one_value_a_name() {
        let status = Status { windows: 7, quiet: 5, ..Status::default() };
        assert!(status.line().contains(" 7 windows, 5 quiet, 0 skipped, "), "{}", status.line());
        let metrics = status.metrics();
        assert!(
            metrics.contains("# TYPE auricle_windows_total counter\nauricle_windows_total 7\n")
        );
        assert!(metrics.contains("counter\nauricle_windows_quiet_total 5\n"), "{metrics}");
        assert_eq!(metrics.matches("# TYPE").count(), 13);
        assert!(metrics.ends_with("auricle_window_seconds{quantile=\"0.99\"} 0\n"));
    }
}
