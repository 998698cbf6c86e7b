//! The three heads: emotion, gender, age.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::active_heads::ActiveHeads;
use crate::models::age_interval::AgeInterval;
use crate::models::domain::Tempering;
use crate::models::recipe::{parse, within, wrong};
use crate::models::tap::LayerTap;
use crate::nn::{Linear, Loader, softmax};

/// Number of emotions.
pub const EMOTIONS: usize = 6;
/// Number of genders.
pub const GENDERS: usize = 2;

/// The manifest's `heads`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadsRecipe {
    /// Emotion: [`EMOTIONS`] classes.
    pub emotion: ClassesRecipe,
    /// Gender: [`GENDERS`] classes.
    pub gender: ClassesRecipe,
    /// Age in years.
    pub age: AgeRecipe,
}

/// A classification head: `probabilities = softmax(logits / temperature)`.
///
/// The temperature is fitted on unseen speakers (Guo et al. 2017, "On calibration of modern neural
/// networks"), clip by clip, so the probabilities of one chunk are calibrated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassesRecipe {
    /// Names of the classes, in the order of the logits.
    pub labels: Vec<String>,
    /// Divisor of the logits before the softmax.
    pub temperature: f64,
}

/// A regression head: `years = mean_years + scale_years · output`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeRecipe {
    /// Years at output 0.
    pub mean_years: f64,
    /// Years per unit of output.
    pub scale_years: f64,
    /// Prediction interval, if it was measured.
    pub interval: Option<AgeInterval>,
}

impl HeadsRecipe {
    /// Parses the manifest's `heads`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("heads", value)?;
        recipe.emotion.check("heads.emotion", EMOTIONS)?;
        recipe.gender.check("heads.gender", GENDERS)?;
        within("heads.age.mean_years", &recipe.age.mean_years, 0.0..=150.0)?;
        within("heads.age.scale_years", &recipe.age.scale_years, 1e-3..=150.0)?;
        if let Some(interval) = &recipe.age.interval {
            interval.check("heads.age.interval")?;
        }
        Ok(recipe)
    }
}

impl ClassesRecipe {
    fn check(&self, key: &str, classes: usize) -> Result<()> {
        let distinct: BTreeSet<&String> = self.labels.iter().filter(|label| !label.is_empty()).collect();
        if self.labels.len() != classes || distinct.len() != classes {
            let what = format!("expected {classes} distinct names, found {:?}", self.labels);
            return Err(wrong(&format!("{key}.labels"), what));
        }
        within(&format!("{key}.temperature"), &self.temperature, 1e-3..=1e3)
    }
}

/// Predictions for one chunk. A disabled head has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output {
    /// In the order of the manifest's `heads.emotion.labels`.
    pub emotion: Option<Classes<EMOTIONS>>,
    /// In the order of the manifest's `heads.gender.labels`.
    pub gender: Option<Classes<GENDERS>>,
    /// Years.
    pub age_years: Option<f32>,
    /// Distance of the vector to the training domain, if the model has one
    /// ([`domain`](crate::models::domain)).
    pub distance: Option<f32>,
}

/// Prediction of a classification head with `N` classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Classes<const N: usize> {
    /// `softmax(logits / temperature)`, the temperature times the domain's factor.
    pub probabilities: [f32; N],
    /// Output of the layer of the head.
    pub logits: [f32; N],
}

/// `[dim]` → [`Output`].
#[derive(Debug)]
pub struct Heads {
    emotion: Linear,
    gender: Linear,
    age: Linear,
    recipe: HeadsRecipe,
}

impl Heads {
    /// Takes the tensors `heads.…` for `dim` values.
    pub(crate) fn load(loader: &mut Loader<'_>, recipe: &HeadsRecipe, dim: usize) -> Result<Self> {
        Ok(Self {
            emotion: Linear::load(loader, "heads.emotion", dim, EMOTIONS)?,
            gender: Linear::load(loader, "heads.gender", dim, GENDERS)?,
            age: Linear::load(loader, "heads.age", dim, 1)?,
            recipe: recipe.clone(),
        })
    }

