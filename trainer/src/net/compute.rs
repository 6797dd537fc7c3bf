//! Where a network is computed.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where the user wants to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceChoice {
    /// A graphics card if there is one, the CPU otherwise.
    #[default]
    Auto,
    /// A graphics card; a software adapter only if there is nothing else.
    Gpu,
    /// The CPU.
    Cpu,
}

/// Why a device cannot be used.
#[derive(Debug, Error)]
pub enum ComputeError {
    /// No graphics adapter at all.
    #[error(
        "no GPU found (no Vulkan, Metal or DirectX adapter); use `--device cpu` or `--device auto`"
    )]
    NoGpu,
    /// A build without the feature `gpu`.
    #[error(
        "this build has no GPU support; use `--device cpu`, or build with `--features auricle-trainer/gpu`"
    )]
    NotBuilt,
}

/// A device and the layout that its layers work in.
#[derive(Clone, Debug)]
pub struct Compute {
    device: Device,
    fused: bool,
    name: String,
}

impl Compute {
    /// The CPU, with the fused layers.
    #[must_use]
    pub fn cpu() -> Self {
        let threads = rayon::current_num_threads();
        Self { device: Device::flex(), fused: true, name: format!("CPU, {threads} threads") }
    }

    /// The CPU with Burn's own layers: the plain path that a GPU takes, for comparison.
    #[must_use]
    pub fn cpu_plain() -> Self {
        Self { fused: false, name: "CPU, plain layers".to_owned(), ..Self::cpu() }
    }

    /// The device that the user wants.
    ///
    /// # Errors
    /// [`DeviceChoice::Gpu`] where there is none.
    pub fn choose(choice: DeviceChoice) -> Result<Self, ComputeError> {
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            DeviceChoice::Auto => Ok(gpu::find(false).unwrap_or_else(|_| Self::cpu())),
            DeviceChoice::Gpu => gpu::find(true),
        }
    }

    /// What to tell the user.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where parameters and batches of a training step live.
    #[must_use]
    pub fn training_device(&self) -> Device {
        self.device.clone().autodiff()
    }

    /// Where inference without gradients runs.
    #[must_use]
    pub const fn inference_device(&self) -> &Device {
        &self.device
    }

    pub(super) const fn fused(&self) -> bool {
        self.fused
    }

    /// Windows `[B, T]` as the first layer takes them.
    pub(super) fn input(&self, windows: Tensor<2>) -> Tensor<3> {
        let [batch, samples] = windows.dims();
        if self.fused {
            windows.reshape([batch, samples, 1])
        } else {
            windows.reshape([batch, 1, samples])
        }
    }

    /// The axis of columns.
    pub(super) const fn time(&self) -> usize {
        if self.fused { 1 } else { 2 }
    }

    /// A layer's output as `[B, V, C]`, or the other way round.
    pub(super) fn channels_last(&self, x: Tensor<3>) -> Tensor<3> {
        if self.fused { x } else { x.swap_dims(1, 2) }
    }

    /// The head's output as features `[B, F]`, channel by channel.
    pub(super) fn features(&self, x: Tensor<3>) -> Tensor<2> {
        let x = if self.fused { x.swap_dims(1, 2) } else { x };
        let [batch, channels, columns] = x.dims();
        x.reshape([batch, channels * columns])
    }
}

/// Makes the CPU Burn's default device for this process.
///
/// Burn loads optimiser state onto its default device, which in a build with wgpu is a graphics
/// card, and panics where there is none. Only the environment can change that default, and
/// only before the process starts; so the process replaces itself once.
///
/// # Errors
/// The program cannot be started again.
#[cfg(all(feature = "gpu", unix))]
pub fn default_to_cpu() -> std::io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    if std::env::var_os("BURN_DEVICE").is_some() {
        return Ok(());
    }
    let program = std::env::current_exe()?;
    let arguments = std::env::args_os().skip(1);
    Err(std::process::Command::new(program).args(arguments).env("BURN_DEVICE", "flex").exec())
}

/// Makes the CPU Burn's default device for this process: it is that already.
///
/// # Errors
/// None.
#[cfg(not(all(feature = "gpu", unix)))]
pub fn default_to_cpu() -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(feature = "gpu"))]
mod gpu {
    use super::{Compute, ComputeError};

    pub(super) fn find(_software: bool) -> Result<Compute, ComputeError> {
        Err(ComputeError::NotBuilt)
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use burn::tensor::{Device, DeviceKind};

    use super::{Compute, ComputeError};

    /// The best adapter; a software one only if `software` allows it.
    pub(super) fn find(software: bool) -> Result<Compute, ComputeError> {
        let kinds = [
            (DeviceKind::DiscreteGpu(0), "discrete GPU"),
            (DeviceKind::IntegratedGpu(0), "integrated GPU"),
            (DeviceKind::VirtualGpu(0), "virtual GPU"),
        ];
        for (kind, name) in kinds {
            if let Some(device) = open(kind) {
                return Ok(Compute { device, fused: false, name: name.to_owned() });
            }
        }
        if software && let Some(device) = open(DeviceKind::Cpu) {
            crate::fit::progress::line(
                "warning: no graphics card found, using a software adapter (slow)",
            );
            return Ok(Compute { device, fused: false, name: "software adapter".to_owned() });
        }
        Err(ComputeError::NoGpu)
    }

    /// Opens an adapter. Where there is none, wgpu panics; that is no error here.
    fn open(kind: DeviceKind) -> Option<Device> {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let opened = std::panic::catch_unwind(|| {
            let device = Device::wgpu(kind);
            let one = burn::tensor::Tensor::<1>::ones([1], &device);
            one.into_data();
            device
        });
        std::panic::set_hook(hook);
        opened.ok()
    }
}
