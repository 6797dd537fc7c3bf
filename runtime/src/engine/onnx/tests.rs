//! Files that are no model, and models that are.

use super::*;
use crate::tiny_model::{tiny_meta, tiny_proto, tone};
use proptest::prelude::*;
use tract_onnx::pb::AttributeProto;

fn load(bytes: &[u8]) -> Result<TractEngine, EngineError> {
    TractEngine::from_bytes(bytes, Path::new("a/model.onnx"))
}

fn message(proto: &ModelProto) -> String {
    load(&proto.encode_to_vec()).unwrap_err().to_string()
}

fn largest(engine: &mut TractEngine, window: &[f32]) -> usize {
    let mut out = [0.0; 3];
    engine.posteriors(window, &mut out).unwrap();
    assert!((out.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{out:?}");
    (0..3).max_by(|a, b| out[*a].total_cmp(&out[*b])).unwrap()
}

#[test]
fn a_model_classifies() {
    let meta = tiny_meta();
    let mut engine = load(&tiny_proto(&meta).encode_to_vec()).unwrap();
    assert_eq!(*engine.meta(), meta);
    let window = meta.arch.window as usize;
    assert_eq!(largest(&mut engine, &tone(200.0, window)), 0);
    assert_eq!(largest(&mut engine, &tone(5000.0, window)), 1);
    assert_eq!(largest(&mut engine, &vec![0.0; window]), 2);
}

#[test]
fn a_batch_is_its_windows() {
    let meta = tiny_meta();
    let mut engine = load(&tiny_proto(&meta).encode_to_vec()).unwrap();
    let window = meta.arch.window as usize;
    let windows = [tone(300.0, window), tone(4000.0, window)].concat();
    let (mut batch, mut single) = ([0.0; 6], [0.0; 3]);
    engine.posteriors_batch(&windows, &mut batch).unwrap();
    for (window, batch) in windows.chunks(window).zip(batch.chunks(3)) {
        engine.posteriors(window, &mut single).unwrap();
        assert_eq!(single, batch);
    }
    let shape = engine.posteriors(&windows, &mut single).unwrap_err();
    assert!(matches!(shape, EngineError::Shape { .. }));
    let shape = engine.posteriors_batch(&windows[1..], &mut batch).unwrap_err();
    assert!(matches!(shape, EngineError::Shape { .. }));
}

#[test]
fn what_is_no_model_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.onnx");
    assert!(matches!(TractEngine::load(&path), Err(EngineError::NotFound { .. })));
    assert!(matches!(TractEngine::load(folder.path()), Err(EngineError::Unreadable { .. })));
    for content in ["", "RIFF....WAVE", "a text, whatever its name says"] {
        std::fs::write(&path, content).unwrap();
        let error = TractEngine::load(&path).unwrap_err();
        assert!(matches!(error, EngineError::NotOnnx { .. }), "{error}");
    }
    let mut proto = tiny_proto(&tiny_meta());
    proto.metadata_props.clear();
    assert!(message(&proto).contains("carries no Auricle metadata"));
}

#[test]
fn weights_that_do_not_fit_the_metadata_are_refused() {
    let mut meta = tiny_meta();
    let proto = tiny_proto(&meta);
    let with = |meta: &ModelMeta| {
        let metadata_props = tiny_proto(meta).metadata_props;
        message(&ModelProto { metadata_props, ..proto.clone() })
    };
    meta.labels.push("more".to_owned());
    meta.decision.thresholds.push(None);
    meta.arch.classes = 4;
    let expected = "a/model.onnx: the network does not fit its metadata: it makes 3 posteriors, the metadata has 4 labels; export it again";
    assert_eq!(with(&meta), expected);
    meta = tiny_meta();
    meta.arch.window *= 2;
    assert!(with(&meta).contains("samples, the metadata says"), "{}", with(&meta));
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let mut proto = tiny_proto(&tiny_meta());
    let bias = proto.graph.as_mut().unwrap().initializer.last_mut().unwrap();
    bias.float_data.fill(f32::NAN);
    assert!(message(&proto).contains("not finite"), "{}", message(&proto));
}

/// Any error is fine, and so is a model that a changed weight leaves intact.
fn survives(bytes: &[u8]) {
    if let Err(error) = load(bytes) {
        let line = error.to_string();
        assert!(!line.contains('\n') && line.len() < 1200, "{line}");
    }
}

#[test]
fn what_the_library_panics_on_is_refused() {
    for (name, ints) in [("strides", vec![0]), ("strides", vec![]), ("pads", vec![1])] {
        let mut proto = tiny_proto(&tiny_meta());
        let attributes = &mut proto.graph.as_mut().unwrap().node[0].attribute;
        let name = name.to_owned();
        attributes.push(AttributeProto { name, ints, ..attributes[0].clone() });
        let message = message(&proto);
        assert!(message.starts_with("a/model.onnx: the network cannot be run: "), "{message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn hostile_bytes_are_errors_not_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = tiny_proto(&tiny_meta()).encode_to_vec();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(&bytes);
    }
}
