//! NumPy's files: `.npz` archives of `.npy` arrays.
//!
//! Source: the format in NumPy's documentation (`numpy.lib.format`), version 1.0. The archive is an uncompressed zip, as of
//! `numpy.savez`. The crates for this format bring a parser generator and C code along for a line of text.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rawzip::{CompressionMethod, ZipArchive, ZipArchiveWriter};
use thiserror::Error;

use crate::fit::checkpoint::replace;

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// The values begin at a multiple of so many bytes.
const ALIGNMENT: usize = 64;

/// An array of a kind that is needed here.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Two axes of 32-bit floats, row after row.
    F32 {
        /// Rows and columns.
        shape: [usize; 2],
        /// The values.
        values: Vec<f32>,
    },
    /// Two axes of bytes, row after row.
    U8 {
        /// Rows and columns.
        shape: [usize; 2],
        /// The values.
        values: Vec<u8>,
    },
    /// One axis of 64-bit integers.
    I64(Vec<i64>),
    /// One axis of text.
    Text(Vec<String>),
}

/// Why a file cannot be read or written.
#[derive(Debug, Error)]
pub enum NpzError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{}: no features of `trainer features`: {what}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

pub(super) fn bad(path: &Path, what: &str) -> NpzError {
    let what = what.lines().collect::<Vec<_>>().join(" ");
    NpzError::Bad { path: path.to_owned(), what }
}

/// Writes named arrays.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, arrays: &[(&str, Array)]) -> Result<(), NpzError> {
    let packed = || -> Result<Vec<u8>, rawzip::Error> {
        let mut bytes = Vec::new();
        let mut zip = ZipArchiveWriter::new(&mut bytes);
        for (name, array) in arrays {
            let file = format!("{name}.npy");
            let file = zip.new_file(&file).compression_method(CompressionMethod::Store);
            let (mut entry, config) = file.start()?;
            let mut writer = config.wrap(&mut entry);
            writer.write_all(&encode(array))?;
            let (_, descriptor) = writer.finish()?;
            entry.finish(descriptor)?;
        }
        zip.finish()?;
        Ok(bytes)
    };
    let bytes = packed().map_err(|error| bad(path, &error.to_string()))?;
    replace(path, &[&bytes]).map_err(|source| NpzError::Io { path: path.to_owned(), source })
}

/// Reads all arrays; those of other types are left out.
///
/// # Errors
/// The file cannot be read or is damaged.
pub fn read(path: &Path) -> Result<BTreeMap<String, Array>, NpzError> {
    let bytes =
        std::fs::read(path).map_err(|source| NpzError::Io { path: path.to_owned(), source })?;
    let broken = |error: rawzip::Error| bad(path, &error.to_string());
    let zip = ZipArchive::from_slice(&bytes).map_err(broken)?;
    let (mut entries, mut arrays) = (zip.entries(), BTreeMap::new());
    while let Some(entry) = entries.next_entry().map_err(broken)? {
        let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
        if entry.compression_method() != CompressionMethod::Store {
            return Err(bad(path, &format!("`{name}` is compressed; write it with numpy.savez")));
        }
        let local = zip.get_entry(entry.wayfinder()).map_err(broken)?;
        let mut verified = Vec::new();
        io::copy(&mut local.verifying_reader(local.data()), &mut verified)
            .map_err(|error| bad(path, &format!("`{name}` is damaged ({error})")))?;
        let (header, values) =
            split(&verified).ok_or_else(|| bad(path, &format!("`{name}` is no array")))?;
        if let Some(array) = decode(header, values) {
            arrays.insert(name.trim_end_matches(".npy").to_owned(), array);
        }
    }
    Ok(arrays)
}

fn encode(array: &Array) -> Vec<u8> {
    let (descr, shape, values): (String, String, Vec<u8>) = match array {
        Array::F32 { shape: [rows, columns], values } => {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            ("<f4".to_owned(), format!("({rows}, {columns})"), bytes.collect())
        }
        Array::U8 { shape: [rows, columns], values } => {
            ("|u1".to_owned(), format!("({rows}, {columns})"), values.clone())
        }
        Array::I64(values) => {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            ("<i8".to_owned(), format!("({},)", values.len()), bytes.collect())
        }
        Array::Text(texts) => {
            let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
            let padded = |text: &String| -> Vec<u8> {
                let chars = text.chars().map(u32::from).chain(std::iter::repeat(0));
                chars.take(longest).flat_map(u32::to_le_bytes).collect()
            };
            let bytes = texts.iter().flat_map(padded).collect();
            (format!("<U{longest}"), format!("({},)", texts.len()), bytes)
        }
    };
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // Magic, length, header and its newline together fill whole blocks.
    let before = MAGIC.len() + 2;
    let filled = (before + dict.len() + 1).next_multiple_of(ALIGNMENT);
    let header = format!("{dict:<width$}\n", width = filled - before - 1);
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX);
    [MAGIC, &length.to_le_bytes(), header.as_bytes(), &values].concat()
}

