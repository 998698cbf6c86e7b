//! Classifier: the representation vector through trunk and heads to emotion, gender and age.

use crate::error::Result;
use crate::models::heads::{ActiveHeads, Heads, Output};
use crate::models::manifest::ClassifierManifest;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::models::trunk::{self, Trunk};
use crate::nn::Loader;

/// Trunk and heads of a model.
#[derive(Debug)]
pub(super) struct Classifier {
    trunk: Trunk,
    heads: Heads,
}

/// Work space of one pass.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    trunk: trunk::Scratch,
}

impl Scratch {
    /// Where [`Classifier::run`] reads the representation from, `[dim]`.
    pub(super) fn input(&mut self, dim: usize) -> &mut [f32] {
        resize_scratch(&mut self.trunk.from, dim)
    }
}

impl Classifier {
    /// Takes the tensors of trunk and heads. `dim`: length of the representation.
    pub(super) fn load(loader: &mut Loader<'_>, manifest: &ClassifierManifest, dim: usize) -> Result<Self> {
        let trunk = Trunk::load(loader, &manifest.trunk, dim)?;
        let heads = Heads::load(loader, &manifest.heads, trunk.outputs())?;
        Ok(Self { trunk, heads })
    }

    /// Runs the trunk and the active heads on the vector in [`Scratch::input`].
    pub(super) fn run(&self, scratch: &mut Scratch, heads: ActiveHeads, tap: &mut LayerTap<'_, '_>) -> Result<Output> {
        let shared = self.trunk.run(&mut scratch.trunk, tap)?;
        self.heads.run(shared, heads, tap)
    }
}
