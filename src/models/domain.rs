//! Distance of a vector to the training domain, and what it changes: temperatures, the age's
//! interval, and whether an age is reported at all.
//!
//! ```text
//! u = (x − mean) / scale                                   x: the vector as the heads read it, before standardisation
//! c = components · u                                       orthonormal rows, possibly none
//! distance = (Σ_i (c_i / deviation_i)² + (|u|² − |c|²) / deviation_k²) / dim
//! ```
//!
//! A Mahalanobis distance with a covariance of rank k and the same variance in all other directions
//! (Lee et al. 2018, "A simple unified framework for detecting out-of-distribution samples", without
//! classes). It is about 1 for the training data.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::curve::FactorCurve;
use crate::models::recipe::{parse, within};
use crate::models::standardise::Reference;
use crate::nn::Loader;

/// Maximum number of components.
const MAX_COMPONENTS: usize = 4_096;

/// The manifest's `domain`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainRecipe {
    /// The distance below which most recordings of the training corpus lie, such as its 95th
    /// percentile.
    pub familiar_below: f64,
    /// Factor of the emotion's softmax temperature.
    pub temperature: Option<FactorCurve>,
    /// Factor of the gender's softmax temperature.
    pub gender_temperature: Option<FactorCurve>,
    /// Factor of the distances from the predicted age to both ends of its interval.
    pub interval: Option<FactorCurve>,
    /// The distance above which no age is reported.
    pub age_withheld_above: Option<f64>,
}

impl DomainRecipe {
    /// Parses the manifest's `domain`.
    pub(super) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("domain", value)?;
        within("domain.familiar_below", &recipe.familiar_below, 1e-6..=1e9)?;
        if let Some(above) = &recipe.age_withheld_above {
            within("domain.age_withheld_above", above, 1e-6..=1e9)?;
        }
        for (key, curve) in [
            ("domain.temperature", &recipe.temperature),
            ("domain.gender_temperature", &recipe.gender_temperature),
            ("domain.interval", &recipe.interval),
        ] {
            curve.iter().try_for_each(|curve| curve.check(key))?;
        }
        Ok(recipe)
    }

    /// Parses what a test states.
    #[cfg(test)]
    pub(crate) fn parse_for_tests(value: Value) -> Self {
        Self::parse(value).unwrap()
    }

    /// Familiarity: 1 up to `familiar_below`, then inversely proportional to the distance.
    pub fn familiarity(&self, distance: f64) -> f64 {
        (self.familiar_below / distance).min(1.0)
    }
}

/// Factors of the temperatures of emotion and gender.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tempering {
    pub(super) emotion: f64,
    pub(super) gender: f64,
}

impl Tempering {
    /// Temperatures as they are.
    pub(super) const NONE: Self = Self { emotion: 1.0, gender: 1.0 };
}

/// The distance, loaded.
#[derive(Debug)]
pub(super) struct Domain {
    recipe: DomainRecipe,
    /// `u = factor · z + offset` for the standardised vector z.
    factor: Vec<f32>,
    offset: Vec<f32>,
    /// `[k, dim]`.
    components: Vec<f32>,
    /// 1 / deviation², `[k + 1]`.
    weights: Vec<f64>,
}

impl Domain {
    /// Takes `domain.mean` and `domain.scale` `[dim]`, `domain.components` `[k, dim]` if there are
    /// any, and `domain.deviations` `[k + 1]`. `reference`: the standardisation that the heads were
    /// trained with.
    pub(super) fn load(
        loader: &mut Loader<'_>,
        recipe: &DomainRecipe,
        dim: usize,
        reference: Reference<'_>,
    ) -> Result<Self> {
        let mean = loader.take("domain.mean", &[dim])?.into_values();
        let scale = loader.take("domain.scale", &[dim])?.into_values();
        check_positive("domain.scale", &scale)?;
        let count = loader.shape("domain.components").map_or(0, |shape| shape.first().copied().unwrap_or(0));
        if count > MAX_COMPONENTS {
            let (actual, limit) = (count as u64, MAX_COMPONENTS as u64);
            return Err(Error::Limit { what: "number of components of the training domain", actual, limit });
        }
        let components = loader.take_optional("domain.components", &[count, dim])?;
        let deviations = loader.take("domain.deviations", &[count + 1])?.into_values();
        check_positive("domain.deviations", &deviations)?;
        Ok(Self {
            recipe: recipe.clone(),
            factor: (0..dim).map(|i| reference.scale(i) / scale[i]).collect(),
            offset: (0..dim).map(|i| (reference.mean(i) - mean[i]) / scale[i]).collect(),
            components: components.map_or_else(Vec::new, crate::nn::Tensor::into_values),
            weights: deviations.iter().map(|deviation| f64::from(*deviation).powi(-2)).collect(),
        })
    }

