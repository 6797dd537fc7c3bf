//! What is read, and by what.

use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use audio::{Decoder, RawDecoder, RawFormat};
use models::arch::Task;
use prost::Message;
use runtime::engine::{Engine as _, Model};
use tract_onnx::pb::ModelProto;

use crate::model::{tiny_meta, tiny_proto, tone};
use crate::mutate::{Random, mutate};

#[path = "../../../models/tests/support/container.rs"]
#[allow(dead_code, reason = "only the checksum is repaired here")]
mod container;
#[path = "../../../models/tests/support/networks.rs"]
#[allow(dead_code, reason = "one network is enough here")]
mod networks;

/// Multiply-accumulates of a window up to which a model is run.
const MOST_MACS: u64 = 1 << 20;
/// Samples of output that a byte of input may become; see the tests of `audio`.
const MOST_SAMPLES: usize = 8192;

/// One kind of input.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Name that the input gets.
    pub(crate) file: &'static str,
    /// Files that lie beside it.
    pub(crate) beside: Vec<(&'static str, Vec<u8>)>,
    /// Inputs to begin with, sound ones among them.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// Words that mean something to the reader.
    pub(crate) words: &'static [&'static str],
    /// Makes what a search would not find by itself, such as a checksum.
    pub(crate) repair: Option<fn(&mut Vec<u8>, &mut Random)>,
    /// Reads the file as the program does; an error is what the user would read.
    pub(crate) read: fn(&Path) -> Result<(), String>,
    /// Inputs that the everyday tests try.
    pub(crate) inputs: u32,
}

/// A recording with a plain header.
pub(crate) fn wav() -> Target {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("sound.wav");
    audio::write_wav_i16(&path, &tone(440.0, 40), 16_000).unwrap();
    Target {
        name: "wav",
        file: "input.wav",
        beside: Vec::new(),
        seeds: vec![std::fs::read(path).unwrap(), FLOAT_WAV.to_vec()],
        words: &[
            "RIFF", "RF64", "WAVE", "fmt ", "data", "LIST", "fact", "ds64", "fLaC", "OggS", "ID3",
        ],
        repair: None,
        read: |path| {
            let mut decoder = Decoder::open(path).map_err(text)?;
            let bytes = std::fs::metadata(path).map_err(text)?.len() as usize;
            let mut samples = 0;
            while let Some(block) = decoder.next_block().map_err(text)? {
                assert!(block.iter().all(|sample| sample.is_finite()));
                samples += block.len();
                assert!(samples <= bytes * MOST_SAMPLES, "{samples} samples of {bytes} bytes");
            }
            Ok(())
        },
        inputs: 4000,
    }
}

/// Two channels of two float samples, in the extensible format of more than two channels or other samples.
const FLOAT_WAV: [u8; 84] =
    *b"RIFF\x4c\0\0\0WAVEfmt \x28\0\0\0\xfe\xff\x02\0\x80\x3e\0\0\0\xf4\x01\0\x08\0\x20\0\
\x16\0\x20\0\x03\0\0\0\x03\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71data\x10\0\0\0\
\0\0\0\x3f\0\0\0\xbf\0\0\x80\x3e\0\0\x80\xbe";

/// A line with a format, then samples of it.
pub(crate) fn raw() -> Target {
    Target {
        name: "raw",
        file: "input.raw",
        beside: Vec::new(),
        seeds: vec![b"s16le:16000:1\n\0\x10\0\x20".to_vec(), b"f32le:48000:2\n01234567".to_vec()],
        words: &["s16le", "s32le", "f32le", "u8", ":", "16000", "255", "256", "-1", "1e9", "\n"],
        repair: None,
        read: |path| {
            let input = std::fs::read(path).map_err(text)?;
            let mut parts = input.splitn(2, |byte| *byte == b'\n');
            // As from a command line, which holds no line breaks.
            let format = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
            let format: RawFormat = format.replace(char::is_control, "").parse().map_err(text)?;
            let samples = parts.next().unwrap_or_default().to_vec();
            let mut decoder = RawDecoder::new(Cursor::new(samples), format).map_err(text)?;
            while let Some(block) = decoder.next_block().map_err(text)? {
                assert!(block.iter().all(|sample| sample.is_finite()));
            }
            Ok(())
        },
        inputs: 4000,
    }
}

