//! Manifest of a model file: versioned JSON in the header of the safetensors file, under the key
//! `persona`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::baseline::BaselineRecipe;
use crate::models::domain::DomainRecipe;
use crate::models::frontend::Frontend;
use crate::models::heads::HeadsRecipe;
use crate::models::recipe::{Object, parse, take, wrong};
use crate::models::representation::RepresentationRecipe;
use crate::models::trunk::TrunkRecipe;
use crate::nn::Precision;

/// The key that only the manifest of a segmentation file has.
pub(super) const SEGMENTATION: &str = "segmentation";

/// The supported version of the manifest.
pub const FORMAT: u64 = 1;

/// The manifest of a model file, checked: every part of its recipe is supported by this engine.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Manifest {
    /// Name of the model, such as `xvector-cnn`.
    pub name: String,
    /// The tool and version that wrote the file.
    pub created_by: String,
    /// Licence of the weights.
    pub licence: String,
    /// Training data or origin: free-form, for people.
    pub data: Object,
    /// Samples to features.
    pub frontend: Frontend,
    /// Features to the representation vector.
    pub representation: RepresentationRecipe,
    /// Vector to emotion, gender and age. `None` for a network that only embeds, such as an
    /// imported one.
    pub classifier: Option<ClassifierManifest>,
    /// Baseline of a speaker, for a model whose heads were trained with it.
    pub baseline: Option<BaselineRecipe>,
    /// Distance to the training domain.
    pub domain: Option<DomainRecipe>,
    /// What the standardisation was adapted to, if it was: free-form, for people.
    pub adapted: Option<Object>,
    /// Arithmetic to use where the caller requests none.
    pub precision: Option<Precision>,
    /// SHA-256 of the tensors, 64 hexadecimal digits.
    pub sha256: String,
}

/// The part of a manifest about the layers behind the representation, and how well they predict.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClassifierManifest {
    /// From the representation to the values that the heads read.
    pub trunk: TrunkRecipe,
    /// Labels, temperatures and intervals of the predictions.
    pub heads: HeadsRecipe,
    /// Measured accuracy, a row for each protocol.
    pub scores: Vec<Score>,
}

/// Accuracy by one protocol, in percent and years. Unknown keys are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Score {
    /// Name of the model that was measured.
    pub system: String,
    /// How the data was split: `fold_clip`, `fold_actor` or `fold_sentence`.
    pub protocol: String,
    /// Which folds, or how many.
    pub folds: Value,
    /// Accuracy, percent.
    pub emotion_accuracy: Option<Measure>,
    /// Accuracy, percent.
    pub gender_accuracy: Option<Measure>,
    /// Root mean square error, years.
    pub age_rmse: Option<Measure>,
    /// Mean absolute error, years.
    pub age_mae: Option<Measure>,
    /// Everything else of the row, such as `groups`.
    #[serde(flatten)]
    pub more: Object,
}

impl Score {
    /// The protocol and the four measures, each `{"mean", "std"}` or null, as JSON.
    pub fn headline(&self) -> Value {
        serde_json::json!({
            "protocol": self.protocol,
            "emotion_accuracy": self.emotion_accuracy,
            "gender_accuracy": self.gender_accuracy,
            "age_rmse": self.age_rmse,
            "age_mae": self.age_mae,
        })
    }
}

/// A mean over folds.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Measure {
    /// Mean over the folds.
    pub mean: f64,
    /// Standard deviation over the folds, where there are several.
    pub std: Option<f64>,
}

impl Manifest {
    /// The key of a model file's header that contains the manifest.
    pub const KEY: &str = "persona";

    /// Parses the header's text under [`Manifest::KEY`].
    ///
    /// # Errors
    ///
    /// Those of [`Manifest::parse`], and [`Error::Malformed`] where there is no such text.
    pub fn from_header(text: Option<&str>) -> Result<Self> {
        Self::parse(require_text(text)?)
    }

