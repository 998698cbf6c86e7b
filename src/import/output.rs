//! The model file that comes out: checked before it appears, whole or not at all.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde_json::{Value, json};

use super::kind::{Import, Kind};
use crate::error::{Error, Result};
use crate::models::manifest::FORMAT;
use crate::models::{Manifest, Model};
use crate::nn::Tensor;
use crate::nn::weights::tensors_sha256;

/// The bytes of a model file, its tensors in f32. They were loaded once: what this returns is a file that the engine takes.
///
/// # Errors
///
/// Those of [`Model::from_bytes`].
pub fn model_file(kind: Kind, import: &Import) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(kind, import, &mut bytes)?;
    Model::from_bytes(&bytes)?;
    Ok(bytes)
}

/// Writes that file, which appears when it is whole and was loaded once, or not at all. What stood there is replaced. Returns its length.
/// Memory holds the network once, first as `import`, then as it was loaded.
///
/// # Errors
///
/// [`Error::Config`] where it cannot be written, naming it and what the system said; those of [`Model::open`].
pub fn write_model(kind: Kind, import: Import, path: &Path) -> Result<u64> {
    let part = Part::beside(path);
    let written = part.create().map_err(Error::Read).and_then(|file| {
        let mut buffered = BufWriter::new(&file);
        write(kind, &import, &mut buffered)?;
        buffered.flush()?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    });
    let length = written.map_err(|error| not_written(path, error))?;
    drop(import);
    Model::open(&part.0).map_err(Error::without_file)?;
    fs::rename(&part.0, path).map_err(|error| not_written(path, error.into()))?;
    Ok(length)
}

/// Header and tensors, one after the other.
fn write(kind: Kind, import: &Import, out: &mut impl Write) -> Result<()> {
    let tensors: BTreeMap<&str, &Tensor> =
        import.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let sha256 = tensors_sha256(tensors.iter().map(|(name, tensor)| (*name, Ok(bytes_of(tensor).into()))))?;
    let header = header(&tensors, &manifest(kind, import, &sha256))?;
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for tensor in tensors.values() {
        out.write_all(&bytes_of(tensor))?;
    }
    Ok(())
}

fn manifest(kind: Kind, import: &Import, sha256: &str) -> Value {
    json!({
        "format": FORMAT,
        "name": import.name,
        "created_by": format!("persona-engine {} model import {}", env!("CARGO_PKG_VERSION"), kind.name()),
        "licence": import.licence,
        "data": import.data,
        "frontend": import.frontend,
        "representation": import.representation,
        "sha256": sha256,
    })
}

/// The JSON of a safetensors file, with spaces behind so that the tensors begin at a multiple of 8 bytes.
fn header(tensors: &BTreeMap<&str, &Tensor>, manifest: &Value) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Error::malformed("model file", error.to_string());
    let mut at = 0;
    let place = |(name, tensor): (&&str, &&Tensor)| {
        let start = at;
        at += size_of_val(tensor.values());
        (name.to_string(), TensorInfo { dtype: Dtype::F32, shape: tensor.shape().to_vec(), data_offsets: (start, at) })
    };
    let places = tensors.iter().map(place).collect();
    let texts = HashMap::from([(Manifest::KEY.to_owned(), manifest.to_string())]);
    let metadata = Metadata::new(Some(texts), places).map_err(|error| failed(&error))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|error| failed(&error))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    tensor.values().iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn not_written(path: &Path, error: Error) -> Error {
    match error {
        Error::Read(error) => Error::Config(format!("{}: not written: {error}", path.display())),
        other => other,
    }
}

/// Writes a file so that it appears whole or not at all: beside its place first, then renamed. What stood there is replaced.
///
/// # Errors
///
/// [`Error::Config`] names the file and what the system said.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = Part::beside(path);
    let written = part.create().and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part.0, path)
    });
    written.map_err(|error| not_written(path, error.into()))
}

/// A file that is not whole yet. It goes when this does, unless it was renamed.
struct Part(PathBuf);

impl Part {
    fn beside(path: &Path) -> Self {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        Self(path.with_file_name(name))
    }

    fn create(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(&self.0)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After the rename there is none; and nobody is left to be told.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("persona-engine-{}-whole", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("out.safetensors");
        write_whole(&path, b"first").unwrap();
        write_whole(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let message = write_whole(&folder.join("none/out"), b"").unwrap_err().to_string();
        assert!(message.contains("none/out: not written"), "{message}");
        fs::create_dir(folder.join("taken")).unwrap();
        assert!(write_whole(&folder.join("taken"), b"").is_err());
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
