//! Exported models against ONNX's own tools (Python).

use std::path::Path;
use std::process::Command;

use system_tests::program::binary;
use system_tests::sounds;

use crate::trained::trained;

/// Has ONNX's tools check a model, and ONNX Runtime compute its posteriors of a recording, where they are
/// installed.
pub(crate) fn check(model: &Path, sound: &Path) {
    let Some(python) = std::env::var_os("AURICLE_CHECK_PYTHON") else {
        println!(
            "skipped: AURICLE_CHECK_PYTHON names no Python with onnx and onnxruntime; scripts/test sets it up"
        );
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(&python)
        .arg(root.join("scripts/peers/check_onnx.py"))
        .arg("--runtime")
        .arg(binary("runtime"))
        .args([model, sound])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_checker_accepts_the_model_and_onnx_runtime_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("stream.wav");
    sounds::write(&sound, &sounds::stream(&sounds::WORDS).0);
    check(&trained().model(), &sound);
    crate::zoo::models().iter().for_each(|model| check(model, &sound));
}
