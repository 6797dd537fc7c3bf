//! Programs that speak: what is installed, and how to have them say something.

use std::io;
use std::process::{Command, Output, Stdio};

use clap::ValueEnum;

use super::voices::Voice;
use crate::data::DataError;

/// Which programs may speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineChoice {
    /// All that are installed.
    #[default]
    Auto,
    /// eSpeak NG: many voices, none of them natural.
    EspeakNg,
    /// Flite: a few voices made of recordings.
    Flite,
}

/// A program that speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    EspeakNg,
    Flite,
}

/// An installed program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    pub kind: Kind,
    /// Name and version.
    pub version: String,
}

/// How something is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Manner {
    /// 0 (low) to 1 (high).
    pub pitch: f32,
    /// Speed relative to the voice's usual one.
    pub speed: f32,
}

/// Usual speed of eSpeak NG's voices.
const ESPEAK_WORDS_PER_MINUTE: f32 = 170.0;

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::EspeakNg, Self::Flite];

    /// Name of the program, and of its package.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::EspeakNg => "espeak-ng",
            Self::Flite => "flite",
        }
    }

    /// The program's name and version, where it is installed.
    fn version(self) -> Option<String> {
        let output = self.run(&["--version"]).ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        // "eSpeak NG text-to-speech: 1.51  Data at: ...", "  version: flite-2.2-current Sep ..."
        let (_, version) = text
            .split_once(match self {
                Self::EspeakNg => "text-to-speech:",
                Self::Flite => "version: flite-",
            })
            .unwrap_or(("", &text));
        let version = version.split_whitespace().next().unwrap_or_default();
        Some(format!("{} {version}", self.program()).trim_end().to_owned())
    }

    /// Runs the program with these arguments and waits for it.
    pub(crate) fn run(self, arguments: &[&str]) -> io::Result<Output> {
        Command::new(self.program()).args(arguments).stdin(Stdio::null()).output()
    }
}

/// The engines chosen and installed.
pub(crate) fn find(choice: EngineChoice) -> Result<Vec<Engine>, DataError> {
    let engine = |kind: Kind| Some(Engine { kind, version: kind.version()? });
    select(choice, Kind::ALL.into_iter().filter_map(engine).collect())
}

fn select(choice: EngineChoice, installed: Vec<Engine>) -> Result<Vec<Engine>, DataError> {
    let wanted = match choice {
        EngineChoice::Auto => None,
        EngineChoice::EspeakNg => Some(Kind::EspeakNg),
        EngineChoice::Flite => Some(Kind::Flite),
    };
    let engines: Vec<Engine> =
        installed.into_iter().filter(|engine| wanted.is_none_or(|w| w == engine.kind)).collect();
    if !engines.is_empty() {
        return Ok(engines);
    }
    let missing = match wanted {
        None => {
            "no text-to-speech program found; install one: apt-get install espeak-ng".to_owned()
        }
        Some(kind) => {
            let program = kind.program();
            format!("{program} is not installed; install it: apt-get install {program}")
        }
    };
    Err(DataError::Synth(missing))
}

