//! Streams that a network has listened to, and what settings of the decision core make of them.

use std::path::Path;

use models::meta::DecisionDefaults;
use models::stream::{Event, SettingsError};
use rayon::prelude::*;

use super::average::Averages;
use super::compose::{Composer, Source};
use super::listen::{Listener, Posteriors};
use super::matching::{Matched, matched};
use super::rates::Rate;
use super::track::{Kind, Span, Track};
use crate::data::labels_tsv;

/// A track without its samples, and what the network made of them.
#[derive(Clone, Debug)]
pub struct Listened {
    /// What was heard where.
    pub track: Track,
    /// Samples from beginning to end.
    pub length: u64,
    /// Of every window.
    pub posteriors: Posteriors,
}

/// All that a measurement is made on.
#[derive(Clone, Debug)]
pub struct Streams {
    /// The model's classes.
    pub labels: Vec<String>,
    /// Samples of a window.
    pub window: u32,
    /// The stream with the commands.
    pub positives: Listened,
    /// Streams without any; where there is none, what lies between the commands is the negative.
    pub negatives: Vec<Listened>,
    /// What could not be used, a line each.
    pub notes: Vec<String>,
}

/// Detections where no command was.
#[derive(Clone, Debug, PartialEq)]
pub struct FalseAccepts {
    /// Name of the source.
    pub name: String,
    /// Real or synthetic.
    pub kind: Kind,
    /// Hours of distinct sound.
    pub hours: f64,
    /// The detections.
    pub events: Vec<Event>,
}

impl FalseAccepts {
    /// How often.
    #[must_use]
    pub fn rate(&self) -> Rate {
        Rate { count: self.events.len() as u64, hours: self.hours }
    }
}

/// What settings make of streams.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// All events in the stream that holds the commands.
    pub events: Vec<Event>,
    /// The commands, and other events in the stream that holds them.
    pub matched: Matched,
    /// One entry a source of negatives.
    pub sources: Vec<FalseAccepts>,
}

impl Measured {
    /// The rate over all sources, or over those of a kind.
    #[must_use]
    pub fn rate(&self, kind: Option<Kind>) -> Rate {
        let of_kind = |source: &&FalseAccepts| kind.is_none_or(|kind| kind == source.kind);
        let rates = self.sources.iter().filter(of_kind).map(FalseAccepts::rate);
        rates.fold(Rate::default(), Rate::plus)
    }
}

/// Composes the streams of a part, writes them where asked, and listens to each once.
///
/// # Errors
/// Nothing to compose, a folder that cannot be read or written, or what the engine says.
pub fn compose(
    composer: &Composer<'_>,
    folder: Option<&Path>,
    write: Option<&Path>,
    listener: &Listener,
    window: u32,
) -> anyhow::Result<Streams> {
    let keep = |mut track: Track| -> anyhow::Result<Listened> {
        if let Some(dir) = write {
            track.save(dir)?;
        }
        let (posteriors, length) = (listener.listen(&track)?, track.samples.len() as u64);
        track.samples = Vec::new();
        Ok(Listened { track, length, posteriors })
    };
    let positives = keep(composer.positives()?)?;
    let (mut negatives, mut notes) = (Vec::new(), Vec::new());
    let folder = folder.map(|dir| Source::Folder(dir.to_path_buf()));
    for source in composer.own_sources().into_iter().chain(folder) {
        if let Some(track) = composer.track(&source, &mut notes)? {
            negatives.push(keep(track)?);
        }
    }
    // Real ones first.
    negatives.sort_by_key(|listened| listened.track.kind == Kind::Synthetic);
    Ok(Streams { labels: composer.labels.to_vec(), window, positives, negatives, notes })
}

