//! Exported models against ONNX's own tools (Python).

use std::path::Path;
use std::process::Command;

use system_tests::program::binary;
use system_tests::sounds;

use crate::trained::trained;

#[test]
fn the_checker_accepts_the_model_and_onnx_runtime_agrees() {
    let Some(python) = std::env::var_os("AURICLE_CHECK_PYTHON") else {
        println!(
            "skipped: AURICLE_CHECK_PYTHON names no Python with onnx and onnxruntime; scripts/test sets it up"
        );
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("stream.wav");
    sounds::write(&sound, &sounds::stream(&sounds::WORDS).0);
    let mut models = vec![trained().model()];
    models.extend(crate::zoo::models());
    for model in models {
        let output = Command::new(&python)
            .arg(root.join("scripts/peers/check_onnx.py"))
            .arg("--runtime")
            .arg(binary("runtime"))
            .args([&model, &sound])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
}
