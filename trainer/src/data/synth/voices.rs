//! Voices, and which part of the split each belongs to.
//!
//! What identifies a speaker is the timbre. eSpeak NG's accents of English are pronunciations
//! that any of its variants, which are the timbres, can have. A variant is therefore in one part
//! only, with all its accents: the test is spoken by timbres that were never heard in training.

use std::collections::BTreeSet;

use rand::seq::SliceRandom as _;

use super::engine::{Engine, Kind};
use crate::data::{DataError, Part};
use crate::draw;

/// Accents of eSpeak NG by the name of their language.
const ACCENTS: [&str; 8] = [
    "en-gb",
    "en-us",
    "en-gb-scotland",
    "en-029",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-us-nyc",
];
/// Variants of eSpeak NG that sound like somebody.
const VARIANTS: [&str; 34] = [
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "croak",
    "Alicia", "Andrea", "Andy", "Annie", "anika", "aunty", "belinda", "boris", "Gene", "grandma",
    "grandpa", "Jacky", "Lee", "linda", "Michael", "norbert", "shelby", "steph", "victor", "zac",
];
/// Voices of Flite; `kal` is a coarser `kal16`, `awb_time` says only the time.
const FLITE: [&str; 4] = ["awb", "kal16", "rms", "slt"];
/// Share of validation, and of the test, in the timbres.
const SHARE: f64 = 0.2;

/// Somebody who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Voice {
    pub kind: Kind,
    /// How the engine names it.
    pub argument: String,
    /// Name of its timbre, which is the speaker in names of files.
    pub name: String,
    pub part: Part,
}

/// Everybody who speaks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Voices(Vec<Voice>);

impl Voices {
    /// The voices of the engines, distributed over the parts by timbre.
    pub(crate) fn find(engines: &[Engine], seed: u64) -> Result<Self, DataError> {
        let mut voices = Vec::new();
        for engine in engines {
            let (accents, timbres) = installed(engine.kind);
            if timbres.len() < Part::ALL.len() {
                // An engine with other voices than those known is no help, but no harm either.
                continue;
            }
            voices.extend(distribute(engine.kind, &accents, timbres, seed));
        }
        if voices.is_empty() {
            let programs: Vec<&str> = engines.iter().map(|e| e.kind.program()).collect();
            return Err(DataError::Synth(format!(
                "fewer than 3 English voices found in {}; install another: apt-get install \
                 espeak-ng",
                programs.join(" and ")
            )));
        }
        Ok(Self(voices))
    }

    /// Names of a part's timbres, sorted.
    pub(crate) fn names(&self, part: Part) -> Vec<&str> {
        let names: BTreeSet<&str> = self.of_part(part).map(|voice| voice.name.as_str()).collect();
        names.into_iter().collect()
    }

    pub(crate) fn of_part(&self, part: Part) -> impl Iterator<Item = &Voice> {
        self.0.iter().filter(move |voice| voice.part == part)
    }
}

/// Known accents and timbres that an engine has.
fn installed(kind: Kind) -> (Vec<&'static str>, Vec<&'static str>) {
    let output = |arguments: &[&str]| {
        let output = kind.run(arguments).map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    };
    match kind {
        Kind::EspeakNg => espeak(&output(&["--voices=en"]), &output(&["--voices=variant"])),
        Kind::Flite => (vec![""], flite(&output(&["-lv"]))),
    }
}

fn espeak(languages: &str, variants: &str) -> (Vec<&'static str>, Vec<&'static str>) {
    let column = |text: &str, index: usize, name: &str| {
        text.lines().any(|line| line.split_whitespace().nth(index) == Some(name))
    };
    let accents = ACCENTS.into_iter().filter(|accent| column(languages, 1, accent)).collect();
    let file = |variant: &&str| column(variants, 4, &format!("!v/{variant}"));
    (accents, VARIANTS.into_iter().filter(file).collect())
}

fn flite(voices: &str) -> Vec<&'static str> {
    FLITE.into_iter().filter(|voice| voices.split_whitespace().any(|name| name == *voice)).collect()
}

fn distribute(
    kind: Kind,
    accents: &[&str],
    mut timbres: Vec<&str>,
    seed: u64,
) -> impl Iterator<Item = Voice> {
    timbres.shuffle(&mut draw::rng(seed, "voices", &[kind as u64]));
    let held_out = ((timbres.len() as f64 * SHARE).round() as usize).max(1);
    let mut voices = Vec::new();
    for (index, timbre) in timbres.iter().enumerate() {
        let part = match index / held_out {
            0 => Part::Validation,
            1 => Part::Test,
            _ => Part::Training,
        };
        for accent in accents {
            let (argument, name) = match kind {
                Kind::EspeakNg => {
                    (format!("{accent}+{timbre}"), format!("espeak-{}", timbre.to_lowercase()))
                }
                Kind::Flite => ((*timbre).to_owned(), format!("flite-{timbre}")),
            };
            voices.push(Voice { kind, argument, name, part });
        }
    }
    voices.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voices_are_read_from_what_the_programs_print() {
        let languages = "Pty Language Age/Gender VoiceName File Other Languages\n \
            2  en-us           --/M      English_(America)  gmw/en-US            (en 3)\n \
            9  en              --/F      en-german-1        mb/mb-de1-en         \n";
        let variants = "Pty Language       Age/Gender VoiceName          File\n \
            5  variant         --/F      female2            !v/f2                \n \
            5  variant         --/M      Mr_Serious         !v/Mr serious        \n";
        assert_eq!(espeak(languages, variants), (vec!["en-us"], vec!["f2"]));
        assert_eq!(flite("Voices available: kal awb_time kal16 awb rms slt \n"), FLITE);
    }

    #[test]
    fn a_timbre_speaks_in_one_part_only() {
        let voices: Vec<Voice> =
            distribute(Kind::EspeakNg, &ACCENTS, VARIANTS.to_vec(), 1).collect();
        assert_eq!(voices.len(), ACCENTS.len() * VARIANTS.len());
        let timbres = |part| -> BTreeSet<&str> {
            let of_part = voices.iter().filter(move |voice| voice.part == part);
            of_part.map(|voice| voice.name.as_str()).collect()
        };
        let [training, validation, test] = Part::ALL.map(timbres);
        assert_eq!((training.len(), validation.len(), test.len()), (20, 7, 7));
        assert!(training.is_disjoint(&validation) && training.is_disjoint(&test));
        assert!(validation.is_disjoint(&test));
        let other: Vec<Voice> =
            distribute(Kind::EspeakNg, &ACCENTS, VARIANTS.to_vec(), 2).collect();
        assert_ne!(voices, other);
        let few: Vec<Part> =
            distribute(Kind::Flite, &[""], FLITE.to_vec(), 0).map(|voice| voice.part).collect();
        assert_eq!(few[..3], [Part::Validation, Part::Test, Part::Training]);
    }
}