/// Listens to a recording with a label track.
///
/// # Errors
/// Files that cannot be read, or what the engine says.
pub fn recording(
    recording: &Path,
    label_track: &Path,
    labels: &[String],
    reported: &[bool],
    rate_hz: u32,
    window: u32,
    listener: &Listener,
) -> anyhow::Result<Streams> {
    let spans = labels_tsv::read(label_track)?;
    let samples = audio::read_mono(recording, rate_hz)?;
    let name = recording.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let mut track = Track::new(&name, Kind::Real, rate_hz);
    track.append(&samples);
    let length = track.samples.len() as u64;
    let at = |seconds: f64| ((seconds * f64::from(rate_hz)).round() as u64).min(length);
    track.spans = spans
        .into_iter()
        .map(|label| Span {
            range: at(label.start_seconds)..at(label.end_seconds),
            class: labels
                .iter()
                .position(|known| *known == label.label)
                .filter(|class| reported.get(*class).copied().unwrap_or(false)),
            label: label.label,
        })
        .collect();
    track.spans.sort_by_key(Span::middle);
    let commands = track.commands().map(|(span, _)| span.range.end - span.range.start);
    let reach = track.commands().count() as u64 * u64::from(window);
    track.distinct = length.saturating_sub(commands.sum::<u64>() + reach);
    let mut notes = Vec::new();
    if track.commands().count() == 0 {
        notes.push(format!("{}: no label is one of the model's commands", label_track.display()));
    }
    let posteriors = listener.listen(&track)?;
    track.samples = Vec::new();
    let positives = Listened { track, length, posteriors };
    Ok(Streams { labels: labels.to_vec(), window, positives, negatives: Vec::new(), notes })
}

/// Streams, averaged with one smoothing.
#[derive(Clone, Debug)]
pub struct Averaged<'a> {
    /// The streams.
    pub streams: &'a Streams,
    positives: Averages,
    negatives: Vec<Averages>,
}

impl Streams {
    /// The streams, averaged with the smoothing of these settings.
    ///
    /// # Errors
    /// Settings that no detector can work with.
    pub fn average(&self, decision: &DecisionDefaults) -> Result<Averaged<'_>, SettingsError> {
        let averages = |listened: &Listened| Averages::new(&listened.posteriors, decision);
        let negatives = self.negatives.par_iter().map(averages).collect::<Result<_, _>>()?;
        Ok(Averaged { streams: self, positives: averages(&self.positives)?, negatives })
    }

    /// What these settings make of the streams.
    ///
    /// # Errors
    /// Settings that no detector can work with.
    pub fn measure(&self, decision: &DecisionDefaults) -> Result<Measured, SettingsError> {
        self.average(decision)?.measure(decision)
    }

    /// The class of every command, in the order of time.
    pub fn commands(&self) -> impl Iterator<Item = usize> {
        self.positives.track.commands().map(|(_, class)| class)
    }
}

impl Averaged<'_> {
    /// What these settings make of the streams; their smoothing and classes are those that were averaged.
    ///
    /// # Errors
    /// Settings that no detector can work with.
    pub fn measure(&self, decision: &DecisionDefaults) -> Result<Measured, SettingsError> {
        let Streams { window, positives, negatives, .. } = self.streams;
        let windows = u64::from(decision.smoothing) + u64::from(decision.min_count);
        let before = windows.saturating_sub(2);
        let reach = u64::from(*window) + before * u64::from(decision.hop);
        let events = self.positives.events(decision)?;
        let matched = matched(&positives.track, &events, reach);
        let source = |listened: &Listened, events| FalseAccepts {
            name: listened.track.name.clone(),
            kind: listened.track.kind,
            hours: listened.track.hours(),
            events,
        };
        let sources = if negatives.is_empty() {
            vec![source(positives, matched.others.clone())]
        } else {
            let sources = negatives.par_iter().zip(&self.negatives);
            let measured = sources
                .map(|(listened, averages)| Ok(source(listened, averages.events(decision)?)));
            measured.collect::<Result<_, _>>()?
        };
        Ok(Measured { events, matched, sources })
    }
}
