//! What is told beside the results, on standard error.
//!
//! A line begins with `note: ` or `warning: `. The system's journal gets the priority in its own way instead
//! (`sd-daemon(3)`), so that `journalctl -p warning` finds what needs somebody's attention.

use std::io::{self, Write};
use std::sync::OnceLock;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Priority {
    Warning,
    Note,
}

/// Tells that something is worth a look.
pub fn warn(text: &str) {
    tell(Priority::Warning, text);
}

/// Tells that something has happened.
pub fn note(text: &str) {
    tell(Priority::Note, text);
}

fn tell(priority: Priority, text: &str) {
    static JOURNAL: OnceLock<bool> = OnceLock::new();
    let journal = *JOURNAL.get_or_init(|| std::env::var_os("JOURNAL_STREAM").is_some());
    // One call for the whole line, and nobody to tell where it fails.
    let _ = io::stderr().write_all(line(priority, text, journal).as_bytes());
}

fn line(priority: Priority, text: &str, journal: bool) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match (priority, journal) {
        (Priority::Warning, true) => format!("<4>{text}\n"),
        (Priority::Note, true) => format!("<5>{text}\n"),
        (Priority::Warning, false) => format!("warning: {text}\n"),
        (Priority::Note, false) => format!("note: {text}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_with_its_priority() {
        assert_eq!(line(Priority::Note, "a\nb", false), "note: a b\n");
        assert_eq!(line(Priority::Warning, "a", false), "warning: a\n");
        assert_eq!(line(Priority::Warning, "a", true), "<4>a\n");
        assert_eq!(line(Priority::Note, "a", true), "<5>a\n");
    }
}
