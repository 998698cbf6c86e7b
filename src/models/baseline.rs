//! Baseline of a speaker: the mean of the vectors of the speaker's recordings, shrunken towards that
//! of all speakers, which is taken off a vector before the trunk.
//!
//! ```text
//! z' = z − N / (N + prior_clips) · (m − c)        z: standardised vector of a chunk
//!                                                 m: mean of the N vectors of the speaker's chunks
//!                                                 c: mean of the training corpus (`baseline.centre`)
//! spread = mean over dimensions of the variance of the N vectors (divisor N − 1)
//! ```
//!
//! Speakers and rooms shift the mean of the vectors by as much as a mood does; the baseline takes
//! that off. Where the speaker's recordings have one mood only, the mean is the mood, and taking it
//! off would lose it. The spread tells: below `least_spread` no baseline is applied.
//!
//! Trained for: the heads of a model with a baseline have seen vectors with baselines of 0 to 40
//! chunks (`tools/train`).

use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::active_heads::ActiveHeads;
use crate::models::recipe::{parse, within};
use crate::models::standardise::Reference;
use crate::nn::Loader;

/// The manifest's `baseline`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineRecipe {
    /// Number of chunks at which half of the mean is taken off.
    pub prior_clips: f64,
    /// The spread below which no baseline is applied.
    pub least_spread: f64,
    /// The heads that are computed from the vector minus the baseline; the others, such as gender
    /// and age, which are the speaker's own, from the vector itself. Default: all heads.
    #[serde(default = "all_heads", deserialize_with = "heads")]
    pub heads: ActiveHeads,
}

fn all_heads() -> ActiveHeads {
    ActiveHeads::ALL
}

/// A list of heads by name, such as `["emotion"]`.
fn heads<'de, D: Deserializer<'de>>(from: D) -> Result<ActiveHeads, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let mut heads = ActiveHeads { emotion: false, gender: false, age: false };
    for name in &names {
        match name.as_str() {
            "emotion" => heads.emotion = true,
            "gender" => heads.gender = true,
            "age" => heads.age = true,
            other => return Err(D::Error::custom(format!("unknown head `{other}`; known: emotion, gender, age"))),
        }
    }
    if names.is_empty() {
        return Err(D::Error::custom("no heads"));
    }
    Ok(heads)
}

impl BaselineRecipe {
    /// Parses the manifest's `baseline`.
    pub(super) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("baseline", value)?;
        within("baseline.prior_clips", &recipe.prior_clips, 1e-3..=1e6)?;
        within("baseline.least_spread", &recipe.least_spread, 0.0..=1e6)?;
        Ok(recipe)
    }
}

/// The fewest chunks that have a spread.
const MIN_CHUNKS: u64 = 2;

/// Sums over the vectors of a speaker's chunks: all that a baseline needs of them. Sums of several
/// recordings can be added, and one of them taken out again.
///
/// In JSON `{"windows": N, "sums": [dim values], "squares": [dim values]}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "JsonForm", into = "JsonForm")]
pub struct SpeakerVectors {
    count: u64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

/// The JSON of [`SpeakerVectors`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonForm {
    windows: u64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl From<SpeakerVectors> for JsonForm {
    fn from(SpeakerVectors { count, sums, squares }: SpeakerVectors) -> Self {
        Self { windows: count, sums, squares }
    }
}

impl TryFrom<JsonForm> for SpeakerVectors {
    type Error = String;

    fn try_from(JsonForm { windows, sums, squares }: JsonForm) -> Result<Self, String> {
        if sums.len() != squares.len() || (windows == 0) != sums.is_empty() {
            return Err(format!("{windows} windows, {} sums and {} squares", sums.len(), squares.len()));
        }
        if !sums.iter().chain(&squares).all(|value| value.is_finite()) {
            return Err("a sum that is not finite".into());
        }
        Ok(Self { count: windows, sums, squares })
    }
}

impl SpeakerVectors {
    /// Adds the standardised vector of a chunk, `[dim]`.
    ///
    /// # Panics
    ///
    /// If its length differs from that of earlier ones.
    pub fn add(&mut self, vector: &[f32]) {
        self.reserve(vector.len());
        self.count += 1;
        for ((sum, square), x) in self.sums.iter_mut().zip(&mut self.squares).zip(vector) {
            *sum += f64::from(*x);
            *square += f64::from(*x).powi(2);
        }
    }

    /// Adds the vectors of another recording of the same model.
    ///
    /// # Panics
    ///
    /// If its vectors have another length.
    pub fn merge(&mut self, other: &Self) {
        self.combine(other, 1.0);
        self.count += other.count;
    }

    /// These vectors without those of one recording that were added to them.
    ///
    /// # Panics
    ///
    /// If its vectors have another length, or are more.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        assert!(other.count <= self.count, "{} of {} vectors", other.count, self.count);
        let mut rest = self.clone();
        rest.combine(other, -1.0);
        rest.count -= other.count;
        rest
    }

