//! Checkpoints of PyTorch (`torch.save`, since version 1.6), read without Python: nothing in them is run.
//!
//! ```text
//! zip archive ─▶ data.pkl ─▶ values: numbers, texts, lists, dictionaries, and views into storages
//!             └▶ data/0, data/1, …: the storages, flat little-endian values
//! ```
//!
//! A pickle is a program. Of the functions that it may call, those which put a tensor together are known; a checkpoint that asks for
//! anything else is refused with the name of what it asked for. Sizes are held against the bytes that are there, so memory follows the
//! file's length, never its claims.

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

/// What all of a zip archive begins with.
const MAGIC: &[u8] = b"PK\x03\x04";
/// How many times larger than the file its tensors may be together: they may share storages, but not to such an extent.
const MAX_SHARING: usize = 4;

/// A checkpoint: its values, and the bytes of its tensors.
pub struct Checkpoint<'a> {
    nodes: Nodes,
    archive: Archive<'a>,
    file_bytes: usize,
}

/// Whether these are the first bytes of a checkpoint, rather than of a safetensors file.
pub fn is_checkpoint(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl<'a> Checkpoint<'a> {
    /// Reads what the checkpoint says; of its tensors nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for bytes that are no whole checkpoint, [`Error::Unsupported`] for one that needs more of Python than tensors,
    /// by the name of what it needs, [`Error::Limit`] for sizes beyond those of a checkpoint.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        if !is_checkpoint(bytes) {
            let before_1_6 = "no zip archive. If torch before 1.6 wrote it: load and save it once with a newer one";
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

    /// The network's tensors: those of the dictionary that was saved or, if it has none, of the one dictionary in it that has.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where there is no such dictionary, or several; and those of [`Self::tensors`].
    pub fn state_dict(&self) -> Result<Weights<'a>> {
        let root = self.root();
        if holds_tensors(root) {
            return self.tensors(root);
        }
        let parts: Vec<_> = root.pairs().filter(|(_, value)| holds_tensors(*value)).collect();
        match parts[..] {
            [(_, only)] => self.tensors(only),
            [] => Err(Error::Unsupported("a checkpoint without tensors. Save the network's state_dict()".into())),
            _ => {
                let names: Vec<String> =
                    parts.iter().filter_map(|(key, _)| Some(format!("`{}`", key.text()?))).collect();
                let what =
                    format!("a checkpoint of several networks ({}). Save one state_dict() alone", names.join(", "));
                Err(Error::Unsupported(what))
            }
        }
    }

    /// The tensors of a dictionary by name; what else it holds is left. Of names that all begin with `module.` (as those of networks that
    /// were trained on several devices) that is taken off, and batch norm's `num_batches_tracked`, which no network reads, is left.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a storage that is missing, damaged or of another length, [`Error::Limit`] for tensors that share storages so
    /// that they are many times larger than the file.
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

    /// A tensor's bytes. Each storage's checksum is verified once.
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
