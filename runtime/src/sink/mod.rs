//! Where results go.

mod both;
mod command;
mod json;
mod rotating;
mod text;
mod triggers;

use std::io;

use models::stream::Event;

pub use both::Both;
pub use command::{CommandSink, Program};
pub use json::JsonSink;
pub use rotating::RotatingFile;
pub use text::TextSink;
pub use triggers::{Triggers, is_detection};

/// Why a sink gets no more results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream has ended: everything that its results have brought about is waited for.
    Stream,
    /// Somebody wants the program to end: what is under way is waited for, what has not begun is left out.
    Stop,
    /// Another sink takes over while the stream goes on: nothing is waited for, and nothing left out.
    Replaced,
}

/// Takes the results of a stream as they come. Times are samples at the model's rate.
pub trait Sink {
    /// Takes the samples at the model's rate from sample `start` on, before the results of the windows that they
    /// complete.
    fn samples(&mut self, start: u64, samples: &[f32]) {
        let (_, _) = (start, samples);
    }

    /// Takes the posteriors of the window that ends just before sample `end`.
    ///
    /// # Errors
    /// Whatever keeps the result from being written.
    fn window(&mut self, end: u64, posteriors: &[f32]) -> io::Result<()> {
        let (_, _) = (end, posteriors);
        Ok(())
    }

    /// Takes a tag that has begun at the event's start; its end is only that of the window that decided. What
    /// [`Sink::event`] takes in the end is the whole of it.
    ///
    /// # Errors
    /// Whatever keeps the result from being written.
    fn begun(&mut self, event: &Event) -> io::Result<()> {
        let _ = event;
        Ok(())
    }

    /// Takes a detection, or a tag that is over.
    ///
    /// # Errors
    /// Whatever keeps the result from being written.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Takes the end.
    fn finish(&mut self, end: End) {
        let _ = end;
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn samples(&mut self, start: u64, samples: &[f32]) {
        (**self).samples(start, samples);
    }

    fn window(&mut self, end: u64, posteriors: &[f32]) -> io::Result<()> {
        (**self).window(end, posteriors)
    }

    fn begun(&mut self, event: &Event) -> io::Result<()> {
        (**self).begun(event)
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        (**self).event(event)
    }

    fn finish(&mut self, end: End) {
        (**self).finish(end);
    }
}

/// What a sink that prints needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// The model's sample rate, in Hz: turns samples into seconds.
    pub rate_hz: u32,
    /// One label a class.
    pub labels: Vec<String>,
    /// Whether every window's posteriors are printed too.
    pub posteriors: bool,
    /// Whether detections have the time of day too.
    pub wall_clock: bool,
}

impl Style {
    /// A count of samples as seconds.
    fn seconds(&self, samples: u64) -> f64 {
        samples as f64 / f64::from(self.rate_hz.max(1))
    }

    /// The label of a class; empty for a class that the model does not have.
    fn label(&self, class: u16) -> &str {
        self.labels.get(usize::from(class)).map_or("", String::as_str)
    }
}

/// Keeps all results in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// End and posteriors of every window.
    pub windows: Vec<(u64, Vec<f32>)>,
    /// All tags that have begun.
    pub begun: Vec<Event>,
    /// All detections.
    pub events: Vec<Event>,
}

impl Sink for Collected {
    fn window(&mut self, end: u64, posteriors: &[f32]) -> io::Result<()> {
        self.windows.push((end, posteriors.to_vec()));
        Ok(())
    }

    fn begun(&mut self, event: &Event) -> io::Result<()> {
        self.begun.push(*event);
        Ok(())
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.events.push(*event);
        Ok(())
    }
}

#[cfg(test)]
mod fixture {
    use super::*;

    pub(super) fn style(posteriors: bool) -> Style {
        Style {
            rate_hz: 16_000,
            labels: vec!["go".to_owned(), "st\"op".to_owned()],
            posteriors,
            wall_clock: false,
        }
    }

    /// Feeds one window and one event.
    pub(super) fn feed(sink: &mut dyn Sink) {
        sink.window(24_000, &[0.25, 0.75]).unwrap();
        sink.event(&Event { class: 1, start: 8_000, end: 24_000, confidence: 1 << 14 }).unwrap();
    }
}
