//! Keeps the sound around detections and near misses, for people to listen to and to train with.
//!
//! A near miss is a window whose posterior alone reaches a class's threshold while nothing was
//! detected in the sound that it hears. Every clip is a WAV file at the model's rate, from [`BEFORE_S`] before the window that
//! decided to [`AFTER_S`] behind it:
//!
//! ```text
//! 0001763799000123-left-detected.wav       milliseconds since 1970, class, why
//! 0001763799004711-stop-near.wav
//! ```

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use audio::write_wav_i16;
use models::meta::DecisionDefaults;
use models::stream::Event;

use super::{End, Sink};
use tracing::warn;

/// Seconds kept before the window that decided.
const BEFORE_S: f64 = 0.5;
/// Seconds kept behind it.
const AFTER_S: f64 = 0.5;
/// Digits that the name of a clip begins with.
const DIGITS: usize = 16;
/// What the name of a detection's clip ends with.
const DETECTED: &str = "-detected.wav";
/// What the name of a near miss's clip ends with.
const NEAR: &str = "-near.wav";

/// Whether a file's name is that of a detection's clip.
#[must_use]
pub fn is_detection(name: &str) -> bool {
    is_clip(name) && name.ends_with(DETECTED)
}

fn is_clip(name: &str) -> bool {
    let digits = name.as_bytes().get(..DIGITS);
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
        && (name.ends_with(DETECTED) || name.ends_with(NEAR))
}

/// Writes clips into a folder of bounded size.
#[derive(Debug)]
pub struct Triggers {
    folder: PathBuf,
    most_bytes: u64,
    labels: Vec<String>,
    thresholds: Vec<Option<f32>>,
    rate_hz: u32,
    window: u64,
    /// The newest samples, up to `position`.
    recent: VecDeque<f32>,
    position: u64,
    waiting: Option<Trigger>,
    /// Nothing new is kept before this sample.
    busy_until: u64,
    /// The time in the name of the newest clip, in milliseconds: names differ and sort by age.
    newest_ms: u128,
    /// Whether it was told that the clips cannot be written.
    told: bool,
}

/// A clip whose end has not arrived yet.
#[derive(Clone, Debug)]
struct Trigger {
    class: usize,
    detected: bool,
    start: u64,
    end: u64,
}

