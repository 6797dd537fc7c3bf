//! Two sinks as one.

use std::io;

use models::stream::Event;

use super::{End, Sink};

/// Hands everything to both.
#[derive(Debug)]
pub struct Both<A, B>(pub A, pub B);

impl<A: Sink, B: Sink> Sink for Both<A, B> {
    fn samples(&mut self, start: u64, samples: &[f32]) {
        self.0.samples(start, samples);
        self.1.samples(start, samples);
    }

    fn window(&mut self, end: u64, posteriors: &[f32]) -> io::Result<()> {
        self.0.window(end, posteriors)?;
        self.1.window(end, posteriors)
    }

    fn begun(&mut self, event: &Event) -> io::Result<()> {
        self.0.begun(event)?;
        self.1.begun(event)
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.0.event(event)?;
        self.1.event(event)
    }

    fn finish(&mut self, end: End) {
        self.0.finish(end);
        self.1.finish(end);
    }
}
