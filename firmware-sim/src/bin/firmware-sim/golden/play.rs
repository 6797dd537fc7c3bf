//! Samples through a board, all outputs kept.

use std::io;

use anyhow::Result;
use firmware_sim::Part;
use models::q8::Model;
use models::stream::{Event, Q15};

use super::{Decided, Outputs, Sums, Window};
use crate::board::{Board, Memory, Results};
use crate::cli::Stream;
use crate::recording::Interrupt;
use crate::sequence::Gap;

/// What a model computes from samples.
pub(crate) fn play(model: &Model<'_>, stream: &Stream, samples: &[i16]) -> Result<Outputs> {
    let mut words = Memory::plan(model, stream)?.engine_words();
    let mut board = Board::new(model, stream, &mut words)?;
    let mut kept = Kept { sums: Sums::new(model), windows: Vec::new(), events: Vec::new() };
    let mut sample = 0;
    for samples in samples.chunks(stream.dma) {
        board.interrupt(&Interrupt { sample, samples: samples.to_vec() }, &mut kept)?;
        sample += samples.len() as u64;
    }
    let Kept { sums, windows, events } = kept;
    Ok(Outputs { layers: sums.finish(), windows, events })
}

/// Keeps what happens.
struct Kept {
    sums: Sums,
    windows: Vec<Window>,
    events: Vec<Decided>,
}

impl Results for Kept {
    fn column(&mut self, layer: usize, _: Part, values: &[i16]) {
        self.sums.column(layer, values);
    }

    fn window(&mut self, posteriors: &[Q15], end: u64) -> io::Result<()> {
        self.windows.push(Window { end, posteriors: posteriors.to_vec() });
        Ok(())
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.events.push(event.into());
        Ok(())
    }

    fn gap(&mut self, _: &Gap) -> io::Result<()> {
        Ok(())
    }
}
