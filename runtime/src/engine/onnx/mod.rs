//! Runs exported models with tract, a pure Rust inference library.
//!
//! 1. [`inspect`] checks the file, [`guard`] catches what the library panics on.
//! 2. [`chain`] reads the layers of a network of the family; [`columns`], [`mel`], [`residual`], [`gate`] and
//!    [`peaks`] are their operators. What lies behind them, the classifier, runs as the library finds it.
//! 3. [`stages`] makes plans of them: of whole windows, and of parts of them for [`super::shared`], where
//!    overlapping windows share their columns.
//!
//! A network that does not begin like that runs as the library finds it, window by window.

mod chain;
mod columns;
mod gate;
#[cfg(test)]
mod gated_tests;
mod guard;
mod inspect;
mod mel;
#[cfg(test)]
mod mel_tests;
mod peaks;
mod residual;
#[cfg(test)]
mod residual_tests;
mod rows;
#[cfg(test)]
mod shared_tests;
mod stages;
#[cfg(test)]
mod tests;

use std::path::Path;

use models::meta::ModelMeta;
use prost::Message;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

pub(in crate::engine) use guard::one_line;

use chain::Chain;
use guard::guarded;
use inspect::Fault;
use stages::{Stages, Tail};

use super::shared;
use super::shared_stream::SharedStream;
use super::{Engine, EngineError, Rolling, Stream, check_lengths};

/// Multiply-accumulates that could be done in the time that a shared level costs beside them.
const LEVEL_MACS: u64 = 200_000;

/// Largest tensor inside a network, in elements (1 GiB of f32).
const LIMIT_ELEMENTS: usize = 1 << 28;

/// A model from an ONNX file, on one thread.
pub struct TractEngine {
    meta: ModelMeta,
    plan: Plan,
    /// See [`TractEngine::operators_left`].
    operators_left: Vec<String>,
}

/// How whole windows are computed.
enum Plan {
    /// By the layers of a network of the family, and the rest.
    Chain(Box<(Chain, Tail)>),
    /// By the graph as the library optimises it.
    Graph(TypedSimpleState),
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
        let bytes = super::model::read(path)?;
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
        let plan = guarded(|| Plan::new(&proto, &meta))
            .unwrap_or_else(|panic| Err(Fault::Refused(panic)))
            .map_err(fail)?;
        let left = match &plan {
            Plan::Chain(plan) => plan.0.rest.graph.as_ref(),
            Plan::Graph(_) => proto.graph.as_ref(),
        };
        let left = left.into_iter().flat_map(|graph| &graph.node);
        let operators_left = left.map(|node| node.op_type.clone()).collect();
        Ok(Self { meta, plan, operators_left })
    }

    /// The ONNX operators that the library runs as the file has them, in their order: of a network of the family those of
    /// its classifier, of a graph that is not as its metadata says all that could not be read as layers.
    #[must_use]
    pub fn operators_left(&self) -> &[String] {
        &self.operators_left
    }

    /// A stream of windows every `hop` samples, at least 1, which share what they can.
    ///
    /// # Errors
    /// [`EngineError::Run`] where the library cannot plan it.
    pub fn into_stream(self, hop: u32) -> Result<Box<dyn Stream>, EngineError> {
        let hop = hop.max(1);
        if let Plan::Chain(plan) = &self.plan
            && let Some(streaming) = shared::cheapest(&self.meta.arch, hop, LEVEL_MACS)
        {
            let stages = Stages::new(&plan.0, &self.meta.arch, &streaming);
            let stages = stages.map_err(|error| failed(&error))?;
            return Ok(Box::new(SharedStream::new(stages, self.meta, streaming)));
        }
        Ok(Box::new(Rolling::new(self, hop)))
    }
}

fn failed(error: &TractError) -> EngineError {
    EngineError::Run { reason: one_line(&format!("{error:#}")) }
}

impl Engine for TractEngine {
    fn meta(&self) -> &ModelMeta {
        &self.meta
    }

    fn posteriors(&mut self, window: &[f32], out: &mut [f32]) -> Result<(), EngineError> {
        let arch = &self.meta.arch;
        check_lengths(window.len(), arch.window as usize, out.len(), usize::from(arch.classes))?;
        self.plan.run(window, out).map_err(|error| failed(&error))
    }
}

impl Plan {
    fn new(proto: &ModelProto, meta: &ModelMeta) -> Result<Self, Fault> {
        let refused = |error: TractError| Fault::Refused(one_line(&format!("{error:#}")));
        let mut plan = match Chain::read(proto, &meta.arch) {
            Some(chain) => {
                let rest = typed(&chain.rest)?;
                check_output(&rest, meta)?;
                let tail = Tail::new(&chain, 0, meta.arch.window as usize).map_err(refused)?;
                Self::Chain(Box::new((chain, tail)))
            }
            None => Self::graph(proto, meta)?,
        };
        let window = vec![0.0; meta.arch.window as usize];
        let mut posteriors = vec![0.0; usize::from(meta.arch.classes)];
        plan.run(&window, &mut posteriors).map_err(refused)?;
        if !posteriors.iter().all(|value| value.is_finite()) {
            return Err(Fault::Refused("its weights are not finite numbers".to_owned()));
        }
        Ok(plan)
    }

    /// Without a chain.
    fn graph(proto: &ModelProto, meta: &ModelMeta) -> Result<Self, Fault> {
        let refused = |error: TractError| Fault::Refused(one_line(&format!("{error:#}")));
        let typed = typed(proto)?;
        check_output(&typed, meta)?;
        let optimised = typed.into_optimized().map_err(refused)?;
        check_sizes(&optimised)?;
        let plan = optimised.into_runnable().map_err(refused)?;
        Ok(Self::Graph(plan.spawn().map_err(refused)?))
    }

    fn run(&mut self, window: &[f32], out: &mut [f32]) -> TractResult<()> {
        match self {
            Self::Chain(chain) => {
                let (_, tail) = &mut **chain;
                tail.input().copy_from_slice(window);
                tail.run(out)
            }
            Self::Graph(state) => {
                let input = Tensor::from_shape(&[1, 1, window.len()], window)?;
                let outputs = state.run(tvec!(input.into()))?;
                copy_posteriors(&outputs, out)
            }
        }
    }
}

/// A graph with the shapes of all its tensors, none of them absurd.
fn typed(proto: &ModelProto) -> Result<TypedModel, Fault> {
    let refused = |error: TractError| Fault::Refused(one_line(&format!("{error:#}")));
    let parsed = onnx().parse(proto, None).map_err(refused)?;
    if let Some(name) = parsed.unresolved_inputs.first() {
        return Err(Fault::Refused(format!("nothing computes `{}`", one_line(name))));
    }
    let typed = parsed.model.into_typed().map_err(refused)?;
    check_sizes(&typed)?;
    Ok(typed)
}

fn copy_posteriors(outputs: &[TValue], out: &mut [f32]) -> TractResult<()> {
    let posteriors = outputs[0].view();
    let posteriors = posteriors.as_slice::<f32>()?;
    if posteriors.len() != out.len() {
        let (made, wanted) = (posteriors.len(), out.len());
        return Err(TractError::msg(format!("{made} posteriors instead of {wanted}")));
    }
    out.copy_from_slice(posteriors);
    Ok(())
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
