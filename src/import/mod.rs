//! Layer `import`: model files from the checkpoints of others, read without Python.
//!
//! ```text
//! checkpoint ─ torch ─▶ named tensors ─ a kind ─▶ recipe and tensors under this engine's names ─ output ─▶ OUT.safetensors
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`torch`] | checkpoints of `torch.save`: a zip archive, a pickle of which nothing runs, tensors |
//! | `kind` | the kinds of network that are known, and what one import is made of |
//! | `campplus`, `speechbrain`, `nnet3`, `wavlm` | one kind each: sizes from shapes or configurations, names to names |
//! | `source` | the file that tensors come from, and whose it is if its checksum is known |
//! | `quantize` | a model file of another, its weights as 8-bit codes |
//! | `output` | the model file: loaded once before it appears, whole or not at all |
//!
//! What comes out is a *representation*: a network without heads. It embeds; a system is made of it by training heads on its vectors.

mod campplus;
mod kind;
mod nnet3;
mod output;
mod quantize;
mod source;
mod speechbrain;
pub mod torch;
mod wavlm;

pub use kind::{Import, Kind};
pub use output::{model_file, write_model, write_whole};
pub use quantize::quantized;

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::nn::Weights;
use crate::nn::weights::read_file;
use torch::Checkpoint;

/// Named tensors of a torch checkpoint or a safetensors file, told from each other by their first bytes.
///
/// # Errors
///
/// Those of [`Checkpoint::from_bytes`] and [`Checkpoint::state_dict`], or of [`Weights::from_bytes`].
pub fn state_dict(bytes: &[u8]) -> Result<Weights<'_>> {
    if torch::is_checkpoint(bytes) { Checkpoint::from_bytes(bytes)?.state_dict() } else { Weights::from_bytes(bytes) }
}

/// The bytes of a model file.
///
/// # Errors
///
/// Those of [`read_file`].
pub fn model_bytes(path: &std::path::Path) -> Result<Vec<u8>> {
    read_file(path)
}

/// A file's name as far as it can be told to people.
fn shown(path: &std::path::Path) -> Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

/// The shape of a tensor that must be there, with as many axes as asked for.
fn shape<const N: usize>(weights: &Weights<'_>, name: &str) -> Result<[usize; N]> {
    let wrong = |actual: String| Error::Tensor { name: name.to_owned(), expected: format!("{N} axes"), actual };
    let shape = weights.shape(name).ok_or_else(|| wrong("no such tensor: a network of another kind".into()))?;
    shape.try_into().map_err(|_| wrong(format!("shape {shape:?}")))
}
