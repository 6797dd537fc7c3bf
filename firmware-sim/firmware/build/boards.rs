//! The boards: what QEMU gives a machine of that name.

/// A board.
pub(crate) struct Board {
    /// QEMU's name of it.
    pub name: &'static str,
    pub core: &'static str,
    pub target: &'static str,
    /// Origin and length in bytes.
    pub flash: (u32, u32),
    /// Origin and length in bytes.
    pub ram: (u32, u32),
    /// What drives the core's SysTick timer.
    pub clock_hz: u32,
}

const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;
const ARMV7: &str = "thumbv7em-none-eabihf";
const ARMV8: &str = "thumbv8m.main-none-eabihf";

/// Every board.
pub(crate) const BOARDS: [Board; 5] = [
    Board {
        name: "mps2-an386",
        core: "cortex-m4",
        target: ARMV7,
        flash: (0, 4 * MIB),
        ram: (0x2000_0000, 4 * MIB),
        clock_hz: 25_000_000,
    },
    Board {
        name: "mps2-an500",
        core: "cortex-m7",
        target: ARMV7,
        flash: (0, 4 * MIB),
        ram: (0x2000_0000, 4 * MIB),
        clock_hz: 25_000_000,
    },
    Board {
        name: "netduinoplus2",
        core: "cortex-m4",
        target: ARMV7,
        flash: (0x0800_0000, MIB),
        ram: (0x2000_0000, 128 * KIB),
        clock_hz: 168_000_000,
    },
    Board {
        name: "mps2-an505",
        core: "cortex-m33",
        target: ARMV8,
        flash: (0x1000_0000, 4 * MIB),
        ram: (0x3800_0000, 4 * MIB),
        clock_hz: 20_000_000,
    },
    Board {
        name: "mps3-an547",
        core: "cortex-m55",
        target: ARMV8,
        flash: (0, 512 * KIB),
        ram: (0x2000_0000, 512 * KIB),
        clock_hz: 32_000_000,
    },
];

impl Board {
    /// What the linker script of cortex-m-rt includes.
    pub(crate) fn memory(&self) -> String {
        let region = |name, (origin, length)| {
            format!("  {name} : ORIGIN = {origin:#010x}, LENGTH = {length:#x}\n")
        };
        format!("MEMORY\n{{\n{}{}}}\n", region("FLASH", self.flash), region("RAM", self.ram))
    }

    /// What the program knows of the board.
    pub(crate) fn constants(&self) -> String {
        let Self { name, core, clock_hz, .. } = self;
        format!(
            "/// QEMU's name of the board.\n\
             pub(crate) const NAME: &str = \"{name}\";\n\
             /// The board's core.\n\
             pub(crate) const CORE: &str = \"{core}\";\n\
             /// What drives SysTick.\n\
             pub(crate) const CLOCK_HZ: u32 = {clock_hz};\n"
        )
    }
}
