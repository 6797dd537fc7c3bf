//! Every column of every layer, as lines of JSON.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use firmware_sim::Part;
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::file;

/// A trace that is being written.
#[derive(Debug)]
pub(crate) struct Trace {
    out: BufWriter<NamedTempFile>,
    path: PathBuf,
    /// Columns of each layer so far.
    columns: Vec<u64>,
    failed: Option<io::Error>,
}

#[derive(Serialize)]
struct ColumnLine<'a> {
    layer: usize,
    part: &'static str,
    index: u64,
    values: &'a [i16],
}

impl Trace {
    pub(crate) fn create(path: &Path, layers: usize) -> Result<Self> {
        let out = BufWriter::new(file::create(path)?);
        Ok(Self { out, path: path.to_path_buf(), columns: vec![0; layers], failed: None })
    }

    /// Writes a column. Columns of a layer are counted in the order in which they are computed.
    pub(crate) fn column(&mut self, layer: usize, part: Part, values: &[i16]) {
        let index = self.columns[layer];
        self.columns[layer] += 1;
        let part = match part {
            Part::Shared => "shared",
            Part::Edge => "edge",
            Part::Tail => "tail",
        };
        if self.failed.is_none() {
            self.failed = self.write(&ColumnLine { layer, part, index, values }).err();
        }
    }

    fn write(&mut self, line: &ColumnLine<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }

    /// Puts the file into its place.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { out, path, failed, .. } = self;
        if let Some(error) = failed {
            return Err(file::unwritable(&path, &error));
        }
        let out = out.into_inner().map_err(|error| anyhow!("{}: {error}", path.display()))?;
        file::publish(out, &path)
    }
}
