//! A stretch of sound of one source, and what is heard where in it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::data::labels_tsv::{self, Label};
use crate::data::{DataError, I16_SCALE, level};

/// Where a source's sounds come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Recorded.
    Real,
    /// Made by programs.
    Synthetic,
}

impl Kind {
    /// For people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Synthetic => "synthetic",
        }
    }
}

/// Something heard in a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First sample and the one behind the last, of the sounding part.
    pub range: Range<u64>,
    /// What it is.
    pub label: String,
    /// The model's class that must be detected here, if any.
    pub class: Option<usize>,
}

impl Span {
    /// The sample in the middle.
    #[must_use]
    pub const fn middle(&self) -> u64 {
        self.range.start + (self.range.end - self.range.start) / 2
    }
}

/// A stream of one source, which an engine hears from its beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Name of the source.
    pub name: String,
    /// Whether it was recorded or made.
    pub kind: Kind,
    /// Sample rate in Hz.
    pub rate_hz: u32,
    /// 16-bit samples, as a WAV file holds them.
    pub samples: Vec<i16>,
    /// What is heard, in the order of time.
    pub spans: Vec<Span>,
    /// Samples that are nowhere else in the track; pauses and noise mixed in do not count.
    pub distinct: u64,
    /// Pieces left out because they were there already, sample for sample.
    pub repeats: usize,
}

impl Track {
    /// An empty track.
    #[must_use]
    pub fn new(name: &str, kind: Kind, rate_hz: u32) -> Self {
        let (samples, spans, distinct, repeats) = (Vec::new(), Vec::new(), 0, 0);
        Self { name: name.to_owned(), kind, rate_hz, samples, spans, distinct, repeats }
    }

    /// Hours of distinct sound.
    #[must_use]
    pub fn hours(&self) -> f64 {
        hours(self.distinct, self.rate_hz)
    }

    /// Hours from beginning to end.
    #[must_use]
    pub fn whole_hours(&self) -> f64 {
        hours(self.samples.len() as u64, self.rate_hz)
    }

    /// The spans in which a class must be detected.
    pub fn commands(&self) -> impl Iterator<Item = (&Span, usize)> {
        self.spans.iter().filter_map(|span| Some((span, span.class?)))
    }

    /// The samples in [-1, 1], as an engine in floating point and a WAV file take them.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        self.samples.iter().map(|sample| f32::from(*sample) / I16_SCALE).collect()
    }

    /// The spans as a label track.
    #[must_use]
    pub fn labels(&self) -> Vec<Label> {
        let seconds = |at: u64| at as f64 / f64::from(self.rate_hz);
        let label = |span: &Span| Label {
            start_seconds: seconds(span.range.start),
            end_seconds: seconds(span.range.end),
            label: span.label.clone(),
        };
        self.spans.iter().map(label).collect()
    }

    /// Name of the recording that [`Track::save`] writes.
    #[must_use]
    pub fn file_name(&self) -> String {
        let letter = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '_' };
        format!("{}.wav", self.name.chars().map(letter).collect::<String>())
    }

    /// Writes a recording and its label track into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), DataError> {
        std::fs::create_dir_all(dir).map_err(|error| DataError::unwritable(dir, &error))?;
        let wav = dir.join(self.file_name());
        labels_tsv::write(&labels_tsv::path(&wav)?, &self.labels())?;
        Ok(audio::write_wav_i16(&wav, &self.to_f32(), self.rate_hz)?)
    }

    /// Appends samples in [-1, 1], rounded and limited to 16 bits.
    pub fn append(&mut self, samples: &[f32]) {
        self.samples.extend(samples.iter().map(|sample| to_i16(*sample)));
    }

    /// Appends a piece that is heard from its first to its last sample.
    pub fn append_piece(&mut self, piece: &[f32], label: &str) {
        let start = self.samples.len() as u64;
        self.append(piece);
        let range = start..self.samples.len() as u64;
        self.distinct += range.end - range.start;
        self.spans.push(Span { range, label: label.to_owned(), class: None });
    }
}

fn hours(samples: u64, rate_hz: u32) -> f64 {
    samples as f64 / f64::from(rate_hz.max(1)) / 3600.0
}

fn to_i16(sample: f32) -> i16 {
    // The conversion saturates.
    (sample * I16_SCALE).round() as i16
}

/// Which sounds have been heard before, sample for sample.
#[derive(Debug, Default)]
pub struct Heard(BTreeSet<[u8; 32]>);

impl Heard {
    /// Whether a sound is new.
    pub fn is_new(&mut self, samples: &[i16]) -> bool {
        let mut hash = Sha256::new();
        samples.iter().for_each(|sample| hash.update(sample.to_le_bytes()));
        self.0.insert(hash.finalize().into())
    }
}

/// Loudest sample of a piece.
pub(super) const CEILING: f32 = 0.99;

/// Brings a piece to a level, as far as its peaks allow, and fades its ends.
pub(super) fn set_level(piece: &mut [f32], level_db: f32, fade: usize) {
    level::set_rms(piece, level::factor(level_db));
    let peak = level::peak(piece);
    if peak > CEILING {
        level::scale(piece, CEILING / peak);
    }
    level::fade(piece, fade);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_count_and_pauses_do_not() {
        let mut track = Track::new("dogs", Kind::Real, 1000);
        track.append(&[0.0; 500]);
        track.append_piece(&[2.0; 250], "dog");
        assert_eq!((track.samples.len(), track.distinct), (750, 250));
        assert_eq!(track.samples[600], i16::MAX);
        assert_eq!((track.spans[0].range.clone(), track.spans[0].middle()), (500..750, 625));
        assert_eq!(track.labels()[0].start_seconds, 0.5);
        assert!((track.hours() * 3600.0 - 0.25).abs() < 1e-12);
        assert_eq!(track.commands().count(), 0);
    }

    #[test]
    fn a_sound_is_new_once() {
        let mut heard = Heard::default();
        assert!(heard.is_new(&[1, 2]) && heard.is_new(&[2, 1]));
        assert!(!heard.is_new(&[1, 2]));
    }

    #[test]
    fn levels_stop_at_the_ceiling() {
        let mut click = vec![0.0; 1000];
        click[500] = 0.1;
        set_level(&mut click, -20.0, 10);
        assert!((level::peak(&click) - CEILING).abs() < 1e-6);
    }
}
