//! The model file that comes out: checked before it appears, whole or not at all.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::json;

use super::kind::{Import, Kind};
use crate::error::{Error, Result};
use crate::models::manifest::FORMAT;
use crate::models::{Manifest, Model};
use crate::nn::{Tensor, Weights};

/// The bytes of a model file, its tensors in f32. They were loaded once: what this returns is a file that the engine takes.
///
/// # Errors
///
/// Those of [`Model::from_bytes`].
pub fn model_file(kind: Kind, import: &Import) -> Result<Vec<u8>> {
    let bytes: BTreeMap<&str, (&[usize], Vec<u8>)> =
        import.tensors.iter().map(|(name, tensor)| (name.as_str(), (tensor.shape(), bytes_of(tensor)))).collect();
    let sha256 = serialised(&bytes, None).and_then(|file| Ok(Weights::from_bytes(&file)?.sha256()))?;
    let manifest = json!({
        "format": FORMAT,
        "name": import.name,
        "created_by": format!("persona-engine {} model import {}", env!("CARGO_PKG_VERSION"), kind.name()),
        "licence": import.licence,
        "data": import.data,
        "frontend": import.frontend,
        "representation": import.representation,
        "sha256": sha256,
    });
    let file = serialised(&bytes, Some(HashMap::from([(Manifest::KEY.to_owned(), manifest.to_string())])))?;
    Model::from_bytes(&file)?;
    Ok(file)
}

fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    tensor.values().iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn serialised(
    tensors: &BTreeMap<&str, (&[usize], Vec<u8>)>,
    header: Option<HashMap<String, String>>,
) -> Result<Vec<u8>> {
    let failed = |error: safetensors::SafeTensorError| Error::malformed("model file", error.to_string());
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        TensorView::new(Dtype::F32, shape.to_vec(), bytes).map(|view| (*name, view)).map_err(failed)
    });
    serialize(views.collect::<Result<Vec<_>>>()?, header).map_err(failed)
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
    written.map_err(|error| Error::Config(format!("{}: not written: {error}", path.display())))
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
