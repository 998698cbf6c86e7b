//! The manifest: what a model file says of itself, in its header, as JSON under the key `persona`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::models::frontend::Frontend;
use crate::models::heads::HeadsRecipe;
use crate::models::recipe::{Object, parse, take, wrong};
use crate::models::representation::RepresentationRecipe;
use crate::models::trunk::TrunkRecipe;
use crate::nn::Precision;

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
    /// In which precision it is to be computed where nobody asks for one.
    pub precision: Option<Precision>,
    /// Checksum of the tensors, in hex.
    pub sha256: String,
}

/// The manifest of a file that ends at the representation: it has neither `trunk` nor `heads` nor `scores`, and gives vectors instead of answers.
/// Imported networks are such files, until somebody trains heads on them.
#[derive(Clone, Debug, PartialEq)]
pub struct RepresentationManifest {
    /// Name of the network, such as the imported file's.
    pub name: String,
    /// The tool and version that made the file.
    pub created_by: String,
    /// Licence of the weights.
    pub licence: String,
    /// Where it comes from: free-form, for people.
    pub data: Object,
    /// The features.
    pub frontend: Frontend,
    /// From features to one vector.
    pub representation: RepresentationRecipe,
    /// Checksum of the tensors, in hex.
    pub sha256: String,
}

/// The manifest of either kind of file.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyManifest {
    /// Of a whole system.
    System(Box<Manifest>),
    /// Of a representation.
    Representation(Box<RepresentationManifest>),
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

impl Score {
    /// The protocol and the four measures, each `{"mean", "std"}` or null, as JSON for those who list systems.
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
    /// The key of a model file's header that holds the manifest.
    pub const KEY: &str = "persona";

    /// As [`AnyManifest::parse`], of a system's manifest.
    ///
    /// # Errors
    ///
    /// Those of [`AnyManifest::parse`], and [`Error::Config`] for a representation without heads, which says how it becomes a system.
    pub fn parse(json: &str) -> Result<Self> {
        match AnyManifest::parse(json)? {
            AnyManifest::System(manifest) => Ok(*manifest),
            AnyManifest::Representation(manifest) => Err(without_heads(&manifest.name)),
        }
    }

    /// What is said of the way to the representation.
    pub fn to_representation(&self) -> RepresentationManifest {
        RepresentationManifest {
            name: self.name.clone(),
            created_by: self.created_by.clone(),
            licence: self.licence.clone(),
            data: self.data.clone(),
            frontend: self.frontend.clone(),
            representation: self.representation.clone(),
            sha256: self.sha256.clone(),
        }
    }
}

impl AnyManifest {
    /// As [`Self::parse`], of the header's text under [`Manifest::KEY`].
    ///
    /// # Errors
    ///
    /// Those of [`Self::parse`], and [`Error::Malformed`] where there is no such text.
    pub fn of_header(text: Option<&str>) -> Result<Self> {
        let what = "its header has no key `persona`: a safetensors file, but none of this engine's systems";
        Self::parse(text.ok_or_else(|| Error::malformed("model file", what))?)
    }

    /// Reads and checks the JSON of the header. Without `trunk` and `heads` it is a representation's.
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
        let is_system = ["trunk", "heads", "scores", "precision"].iter().any(|key| object.contains_key(*key));
        let way = take_representation(&mut object)?;
        let manifest = if is_system { take_system(way, &mut object)? } else { Self::Representation(Box::new(way)) };
        match object.keys().next() {
            None => Ok(manifest),
            Some(key) => Err(wrong(key, "is unknown to this version; a newer one may be needed")),
        }
    }

    /// Name of the system or network.
    pub fn name(&self) -> &str {
        match self {
            Self::System(manifest) => &manifest.name,
            Self::Representation(manifest) => &manifest.name,
        }
    }

    /// Checksum of the tensors, in hex.
    pub fn sha256(&self) -> &str {
        match self {
            Self::System(manifest) => &manifest.sha256,
            Self::Representation(manifest) => &manifest.sha256,
        }
    }

    /// In which precision it is to be computed where nobody asks for one; a representation leaves that open.
    pub fn precision(&self) -> Option<Precision> {
        match self {
            Self::System(manifest) => manifest.precision,
            Self::Representation(_) => None,
        }
    }

    /// What was measured; nothing for a representation.
    pub fn scores(&self) -> &[Score] {
        match self {
            Self::System(manifest) => &manifest.scores,
            Self::Representation(_) => &[],
        }
    }
}

/// The error where a system was expected and a representation came.
pub(crate) fn without_heads(name: &str) -> Error {
    Error::Config(format!(
        "model file: `{name}` is a network without heads: it gives embeddings (`embed`, `similarity`) and no answers. \
         tools/train/train_heads.py makes a system of it"
    ))
}

fn take_representation(object: &mut Object) -> Result<RepresentationManifest> {
    let mut text = |key: &str| parse::<String>(key, take(object, key)?);
    let (name, created_by) = (text("name")?, text("created_by")?);
    let (licence, sha256) = (text("licence")?, text("sha256")?);
    Ok(RepresentationManifest {
        name,
        created_by,
        licence,
        data: parse("data", take(object, "data")?)?,
        frontend: Frontend::parse(take(object, "frontend")?)?,
        representation: RepresentationRecipe::parse(take(object, "representation")?)?,
        sha256,
    })
}

fn take_system(way: RepresentationManifest, object: &mut Object) -> Result<AnyManifest> {
    let RepresentationManifest { name, created_by, licence, data, frontend, representation, sha256 } = way;
    Ok(AnyManifest::System(Box::new(Manifest {
        name,
        created_by,
        licence,
        data,
        frontend,
        representation,
        trunk: TrunkRecipe::parse(take(object, "trunk")?)?,
        heads: HeadsRecipe::parse(take(object, "heads")?)?,
        scores: object.remove("scores").map_or(Ok(Vec::new()), |rows| parse("scores", rows))?,
        precision: object.remove("precision").map(parse_precision).transpose()?,
        sha256,
    })))
}

fn parse_precision(value: Value) -> Result<Precision> {
    let name: String = parse("precision", value)?;
    name.parse().map_err(|expected: String| wrong("precision", format!("\"{name}\": {expected}")))
}

fn check_format(format: &Value) -> Result<()> {
    if format.as_u64() == Some(FORMAT) {
        return Ok(());
    }
    Err(wrong("format", format!("{format} is not read by this version, only {FORMAT}; a newer one may be needed")))
}
