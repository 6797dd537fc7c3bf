//! Training of the classifier alone, on features that are computed once.
//!
//! What lies before the classifier neither learns nor moves its statistics, so that it computes as it does in
//! inference. Passes over the clips repeat after a while ([`FitConfig::freeze_passes`]), and from then on a step is one small
//! matrix product.

use std::collections::BTreeMap;

use burn::module::Module as _;
use burn::tensor::{Tensor, TensorData};

use super::batch::Batch;
use super::config::FitConfig;
use crate::data::Clip;
use crate::evaluate::predict::{self, Predictions};
use crate::net::{Compute, Network};

/// A batch as the classifier sees it.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// Targets and classes; its windows are gone.
    pub(super) batch: Batch,
    /// Features, `[B, F]`.
    pub(super) features: Vec<f32>,
}

/// Everything before the classifier, and what it has computed.
#[derive(Debug)]
pub(super) struct Frozen {
    net: Network,
    batches: BTreeMap<(u32, u64), Prepared>,
    validation: Option<Vec<f32>>,
}

/// The number that an epoch draws by.
pub(super) const fn pass(config: &FitConfig, epoch: u32) -> u32 {
    match config.freeze_passes {
        1.. if config.freeze => epoch % config.freeze_passes,
        _ => epoch,
    }
}

impl Frozen {
    pub(super) fn new(net: &Network) -> Self {
        Self { net: net.valid(), batches: BTreeMap::new(), validation: None }
    }

    /// Batch `index` of epoch `epoch`, which `make` makes.
    pub(super) fn prepared(
        &mut self,
        config: &FitConfig,
        (epoch, index): (u32, u64),
        compute: &Compute,
        make: impl FnOnce() -> Batch,
    ) -> Prepared {
        let key = (pass(config, epoch), index);
        if let Some(prepared) = self.batches.get(&key) {
            return prepared.clone();
        }
        let mut batch = make();
        let (windows, size) = (std::mem::take(&mut batch.windows), batch.classes.len());
        let shape = [size, windows.len() / size];
        let windows = TensorData::new(windows, shape);
        let x = Tensor::<2>::from_data(windows, compute.inference_device());
        let features = self.net.head_features(x, compute).into_data();
        let features = features.try_to_vec().expect("f32 features");
        let prepared = Prepared { batch, features };
        if config.freeze_passes > 0 {
            self.batches.insert(key, prepared.clone());
        }
        prepared
    }

    /// Posteriors of the validation clips, always the same ones, by the classifier of `net`.
    pub(super) fn predict(
        &mut self,
        net: &Network,
        clips: &[Clip],
        window: usize,
        compute: &Compute,
    ) -> Predictions {
        let frozen = &self.net;
        let features = self
            .validation
            .get_or_insert_with(|| predict::features(frozen, clips, window, compute));
        predict::of_features(net, clips, features, compute)
    }
}
