//! What a program that runs for months tells about itself: a status file, metrics for Prometheus, and signs of life
//! for systemd.

mod metrics;
mod status;
mod systemd;

pub use metrics::MetricsServer;
pub use status::Status;
pub use systemd::{PULSE, Systemd};