/// What a voice says, as samples in [-1, 1] and their rate in Hz.
pub(crate) fn speak(
    voice: &Voice,
    text: &str,
    manner: Manner,
) -> Result<(Vec<f32>, u32), DataError> {
    let kind = voice.kind;
    let failed = |what: &str| {
        let (program, name) = (kind.program(), &voice.argument);
        DataError::Synth(format!("{program} could not say `{text}` with the voice {name}: {what}"))
    };
    let arguments = arguments(voice, text, manner);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = kind.run(&arguments).map_err(|error| failed(&error.to_string()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(failed(text.lines().next().unwrap_or("it failed without a reason")));
    }
    parse_wav(&output.stdout).ok_or_else(|| failed("what it wrote is no 16-bit mono WAV"))
}

fn arguments(voice: &Voice, text: &str, Manner { pitch, speed }: Manner) -> Vec<String> {
    let name = &voice.argument;
    match voice.kind {
        Kind::EspeakNg => {
            let words_per_minute = (ESPEAK_WORDS_PER_MINUTE * speed).round();
            // From 25 to 75 of the 0 to 99 that it takes: the ends sound like nobody.
            let pitch = 25.0 + 50.0 * pitch;
            let (speed, pitch) = (format!("-s{words_per_minute:.0}"), format!("-p{pitch:.0}"));
            ["-v", name, &speed, &pitch, "--stdout", "--", text].map(str::to_owned).into()
        }
        Kind::Flite => {
            let stretch = format!("duration_stretch={:.4}", 1.0 / speed);
            let shift = format!("f0_shift={:.4}", 0.85 + 0.4 * pitch);
            let (voice, out) = (["-voice", name], ["-o", "/dev/stdout"]);
            let [v, name] = voice;
            let [o, file] = out;
            [v, name, "--setf", &stretch, "--setf", &shift, "-t", text, o, file]
                .map(str::to_owned)
                .into()
        }
    }
}

/// The samples and rate of a 16-bit mono WAV file; its length may be wrong, as it is where the
/// header was written before the length was known.
fn parse_wav(bytes: &[u8]) -> Option<(Vec<f32>, u32)> {
    let header = bytes.get(..12)?;
    if &header[..4] != b"RIFF" || &header[8..] != b"WAVE" {
        return None;
    }
    let mut rest = &bytes[12..];
    let mut rate_hz = None;
    loop {
        let (head, body) = rest.split_at_checked(8)?;
        let length = u32::from_le_bytes(head[4..].try_into().ok()?) as usize;
        let body = &body[..length.min(body.len())];
        match &head[..4] {
            b"fmt " => rate_hz = Some(parse_format(body)?),
            b"data" => {
                let samples = body.chunks_exact(2);
                let sample = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]]));
                return Some((samples.map(|pair| sample(pair) / 32768.0).collect(), rate_hz?));
            }
            _ => {}
        }
        rest = rest.get(8 + length.next_multiple_of(2)..)?;
    }
}

/// The rate in a format chunk, if it says 16-bit mono PCM.
fn parse_format(body: &[u8]) -> Option<u32> {
    let field = |at: usize| Some(u16::from_le_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let rate_hz = u32::from_le_bytes(body.get(4..8)?.try_into().ok()?);
    let is_known = (field(0)?, field(2)?, field(14)?) == (1, 1, 16);
    is_known.then_some(rate_hz)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wav(length: u32, samples: &[i16]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        bytes.extend(22_050_u32.to_le_bytes());
        bytes.extend(44_100_u32.to_le_bytes());
        bytes.extend(*b"\x02\0\x10\0LIST\x03\0\0\0abc\0data");
        bytes.extend(length.to_le_bytes());
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        bytes
    }

    #[test]
    fn wav_files_of_unknown_length_are_read() {
        for length in [4, 0x7fff_f000, u32::MAX] {
            let parsed = parse_wav(&wav(length, &[16_384, -32_768])).unwrap();
            assert_eq!(parsed, (vec![0.5, -1.0], 22_050));
        }
        assert_eq!(parse_wav(b"no audio at all"), None);
    }

    #[test]
    fn missing_engines_come_with_a_remedy() {
        let message = |choice| select(choice, Vec::new()).unwrap_err().to_string();
        assert!(message(EngineChoice::Auto).ends_with("apt-get install espeak-ng"));
        assert!(message(EngineChoice::Flite).ends_with("apt-get install flite"));
        let flite = Engine { kind: Kind::Flite, version: String::new() };
        assert!(select(EngineChoice::EspeakNg, vec![flite.clone()]).is_err());
        assert_eq!(select(EngineChoice::Auto, vec![flite]).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn hostile_wav_files_do_no_harm(at in 0..60usize, byte: u8, length in 0..64usize) {
            let mut bytes = wav(4, &[1, 2]);
            bytes[at.min(63)] = byte;
            let _ = parse_wav(&bytes[..length.min(bytes.len())]);
        }
    }
}