    /// Number of vectors.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean of each dimension; empty without vectors.
    pub fn mean(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.count.max(1) as f64).collect()
    }

    /// Variance of each dimension, with the divisor N − 1; empty below two vectors.
    pub fn variance(&self) -> Vec<f64> {
        if self.count < MIN_CHUNKS {
            return Vec::new();
        }
        let n = self.count as f64;
        let of_dimension = |(sum, square): (&f64, &f64)| ((square - sum * sum / n) / (n - 1.0)).max(0.0);
        self.sums.iter().zip(&self.squares).map(of_dimension).collect()
    }

    /// Mean over the dimensions of their variance; `None` below two vectors.
    pub fn spread(&self) -> Option<f64> {
        let variance = self.variance();
        (!variance.is_empty()).then(|| variance.iter().sum::<f64>() / variance.len() as f64)
    }

    /// Mean square of all values; 0 without vectors.
    pub fn mean_square(&self) -> f64 {
        let values = self.count as f64 * self.squares.len() as f64;
        self.squares.iter().sum::<f64>() / values.max(1.0)
    }

    fn reserve(&mut self, dim: usize) {
        if self.sums.is_empty() {
            (self.sums, self.squares) = (vec![0.0; dim], vec![0.0; dim]);
        }
        assert!(self.sums.len() == dim, "a vector of {dim} values among those of {}", self.sums.len());
    }

    fn combine(&mut self, other: &Self, sign: f64) {
        if other.sums.is_empty() {
            return;
        }
        self.reserve(other.sums.len());
        self.sums.iter_mut().zip(&other.sums).for_each(|(a, b)| *a += sign * b);
        self.squares.iter_mut().zip(&other.squares).for_each(|(a, b)| *a += sign * b);
    }
}

/// A baseline as it is applied to the chunks of a recording, or the reason why it is not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpeakerBaseline {
    /// What was decided, and on what.
    pub decision: BaselineDecision,
    /// Length of the vectors of the model that it was made for.
    dim: usize,
    /// Taken off each vector, `[dim]`; `None` if it is not applied.
    shift: Option<Arc<[f32]>>,
}

/// Whether a baseline was applied, and what decided it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BaselineDecision {
    /// Whether it was applied.
    pub applied: bool,
    /// Number of the speaker's chunks that it is made from.
    #[serde(rename = "windows")]
    pub chunks: u64,
    /// Their spread, to a thousandth; `None` below two chunks.
    pub spread: Option<f64>,
    /// Why it was not applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<BaselineRefusal>,
}

/// Why a baseline is not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BaselineRefusal {
    /// Fewer than two chunks of speech.
    TooFew,
    /// The spread is below the model's `least_spread`: the recordings are too much alike, as when
    /// all have one mood, which a baseline would take off.
    OneMood,
}

impl BaselineRefusal {
    /// The reason as a clause.
    pub fn explain(self) -> &'static str {
        match self {
            Self::TooFew => "fewer than two chunks of the speaker's other speech are known",
            Self::OneMood => "the speaker's recordings are too much alike, as when all have one mood",
        }
    }
}

impl SpeakerBaseline {
    /// Length of the vectors of the model that it was made for.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Whether it changes vectors.
    pub(super) fn is_applied(&self) -> bool {
        self.shift.is_some()
    }

    /// Takes the baseline off a standardised vector `[dim]`, in place.
    pub(super) fn subtract(&self, vector: &mut [f32]) {
        if let Some(shift) = &self.shift {
            vector.iter_mut().zip(shift.iter()).for_each(|(x, s)| *x -= s);
        }
    }
}

/// The baseline of a model, loaded.
#[derive(Debug)]
pub(super) struct Baseline {
    recipe: BaselineRecipe,
    /// Mean of the training corpus, standardised.
    centre: Vec<f32>,
}

impl Baseline {
    /// Takes `baseline.centre` `[dim]`. `reference`: the standardisation that the heads were
    /// trained with.
    pub(super) fn load(
        loader: &mut Loader<'_>,
        recipe: BaselineRecipe,
        dim: usize,
        reference: Reference<'_>,
    ) -> Result<Self> {
        let centre = loader.take("baseline.centre", &[dim])?.into_values();
        let standardised = |(i, x): (usize, f32)| (x - reference.mean(i)) / reference.scale(i);
        Ok(Self { recipe, centre: centre.into_iter().enumerate().map(standardised).collect() })
    }

    /// The heads that are computed from the vector minus the baseline.
    pub(super) fn heads(&self) -> ActiveHeads {
        self.recipe.heads
    }

