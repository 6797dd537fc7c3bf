//! New decision defaults in an exported model; its weights stay as they are.

use std::path::Path;

use anyhow::Context as _;
use models::meta::{DecisionDefaults, ModelMeta};
use models::q8;
use prost::Message as _;
use runtime::engine::TractEngine;
use tract_onnx::pb::ModelProto;

/// The bytes of an ONNX model that decides otherwise; `path` stands for it in messages.
///
/// # Errors
/// Bytes that are no model of this family, or a decision for another one.
pub fn onnx(bytes: &[u8], path: &Path, decision: &DecisionDefaults) -> anyhow::Result<Vec<u8>> {
    let mut meta: ModelMeta =
        runtime::engine::Engine::meta(&TractEngine::from_bytes(bytes, path)?).clone();
    meta.decision = decision.clone();
    meta.validate().with_context(|| path.display().to_string())?;
    let mut proto = ModelProto::decode(bytes).with_context(|| path.display().to_string())?;
    for (name, value) in meta.to_properties() {
        let entries = proto.metadata_props.iter_mut();
        entries.filter(|entry| entry.key == name).for_each(|entry| entry.value.clone_from(&value));
    }
    let changed = proto.encode_to_vec();
    // What is about to be written must be readable.
    TractEngine::from_bytes(&changed, path)?;
    Ok(changed)
}

/// The bytes of an int8 model that decides otherwise; `path` stands for it in messages.
///
/// # Errors
/// Bytes that are no model, or a decision for another one.
pub fn q8(bytes: &[u8], path: &Path, decision: &DecisionDefaults) -> anyhow::Result<Vec<u8>> {
    q8::with_decision(bytes, decision).with_context(|| path.display().to_string())
}
