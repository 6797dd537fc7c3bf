//! The steps of loading, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use models::arch::Task;
use models::meta::{SILENCE, UNKNOWN};
use sha2::{Digest as _, Sha256};

use super::digest::hex;
use super::labels::{self, Classes};
use super::scan::{self, Found, Scan};
use super::split::{self, Item, Split};
use super::tagged::{self, Tagged};
use super::{
    Background, Broken, Clip, DataError, DataOptions, Dataset, Negatives, Part, Placement,
    Recording, SourceFormat, SplitScheme, decode, esc50,
};

/// What stands before the names of noise in the hash of the data: the folder may be named as a class
/// is, or be that of the hard negatives. No other name has two slashes in a row.
const NOISE: &str = "noise//";

/// Loads a data set; `progress` is told how many recordings of how many are decoded.
///
/// The result depends on the options and the recordings alone, not on the number of threads.
///
/// # Errors
/// A folder that is none or holds no classes, words that are not there, lists that contradict
/// themselves, a class too small to split, hard negatives or noise that are not there, and with `strict`
/// broken or missing recordings.
pub fn load(
    options: &DataOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Dataset, DataError> {
    check(options)?;
    let words = options.words.as_deref();
    let (scan, tagged) = match tagged::scan(&options.dir, words)? {
        Some((scan, tagged)) => (scan, Some(tagged)),
        None => (scan::scan(&options.dir)?, None),
    };
    let negatives = below(options.hard_negatives.as_deref())?;
    let noise = below(options.noise_data.as_deref())?;
    let mut reader = Reader::new(options, &scan, negatives.len() + noise.len(), progress);
    let background = reader.background(&noise)?;
    let silence = options.silence && !background.is_empty() && tagged.is_none();
    let classes = match &tagged {
        // The class of a clip with tags follows from them.
        Some(tagged) => Classes { labels: tagged.labels.clone(), of_folder: vec![0] },
        None => labels::classes(&options.dir, &scan.folders, &scan.empty, words, silence)?,
    };
    let mut clips = reader.clips(&classes)?;
    if let Some(tagged) = &tagged {
        tagged.label(&mut clips);
    }
    if !scan.folds.is_empty() {
        clips.iter_mut().for_each(|clip| clip.samples = esc50::unpadded(&clip.samples).into());
    }
    let negatives = match &options.hard_negatives {
        Some(dir) => {
            let class = |name: &str| classes.labels.iter().position(|label| label == name);
            Negatives::new(
                named(reader.decode(&negatives, "")?),
                dir,
                class(UNKNOWN).or(class(SILENCE)).filter(|_| tagged.is_none()),
                tagged.as_ref().map(Tagged::none).unwrap_or_default(),
            )?
        }
        None => Negatives::default(),
    };
    let data_sha256 = reader.sha256();
    let Reader { left_out, formats, .. } = reader;
    let split = match &tagged {
        Some(tagged) => tagged.split(&clips, options.split, options.strict)?,
        None => split_clips(options, &scan, &classes.labels, silence, &clips)?,
    };
    let placement = match scan.folds.is_empty() && tagged.is_none() {
        true => Placement::Centre,
        false => Placement::Anywhere,
    };
    let [train, mut validation, mut test] = distribute(clips, &split.parts);
    if split.scheme == SplitScheme::None {
        (validation, test) = (train.clone(), train.clone());
    }
    let split_sha256 = split_sha256([&train, &validation, &test]);
    Ok(Dataset {
        dir: options.dir.clone(),
        task: if tagged.is_some() { Task::MultiLabel } else { Task::MultiClass },
        labels: classes.labels,
        rate_hz: options.rate_hz,
        window: options.window,
        train,
        validation,
        test,
        background,
        negatives,
        placement,
        folds: scan.folds.values().copied().max().unwrap_or(0),
        split: split.scheme,
        data_sha256,
        split_sha256,
        left_out,
        missing: split.missing,
        empty_folders: scan.empty,
        formats,
    })
}

fn check(options: &DataOptions) -> Result<(), DataError> {
    let DataOptions { rate_hz, window, .. } = *options;
    let (lowest, highest) = (audio::MIN_RATE_HZ, audio::MAX_RATE_HZ);
    if !(lowest..=highest).contains(&rate_hz) {
        return Err(DataError::BadOption(format!(
            "sample rate {rate_hz} Hz is outside {lowest} to {highest} Hz"
        )));
    }
    if window == 0 {
        return Err(DataError::BadOption("a window of 0 samples holds nothing".to_owned()));
    }
    Ok(())
}

/// Recordings at any depth below a folder, if there is one to look into.
fn below(dir: Option<&Path>) -> Result<Vec<Found>, DataError> {
    dir.map_or_else(|| Ok(Vec::new()), scan::tree)
}

/// A recording that could be decoded, and its samples.
type Sound<'f> = (&'f Found, Arc<[i16]>);

fn named(sound: Vec<Sound<'_>>) -> Vec<Recording> {
    sound.into_iter().map(|(found, samples)| (found.name.clone(), samples)).collect()
}

/// Decodes, and keeps account of it.
struct Reader<'a> {
    options: &'a DataOptions,
    scan: &'a Scan,
    /// Recordings to decode in all, and how many were.
    total: usize,
    done: usize,
    progress: &'a mut dyn FnMut(usize, usize),
    /// SHA-256 of every recording's samples.
    digests: BTreeMap<String, [u8; 32]>,
    left_out: Vec<Broken>,
    formats: BTreeMap<SourceFormat, usize>,
}

