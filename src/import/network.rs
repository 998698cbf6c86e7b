//! An imported network: what a reader makes of others' files, before it becomes a model file.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::nn::Tensor;

/// A network without heads, with everything that its model file needs.
#[derive(Debug)]
pub struct ImportedNetwork {
    /// Name of the network.
    pub name: String,
    /// Licence of the weights, as far as it is known.
    pub licence: String,
    /// The manifest's `data`: origin and checksum of the files, for people.
    pub data: Map<String, Value>,
    /// The manifest's `frontend`.
    pub frontend: Value,
    /// The manifest's `representation`.
    pub representation: Value,
    /// Tensors under this engine's names.
    pub tensors: Vec<(String, Tensor)>,
}

impl ImportedNetwork {
    /// Removes the front-end's energy VAD, so that the network processes all frames.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if the front-end has none.
    pub fn without_vad(mut self) -> Result<Self> {
        match self.frontend.as_object_mut().and_then(|frontend| frontend.remove("vad")) {
            Some(_) => Ok(self),
            None => Err(Error::usage("this network has no energy VAD to remove; only Kaldi's networks have one")),
        }
    }
}