    /// The distance of a standardised vector.
    pub(super) fn distance(&self, vector: &[f32]) -> f32 {
        let affine = vector.iter().zip(&self.factor).zip(&self.offset);
        let whitened: Vec<f64> = affine.map(|((z, factor), offset)| f64::from(factor * z + offset)).collect();
        let mut rest: f64 = whitened.iter().map(|u| u * u).sum();
        let mut sum = 0.0;
        for (row, weight) in self.components.chunks_exact(whitened.len().max(1)).zip(&self.weights) {
            let c: f64 = row.iter().zip(&whitened).map(|(w, u)| f64::from(*w) * u).sum();
            sum += weight * c * c;
            rest -= c * c;
        }
        // rounding can leave the rest a little below 0
        let last = self.weights.last().copied().unwrap_or(1.0);
        ((sum + last * rest.max(0.0)) / whitened.len().max(1) as f64) as f32
    }

    /// Factors of the temperatures at a distance.
    pub(super) fn tempering(&self, distance: f32) -> Tempering {
        let factor = |curve: &Option<FactorCurve>| curve.as_ref().map_or(1.0, |curve| curve.at(f64::from(distance)));
        Tempering { emotion: factor(&self.recipe.temperature), gender: factor(&self.recipe.gender_temperature) }
    }
}

fn check_positive(name: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|value| value.is_nan() || *value < f32::MIN_POSITIVE) {
        None => Ok(()),
        Some(at) => Err(Error::Tensor {
            name: name.into(),
            expected: "positive numbers".into(),
            actual: format!("{} at index {at}", values[at]),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::weights::test_files::{file, loader};
    use serde_json::json;

    fn recipe() -> DomainRecipe {
        DomainRecipe::parse(json!({"familiar_below": 2.0, "temperature": {"distance": [1, 3], "factor": [1, 2]},
            "age_withheld_above": 4.0}))
        .unwrap()
    }

    fn load(scale: [f32; 3], reference: Reference<'_>) -> Result<Domain> {
        let half = 0.5_f32.sqrt();
        let bytes = file(&[
            ("domain.mean", &[3], &[1.0, 0.0, -1.0]),
            ("domain.scale", &[3], &scale),
            ("domain.components", &[1, 3], &[half, half, 0.0]),
            ("domain.deviations", &[2], &[2.0, 0.5]),
        ]);
        Domain::load(&mut loader(&bytes), &recipe(), 3, reference)
    }

    #[test]
    fn the_distance_is_its_formula() {
        let domain = load([2.0, 1.0, 1.0], Reference::NONE).unwrap();
        // u = (1, 3, 0.5), c = 4 / sqrt 2, |c|² = 8, |u|² = 10.25
        approx::assert_abs_diff_eq!(domain.distance(&[3.0, 3.0, -0.5]), (8.0 / 4.0 + 2.25 * 4.0) / 3.0, epsilon = 1e-5);
        assert_eq!(domain.distance(&[1.0, 0.0, -1.0]), 0.0);
        let tempering = domain.tempering(2.0);
        assert_eq!((tempering.emotion, tempering.gender), (1.5, 1.0));
    }

    /// A standardised vector is taken back to what it was first.
    #[test]
    fn the_standardisation_is_undone() {
        let (mean, scale) = ([0.5, 1.0, 2.0], [2.0, 4.0, 0.5]);
        let plain = load([2.0, 1.0, 1.0], Reference::NONE).unwrap();
        let standardised = load([2.0, 1.0, 1.0], Reference::of(&mean, &scale)).unwrap();
        let x: [f32; 3] = [3.0, 3.0, -0.5];
        let z: [f32; 3] = std::array::from_fn(|i| (x[i] - mean[i]) / scale[i]);
        approx::assert_abs_diff_eq!(plain.distance(&x), standardised.distance(&z), epsilon = 1e-5);
    }

    #[test]
    fn a_scale_of_zero_and_invalid_keys_are_named() {
        let message = load([2.0, 0.0, 1.0], Reference::NONE).unwrap_err().to_string();
        assert!(message.contains("`domain.scale`") && message.contains("index 1"), "{message}");
        for (pointer, value, name) in [
            ("familiar_below", json!(0.0), "domain.familiar_below"),
            ("age_withheld_above", json!(-1.0), "domain.age_withheld_above"),
            ("temperature", json!({"distance": [], "factor": []}), "domain.temperature"),
            ("interval", json!({"distance": [1.0], "factor": [0.0]}), "domain.interval.factor[0]"),
            ("temprature", json!(1), "domain.temprature"),
        ] {
            let mut broken = json!({"familiar_below": 2.0});
            broken[pointer] = value;
            let message = DomainRecipe::parse(broken).unwrap_err().to_string();
            assert!(message.contains(&format!("`{name}`")), "{message}");
        }
    }

    #[test]
    fn familiarity_falls_with_the_distance() {
        let recipe = recipe();
        assert_eq!([0.0, 2.0, 4.0, 8.0].map(|distance| recipe.familiarity(distance)), [1.0, 1.0, 0.5, 0.25]);
    }
}
