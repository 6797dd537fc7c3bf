//! Clips of words, cut out of recordings of any length: takes of one word or of one word many times.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use super::decode::{self, to_f32};
use super::files::{new_folder, unwritable};
use super::scan::{self, Folder, Found};
use super::{Broken, DataError, level};

/// Quieter parts of a recording than this below its loudest are no word.
const RANGE_DB: f32 = 28.0;
/// Shorter sounds, in seconds, are clicks.
const SHORTEST_SECONDS: f32 = 0.08;
/// What is put behind the name of a recording that tells no speaker, so that all its clips come into the same part
/// of a split.
const SPEAKER_MARK: &str = "_nohash";

/// How words are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutOptions {
    /// Sample rate of the clips.
    pub rate_hz: u32,
    /// Length of the clips.
    pub seconds: f32,
    /// A pause of more than so many seconds ends a word.
    pub pause_seconds: f32,
    /// Whether only the word with the most sound of each recording is wanted, instead of every word.
    pub one: bool,
}

/// What was cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutReport {
    /// Clips of each class.
    pub clips: BTreeMap<String, usize>,
    /// Clips, as `class/file`, of words that last longer than a clip, of which the middle was taken.
    pub long: Vec<String>,
    /// Recordings without a clip: undecodable, or without a word.
    pub left_out: Vec<Broken>,
}

