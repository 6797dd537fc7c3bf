//! Why a program ends, in one line, with what to do about it.

use std::io::{self, ErrorKind};

/// An error and its causes in one line, whatever line breaks are in them, and [`advice`]. A cause that is told
/// already is not told again.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let cause: Vec<&str> = cause.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let cause = cause.join(" ");
        if !line.contains(&cause) {
            let colon = if line.is_empty() { "" } else { ": " };
            line.push_str(colon);
            line.push_str(&cause);
        }
    }
    if let Some(advice) = said_by_the_system(error).find_map(advice) {
        line.push_str("; ");
        line.push_str(advice);
    }
    line
}

/// What to do about what the operating system said. Its own words tell only what is wrong.
#[must_use]
pub fn advice(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some("free some space, or write elsewhere")
        }
        ErrorKind::NotFound => Some("check the path"),
        _ => None,
    }
}

/// Whether the reader of standard output has gone.
#[must_use]
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    said_by_the_system(error).any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

fn said_by_the_system(error: &anyhow::Error) -> impl Iterator<Item = &io::Error> {
    error.chain().filter_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let error = anyhow::anyhow!("disk full").context("a.ckpt: disk full").context("run");
        assert_eq!(one_line(&error), "run: a.ckpt: disk full");
    }

    #[test]
    fn causes_of_several_lines_are_joined() {
        let error = anyhow::anyhow!("at line 1\n  |\n1 | a =\n\nno value\n").context("a.toml");
        assert_eq!(one_line(&error), "a.toml: at line 1 | 1 | a = no value");
    }

    #[test]
    fn what_to_do_comes_last_and_once() {
        let error = |kind: ErrorKind| anyhow::Error::new(io::Error::from(kind)).context("a.wav");
        let line = one_line(&error(ErrorKind::StorageFull));
        assert!(line.starts_with("a.wav: "), "{line}");
        assert!(line.ends_with("; free some space, or write elsewhere"), "{line}");
        assert!(one_line(&error(ErrorKind::NotFound)).ends_with("; check the path"));
        assert!(!one_line(&error(ErrorKind::PermissionDenied)).contains("; "));
        assert!(is_closed_pipe(&error(ErrorKind::BrokenPipe)));
    }
}
