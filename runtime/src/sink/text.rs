//! Results as lines for people.

use std::io::{self, Write};

use models::stream::{Event, to_f32};

use super::{Sink, Style};

/// Prints one line a detection: start, end, label, confidence; of a tag one more when it begins, with `begins` in the place
/// of the end. Every line is flushed.
#[derive(Debug)]
pub struct TextSink<W> {
    out: W,
    style: Style,
    label_width: usize,
}

impl<W: Write> TextSink<W> {
    /// A sink that writes to `out`.
    pub fn new(out: W, style: Style) -> Self {
        let label_width = style.labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        Self { out, style, label_width }
    }

    fn line(&mut self, event: &Event, end: &str) -> io::Result<()> {
        let start = self.style.seconds(event.start);
        let (label, width) = (self.style.label(event.class), self.label_width);
        let confidence = to_f32(event.confidence);
        writeln!(self.out, "{start:>10.2} s {end:>12}  {label:<width$}  {confidence:.2}")?;
        self.out.flush()
    }
}

impl<W: Write> Sink for TextSink<W> {
    fn window(&mut self, end: u64, posteriors: &[f32]) -> io::Result<()> {
        if !self.style.posteriors {
            return Ok(());
        }
        write!(self.out, "{:>10.2} s ", self.style.seconds(end))?;
        for (label, posterior) in self.style.labels.iter().zip(posteriors) {
            write!(self.out, " {label} {posterior:.2}")?;
        }
        writeln!(self.out)?;
        self.out.flush()
    }

    fn begun(&mut self, event: &Event) -> io::Result<()> {
        self.line(event, "begins")
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.line(event, &format!("{:.2} s", self.style.seconds(event.end)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{feed, style};
    use super::*;

    #[test]
    fn lines_are_aligned() {
        let mut out = Vec::new();
        feed(&mut TextSink::new(&mut out, style(true)));
        let expected = concat!(
            "      1.50 s  go 0.25 st\"op 0.75\n",
            "      0.50 s       1.50 s  st\"op  0.50\n",
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn tags_are_told_when_they_begin_too() {
        let mut out = Vec::new();
        let mut sink = TextSink::new(&mut out, style(false));
        let event = Event { class: 0, start: 8_000, end: 24_000, confidence: 1 << 14 };
        sink.begun(&event).unwrap();
        sink.event(&event).unwrap();
        let expected = concat!(
            "      0.50 s       begins  go     0.50\n",
            "      0.50 s       1.50 s  go     0.50\n",
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn posteriors_are_printed_on_request_only() {
        let mut out = Vec::new();
        feed(&mut TextSink::new(&mut out, style(false)));
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), 1);
    }
}
