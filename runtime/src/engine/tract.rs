//! Runs exported models with tract, a pure Rust inference library.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use models::meta::ModelMeta;
use prost::Message;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use super::guard::{guarded, one_line};
use super::inspect::{self, Fault};
use super::{Engine, EngineError, check_lengths};

/// Largest file accepted, in MiB; the largest network of the family has about 8.
const LIMIT_MIB: u64 = 512;

/// Largest tensor inside a network, in elements (1 GiB of f32).
const LIMIT_ELEMENTS: usize = 1 << 28;

/// A model from an ONNX file, optimised for one window at a time on one thread.
pub struct TractEngine {
    meta: ModelMeta,
    state: TypedSimpleState,
}

impl std::fmt::Debug for TractEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TractEngine").field("meta", &self.meta).finish_non_exhaustive()
    }
}

impl TractEngine {
    /// Loads and optimises the model at `path` and tries it on a window of silence.
    ///
    /// The file is not trusted: bytes that are no model of this family give an error. (What a
    /// well-formed file can still do is ask for much memory, up to a gigabyte a tensor.)
    ///
    /// # Errors
    /// All of [`EngineError`] but [`EngineError::Shape`] and [`EngineError::Run`].
    pub fn load(path: &Path) -> Result<Self, EngineError> {
        let bytes = read(path)?;
        Self::from_bytes(&bytes, path)
    }

    /// As [`TractEngine::load`], from the file's content; `path` stands for it in messages.
    ///
    /// # Errors
    /// As [`TractEngine::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, EngineError> {
        let not_onnx = || EngineError::NotOnnx { path: path.to_path_buf() };
        let mut proto = ModelProto::decode(bytes).map_err(|_| not_onnx())?;
        if proto.graph.is_none() || proto.ir_version <= 0 {
            return Err(not_onnx());
        }
        let properties =
            proto.metadata_props.iter().map(|entry| (entry.key.as_str(), entry.value.as_str()));
        let meta = ModelMeta::from_properties(properties)
            .map_err(|problem| EngineError::Meta { path: path.to_path_buf(), problem })?;
        let fail = |fault| match fault {
            Fault::Refused(reason) => EngineError::Refused { path: path.to_path_buf(), reason },
            Fault::Mismatch(what) => EngineError::Mismatch { path: path.to_path_buf(), what },
        };
        inspect::prepare(&mut proto, &meta).map_err(fail)?;
        let state = guarded(|| build(&proto, &meta))
            .unwrap_or_else(|panic| Err(Fault::Refused(panic)))
            .map_err(fail)?;
        Ok(Self { meta, state })
    }
}

impl Engine for TractEngine {
    fn meta(&self) -> &ModelMeta {
        &self.meta
    }

    fn posteriors(&mut self, window: &[f32], out: &mut [f32]) -> Result<(), EngineError> {
        let arch = &self.meta.arch;
        check_lengths(window.len(), arch.window as usize, out.len(), usize::from(arch.classes))?;
        run(&mut self.state, window, out)
            .map_err(|error| EngineError::Run { reason: one_line(&format!("{error:#}")) })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, EngineError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => EngineError::NotFound { path: path.to_path_buf() },
        _ => EngineError::Unreadable { path: path.to_path_buf(), source },
    };
    let limit = LIMIT_MIB << 20;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(EngineError::TooLarge { path: path.to_path_buf(), limit_mib: LIMIT_MIB });
    }
    Ok(bytes)
}

fn build(proto: &ModelProto, meta: &ModelMeta) -> Result<TypedSimpleState, Fault> {
    let refused = |error: TractError| Fault::Refused(one_line(&format!("{error:#}")));
    let parsed = onnx().parse(proto, None).map_err(refused)?;
    if let Some(name) = parsed.unresolved_inputs.first() {
        return Err(Fault::Refused(format!("nothing computes `{}`", one_line(name))));
    }
    let typed = parsed.model.into_typed().map_err(refused)?;
    check_sizes(&typed)?;
    check_output(&typed, meta)?;
    let optimised = typed.into_optimized().map_err(refused)?;
    check_sizes(&optimised)?;
    let plan = optimised.into_runnable().map_err(refused)?;
    let mut state = plan.spawn().map_err(refused)?;
    let window = vec![0.0; meta.arch.window as usize];
    let mut posteriors = vec![0.0; usize::from(meta.arch.classes)];
    run(&mut state, &window, &mut posteriors).map_err(refused)?;
    if !posteriors.iter().all(|value| value.is_finite()) {
        return Err(Fault::Refused("its weights are not finite numbers".to_owned()));
    }
    Ok(state)
}

/// Refuses networks with a tensor of unknown or absurd size.
fn check_sizes(model: &TypedModel) -> Result<(), Fault> {
    for node in model.nodes() {
        for output in &node.outputs {
            let shape = output.fact.shape.as_concrete();
            let elements = shape.and_then(|shape| {
                shape.iter().try_fold(1_usize, |product, dim| product.checked_mul(*dim))
            });
            if elements.is_none_or(|elements| elements > LIMIT_ELEMENTS) {
                let name = one_line(&node.name);
                return Err(Fault::Refused(format!("the output of `{name}` has an absurd size")));
            }
        }
    }
    Ok(())
}

fn check_output(model: &TypedModel, meta: &ModelMeta) -> Result<(), Fault> {
    let refused = |error: TractError| Fault::Refused(one_line(&format!("{error:#}")));
    let fact = model.output_fact(0).map_err(refused)?;
    let classes = usize::from(meta.arch.classes);
    if fact.datum_type != f32::datum_type() {
        return Err(Fault::Refused("its output is not of 32-bit floats".to_owned()));
    }
    match fact.shape.as_concrete() {
        Some([1, made]) if *made == classes => Ok(()),
        Some([1, made]) => Err(Fault::Mismatch(format!(
            "it makes {made} posteriors, the metadata has {classes} labels"
        ))),
        _ => Err(Fault::Mismatch("its output is not of shape [batch, classes]".to_owned())),
    }
}

fn run(state: &mut TypedSimpleState, window: &[f32], out: &mut [f32]) -> TractResult<()> {
    let input = Tensor::from_shape(&[1, 1, window.len()], window)?;
    let outputs = state.run(tvec!(input.into()))?;
    let posteriors = outputs[0].view();
    let posteriors = posteriors.as_slice::<f32>()?;
    if posteriors.len() != out.len() {
        let (made, wanted) = (posteriors.len(), out.len());
        return Err(TractError::msg(format!("{made} posteriors instead of {wanted}")));
    }
    out.copy_from_slice(posteriors);
    Ok(())
}

#[cfg(test)]
mod tests {
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
}