/// Header and values.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (header, values) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(header).ok()?, values))
}

fn decode(header: &str, values: &[u8]) -> Option<Array> {
    let after = |key: &str| header.split_once(&format!("'{key}': ")).map(|(_, rest)| rest);
    let descr = after("descr")?.strip_prefix('\'')?.split('\'').next()?;
    after("fortran_order")?.starts_with("False").then_some(())?;
    let shape = after("shape")?.strip_prefix('(')?.split(')').next()?;
    let dims = shape.split(',').map(str::trim).filter(|dim| !dim.is_empty());
    let dims: Vec<usize> = dims.map(|dim| dim.parse().ok()).collect::<Option<_>>()?;
    let count = dims.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim))?;
    let of_size = |size: usize| {
        (count.checked_mul(size)? == values.len() && size > 0).then(|| values.chunks_exact(size))
    };
    match (descr, dims.as_slice()) {
        ("<f4", &[rows, columns]) => {
            let value = |bytes: &[u8]| bytes.try_into().map(f32::from_le_bytes).ok();
            let values = of_size(4)?.map(value).collect::<Option<_>>()?;
            Some(Array::F32 { shape: [rows, columns], values })
        }
        ("|u1", &[rows, columns]) => {
            let values = (count == values.len()).then(|| values.to_vec())?;
            Some(Array::U8 { shape: [rows, columns], values })
        }
        ("<i8", [_]) => {
            let value = |bytes: &[u8]| bytes.try_into().map(i64::from_le_bytes).ok();
            Some(Array::I64(of_size(8)?.map(value).collect::<Option<_>>()?))
        }
        (text, [_]) => {
            let longest: usize = text.strip_prefix("<U")?.parse().ok()?;
            let char = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_le_bytes);
            let text = |bytes: &[u8]| -> Option<String> {
                let chars = bytes.chunks_exact(4).map(|b| char(b).and_then(char::from_u32));
                let text: String = chars.collect::<Option<_>>()?;
                Some(text.trim_end_matches('\0').to_owned())
            };
            Some(Array::Text(of_size(longest.checked_mul(4)?)?.map(text).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_as_numpy_writes_them() {
        // What numpy.save writes for numpy.array([[1, 2]], dtype="<f4").
        let bytes = encode(&Array::F32 { shape: [1, 2], values: vec![1.0, 2.0] });
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
        let expected = format!("{header:<117}\n");
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00v\x00");
        assert_eq!(&bytes[10..128], expected.as_bytes());
        assert_eq!(&bytes[128..], [0, 0, 128, 63, 0, 0, 0, 64]);
        let one = encode(&Array::I64(vec![7]));
        assert!(String::from_utf8_lossy(&one).contains("'shape': (1,), }"));
    }

    #[test]
    fn arrays_survive_and_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        let arrays = [
            ("f", Array::F32 { shape: [2, 2], values: vec![1.0, f32::MIN, 0.5, -0.0] }),
            ("u", Array::U8 { shape: [2, 1], values: vec![0, 255] }),
            ("i", Array::I64(vec![-1, i64::MAX])),
            ("t", Array::Text(vec!["".into(), "größer".into(), "a".into()])),
            ("none", Array::Text(Vec::new())),
        ];
        write(&path, &arrays).unwrap();
        let found = read(&path).unwrap();
        assert_eq!(found.len(), 5);
        for (name, array) in arrays {
            assert_eq!(found[name], array);
        }
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("no features of"));
        assert!(read(&dir.path().join("none")).unwrap_err().to_string().contains("No such file"));
        for (header, values) in [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), }",
                &[0u8; 8][..],
            ),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", &[0; 8]),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }", &[0; 3]),
            ("{'descr': '<U0', 'fortran_order': False, 'shape': (3,), }", &[]),
            ("{'descr': '<i8', 'fortran_order': False, 'shape': (-1,), }", &[]),
            ("{'descr': ", &[]),
        ] {
            assert_eq!(decode(header, values), None, "{header}");
        }
    }
}
