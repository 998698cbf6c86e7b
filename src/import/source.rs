//! Source file of a network: a torch checkpoint or a safetensors file, its origin and its tensors.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::torch::{self, Checkpoint};
use crate::error::{Error, Result};
use crate::nn::Weights;
use crate::nn::weights::{hex, open_regular, read_file};

/// Licence in the manifest if the file is not a published one.
pub(super) const NO_LICENCE: &str = "that of the imported file, which states none";

/// A source file and its checksum. The bytes of a checkpoint are held in memory; a safetensors file
/// is read tensor by tensor.
pub(super) struct Source<'p> {
    path: &'p Path,
    checkpoint: Option<Vec<u8>>,
    pub(super) origin: Origin,
}

impl<'p> Source<'p> {
    pub(super) fn open(path: &'p Path) -> Result<Self> {
        let mut first = Vec::new();
        let checkpoint = open_regular(path).and_then(|(file, _)| {
            file.take(8).read_to_end(&mut first)?;
            torch::is_checkpoint(&first).then(|| read_file(path)).transpose()
        });
        let checkpoint = checkpoint.map_err(|error| error.in_file(path))?;
        let origin = match &checkpoint {
            Some(bytes) => Origin::of(path, bytes),
            None => Origin::of_file(path)?,
        };
        Ok(Self { path, checkpoint, origin })
    }

    /// The network's tensors.
    pub(super) fn weights(&self) -> Result<Weights<'_>> {
        match &self.checkpoint {
            Some(bytes) => Checkpoint::from_bytes(bytes)?.state_dict(),
            None => Weights::open(self.path),
        }
    }

    /// The checkpoint, unless the file is a safetensors file.
    pub(super) fn checkpoint(&self) -> Result<Option<Checkpoint<'_>>> {
        self.checkpoint.as_deref().map(Checkpoint::from_bytes).transpose()
    }
}

/// A published network, recognised by the checksum of its file.
pub(super) struct Published {
    pub(super) sha256: &'static str,
    /// Name of the network.
    pub(super) name: &'static str,
    pub(super) licence: &'static str,
    /// Who published it, and where.
    pub(super) by: &'static str,
}

/// SHA-256 of a file, read block by block.
fn sha256_of(path: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut block) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(&block[..read]),
        }
    }
}

/// Name and SHA-256 of a source file.
pub(super) struct Origin {
    file: String,
    sha256: String,
}

impl Origin {
    pub(super) fn of(path: &Path, bytes: &[u8]) -> Self {
        Self { file: file_name(path).into_owned(), sha256: hex(&Sha256::digest(bytes)) }
    }

    fn of_file(path: &Path) -> Result<Self> {
        let sha256 = sha256_of(path).map_err(|error| Error::Read(error).in_file(path))?;
        Ok(Self { file: file_name(path).into_owned(), sha256 })
    }

    /// Name, licence and the manifest's `data`: those of the published network if this is its file,
    /// else by the file's name.
    pub(super) fn describe(self, published: Option<&Published>) -> (String, String, Map<String, Value>) {
        let data = Map::from_iter([("file".into(), json!(self.file)), ("file sha256".into(), json!(self.sha256))]);
        match published.filter(|published| published.sha256 == self.sha256) {
            None => (self.file, NO_LICENCE.to_owned(), data),
            Some(Published { name, licence, by, .. }) => {
                let mut data = data;
                data.insert("published".into(), json!(by));
                ((*name).to_owned(), (*licence).to_owned(), data)
            }
        }
    }
}

/// Named tensors of a torch checkpoint or a safetensors file, distinguished by their first bytes.
///
/// # Errors
///
/// Those of [`Checkpoint::from_bytes`] and [`Checkpoint::state_dict`], or of
/// [`Weights::from_bytes`].
pub fn state_dict(bytes: &[u8]) -> Result<Weights<'_>> {
    if torch::is_checkpoint(bytes) { Checkpoint::from_bytes(bytes)?.state_dict() } else { Weights::from_bytes(bytes) }
}

/// A file's name without its folder, for people.
pub(super) fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

/// The shape of a tensor that must exist and have `N` axes.
pub(super) fn shape<const N: usize>(weights: &Weights<'_>, name: &str) -> Result<[usize; N]> {
    let wrong = |actual: String| Error::Tensor { name: name.to_owned(), expected: format!("{N} axes"), actual };
    let shape = weights.shape(name).ok_or_else(|| wrong("no such tensor: a network of another kind".into()))?;
    shape.try_into().map_err(|_| wrong(format!("shape {shape:?}")))
}
