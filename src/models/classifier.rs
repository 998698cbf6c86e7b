//! Classifier: the representation vector, minus the speaker's baseline, through trunk and heads to
//! emotion, gender and age; and its distance to the training domain.

use crate::error::Result;
use crate::models::active_heads::ActiveHeads;
use crate::models::baseline::{Baseline, SpeakerBaseline, SpeakerVectors};
use crate::models::domain::{Domain, Tempering};
use crate::models::heads::{Heads, Output};
use crate::models::manifest::{ClassifierManifest, Manifest};
use crate::models::standardise::Reference;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::models::trunk::{self, Trunk};
use crate::nn::Loader;

/// Trunk and heads of a model, its baseline and its domain.
#[derive(Debug)]
pub(super) struct Classifier {
    dim: usize,
    baseline: Option<Baseline>,
    domain: Option<Domain>,
    trunk: Trunk,
    heads: Heads,
}

/// Work space of one pass.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    trunk: trunk::Scratch,
}

impl Scratch {
    /// Where [`Classifier::run`] reads the representation from: the first `dim` values.
    pub(super) fn input(&mut self, dim: usize) -> &mut [f32] {
        resize_scratch(&mut self.trunk.from, dim)
    }
}

impl Classifier {
    /// Takes the tensors of baseline, domain, trunk and heads. `dim`: length of the representation;
    /// `reference`: its standardisation.
    pub(super) fn load(
        loader: &mut Loader<'_>,
        manifest: &Manifest,
        classifier: &ClassifierManifest,
        (dim, reference): (usize, Reference<'_>),
    ) -> Result<Self> {
        let baseline = manifest.baseline.map(|recipe| Baseline::load(loader, recipe, dim, reference)).transpose()?;
        let domain = manifest.domain.as_ref().map(|recipe| Domain::load(loader, recipe, dim, reference));
        let domain = domain.transpose()?;
        let trunk = Trunk::load(loader, &classifier.trunk, dim)?;
        let heads = Heads::load(loader, &classifier.heads, trunk.outputs())?;
        Ok(Self { dim, baseline, domain, trunk, heads })
    }

    /// The baseline of a speaker with these vectors; `None` for a model without one.
    pub(super) fn baseline(&self, vectors: &SpeakerVectors) -> Result<Option<SpeakerBaseline>> {
        self.baseline.as_ref().map(|baseline| baseline.of(vectors)).transpose()
    }

    /// Runs the trunk and the active heads on the vector in [`Scratch::input`]: minus the speaker's
    /// baseline for the heads that the model lists, as it is for the others. The distance to the
    /// domain is that of the vector minus the baseline.
    pub(super) fn run(
        &self,
        scratch: &mut Scratch,
        speaker: Option<&SpeakerBaseline>,
        heads: ActiveHeads,
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<Output> {
        let Some((speaker, baseline)) = speaker.filter(|speaker| speaker.is_applied()).zip(self.baseline.as_ref())
        else {
            return self.run_once(scratch, heads, tap);
        };
        let of_vector = heads.without(baseline.heads());
        let plain = (!of_vector.is_empty()).then(|| scratch.input(self.dim).to_vec());
        speaker.subtract(scratch.input(self.dim));
        let output = self.run_once(scratch, heads.and(baseline.heads()), tap)?;
        let Some(plain) = plain else { return Ok(output) };
        scratch.input(self.dim).copy_from_slice(&plain);
        let other = self.run_once(scratch, of_vector, tap)?;
        Ok(Output {
            emotion: output.emotion.or(other.emotion),
            gender: output.gender.or(other.gender),
            age_years: output.age_years.or(other.age_years),
            distance: output.distance,
        })
    }

    /// Runs the trunk and some heads on the vector in [`Scratch::input`].
    fn run_once(&self, scratch: &mut Scratch, heads: ActiveHeads, tap: &mut LayerTap<'_, '_>) -> Result<Output> {
        let distance = self.domain.as_ref().map(|domain| domain.distance(scratch.input(self.dim)));
        let tempering = match (&self.domain, distance) {
            (Some(domain), Some(distance)) => domain.tempering(distance),
            _ => Tempering::NONE,
        };
        let shared = self.trunk.run(&mut scratch.trunk, tap)?;
        Ok(Output { distance, ..self.heads.run(shared, heads, tempering, tap)? })
    }
}