    /// Parses and checks the JSON of the header. A file without `trunk` and `heads` has no
    /// classifier.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] that names the key which is missing, unknown or out of range.
    pub fn parse(json: &str) -> Result<Self> {
        let mut object = object_of(json)?;
        if object.contains_key(SEGMENTATION) {
            return Err(Error::Manifest(
                "a segmentation of speakers, which works beside a model (`infer --speakers`); it is no model itself"
                    .into(),
            ));
        }
        let mut text = |key: &str| parse::<String>(key, take(&mut object, key)?);
        let (name, created_by) = (text("name")?, text("created_by")?);
        let (licence, sha256) = (text("licence")?, text("sha256")?);
        let manifest = Self {
            name,
            created_by,
            licence,
            data: parse("data", take(&mut object, "data")?)?,
            frontend: Frontend::parse(take(&mut object, "frontend")?)?,
            representation: RepresentationRecipe::parse(take(&mut object, "representation")?)?,
            classifier: ClassifierManifest::take(&mut object)?,
            baseline: object.remove("baseline").map(BaselineRecipe::parse).transpose()?,
            domain: object.remove("domain").map(DomainRecipe::parse).transpose()?,
            adapted: object.remove("adapted").map(|value| parse("adapted", value)).transpose()?,
            precision: object.remove("precision").map(parse_precision).transpose()?,
            sha256,
        };
        manifest.representation.check_frontend(&manifest.frontend)?;
        for (key, present) in [("baseline", manifest.baseline.is_some()), ("domain", manifest.domain.is_some())] {
            if present && manifest.classifier.is_none() {
                return Err(wrong(key, "belongs to heads, which this file does not have"));
            }
        }
        match object.keys().next() {
            None => Ok(manifest),
            Some(key) => Err(wrong(key, "is unknown to this version; a newer one may be needed")),
        }
    }

    /// The classifier.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] for a model without heads; it names the tool that trains them.
    pub fn require_classifier(&self) -> Result<&ClassifierManifest> {
        self.classifier.as_ref().ok_or_else(|| self.without_heads())
    }

    /// Measured accuracy; empty for a model without heads.
    pub fn scores(&self) -> &[Score] {
        self.classifier.as_ref().map_or(&[], |classifier| &classifier.scores)
    }

    /// The error where heads are needed and this model has none.
    pub(super) fn without_heads(&self) -> Error {
        Error::Manifest(format!(
            "`{}` is a network without heads: it computes embeddings (`embed`, `similarity`), not predictions; \
             tools/train/train_heads.py trains heads on it",
            self.name
        ))
    }
}

impl ClassifierManifest {
    /// Takes the keys of a classifier out of the manifest. If one of them is there, all but
    /// `scores` and `precision` must be.
    fn take(object: &mut Object) -> Result<Option<Self>> {
        if !["trunk", "heads", "scores", "precision"].iter().any(|key| object.contains_key(*key)) {
            return Ok(None);
        }
        Ok(Some(Self {
            trunk: TrunkRecipe::parse(take(object, "trunk")?)?,
            heads: HeadsRecipe::parse(take(object, "heads")?)?,
            scores: object.remove("scores").map_or(Ok(Vec::new()), |rows| parse("scores", rows))?,
        }))
    }
}

/// The keys of the manifest in a header, its `format` checked and removed.
pub(super) fn object_of_header(text: Option<&str>) -> Result<Object> {
    object_of(require_text(text)?)
}

fn require_text(text: Option<&str>) -> Result<&str> {
    let what = "its header has no key `persona`: a safetensors file, but not a model of this engine";
    text.ok_or_else(|| Error::malformed("model file", what))
}

fn object_of(json: &str) -> Result<Object> {
    let value: Value =
        serde_json::from_str(json).map_err(|e| Error::Manifest(format!("the manifest is not JSON: {e}")))?;
    let Value::Object(mut object) = value else {
        return Err(Error::Manifest("the manifest is not a JSON object".into()));
    };
    check_format(&take(&mut object, "format")?)?;
    Ok(object)
}

fn parse_precision(value: Value) -> Result<Precision> {
    let name: String = parse("precision", value)?;
    name.parse().map_err(|expected: String| wrong("precision", format!("\"{name}\": {expected}")))
}

fn check_format(format: &Value) -> Result<()> {
    if format.as_u64() == Some(FORMAT) {
        return Ok(());
    }
    Err(wrong("format", format!("{format} is not supported by this version, only {FORMAT}; a newer one may be needed")))
}
