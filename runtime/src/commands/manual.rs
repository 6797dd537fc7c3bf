//! `runtime manual`: man pages and shell completions from the command line's own description, for packages.

use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::{Cli, Manual};

/// The program's name where a package installs it.
const INSTALLED: &str = "auricle-runtime";

/// Writes `auricle-runtime.1`, a page of each command, and the completions of bash, fish and zsh into a folder.
pub(super) fn run(args: &Manual) -> Result<()> {
    write(&args.folder).with_context(|| format!("{}: cannot be written", args.folder.display()))
}

fn write(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command().name(INSTALLED), folder)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut Cli::command(), INSTALLED, folder)?;
    }
    Ok(())
}
