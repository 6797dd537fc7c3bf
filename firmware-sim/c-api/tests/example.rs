//! The example in C, compiled and run: it prints the events of engine and detector.
#![allow(clippy::unwrap_used)]

#[path = "../../../fuzz/exercise.rs"]
#[allow(dead_code)]
mod exercise;
#[path = "../../../models/tests/support/mod.rs"]
mod support;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use firmware_sim::{Engine, memory_words};
use models::q8::Model;
use models::stream::Detector;

/// The C compiler: `$CC`, or `cc` if there is one.
fn compiler() -> Option<String> {
    let name = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let found = Command::new(&name).arg("--version").output();
    found.is_ok_and(|output| output.status.success()).then_some(name)
}

/// The newest `libauricle*.a` of this build. Cargo leaves it beside this test, under a name with a hash,
/// or in the folder above.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap();
    let files = [folder, folder.parent().unwrap()].into_iter().flat_map(|folder| {
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libauricle-") || name == "libauricle.a"
        })
    });
    let archives = files.filter(|path| path.extension().is_some_and(|end| end == "a"));
    let newest = archives.max_by_key(|path| path.metadata().unwrap().modified().unwrap());
    newest.expect("cargo builds the static library with the tests")
}

/// Compiles the example and runs it in `folder`.
fn listen(compiler: &str, folder: &Path, files: [&str; 2]) -> (bool, String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join("listen");
    let compiled = Command::new(compiler)
        .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
        .arg(root.join("include"))
        .arg(root.join("example/listen.c"))
        .arg(library())
        // What Rust's standard library wants of the system's.
        .args(["-lpthread", "-ldl", "-lm", "-o"])
        .arg(&program)
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let output = Command::new(&program).current_dir(folder).args(files).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// The lines that the example should print.
fn expected(bytes: &[u8], samples: &[i16]) -> String {
    let model = Model::parse(bytes).unwrap();
    let hop = model.decision().hop;
    let mut memory = vec![0; memory_words(&model, hop).unwrap()];
    let mut engine = Engine::new(&model, hop, &mut memory).unwrap();
    let settings = model.decision().settings(model.arch().window);
    let len = Detector::<Vec<u16>>::memory_len(model.arch().classes.into(), settings.smoothing);
    let mut detector = Detector::new(settings, model.decision().classes(), vec![0; len]).unwrap();
    let mut lines = String::new();
    engine.push(samples, |posteriors, end| {
        if let Some(event) = detector.push(posteriors, end) {
            let label = model.labels().nth(event.class.into()).unwrap();
            writeln!(lines, "{} {} {} {label}", event.start, event.end, event.confidence).unwrap();
        }
    });
    lines
}

#[test]
fn the_example_prints_the_events() {
    let Some(compiler) = compiler() else {
        println!("skipped: there is no C compiler");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("listen");
    std::fs::create_dir_all(&folder).unwrap();
    let model = support::networks::talkative().encode();
    let samples = exercise::noise(20_000);
    let raw: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(folder.join("model.q8"), &model).unwrap();
    std::fs::write(folder.join("damaged.q8"), &model[..model.len() - 1]).unwrap();
    std::fs::write(folder.join("noise.raw"), raw).unwrap();
    let wanted = expected(&model, &samples);
    assert!(wanted.lines().count() > 50, "{wanted}");
    let printed = listen(&compiler, &folder, ["model.q8", "noise.raw"]);
    assert_eq!(printed, (true, wanted, String::new()));
    let refused = listen(&compiler, &folder, ["damaged.q8", "noise.raw"]);
    assert_eq!(refused, (false, String::new(), "damaged.q8: the model is cut short\n".into()));
}