/// A model in floating point; half of the changes go into its metadata.
pub(crate) fn onnx() -> Target {
    Target {
        name: "onnx",
        file: "model.onnx",
        beside: Vec::new(),
        seeds: vec![tiny_proto(&tiny_meta()).encode_to_vec()],
        words: &[
            "null",
            "true",
            "[]",
            "{}",
            "1e999",
            "-1",
            "\"\"",
            "\\u0000",
            "low",
            "18446744073709551616",
        ],
        repair: Some(|bytes, random| {
            if random.once_in(4) {
                return;
            }
            let Ok(mut proto) = ModelProto::decode(tiny_or(bytes).as_slice()) else { return };
            let count = proto.metadata_props.len();
            let Some(property) = proto.metadata_props.get_mut(random.below(count)) else { return };
            let mut value = property.value.clone().into_bytes();
            let other = value.clone();
            mutate(&mut value, &other, onnx().words, random);
            property.value = String::from_utf8_lossy(&value).into_owned();
            *bytes = proto.encode_to_vec();
        }),
        read: load,
        inputs: 300,
    }
}

/// The bytes if they are a model's, or else those of the tiny one.
fn tiny_or(bytes: &[u8]) -> Vec<u8> {
    match ModelProto::decode(bytes) {
        Ok(_) => bytes.to_vec(),
        Err(_) => tiny_proto(&tiny_meta()).encode_to_vec(),
    }
}

/// An int8 model; most of the time with a checksum that fits.
pub(crate) fn q8() -> Target {
    let mut several = networks::talkative();
    several.arch.task = Task::MultiLabel;
    Target {
        name: "q8",
        file: "model.q8",
        beside: Vec::new(),
        seeds: vec![networks::talkative().encode(), several.encode()],
        words: &["ARQ8", "\n"],
        repair: Some(|bytes, random| {
            if !random.once_in(5) {
                container::repair(bytes);
            }
        }),
        read: load,
        inputs: 1500,
    }
}

/// Loads a model, and runs it on a window if it is small.
fn load(path: &Path) -> Result<(), String> {
    let mut model = Model::load(path, Default::default()).map_err(text)?;
    let (arch, classes) = (model.meta().arch.clone(), model.meta().labels.len());
    if arch.layers().is_ok_and(|table| table.macs() > MOST_MACS) {
        return Ok(());
    }
    let mut out = vec![0.0; classes];
    model.posteriors(&tone(440.0, arch.window as usize), &mut out).map_err(text)?;
    assert!(out.iter().all(|value| value.is_finite()), "{out:?}");
    Ok(())
}

/// A configuration file, read by the program itself.
pub(crate) fn config() -> Target {
    Target {
        name: "config",
        file: "runtime.toml",
        beside: vec![("model.onnx", tiny_proto(&tiny_meta()).encode_to_vec())],
        seeds: vec![
            b"model = 'model.onnx'\nhop = 20\nsmoothing = 3\n[threshold]\nhigh = 0.75\n".to_vec(),
            b"model = 'model.onnx'\nformat = 'json'\nposteriors = true\nlog = 'a'\nlog_mib = 3\n"
                .to_vec(),
        ],
        words: &[
            "model",
            "hop",
            "threshold",
            "device",
            "channel",
            "seconds",
            "run_arg",
            "metrics_port",
            "gate",
            "release",
            "=",
            "\n",
            "[",
            "]",
            "'",
            "\"",
            "{",
            "}",
            "#",
            "true",
            "nan",
            "inf",
            "-1",
            "1e400",
            "0",
            "1979-05-27",
            "\u{202e}",
            "\\u0000",
            "\\n",
        ],
        repair: None,
        read: |path| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
            let output = command.arg("check-config").arg(path).output().map_err(text)?;
            let told = String::from_utf8(output.stderr).map_err(text)?;
            match output.status.code() {
                Some(0) => Ok(()),
                Some(1) => {
                    let beginnings = ["error: ", "warning: ", "note: "];
                    let begins =
                        |line: &str| beginnings.iter().any(|begin| line.starts_with(begin));
                    assert!(told.lines().all(begins), "{told}");
                    Err(told)
                }
                other => panic!("status {other:?}: {told}"),
            }
        },
        inputs: 150,
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
