//! Results as lines of JSON for programs.

use std::io::{self, Write};

use models::stream::{Event, to_f32};
use serde::{Serialize, Serializer};

use super::{Sink, Style};
use crate::service::Status;

/// Prints one JSON object a line. Every line is flushed.
///
/// A detection is `{"time", "start", "end", "start_sample", "end_sample", "label", "confidence"}`, a tag that has
/// begun the same without `end` and `end_sample`, a window `{"window_end", "window_end_sample", "posteriors": {label: posterior}}`. Times are in
/// seconds, samples are counted at the model's rate. `time` is when it was made, in seconds since 1970, where the style
/// asks for it.
#[derive(Debug)]
pub struct JsonSink<W> {
    out: W,
    style: Style,
}

#[derive(Serialize)]
struct EventLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    start: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<f64>,
    start_sample: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_sample: Option<u64>,
    label: &'a str,
    confidence: f32,
}

#[derive(Serialize)]
struct WindowLine<'a> {
    window_end: f64,
    window_end_sample: u64,
    posteriors: Posteriors<'a>,
}

/// A map from label to posterior in the order of the classes.
struct Posteriors<'a>(&'a [String], &'a [f32]);

impl Serialize for Posteriors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}

impl<W: Write> JsonSink<W> {
    /// A sink that writes to `out`.
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style }
    }

    fn line(&mut self, event: &Event, end: Option<u64>) -> io::Result<()> {
        let line = EventLine {
            time: self.style.wall_clock.then(Status::now),
            start: self.style.seconds(event.start),
            end: end.map(|end| self.style.seconds(end)),
            start_sample: event.start,
            end_sample: end,
            label: self.style.label(event.class),
            confidence: to_f32(event.confidence),
        };
        write_line(&mut self.out, &line)
    }
}

/// Writes a value as one flushed line of JSON.
fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

impl<W: Write> Sink for JsonSink<W> {
    fn window(&mut self, end: u64, posteriors: &[f32]) -> io::Result<()> {
        if !self.style.posteriors {
            return Ok(());
        }
        let posteriors = Posteriors(&self.style.labels, posteriors);
        let window_end = self.style.seconds(end);
        let line = WindowLine { window_end, window_end_sample: end, posteriors };
        write_line(&mut self.out, &line)
    }

    fn begun(&mut self, event: &Event) -> io::Result<()> {
        self.line(event, None)
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.line(event, Some(event.end))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{feed, style};
    use super::*;

    #[test]
    fn lines_are_json() {
        let mut out = Vec::new();
        feed(&mut JsonSink::new(&mut out, style(true)));
        let expected = concat!(
            r#"{"window_end":1.5,"window_end_sample":24000,"posteriors":{"go":0.25,"st\"op":0.75}}"#,
            "\n",
            r#"{"start":0.5,"end":1.5,"start_sample":8000,"end_sample":24000,"label":"st\"op","confidence":0.5}"#,
            "\n",
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn what_has_begun_has_no_end() {
        let mut out = Vec::new();
        let event = Event { class: 0, start: 8_000, end: 24_000, confidence: 1 << 14 };
        JsonSink::new(&mut out, style(false)).begun(&event).unwrap();
        let expected = r#"{"start":0.5,"start_sample":8000,"label":"go","confidence":0.5}"#;
        assert_eq!(String::from_utf8(out).unwrap().trim_end(), expected);
    }

    #[test]
    fn the_time_of_day_comes_first_where_it_is_asked_for() {
        let mut out = Vec::new();
        feed(&mut JsonSink::new(&mut out, Style { wall_clock: true, ..style(false) }));
        let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert!((Status::now() - line["time"].as_f64().unwrap()).abs() < 600.0);
        assert!(out.starts_with(b"{\"time\":"));
    }

    #[test]
    fn posteriors_are_printed_on_request_only() {
        let mut out = Vec::new();
        feed(&mut JsonSink::new(&mut out, style(false)));
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), 1);
    }
}