impl Triggers {
    /// Keeps clips in `folder`, which is made if it is not there, and removes the oldest as soon as they
    /// have more than `most_bytes` bytes in all.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn new(
        folder: &Path,
        most_bytes: u64,
        labels: Vec<String>,
        decision: &DecisionDefaults,
        rate_hz: u32,
        window: u32,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // Found out now, not at the first detection.
        tempfile::NamedTempFile::new_in(folder)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            most_bytes,
            labels,
            thresholds: decision.thresholds.clone(),
            rate_hz,
            window: window.into(),
            recent: VecDeque::new(),
            position: 0,
            waiting: None,
            busy_until: 0,
            newest_ms: 0,
            told: false,
        })
    }

    fn samples_of(&self, seconds: f64) -> u64 {
        (seconds * f64::from(self.rate_hz)) as u64
    }

    /// The clip of a window that ends just before `end`.
    fn trigger(&mut self, class: usize, detected: bool, end: u64) {
        let start = end.saturating_sub(self.window + self.samples_of(BEFORE_S));
        let end = end + self.samples_of(AFTER_S);
        self.waiting = Some(Trigger { class, detected, start, end });
        // Windows that begin before the clip's end may hold the same sound.
        self.busy_until = end + self.window;
    }

    /// Writes the clip that waits if its end, or that of the stream, has come. A full disk does not end the
    /// stream.
    fn write(&mut self, at_once: bool) {
        let Some(trigger) = self.waiting.take_if(|t| at_once || t.end <= self.position) else {
            return;
        };
        if let Err(error) = self.write_clip(&trigger) {
            if !self.told {
                warn!("{}: {error}; detections go on", self.folder.display());
            }
            self.told = true;
        }
    }

    fn write_clip(&mut self, trigger: &Trigger) -> io::Result<()> {
        let first = self.position - self.recent.len() as u64;
        let place = |sample: u64| sample.saturating_sub(first).min(self.recent.len() as u64);
        let range = place(trigger.start) as usize..place(trigger.end) as usize;
        let samples: Vec<f32> = self.recent.range(range).copied().collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let why = if trigger.detected { DETECTED } else { NEAR };
        let label = self.labels.get(trigger.class).map_or("class", String::as_str);
        let label = label.replace(['/', '\\'], "_");
        self.newest_ms = now.as_millis().max(self.newest_ms + 1);
        let name = format!("{:0DIGITS$}-{label}{why}", self.newest_ms);
        write_wav_i16(&self.folder.join(name), &samples, self.rate_hz)
            .map_err(|error| io::Error::other(error.to_string()))?;
        self.remove_oldest()
    }

    /// Only files that look like our own are counted and removed.
    fn remove_oldest(&self) -> io::Result<()> {
        let mut clips = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_clip(&name) {
                clips.push((name, entry.metadata()?.len(), entry.path()));
            }
        }
        clips.sort();
        let mut bytes: u64 = clips.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in clips {
            if bytes <= self.most_bytes {
                break;
            }
            fs::remove_file(path)?;
            bytes -= size;
        }
        Ok(())
    }

    /// The class whose posterior alone reaches its threshold, if one does.
    fn reached(&self, posteriors: &[f32]) -> Option<usize> {
        let classes = posteriors.iter().zip(&self.thresholds).enumerate();
        let reached = classes.filter(|(_, (value, least))| least.is_some_and(|t| **value >= t));
        reached.max_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b)).map(|(class, _)| class)
    }
}

impl Sink for Triggers {
    fn samples(&mut self, start: u64, samples: &[f32]) {
        self.recent.extend(samples);
        self.position = start + samples.len() as u64;
        let kept = self.window + self.samples_of(BEFORE_S + AFTER_S) + u64::from(self.rate_hz);
        let old = (self.recent.len() as u64).saturating_sub(kept) as usize;
        self.recent.drain(..old);
        self.write(false);
    }

    fn window(&mut self, end: u64, posteriors: &[f32]) -> io::Result<()> {
        if end >= self.busy_until
            && let Some(class) = self.reached(posteriors)
        {
            self.trigger(class, false, end);
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        // A detection is worth more than the near miss that came before it, but not than another detection.
        if self.waiting.as_ref().is_some_and(|waiting| waiting.detected) {
            self.write(true);
        }
        self.trigger(event.class.into(), true, event.end);
        Ok(())
    }

    fn finish(&mut self, _end: End) {
        self.write(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 8000;
    const S: u64 = RATE_HZ as u64;

    fn triggers(folder: &Path, most_bytes: u64) -> Triggers {
        let labels: Vec<String> = ["go", "_silence_"].map(str::to_owned).into();
        let mut decision = DecisionDefaults::for_labels(&labels, RATE_HZ);
        decision.thresholds[0] = Some(0.6);
        Triggers::new(folder, most_bytes, labels, &decision, RATE_HZ, RATE_HZ).unwrap()
    }

    fn clips(folder: &Path) -> Vec<(String, usize)> {
        let mut clips: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy()[17..].to_owned();
                (name, audio::read_mono(&path, RATE_HZ).unwrap().len())
            })
            .collect();
        clips.sort();
        clips
    }

    fn feed(triggers: &mut Triggers, seconds: u64) {
        let start = triggers.position;
        feed_from(triggers, start, seconds);
    }

    fn feed_from(triggers: &mut Triggers, start: u64, seconds: u64) {
        for block in 0..10 * seconds {
            triggers.samples(start + 800 * block, &[0.25; 800]);
        }
    }

    #[test]
    fn the_seconds_around_a_detection_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut triggers = triggers(folder.path(), 1 << 20);
        feed(&mut triggers, 3);
        triggers.event(&Event { class: 0, start: 2 * S, end: 3 * S, confidence: 1 << 15 }).unwrap();
        assert!(clips(folder.path()).is_empty(), "its end has not come");
        feed(&mut triggers, 1);
        assert_eq!(clips(folder.path()), [("go-detected.wav".to_owned(), 16_000)]);
    }

