//! The evaluation as JSON: stable keys, a schema version, shares from 0 to 1, ages in years.

use std::collections::BTreeMap;

use serde::Serialize;

use super::measures::{AgeMeasures, Baselines, ClassDetail, ClassMeasures};
use super::overlap::TrainingOverlap;
use super::problem::Problem;

/// Version of the JSON. It increases when a field changes its meaning or is removed.
pub const SCHEMA: u32 = 1;

/// The complete result of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The program and its version.
    pub created_by: String,
    /// The evaluated model.
    pub system: SystemInfo,
    /// The evaluated clips.
    pub input: InputInfo,
    /// The settings.
    pub settings: Settings,
    /// Warnings that limit the results.
    pub warnings: Vec<String>,
    /// Speakers of the table who are in the model's training set.
    pub training_overlap: TrainingOverlap,
    /// Rows and labels that were skipped.
    pub problems: Problems,
    /// Clips without a prediction, by reason (`silence`, `no_speech` …). They are in no metric.
    pub no_answer: BTreeMap<String, usize>,
    /// All clips.
    pub overall: Measures,
    /// Details of `overall.emotion`.
    pub emotion_detail: Option<ClassDetail>,
    /// Details of `overall.gender`.
    pub gender_detail: Option<ClassDetail>,
    /// Constant baselines.
    pub baselines: Baselines,
    /// Groups of clips, by column and value.
    pub groups: Vec<Group>,
}

/// The evaluated model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SystemInfo {
    /// Its name.
    pub name: String,
    /// SHA-256 of its tensors.
    pub sha256: String,
    /// The tool that made it.
    pub created_by: String,
}

/// The evaluated clips.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputInfo {
    /// `audio` or `features`.
    pub kind: &'static str,
    /// The table, as the user named it.
    pub table: String,
    /// The features file, as the user named it.
    pub features: Option<String>,
    /// Row filters, `COLUMN=VALUE`.
    #[serde(rename = "where")]
    pub filters: Vec<String>,
    /// Maximum number of rows.
    pub limit: Option<usize>,
    /// Selected rows, usable or not.
    pub rows: usize,
    /// Clips with a prediction, or with a reason for a missing one.
    pub clips: usize,
    /// Speakers of these clips.
    pub speakers: usize,
}

/// The settings of the evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Whether recordings without speech, clipped or noisy recordings were rejected
    /// ([`Options::activity`](crate::engine::Options::activity)); always false for features, which
    /// have no audio.
    pub activity: bool,
    /// Number of bootstrap draws.
    pub bootstrap: usize,
    /// Its seed.
    pub seed: u64,
    /// What is resampled: `speakers` or `clips`.
    pub resampled: &'static str,
    /// Confidence level of the intervals.
    pub confidence_level: f64,
    /// Number of bins of the calibration error, of equal width.
    pub ece_bins: usize,
    /// Lower bound of probabilities in the likelihood.
    pub probability_floor: f64,
}

/// Rows and labels that were skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// Their number.
    pub count: usize,
    /// Number by reason.
    pub by_reason: BTreeMap<&'static str, usize>,
    /// The first thousand, in line order.
    pub list: Vec<Problem>,
}

/// Metrics of a set of clips. A head without true labels or predictions is `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measures {
    /// Number of clips.
    pub clips: usize,
    /// Number of their speakers; 0 for a table without speakers.
    pub speakers: usize,
    /// Emotion.
    pub emotion: Option<ClassMeasures>,
    /// Gender.
    pub gender: Option<ClassMeasures>,
    /// Age.
    pub age: Option<AgeMeasures>,
}

/// Metrics of a group of clips.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The column.
    pub column: String,
    /// The group's value in the column.
    pub value: String,
    /// Its metrics.
    #[serde(flatten)]
    pub measures: Measures,
}

impl EvalReport {
    /// Whether nothing in the table was skipped.
    pub fn complete(&self) -> bool {
        self.problems.count == 0
    }
}
