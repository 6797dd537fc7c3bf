//! What is told beside the results, on standard error: events of [`tracing`].
//!
//! A line begins with its level, `note: ` for what is no more than information. The system's journal gets the priority in
//! its own way instead (`sd-daemon(3)`), so that `journalctl -p warning` finds what needs somebody's attention.

use std::fmt;
use std::io::{self, Write as _};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Names the least level that is told: `off`, `error`, `warn`, `info` (as without it), `debug` or `trace`.
pub const VARIABLE: &str = "AURICLE_LOG";

/// What [`VARIABLE`] says is no level.
#[derive(Debug, thiserror::Error)]
#[error("{VARIABLE}: '{0}' is no level; there are off, error, warn, info, debug and trace")]
pub struct UnknownLevel(String);

/// Tells the program's events from here on.
///
/// # Errors
/// [`VARIABLE`] is set to something else than a level.
pub fn start() -> Result<(), UnknownLevel> {
    let level = match std::env::var_os(VARIABLE) {
        None => LevelFilter::INFO,
        Some(text) => {
            let text = text.to_string_lossy();
            text.parse().map_err(|_| UnknownLevel(text.into_owned()))?
        }
    };
    let lines = Lines { journal: is_journal() };
    tracing_subscriber::fmt()
        // Where standard error is gone there is nobody to tell.
        .log_internal_errors(false)
        .with_max_level(level)
        .event_format(lines)
        .with_writer(io::stderr)
        .init();
    Ok(())
}

/// Tells why the program ends, whatever the level, each reason on a line of its own.
pub fn fatal(reasons: &[String]) {
    let journal = is_journal();
    for reason in reasons {
        // Where standard error is gone there is nobody to tell.
        let _ = io::stderr().write_all(line(Level::ERROR, reason, journal).as_bytes());
    }
}

/// Whether standard error is the system's journal: `JOURNAL_STREAM` names that by device and inode, also to programs
/// whose standard error is something else by now.
#[cfg(unix)]
fn is_journal() -> bool {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;

    let Some(journal) = std::env::var_os("JOURNAL_STREAM") else { return false };
    let own = io::stderr().as_fd().try_clone_to_owned();
    let own = own.and_then(|own| std::fs::File::from(own).metadata());
    own.is_ok_and(|own| journal.to_str() == Some(format!("{}:{}", own.dev(), own.ino()).as_str()))
}

#[cfg(not(unix))]
const fn is_journal() -> bool {
    false
}

/// Events as one line each.
struct Lines {
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        context.field_format().format_fields(Writer::new(&mut text), event)?;
        writer.write_str(&line(*event.metadata().level(), &text, self.journal))
    }
}

fn line(level: Level, text: &str, journal: bool) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (name, priority) = match level {
        Level::ERROR => ("error", 3),
        Level::WARN => ("warning", 4),
        Level::INFO => ("note", 5),
        Level::DEBUG | Level::TRACE => ("debug", 7),
    };
    match journal {
        true => format!("<{priority}>{text}\n"),
        false => format!("{name}: {text}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_with_its_priority() {
        assert_eq!(line(Level::INFO, "a\nb", false), "note: a b\n");
        assert_eq!(line(Level::WARN, "a", false), "warning: a\n");
        assert_eq!(line(Level::WARN, "a", true), "<4>a\n");
        assert_eq!(line(Level::INFO, "a", true), "<5>a\n");
        assert_eq!(line(Level::DEBUG, "a", true), "<7>a\n");
    }
}