    #[test]
    fn detections_close_together_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut triggers = triggers(folder.path(), 1 << 20);
        feed(&mut triggers, 3);
        for end in [3 * S, 3 * S + 100] {
            triggers.event(&Event { class: 0, start: end - S, end, confidence: 1 << 15 }).unwrap();
        }
        triggers.finish(End::Stream);
        assert_eq!(clips(folder.path()).len(), 2);
    }

    #[test]
    fn near_misses_are_kept_once_and_what_is_never_reported_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut triggers = triggers(folder.path(), 1 << 20);
        feed(&mut triggers, 2);
        triggers.window(2 * S, &[0.1, 0.9]).unwrap();
        triggers.window(2 * S, &[0.7, 0.3]).unwrap();
        triggers.window(2 * S + 100, &[0.7, 0.3]).unwrap();
        triggers.finish(End::Stream);
        assert_eq!(clips(folder.path()), [("go-near.wav".to_owned(), 12_000)]);
    }

    #[test]
    fn a_stream_that_has_run_for_long_is_kept_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut triggers = triggers(folder.path(), 1 << 20);
        feed_from(&mut triggers, 1000 * S, 3);
        let (start, end) = (1002 * S, 1003 * S);
        triggers.event(&Event { class: 0, start, end, confidence: 1 << 15 }).unwrap();
        assert!(clips(folder.path()).is_empty(), "its end has not come");
        feed(&mut triggers, 1);
        assert_eq!(clips(folder.path()), [("go-detected.wav".to_owned(), 16_000)]);
    }

    #[test]
    fn a_sound_that_was_detected_is_no_near_miss() {
        let folder = tempfile::tempdir().unwrap();
        let mut triggers = triggers(folder.path(), 1 << 20);
        feed(&mut triggers, 3);
        triggers.event(&Event { class: 0, start: 2 * S, end: 3 * S, confidence: 1 << 15 }).unwrap();
        feed(&mut triggers, 3);
        triggers.window(3 * S + S * 14 / 10, &[0.7, 0.3]).unwrap();
        triggers.finish(End::Stream);
        assert_eq!(clips(folder.path()).len(), 1, "this window may hold the word");
        triggers.window(3 * S + S * 15 / 10, &[0.7, 0.3]).unwrap();
        triggers.finish(End::Stream);
        assert_eq!(clips(folder.path()).len(), 2, "this one does not");
    }

    #[test]
    fn the_oldest_go_first_and_files_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("mine.wav");
        write_wav_i16(&other, &[0.0; 50_000], RATE_HZ).unwrap();
        let old = folder.path().join("0000000000000001-go-near.wav");
        write_wav_i16(&old, &[0.0; 3000], RATE_HZ).unwrap();
        let mut triggers = triggers(folder.path(), 28_000);
        feed(&mut triggers, 3);
        triggers.event(&Event { class: 0, start: 2 * S, end: 3 * S, confidence: 1 << 15 }).unwrap();
        triggers.finish(End::Stream);
        assert!(other.exists() && !old.exists());
        assert_eq!(clips_of_ours(folder.path()), 1);
    }

    fn clips_of_ours(folder: &Path) -> usize {
        let names = fs::read_dir(folder).unwrap();
        names.filter(|e| e.as_ref().unwrap().path() != folder.join("mine.wav")).count()
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let decision = DecisionDefaults::for_labels(&[], RATE_HZ);
        assert!(Triggers::new(&file, 1, Vec::new(), &decision, RATE_HZ, 10).is_err());
    }
}
