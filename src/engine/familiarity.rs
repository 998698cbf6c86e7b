//! Familiarity: how much a voice is like the recordings that the model was trained on.

use serde::Serialize;

use crate::models::DomainRecipe;

use super::round::rounded;

/// Distance of a voice or segment to the training domain of the model: the mean over its chunks,
/// weighted as their predictions.
///
/// Beyond `familiar`, labels are less reliable than their probabilities say, as far as the model's
/// tempering does not account for it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Familiarity {
    /// The distance, to a thousandth: about 1 for recordings of the training corpus.
    pub distance: f64,
    /// 1 up to the distance below which most recordings of the training corpus lie, then inversely
    /// proportional to the distance; to a thousandth.
    pub familiarity: f64,
    /// Whether the distance is below it.
    pub familiar: bool,
}

impl Familiarity {
    /// The familiarity at a distance.
    pub(super) fn new(recipe: &DomainRecipe, distance: f64) -> Self {
        let familiarity = recipe.familiarity(distance);
        Self { distance: rounded(distance, 3), familiarity: rounded(familiarity, 3), familiar: familiarity >= 1.0 }
    }

    /// The warning for a voice that is not familiar.
    pub(super) fn warning(&self, recipe: &DomainRecipe) -> Option<String> {
        let (distance, most) = (self.distance, recipe.familiar_below);
        (!self.familiar).then(|| {
            format!(
                "unlike the recordings that the model was trained on (distance {distance:.2}, most of those are below \
                 {most:.2}): predictions are less reliable"
            )
        })
    }
}
