//! Fixes at compile time what the image depends on: the board's memory, the model, the recording.
//!
//! | variable | meaning |
//! |---|---|
//! | `AURICLE_MODEL` | the model (`.q8`) |
//! | `AURICLE_RECORDING` | the recording: 16-bit little-endian mono samples at the model's rate, no header |
//! | `AURICLE_BOARD` | a board of [`boards::BOARDS`]; without it, the first one of the target |
//! | `AURICLE_HOP` | samples between two windows; without it, the model's |
//! | `AURICLE_DMA` | samples of the ring that the interrupt fills by halves; without it, 256 |
//! | `AURICLE_RAM` | bytes for the engine, of which it takes what it can use: with more than the least it keeps the maps of gates; without it, the least |
//! | `AURICLE_RATE` | the recording's rate in Hz; without it, taken to be the model's |

mod boards;

use std::path::{Path, PathBuf};
use std::{env, fs};

use boards::{BOARDS, Board};
use firmware_sim::EngineError;
use models::arch::{ArchError, ArchSpec, Streaming};
use models::q8::Model;

fn main() {
    println!("cargo::rerun-if-changed=build");
    if let Err(message) = run() {
        println!("cargo::error={message}");
    }
}

fn run() -> Result<(), String> {
    let out = PathBuf::from(env::var("OUT_DIR").map_err(|error| error.to_string())?);
    let board = board()?;
    write(&out.join("memory.x"), &board.memory())?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    let model = file("AURICLE_MODEL")?;
    if file("AURICLE_RECORDING")?.len() % 2 != 0 {
        return Err("AURICLE_RECORDING: its length is odd, but a sample has 2 bytes".to_owned());
    }
    write(&out.join("constants.rs"), &(board.constants() + &constants(&model)?))
}

/// The board that was asked for, or the first one of the target.
fn board() -> Result<&'static Board, String> {
    let target = env::var("TARGET").map_err(|error| error.to_string())?;
    let fits = |board: &&Board| board.target == target;
    let Some(name) = variable("AURICLE_BOARD") else {
        return BOARDS.iter().find(fits).ok_or(format!("no board has a core for {target}"));
    };
    let names: Vec<_> = BOARDS.iter().map(|board| board.name).collect();
    let known = BOARDS.iter().find(|board| board.name == name);
    let board = known.ok_or(format!("unknown board {name:?}; there are {}", names.join(", ")))?;
    let needs = board.target;
    Some(board).filter(fits).ok_or(format!("{name} needs --target {needs}, not {target}"))
}

/// The content of the file that a variable names. Its absolute path goes to the compiler.
fn file(name: &str) -> Result<Vec<u8>, String> {
    let path = variable(name).ok_or(format!("{name} names no file"))?;
    let bytes = fs::read(&path).map_err(|error| format!("{name}: cannot read {path}: {error}"))?;
    let path = fs::canonicalize(&path).map_err(|error| format!("{name}: {path}: {error}"))?;
    println!("cargo::rerun-if-changed={}", path.display());
    println!("cargo::rustc-env={name}={}", path.display());
    Ok(bytes)
}

/// The sizes that follow from the model.
fn constants(bytes: &[u8]) -> Result<String, String> {
    let model = Model::parse(bytes).map_err(|error| format!("AURICLE_MODEL: {error}"))?;
    let decision = model.decision();
    let hop: u32 = match variable("AURICLE_HOP") {
        Some(text) => text.parse().map_err(|_| format!("AURICLE_HOP: {text} is no number"))?,
        None => decision.hop,
    };
    let dma = match variable("AURICLE_DMA") {
        Some(text) => text.parse().map_err(|_| format!("AURICLE_DMA: {text} is no number"))?,
        None => 256u32,
    };
    if dma < 2 || dma % 2 != 0 {
        return Err(format!("AURICLE_DMA: a ring of {dma} samples has no halves"));
    }
    let wanted = model.arch().sample_rate_hz;
    if let Some(rate) = variable("AURICLE_RATE").filter(|rate| *rate != wanted.to_string()) {
        return Err(format!("the recording has {rate} Hz, but the model hears {wanted} Hz"));
    }
    let engine = engine_words(&model, hop)?;
    let arch = model.arch();
    if env::var_os("CARGO_FEATURE_LAYERS").is_some() && !arch.is_chain() {
        return Err("the feature `layers` is for networks without gates: others are computed \
                    in several passes"
            .to_owned());
    }
    let work = work(arch, hop).map_err(|error| error.to_string())?;
    let (names, macs): (Vec<_>, Vec<_>) = work.into_iter().unzip();
    let (layers, window) = (names.len(), arch.window);
    let classes = usize::from(arch.classes);
    let detector = firmware_sim::memory_len(classes, decision.smoothing);
    Ok(format!(
        "/// Samples between two windows.\n\
         pub(crate) const HOP: u32 = {hop};\n\
         /// Samples of a window.\n\
         pub(crate) const WINDOW: u32 = {window};\n\
         /// Samples of the interrupt's ring.\n\
         pub(crate) const DMA: usize = {dma};\n\
         /// Posteriors of a window.\n\
         pub(crate) const CLASSES: usize = {classes};\n\
         /// 32-bit words of the engine's memory.\n\
         pub(crate) const ENGINE_WORDS: usize = {engine};\n\
         /// 16-bit words of the detector's memory.\n\
         pub(crate) const DETECTOR_WORDS: usize = {detector};\n\
         /// The layers: stem, blocks, head, classifier; of a network with gates each of its operations.\n\
         pub(crate) const LAYERS: [&str; {layers}] = {names:?};\n\
         /// Multiply-accumulates of a hop by layer, those on padding included; with gates of a window, each once.\n\
         pub(crate) const MACS: [u64; {layers}] = {macs:?};\n"
    ))
}

/// 32-bit words for the engine.
fn engine_words(model: &Model<'_>, hop: u32) -> Result<usize, String> {
    let words = |count: Result<usize, EngineError>| count.map_err(|error| error.to_string());
    let least = words(firmware_sim::memory_words(model, hop))?;
    let Some(bytes) = variable("AURICLE_RAM") else { return Ok(least) };
    let given: usize = bytes.parse().map_err(|_| format!("AURICLE_RAM: {bytes} is no number"))?;
    let most = words(firmware_sim::roomy_memory_words(model, hop))?;
    match given / 4 {
        given if given < least => {
            Err(format!("AURICLE_RAM: the engine needs {} bytes, not {bytes}", 4 * least))
        }
        given => Ok(given.min(most)),
    }
}

/// What the engine computes for a hop: of each layer its name and its multiply-accumulates. Windows of a network with gates
/// share nothing; that the engine goes over them once for each gate is not counted.
fn work(arch: &ArchSpec, hop: u32) -> Result<Vec<(String, u64)>, ArchError> {
    if arch.is_chain() {
        let (table, streaming) = (arch.layers()?, Streaming::new(arch, hop)?);
        let macs = |layer| streaming.layer_cost(&table, layer).per_hop();
        let layers = table.layers.iter().enumerate();
        return Ok(layers.map(|(index, layer)| (layer.name.to_string(), macs(index))).collect());
    }
    let mut work = Vec::new();
    arch.each_node(|node| work.push((node.layer.to_string(), node.macs())))?;
    Ok(work)
}

fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok()
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