impl<'a> Reader<'a> {
    fn new(
        options: &'a DataOptions,
        scan: &'a Scan,
        others: usize,
        progress: &'a mut dyn FnMut(usize, usize),
    ) -> Self {
        let (digests, left_out, formats) = Default::default();
        let files: usize = scan.folders.iter().map(|folder| folder.files.len()).sum();
        let total = scan.background.len() + files + others;
        Self { options, scan, total, done: 0, progress, digests, left_out, formats }
    }

    /// The data set's background, and `noise` to train with.
    fn background(&mut self, noise: &[Found]) -> Result<Background, DataError> {
        let DataOptions { window, rate_hz, .. } = *self.options;
        let recordings = named(self.decode(&self.scan.background, "")?);
        let (background, short) = Background::new(recordings, window, rate_hz);
        self.leave_out(short, "")?;
        let recordings = named(self.decode(noise, NOISE)?);
        let (background, short) = background.with_noise(recordings, window, rate_hz);
        self.leave_out(short, NOISE)?;
        if let (Some(dir), None) = (&self.options.noise_data, background.noise().next()) {
            return Err(DataError::BadOption(format!(
                "{}: noise needs recordings of at least {:.2} s; of {} here none can be used",
                dir.display(),
                window as f64 / f64::from(rate_hz),
                noise.len()
            )));
        }
        Ok(background)
    }

    /// Takes recordings that are too short for their use out of the account; `prefix` as for `decode`.
    fn leave_out(&mut self, short: Vec<Broken>, prefix: &str) -> Result<(), DataError> {
        if let (true, Some(Broken { name, reason })) = (self.options.strict, short.first()) {
            return Err(DataError::Broken { name: name.clone(), reason: reason.clone() });
        }
        for broken in &short {
            self.digests.remove(&format!("{prefix}{}", broken.name));
        }
        self.left_out.extend(short);
        Ok(())
    }

    fn clips(&mut self, classes: &Classes) -> Result<Vec<Clip>, DataError> {
        let files: Vec<Found> =
            self.scan.folders.iter().flat_map(|folder| folder.files.iter().cloned()).collect();
        let class_of: BTreeMap<&str, usize> = self
            .scan
            .folders
            .iter()
            .zip(&classes.of_folder)
            .flat_map(|(folder, &class)| folder.files.iter().map(move |f| (f.name.as_str(), class)))
            .collect();
        let clip = |(found, samples): (&Found, _)| {
            let class = *class_of.get(found.name.as_str())?;
            let speaker = scan::speaker(&found.name).map(str::to_owned);
            let tags = Arc::default();
            Some(Clip { name: found.name.clone(), class, tags, speaker, samples })
        };
        let decoded = self.decode(&files, "")?;
        Ok(decoded.into_iter().filter_map(clip).collect())
    }

    /// The samples of those recordings that are sound; `prefix` stands before their names in the hash.
    fn decode<'f>(
        &mut self,
        found: &'f [Found],
        prefix: &str,
    ) -> Result<Vec<Sound<'f>>, DataError> {
        let DataOptions { rate_hz, strict, .. } = *self.options;
        let before = self.done;
        let progress = |done| (self.progress)(before + done, self.total);
        let results = decode::decode(found, rate_hz, strict, progress)?;
        self.done += results.len();
        let mut sound = Vec::with_capacity(results.len());
        for (found, result) in found.iter().zip(results) {
            match result {
                Ok(decoded) => {
                    self.digests.insert(format!("{prefix}{}", found.name), decoded.digest);
                    *self.formats.entry(decoded.format).or_default() += 1;
                    sound.push((found, decoded.samples));
                }
                Err(broken) => self.left_out.push(broken),
            }
        }
        Ok(sound)
    }

    /// SHA-256 over the names, sorted, each with the SHA-256 of its samples.
    fn sha256(&self) -> String {
        let mut sha256 = Sha256::new();
        for (name, digest) in &self.digests {
            sha256.update(name);
            sha256.update([0]);
            sha256.update(digest);
        }
        hex(sha256.finalize())
    }
}

fn split_clips(
    options: &DataOptions,
    scan: &Scan,
    labels: &[String],
    silence: bool,
    clips: &[Clip],
) -> Result<Split, DataError> {
    let items: Vec<Item<'_>> =
        clips.iter().map(|clip| Item { name: &clip.name, class: clip.class }).collect();
    let files = scan.folders.iter().flat_map(|folder| &folder.files);
    let found: BTreeSet<&str> = files.map(|found| found.name.as_str()).collect();
    let task = split::Task {
        dir: &options.dir,
        labels,
        exempt: labels.iter().position(|label| silence && label == SILENCE),
        items: &items,
        found: &found,
        folds: &scan.folds,
        fold: options.fold,
        has_background: !scan.background.is_empty(),
        strict: options.strict,
        seed: options.seed,
    };
    split::split(&task, options.split)
}

/// The clips of each part, sorted by name.
fn distribute(mut clips: Vec<Clip>, parts: &[Part]) -> [Vec<Clip>; 3] {
    let part_of: BTreeMap<String, Part> =
        clips.iter().zip(parts).map(|(clip, &part)| (clip.name.clone(), part)).collect();
    clips.sort_by(|a, b| a.name.cmp(&b.name));
    let mut result = [Vec::new(), Vec::new(), Vec::new()];
    for clip in clips {
        let part = part_of.get(&clip.name).copied().unwrap_or(Part::Training);
        result[part as usize].push(clip);
    }
    result
}

fn split_sha256(parts: [&[Clip]; 3]) -> String {
    let mut sha256 = Sha256::new();
    for (part, clips) in Part::ALL.iter().zip(parts) {
        sha256.update(part.name());
        for clip in clips {
            sha256.update("\n");
            sha256.update(&clip.name);
        }
        sha256.update("\n\n");
    }
    hex(sha256.finalize())
}

#[cfg(test)]
mod tests;