/// Cuts the words out of the recordings in `dir`, which holds a folder a class, into the new folder `out`, which will
/// too: 16-bit WAV, each word in the middle of its clip, with what surrounds it as far as the middle of the pauses to its
/// neighbours. `progress` is told how many recordings of how many are done.
///
/// A recording's only clip has the recording's name; of many, numbers are put behind it.
///
/// # Errors
/// No folder, none with recordings or with words, or `out` exists or cannot be written.
pub fn cut(
    dir: &Path,
    options: &CutOptions,
    out: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<CutReport, DataError> {
    let folders = scan::scan(dir)?.folders;
    let total = folders.iter().map(|folder| folder.files.len()).sum();
    let (mut report, mut done) = (CutReport::default(), 0);
    new_folder(out, |out| {
        for folder in &folders {
            cut_folder(folder, options, out, &mut report, &mut |of| progress(done + of, total))?;
            done += folder.files.len();
        }
        match (report.clips.is_empty(), report.left_out.first()) {
            (true, Some(Broken { name, reason })) => Err(DataError::BadOption(format!(
                "{}: none of {total} recordings holds a word; the first: {name}: {reason}",
                dir.display()
            ))),
            _ => Ok(()),
        }
    })?;
    Ok(report)
}

fn cut_folder(
    folder: &Folder,
    options: &CutOptions,
    out: &Path,
    report: &mut CutReport,
    progress: &mut dyn FnMut(usize),
) -> Result<(), DataError> {
    let decoded = decode::decode(&folder.files, options.rate_hz, false, progress)?;
    let dir = out.join(&folder.name);
    let mut taken = BTreeSet::new();
    for (found, decoded) in folder.files.iter().zip(decoded) {
        let words = decoded.and_then(|decoded| {
            let samples = to_f32(&decoded.samples);
            match words(&samples, options) {
                words if words.is_empty() => {
                    let reason = format!("no sound that lasts {SHORTEST_SECONDS} s");
                    Err(Broken { name: found.name.clone(), reason })
                }
                words => Ok((samples, words)),
            }
        });
        let (samples, words) = match words {
            Ok(words) => words,
            Err(broken) => {
                report.left_out.push(broken);
                continue;
            }
        };
        fs::create_dir_all(&dir).map_err(unwritable(&dir))?;
        for (index, word) in words.iter().enumerate() {
            let mut file = format!("{}.wav", clip_name(found, index, options.one));
            // Recordings that differ in their extensions only.
            while !taken.insert(file.clone()) {
                file.insert(0, '_');
            }
            let clip = clip(&samples, &words, index, options.length());
            let path = dir.join(&file);
            audio::write_wav_i16(&path, &clip, options.rate_hz)?;
            if word.len() > clip.len() {
                report.long.push(format!("{}/{file}", folder.name));
            }
            *report.clips.entry(folder.name.clone()).or_default() += 1;
        }
    }
    Ok(())
}

impl CutOptions {
    /// Samples of a clip.
    fn length(&self) -> usize {
        self.samples(self.seconds)
    }

    fn samples(&self, seconds: f32) -> usize {
        (seconds * self.rate_hz as f32).round() as usize
    }
}

/// Where the words of a recording are, in their order.
fn words(samples: &[f32], options: &CutOptions) -> Vec<Range<usize>> {
    let pause = options.samples(options.pause_seconds);
    let shortest = options.samples(SHORTEST_SECONDS);
    let mut words = level::stretches(samples, options.rate_hz, RANGE_DB, pause);
    words.retain(|word| word.len() >= shortest);
    if options.one {
        let sound = |word: &Range<usize>| -> f32 {
            samples[word.clone()].iter().map(|sample| sample.abs()).sum()
        };
        let most = words.into_iter().max_by(|a, b| sound(a).total_cmp(&sound(b)));
        return most.into_iter().collect();
    }
    words
}

/// `length` samples with a word in their middle, zeros beyond the recording's ends and the middle of the pauses to the
/// neighbours.
fn clip(samples: &[f32], words: &[Range<usize>], index: usize, length: usize) -> Vec<f32> {
    let word = &words[index];
    let middle = |a: usize, b: usize| a + b.saturating_sub(a) / 2;
    let before = index.checked_sub(1).and_then(|index| words.get(index));
    let first = before.map_or(0, |before| middle(before.end, word.start));
    let after = words.get(index + 1);
    let last = after.map_or(samples.len(), |after| middle(word.end, after.start));
    // The clip's place in the recording may begin before it.
    let begin = middle(word.start, word.end) as isize - (length / 2) as isize;
    (begin..begin + length as isize)
        .map(|at| {
            let inside = usize::try_from(at).ok().filter(|at| (first..last).contains(at));
            inside.and_then(|at| samples.get(at).copied()).unwrap_or(0.0)
        })
        .collect()
}

/// Name of a clip without its extension.
fn clip_name(found: &Found, index: usize, one: bool) -> String {
    let stem = found.path.file_stem().unwrap_or_default().to_string_lossy();
    match (one, scan::speaker(&found.name)) {
        (true, _) => stem.into_owned(),
        (false, Some(_)) => format!("{stem}_{:02}", index + 1),
        (false, None) => format!("{stem}{SPEAKER_MARK}_{:02}", index + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 16_000;

    fn options(one: bool) -> CutOptions {
        CutOptions { rate_hz: RATE_HZ, seconds: 1.0, pause_seconds: 0.25, one }
    }

    /// Seconds of silence and of tone, in turn.
    fn take(seconds: &[f32], amplitude: f32) -> Vec<f32> {
        let mut samples = Vec::new();
        for (index, seconds) in seconds.iter().enumerate() {
            let amplitude = if index % 2 == 0 { 1e-4 } else { amplitude };
            let tone = (0..(seconds * RATE_HZ as f32) as usize).map(|at| (at as f32 * 0.3).sin());
            samples.extend(tone.map(|sample| sample * amplitude));
        }
        samples
    }

    fn write(dir: &Path, name: &str, samples: &[f32], rate_hz: u32) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        audio::write_wav_i16(&path, samples, rate_hz).unwrap();
    }

    fn files(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> =
            entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_word_is_in_the_middle_of_its_clip() {
        let parent = tempfile::tempdir().unwrap();
        let (dir, out) = (parent.path().join("takes"), parent.path().join("clips"));
        let thrice = take(&[0.6, 0.4, 0.3, 0.5, 2.0, 0.02, 1.0, 1.4, 0.5], 0.5);
        write(&dir, "on/kitchen.wav", &thrice, RATE_HZ);
        write(&dir, "off/ann_NO_1.wav", &take(&[0.1, 0.4], 0.5), 2 * RATE_HZ);
        write(&dir, "off/quiet.wav", &[0.0; 16_000], RATE_HZ);
        let mut last = (0, 0);
        let report = cut(&dir, &options(false), &out, &mut |done, of| last = (done, of)).unwrap();
        assert_eq!(last, (3, 3));
        let long = "on/kitchen_nohash_03.wav";
        assert_eq!(report.long, [long]);
        let counts: Vec<(&str, usize)> =
            report.clips.iter().map(|(class, &count)| (class.as_str(), count)).collect();
        assert_eq!(counts, [("off", 1), ("on", 3)]);
        assert_eq!(report.left_out.len(), 1);
        assert_eq!(report.left_out[0].name, "off/quiet.wav");
        assert_eq!(report.left_out[0].reason, "no sound that lasts 0.08 s");
        assert_eq!(files(&out.join("off")), ["ann_NO_1_01.wav"]);
        let number = |n: usize| format!("kitchen_nohash_{n:02}.wav");
        assert_eq!(files(&out.join("on")), [number(1), number(2), number(3)]);
        for (number, half) in [(1, 3200), (2, 4000), (3, 8000)] {
            let path = out.join(format!("on/kitchen_nohash_{number:02}.wav"));
            let samples = audio::read(&path, RATE_HZ).unwrap().samples;
            assert_eq!(samples.len(), 16_000, "{number}");
            let sounding = level::sounding(&samples, RATE_HZ, 30.0);
            let wanted = 8000 - half..8000 + half;
            assert!(sounding.start.abs_diff(wanted.start) <= 160, "{number}: {sounding:?}");
            assert!(sounding.end.abs_diff(wanted.end) <= 160, "{number}: {sounding:?}");
        }
    }

    #[test]
    fn the_word_with_the_most_sound_may_be_the_only_one() {
        let parent = tempfile::tempdir().unwrap();
        let (dir, out) = (parent.path().join("takes"), parent.path().join("clips"));
        let twice = take(&[0.3, 0.2, 0.6, 0.5, 0.4], 0.5);
        write(&dir, "on/a.wav", &twice, RATE_HZ);
        fs::copy(dir.join("on/a.wav"), dir.join("on/a.WAV")).unwrap();
        let report = cut(&dir, &options(true), &out, &mut |_, _| ()).unwrap();
        assert_eq!(report.clips.get("on"), Some(&2));
        assert_eq!(files(&out.join("on")), ["_a.wav", "a.wav"]);
        let samples = audio::read(&out.join("on/a.wav"), RATE_HZ).unwrap().samples;
        let sounding = level::sounding(&samples, RATE_HZ, 30.0);
        assert!(sounding.len().abs_diff(8000) <= 320, "{sounding:?}");
    }

    #[test]
    fn what_cannot_be_cut_leaves_no_folder() {
        let parent = tempfile::tempdir().unwrap();
        let (dir, out) = (parent.path().join("takes"), parent.path().join("clips"));
        assert!(cut(&dir, &options(true), &out, &mut |_, _| ()).is_err());
        assert!(!out.exists());
        write(&dir, "on/a.wav", &[0.0; 16_000], RATE_HZ);
        let silent = cut(&dir, &options(true), &out, &mut |_, _| ()).unwrap_err().to_string();
        assert!(silent.contains("none of 1 recordings holds a word; the first: on/a.wav"));
        assert!(!out.exists());
        write(&out, "mine.wav", &[0.0; 10], RATE_HZ);
        let occupied = cut(&dir, &options(true), &out, &mut |_, _| ());
        assert!(matches!(occupied, Err(DataError::Occupied { .. })));
        assert_eq!(files(&out), ["mine.wav"]);
    }
}