    /// Computes the active heads, without a distance. Passes `heads.emotion` and `heads.gender` (logits) and
    /// `heads.age` (before the conversion to years) to the tap.
    pub(super) fn run(
        &self,
        trunk: &[f32],
        active: ActiveHeads,
        tempering: Tempering,
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<Output> {
        let HeadsRecipe { emotion, gender, age } = &self.recipe;
        let temperatures = [emotion.temperature * tempering.emotion, gender.temperature * tempering.gender];
        let emotion = active.emotion.then(|| classes("heads.emotion", &self.emotion, temperatures[0], trunk, tap));
        let gender = active.gender.then(|| classes("heads.gender", &self.gender, temperatures[1], trunk, tap));
        let age = active.age.then(|| years("heads.age", &self.age, age, trunk, tap));
        let (emotion, gender, age_years) = (emotion.transpose()?, gender.transpose()?, age.transpose()?);
        Ok(Output { emotion, gender, age_years, distance: None })
    }
}

fn classes<const N: usize>(
    name: &str,
    layer: &Linear,
    temperature: f64,
    trunk: &[f32],
    tap: &mut LayerTap<'_, '_>,
) -> Result<Classes<N>> {
    let mut logits = [0.0; N];
    layer.run(trunk, 1, &mut logits);
    tap.pass(name, &[N], &logits)?;
    Ok(Classes { probabilities: softmax(&logits, temperature), logits })
}

fn years(name: &str, layer: &Linear, recipe: &AgeRecipe, trunk: &[f32], tap: &mut LayerTap<'_, '_>) -> Result<f32> {
    let mut output = [0.0];
    layer.run(trunk, 1, &mut output);
    tap.pass(name, &[1], &output)?;
    let AgeRecipe { mean_years, scale_years, .. } = recipe;
    let years = (mean_years + scale_years * f64::from(output[0])) as f32;
    if years.is_finite() {
        return Ok(years);
    }
    let actual = format!("{} times {scale_years} years", output[0]);
    Err(Error::Tensor { name: name.into(), expected: "a finite age".into(), actual })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::weights::test_files::{file, loader};
    use serde_json::json;

    fn recipe() -> Value {
        json!({"emotion": {"labels": ["a", "d", "f", "h", "n", "s"], "temperature": 2.0},
            "gender": {"labels": ["f", "m"], "temperature": 1.0}, "age": {"mean_years": 40.0, "scale_years": 10.0, "interval":
                {"coverage": 0.8, "knots_years": [20, 50], "low_years": [18, 35], "high_years": [30, 70.5]}}})
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (pointer, value, name) in [
            ("/emotion/labels", json!(["a", "b"]), "emotion.labels"),
            ("/emotion/labels/1", json!("a"), "emotion.labels"),
            ("/gender/labels/1", json!(""), "gender.labels"),
            ("/emotion/temperature", json!(0.0), "emotion.temperature"),
            ("/gender/temperature", json!(-1.0), "gender.temperature"),
            ("/age/mean_years", json!(1e9), "age.mean_years"),
            ("/age/scale_years", json!(0.0), "age.scale_years"),
            ("/age/scale_years", json!("ten"), "age.scale_years"),
            ("/age/interval", json!("wide"), "age.interval"),
            ("/age/interval/coverage", json!(80), "age.interval.coverage"),
            ("/age/interval/coverage", json!("0.8"), "age.interval.coverage"),
            ("/age/interval/knots_years", json!([]), "age.interval.knots_years"),
            ("/age/interval/low_years/1", json!(null), "age.interval.low_years[1]"),
            ("/age/interval/high_years/0", json!(15.0), "age.interval.low_years[0]"),
        ] {
            let mut broken = recipe();
            *broken.pointer_mut(pointer).unwrap() = value;
            let message = HeadsRecipe::parse(broken).unwrap_err().to_string();
            assert!(message.contains(&format!("`heads.{name}`")), "{message}");
        }
    }

    #[test]
    fn the_age_interval_is_optional() {
        let mut without = recipe();
        let with = HeadsRecipe::parse(without.clone()).unwrap().age.interval.unwrap();
        assert_eq!((with.coverage(), with.at(50.0)), (0.8, (35.0, 70.5)));
        without["age"].as_object_mut().unwrap().remove("interval");
        assert_eq!(HeadsRecipe::parse(without).unwrap().age.interval, None);
    }

    /// Heads on one value x: one logit of emotion is 2x, the output of age is x − 0.5.
    fn heads() -> Heads {
        let bytes = file(&[
            ("heads.emotion.weight", &[6, 1], &[0.0, 0.0, 2.0, 0.0, 0.0, 0.0]),
            ("heads.emotion.bias", &[6], &[0.0; 6]),
            ("heads.gender.weight", &[2, 1], &[0.0, 0.0]),
            ("heads.gender.bias", &[2], &[1.0, 1.0]),
            ("heads.age.weight", &[1, 1], &[1.0]),
            ("heads.age.bias", &[1], &[-0.5]),
        ]);
        let recipe = HeadsRecipe::parse(recipe()).unwrap();
        Heads::load(&mut loader(&bytes), &recipe, 1).unwrap()
    }

    #[test]
    fn predictions_have_their_units() {
        let output = heads().run(&[1.0], ActiveHeads::ALL, Tempering::NONE, &mut LayerTap::new(None)).unwrap();
        assert_eq!(output.age_years, Some(45.0));
        assert_eq!(output.gender.unwrap().probabilities, [0.5, 0.5]);
        let emotion = output.emotion.unwrap();
        assert_eq!(emotion.logits, [0.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
        let e = std::f32::consts::E;
        assert!((emotion.probabilities[2] - e / (e + 5.0)).abs() < 1e-6, "temperature 2 halves the logit");
        let tempering = Tempering { emotion: 2.0, gender: 3.0 };
        let tempered = heads().run(&[1.0], ActiveHeads::ALL, tempering, &mut LayerTap::new(None)).unwrap();
        let half = 0.5_f32.exp();
        assert!((tempered.emotion.unwrap().probabilities[2] - half / (half + 5.0)).abs() < 1e-6);
        let overflow = heads().run(&[1e38], ActiveHeads::ALL, Tempering::NONE, &mut LayerTap::new(None));
        assert!(matches!(overflow, Err(Error::Tensor { .. })));
    }

    /// Layers that run are passed to the observer.
    #[test]
    fn a_disabled_head_is_not_computed() {
        let all = heads().run(&[1.0], ActiveHeads::ALL, Tempering::NONE, &mut LayerTap::new(None)).unwrap();
        for (emotion, gender, age) in
            [(false, true, true), (true, false, true), (true, true, false), (false, false, true)]
        {
            let active = ActiveHeads { emotion, gender, age };
            let mut shown = Vec::new();
            let mut observer = |name: &str, _: &[usize], _: &[f32]| shown.push(name.to_owned());
            let output = heads().run(&[1.0], active, Tempering::NONE, &mut LayerTap::new(Some(&mut observer))).unwrap();
            assert_eq!(shown, active.names().map(|name| format!("heads.{name}")).collect::<Vec<_>>());
            assert_eq!(output.emotion, all.emotion.filter(|_| emotion));
            assert_eq!(output.gender, all.gender.filter(|_| gender));
            assert_eq!(output.age_years, all.age_years.filter(|_| age));
        }
    }
}
