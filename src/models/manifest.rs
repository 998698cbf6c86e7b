//! The manifest: what a model file says of itself, in its header, as JSON under the key `persona`.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::frontend::Frontend;
use crate::models::heads::HeadsRecipe;
use crate::models::recipe::{Object, kind_and_rest, parse, take, unknown_kind, wrong};
use crate::models::trunk::TrunkRecipe;
use crate::models::xvector::XVectorRecipe;

/// The version of the manifest that is read.
pub const FORMAT: u64 = 1;

/// A manifest, checked: every part of the recipe is known to this engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Name of the system, such as `xvector-cnn`.
    pub name: String,
    /// The tool and version that made the file.
    pub created_by: String,
    /// Licence of the weights.
    pub licence: String,
    /// What it was trained on: free-form, for people.
    pub data: Object,
    /// The features.
    pub frontend: Frontend,
    /// From features to one vector.
    pub representation: RepresentationRecipe,
    /// From that vector to what the heads read.
    pub trunk: TrunkRecipe,
    /// The answers.
    pub heads: HeadsRecipe,
    /// What was measured of it.
    pub scores: Vec<Score>,
    /// Checksum of the tensors, in hex.
    pub sha256: String,
}

/// The manifest's `representation`: one variant per kind.
#[derive(Clone, Debug, PartialEq)]
pub enum RepresentationRecipe {
    /// `xvector`.
    XVector(XVectorRecipe),
}

/// One row of measurements, in percent and years. Unknown keys are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Score {
    /// Name of the system that was measured.
    pub system: String,
    /// How the data was split: `fold_clip`, `fold_actor` or `fold_sentence`.
    pub protocol: String,
    /// Which folds, or how many.
    pub folds: Value,
    /// Percent.
    pub emotion_accuracy: Option<Measure>,
    /// Percent.
    pub gender_accuracy: Option<Measure>,
    /// Years.
    pub age_rmse: Option<Measure>,
    /// Years.
    pub age_mae: Option<Measure>,
    /// Everything else of the row, such as `groups`.
    #[serde(flatten)]
    pub more: Object,
}

/// A mean over folds.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Measure {
    /// Mean over the folds.
    pub mean: f64,
    /// Standard deviation over the folds, where there are several.
    pub std: Option<f64>,
}

impl Manifest {
    /// The key of a model file's header that holds the manifest.
    pub const KEY: &str = "persona";

    /// As [`Self::parse`], of the header's text under [`Self::KEY`].
    ///
    /// # Errors
    ///
    /// Those of [`Self::parse`], and [`Error::Malformed`] where there is no such text.
    pub fn of_header(text: Option<&str>) -> Result<Self> {
        let what = "its header has no key `persona`: a safetensors file, but none of this engine's systems";
        Self::parse(text.ok_or_else(|| Error::malformed("model file", what))?)
    }

    /// Reads and checks the JSON of the header.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names the key that is missing, unknown or out of range; [`Error::Unsupported`] for another format
    /// than [`FORMAT`].
    pub fn parse(json: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(json)
            .map_err(|e| Error::Config(format!("model file: the manifest is not JSON: {e}")))?;
        let Value::Object(mut object) = value else {
            return Err(Error::Config("model file: the manifest is no JSON object".into()));
        };
        check_format(&take(&mut object, "format")?)?;
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
            trunk: TrunkRecipe::parse(take(&mut object, "trunk")?)?,
            heads: HeadsRecipe::parse(take(&mut object, "heads")?)?,
            scores: object.remove("scores").map_or(Ok(Vec::new()), |rows| parse("scores", rows))?,
            sha256,
        };
        match object.keys().next() {
            None => Ok(manifest),
            Some(key) => Err(wrong(key, "is unknown to this version; a newer one may be needed")),
        }
    }
}

impl RepresentationRecipe {
    fn parse(value: Value) -> Result<Self> {
        let (kind, rest) = kind_and_rest("representation", value)?;
        match kind.as_str() {
            "xvector" => Ok(Self::XVector(XVectorRecipe::parse(rest)?)),
            other => Err(unknown_kind("representation", other, "`xvector`")),
        }
    }
}

fn check_format(format: &Value) -> Result<()> {
    if format.as_u64() == Some(FORMAT) {
        return Ok(());
    }
    Err(wrong("format", format!("{format} is not read by this version, only {FORMAT}; a newer one may be needed")))
}
