//! `runtime devices`: the microphones of this computer.

use anyhow::Result;

/// What a build without microphones says.
#[cfg(not(feature = "microphone"))]
pub(super) const NO_MICROPHONE: &str = "this build has no microphone support; build it with `cargo build --release -p auricle-runtime --features microphone` (on Linux this needs the ALSA development files), or pipe sound into `runtime stream`";

#[cfg(feature = "microphone")]
pub(super) fn run() -> Result<()> {
    use tracing::info;

    use super::print_line;

    let devices = runtime::source::input_devices()?;
    if devices.is_empty() {
        info!("this computer has no microphones");
    }
    for device in devices {
        let mark = if device.is_default { " (default)" } else { "" };
        print_line(&format!("{}{mark}", device.name))?;
        if device.description != device.name {
            print_line(&format!("    {}", device.description))?;
        }
        match device.formats {
            Ok(formats) => {
                for format in formats {
                    print_line(&format!("    {format}"))?;
                }
                let chosen = device.chosen.as_deref();
                print_line(&match chosen {
                    Some(chosen) => format!("    is asked for {chosen}"),
                    None => "    offers no format that this program reads".to_owned(),
                })?;
            }
            Err(reason) => print_line(&format!("    cannot be used now: {reason}"))?,
        }
    }
    Ok(())
}

#[cfg(not(feature = "microphone"))]
pub(super) fn run() -> Result<()> {
    anyhow::bail!(NO_MICROPHONE)
}
