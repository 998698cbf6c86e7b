//! Reader of PyTorch checkpoints (`torch.save` of 1.6 and later) without Python; nothing in them is
//! executed.
//!
//! ```text
//! zip archive ─▶ data.pkl ─▶ values: numbers, texts, lists, dictionaries, and views into storages
//!             └▶ data/0, data/1, …: the storages, flat little-endian values
//! ```
//!
//! A pickle is a program. The functions that build tensors are known; a checkpoint that calls any
//! other is refused with the function's name. Sizes are checked against the bytes present, so
//! memory follows the file's length, never its claims.

mod archive;
mod errors;
mod globals;
mod node;
mod pickle;
mod tensor;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub use node::Item;

use archive::Archive;
use errors::malformed;
use node::Nodes;
use tensor::TensorView;

use crate::error::{Error, Result};
use crate::nn::Weights;

/// First bytes of a zip archive.
const MAGIC: &[u8] = b"PK\x03\x04";
/// Limit of the total size of all tensors, relative to the file's size: they may share storages.
const MAX_SHARING: usize = 4;

/// A PyTorch checkpoint: values, and the bytes of tensors.
pub struct Checkpoint<'a> {
    nodes: Nodes,
    archive: Archive<'a>,
    file_bytes: usize,
}

/// Whether these are the first bytes of a checkpoint, as opposed to a safetensors file.
pub fn is_checkpoint(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl<'a> Checkpoint<'a> {
    /// Parses the values of a checkpoint, without reading its tensors.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for bytes that are not a complete checkpoint, [`Error::Unsupported`]
    /// with the name of a Python function other than those for tensors, [`Error::Limit`] for
    /// implausible sizes.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        if !is_checkpoint(bytes) {
            let before_1_6 =
                "not a zip archive; if it was saved by torch before 1.6, load and save it with a newer version";
            return Err(malformed(before_1_6));
        }
        let archive = Archive::new(bytes)?;
        if archive.has("byteorder") && archive.read("byteorder")? != b"little" {
            return Err(Error::Unsupported("a checkpoint of a big-endian machine".into()));
        }
        let nodes = pickle::read(archive.read("data.pkl")?)?;
        Ok(Self { nodes, archive, file_bytes: bytes.len() })
    }

    /// The value that was saved.
    pub fn root(&self) -> Item<'_> {
        self.nodes.root()
    }

    /// The network's tensors: those of the saved dictionary or, if it has none, of the only
    /// dictionary in it that has any.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if there is no such dictionary, or several; those of
    /// [`Self::tensors`].
    pub fn state_dict(&self) -> Result<Weights<'a>> {
        let root = self.root();
        if holds_tensors(root) {
            return self.tensors(root);
        }
        let parts: Vec<_> = root.pairs().filter(|(_, value)| holds_tensors(*value)).collect();
        match parts[..] {
            [(_, only)] => self.tensors(only),
            [] => Err(Error::Unsupported("a checkpoint without tensors; save the network's state_dict()".into())),
            _ => {
                let names: Vec<String> =
                    parts.iter().filter_map(|(key, _)| Some(format!("`{}`", key.text()?))).collect();
                let what =
                    format!("a checkpoint of several networks ({}); save a single state_dict()", names.join(", "));
                Err(Error::Unsupported(what))
            }
        }
    }

    /// The tensors of a dictionary by name; other values are ignored. A prefix `module.` of all
    /// names (networks trained on several devices) is removed; batch norm's `num_batches_tracked`,
    /// which no network needs, is ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a storage that is missing, damaged or of the wrong length,
    /// [`Error::Limit`] for tensors that share storages and are together many times larger than the
    /// file.
    pub fn tensors(&self, dict: Item<'_>) -> Result<Weights<'a>> {
        let mut named: Vec<(&str, &TensorView)> =
            dict.pairs().filter_map(|(key, value)| Some((key.text()?, value.tensor()?))).collect();
        named.retain(|(name, _)| !name.ends_with("num_batches_tracked"));
        if named.iter().all(|(name, _)| name.starts_with("module.")) {
            for (name, _) in &mut named {
                *name = &name["module.".len()..];
            }
        }
        let mut read: BTreeMap<&str, &'a [u8]> = BTreeMap::new();
        let (mut total, limit) = (0_usize, MAX_SHARING * self.file_bytes);
        let mut all = Vec::with_capacity(named.len());
        for (name, tensor) in named {
            let bytes = self.bytes(tensor, &mut read)?;
            total = total.saturating_add(bytes.len());
            if total > limit {
                let what = "bytes of a checkpoint's tensors, which share storages";
                return Err(Error::Limit { what, actual: total as u64, limit: limit as u64 });
            }
            all.push((name.to_owned(), tensor.storage.dtype, tensor.shape().to_vec(), bytes));
        }
        Weights::from_tensors(all)
    }

    /// Bytes of a tensor. The checksum of each storage is verified once.
    fn bytes<'c>(&'c self, tensor: &'c TensorView, read: &mut BTreeMap<&'c str, &'a [u8]>) -> Result<Cow<'a, [u8]>> {
        let key = tensor.storage.key.as_str();
        let stored = match read.get(key) {
            Some(stored) => stored,
            None => *read.entry(key).or_insert(self.archive.read(&format!("data/{key}"))?),
        };
        tensor.bytes(stored)
    }
}

fn holds_tensors(item: Item<'_>) -> bool {
    item.pairs().any(|(_, value)| value.tensor().is_some())
}
