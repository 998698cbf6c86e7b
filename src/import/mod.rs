//! Layer `import`: model files from others' checkpoints, read without Python.
//!
//! ```text
//! checkpoint ─ torch ─▶ named tensors ─ reader of the kind ─▶ ImportedNetwork ─ model_file ─▶ OUT.safetensors
//! ```
//!
//! | file | content |
//! |---|---|
//! | [`torch`] | checkpoints of `torch.save`: zip archive, pickle (nothing in it is executed), tensors |
//! | `source` | a network's file, and its origin if its checksum is known |
//! | `network` | the imported network |
//! | `campplus`, `speechbrain`, `nnet3`, `wavlm`, `whisper` | readers: sizes from shapes or configurations, names to names |
//! | `kind` | the kinds of network, and their readers |
//! | `model_file` | model files: loaded for a check, then written atomically |
//! | `atomic_file` | a file that appears complete or not at all |
//!
//! The result is a *representation*: a network without heads, which computes embeddings. Heads are
//! trained on these.

mod atomic_file;
mod campplus;
mod kind;
mod model_file;
mod network;
mod nnet3;
mod segmentation;
mod source;
mod speechbrain;
pub mod torch;
mod wavlm;
mod whisper;

pub use atomic_file::write_atomically;
pub use kind::Kind;
pub use model_file::{QuantizedSizes, model_file, quantize_file, write_model};
pub use network::ImportedNetwork;
pub use segmentation::write_segmentation;
pub use source::state_dict;