    /// The baseline of a speaker with these vectors, or the reason why none is applied.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for vectors of another model.
    pub(super) fn of(&self, vectors: &SpeakerVectors) -> Result<SpeakerBaseline> {
        let (dim, spread) = (self.centre.len(), vectors.spread());
        if vectors.count > 0 && vectors.sums.len() != dim {
            let what = format!("vectors of {} values for a model whose vectors have {dim}", vectors.sums.len());
            return Err(Error::usage(format!("baseline: {what}")));
        }
        let reason = match spread {
            None => Some(BaselineRefusal::TooFew),
            Some(spread) if spread < self.recipe.least_spread => Some(BaselineRefusal::OneMood),
            Some(_) => None,
        };
        let shift = reason.is_none().then(|| {
            let n = vectors.count as f64;
            let share = n / (n + self.recipe.prior_clips);
            let shift = vectors.mean().into_iter().zip(&self.centre).map(|(m, c)| (share * (m - f64::from(*c))) as f32);
            shift.collect()
        });
        let spread = spread.map(|spread| (1e3 * spread).round() / 1e3);
        let decision = BaselineDecision { applied: shift.is_some(), chunks: vectors.count, spread, reason };
        Ok(SpeakerBaseline { decision, dim, shift })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::weights::test_files::{file, loader};
    use serde_json::json;

    fn baseline(least_spread: f64) -> Baseline {
        let bytes = file(&[("baseline.centre", &[2], &[1.0, 3.0])]);
        let recipe = BaselineRecipe::parse(json!({"prior_clips": 2.0, "least_spread": least_spread})).unwrap();
        Baseline::load(&mut loader(&bytes), recipe, 2, Reference::of(&[1.0, 1.0], &[1.0, 2.0])).unwrap()
    }

    fn vectors(rows: &[[f32; 2]]) -> SpeakerVectors {
        let mut vectors = SpeakerVectors::default();
        for row in rows {
            vectors.add(row);
        }
        vectors
    }

    #[test]
    fn the_shrunken_mean_is_taken_off() {
        // the centre is (0, 1) when standardised
        let speaker = vectors(&[[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(speaker.spread(), Some(2.0));
        let applied = baseline(1.0).of(&speaker).unwrap();
        assert_eq!(applied.decision, BaselineDecision { applied: true, chunks: 2, spread: Some(2.0), reason: None });
        let mut vector = [10.0, 10.0];
        applied.subtract(&mut vector);
        // half of (2 − 0, 3 − 1)
        assert_eq!(vector, [9.0, 9.0]);
    }

    #[test]
    fn few_vectors_and_one_mood_are_refused() {
        assert_eq!(baseline(0.0).heads(), ActiveHeads::ALL);
        let one = json!({"prior_clips": 8.0, "least_spread": 0.5, "heads": ["emotion"]});
        let one = BaselineRecipe::parse(one).unwrap().heads;
        assert_eq!(one, ActiveHeads { emotion: true, gender: false, age: false });
        let speaker = vectors(&[[1.0, 2.0], [3.0, 4.0]]);
        for (vectors, least_spread, reason) in [
            (speaker, 2.1, BaselineRefusal::OneMood),
            (vectors(&[[1.0, 2.0]]), 0.0, BaselineRefusal::TooFew),
            (SpeakerVectors::default(), 0.0, BaselineRefusal::TooFew),
        ] {
            let refused = baseline(least_spread).of(&vectors).unwrap();
            assert_eq!((refused.decision.applied, refused.decision.reason), (false, Some(reason)));
            let mut vector = [10.0, 10.0];
            refused.subtract(&mut vector);
            assert_eq!(vector, [10.0, 10.0]);
        }
        let other = {
            let mut vectors = SpeakerVectors::default();
            vectors.add(&[1.0; 3]);
            vectors
        };
        assert!(baseline(0.0).of(&other).unwrap_err().to_string().contains("vectors of 3 values"));
    }

    #[test]
    fn sums_add_and_one_recording_can_be_left_out() {
        let (a, b) = (vectors(&[[1.0, 2.0], [3.0, -4.0]]), vectors(&[[0.5, 0.25]]));
        let mut all = a.clone();
        all.merge(&b);
        assert_eq!(all, vectors(&[[1.0, 2.0], [3.0, -4.0], [0.5, 0.25]]));
        assert_eq!(all.without(&b), a);
        assert_eq!((all.without(&a).count(), all.count()), (1, 3));
        assert_eq!(all.without(&SpeakerVectors::default()), all);
    }

    #[test]
    fn sums_have_a_json_form_that_is_checked() {
        let speaker = vectors(&[[1.0, 2.0], [3.0, -4.0]]);
        let json = serde_json::to_string(&speaker).unwrap();
        assert_eq!(json, r#"{"windows":2,"sums":[4.0,-2.0],"squares":[10.0,20.0]}"#);
        assert_eq!(serde_json::from_str::<SpeakerVectors>(&json).unwrap(), speaker);
        for broken in [
            r#"{"windows":2,"sums":[4.0],"squares":[10.0,20.0]}"#,
            r#"{"windows":0,"sums":[4.0],"squares":[10.0]}"#,
            r#"{"windows":2,"sums":[],"squares":[]}"#,
            r#"{"windows":-2,"sums":[4.0],"squares":[10.0]}"#,
        ] {
            assert!(serde_json::from_str::<SpeakerVectors>(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn invalid_recipes_are_named() {
        for (key, value) in [
            ("prior_clips", json!(0.0)),
            ("least_spread", json!(-1.0)),
            ("heads", json!(["hair"])),
            ("heads", json!([])),
        ] {
            let mut broken = json!({"prior_clips": 8.0, "least_spread": 0.5});
            broken[key] = value;
            let message = BaselineRecipe::parse(broken).unwrap_err().to_string();
            assert!(message.contains(&format!("`baseline.{key}`")), "{message}");
        }
    }
}
