//! The streams without commands as recordings, for `trainer fit --hard-negatives`.

use std::path::Path;

use super::compose::{Composer, Source};
use super::track::Track;
use crate::data::{DataError, files};

/// Streams without their samples, and what could not be used, a line each.
pub type Written = (Vec<Track>, Vec<String>);

/// Writes the part's other words, synthetic speech and music-like sound into a new folder, each as WAV with a
/// label track. The background is left out: training takes it for silence already.
///
/// # Errors
/// A folder that is there and not empty or cannot be written, or nothing to write.
pub fn write(composer: &Composer<'_>, dir: &Path) -> Result<Written, DataError> {
    let (mut tracks, mut notes) = (Vec::new(), Vec::new());
    files::new_folder(dir, |folder| {
        let sources = composer.own_sources().into_iter();
        for source in sources.filter(|source| *source != Source::Background) {
            let Some(mut track) = composer.track(&source, &mut notes)? else { continue };
            track.save(folder)?;
            track.samples = Vec::new();
            tracks.push(track);
        }
        if tracks.is_empty() {
            let nothing = "there is nothing to write: choose `--words`, so that the others are negatives, or \
                           give more `--hours`";
            return Err(DataError::BadOption(nothing.to_owned()));
        }
        Ok(())
    })?;
    Ok((tracks, notes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{RATE_HZ, loaded, options, tone, words};
    use crate::data::{DataOptions, Part, folder};

    #[test]
    fn negatives_are_written_with_their_tracks() {
        let dir = tempfile::tempdir().unwrap();
        words(dir.path(), &["down", "other", "up"], 10);
        tone(dir.path(), "_background_noise_/hum.wav", 12.0);
        let chosen = Some(vec!["up".to_owned(), "down".to_owned()]);
        let data = loaded(&DataOptions { words: chosen, ..options(dir.path()) });
        let reported: Vec<bool> = data.labels.iter().map(|label| !label.starts_with('_')).collect();
        let (labels, part, seed) = (&data.labels, Part::Training, 1);
        let composer = |synthetic_hours| Composer {
            data: &data,
            part,
            seed,
            labels,
            reported: &reported,
            synthetic_hours,
        };
        let out = dir.path().join("out");
        let (tracks, _) = write(&composer(0.0), &out).unwrap();
        let names: Vec<&str> = tracks.iter().map(|track| track.name.as_str()).collect();
        assert_eq!(names, ["other words"]);
        let (named, broken) = folder::recordings(&out, RATE_HZ).unwrap();
        assert_eq!((named.len(), broken.len()), (1, 0));
        let others = data.train.iter().filter(|clip| data.labels[clip.class] == "_unknown_");
        assert_eq!(tracks[0].spans.len(), others.count());
        let labels = crate::data::labels_tsv::read(&out.join("other_words.tsv")).unwrap();
        assert_eq!(labels.len(), tracks[0].spans.len());
        let again = write(&composer(0.0), &out).unwrap_err();
        assert!(matches!(again, DataError::Occupied { .. }), "{again}");
        let all: Vec<bool> = vec![true; data.labels.len()];
        let nothing = Composer { reported: &all, ..composer(0.0) };
        let nothing = write(&nothing, &dir.path().join("none")).unwrap_err().to_string();
        assert!(nothing.contains("nothing to write"), "{nothing}");
    }
}
