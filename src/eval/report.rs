//! The evaluation as JSON: stable keys, a version, shares from 0 to 1, ages in years.

use std::collections::BTreeMap;

use serde::Serialize;

use super::measures::{AgeMeasures, Baselines, ClassDetail, ClassMeasures};
use super::overlap::TrainingOverlap;
use super::problem::Problem;

/// Version of the JSON. It grows when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The program and its version.
    pub created_by: String,
    /// What was measured.
    pub system: SystemInfo,
    /// On what.
    pub input: InputInfo,
    /// How.
    pub settings: Settings,
    /// What the reader should know before believing a figure.
    pub warnings: Vec<String>,
    /// Speakers of the test that are in the training.
    pub training_overlap: TrainingOverlap,
    /// What of the table was left out.
    pub problems: Problems,
    /// Clips that the system gave no answer for, by its reason: `silence`, `no_speech` … They are in no measure.
    pub no_answer: BTreeMap<String, usize>,
    /// All clips.
    pub overall: Measures,
    /// The tables behind `overall.emotion`.
    pub emotion_detail: Option<ClassDetail>,
    /// The tables behind `overall.gender`.
    pub gender_detail: Option<ClassDetail>,
    /// What constants would reach.
    pub baselines: Baselines,
    /// Parts of the clips, by column and value.
    pub groups: Vec<Group>,
}

/// The system measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SystemInfo {
    /// Its name.
    pub name: String,
    /// Checksum of its tensors.
    pub sha256: String,
    /// The tool that made it.
    pub created_by: String,
}

/// The clips.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputInfo {
    /// `audio` or `features`.
    pub kind: &'static str,
    /// The table, as the user named it.
    pub table: String,
    /// The features file, likewise.
    pub features: Option<String>,
    /// `COLUMN=VALUE`, as asked.
    #[serde(rename = "where")]
    pub conditions: Vec<String>,
    /// The most rows, as asked.
    pub limit: Option<usize>,
    /// Rows asked for, usable or not.
    pub rows: usize,
    /// Clips answered, or given a reason for no answer.
    pub clips: usize,
    /// Speakers of these clips.
    pub speakers: usize,
}

/// How it was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Whether recordings without speech, clipped and drowned ones were left unanswered ([`Options::activity`](crate::engine::Options::activity));
    /// never so of features, which are answered without audio.
    pub activity: bool,
    /// Draws of the bootstrap.
    pub bootstrap: usize,
    /// Its seed.
    pub seed: u64,
    /// What is drawn: `speakers` or `clips`.
    pub resampled: &'static str,
    /// What the intervals hold.
    pub confidence_level: f64,
    /// Bins of the calibration error, of equal width.
    pub ece_bins: usize,
    /// The least probability that a likelihood is taken of.
    pub probability_floor: f64,
}

/// What of the table was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// All.
    pub count: usize,
    /// By reason.
    pub by_reason: BTreeMap<&'static str, usize>,
    /// The first thousand, by line.
    pub list: Vec<Problem>,
}

/// The measures of some clips. A head without true labels or answers among them is `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measures {
    /// Clips.
    pub clips: usize,
    /// Their speakers; 0 of a table that names none.
    pub speakers: usize,
    /// Emotion.
    pub emotion: Option<ClassMeasures>,
    /// Gender.
    pub gender: Option<ClassMeasures>,
    /// Age.
    pub age: Option<AgeMeasures>,
}

/// A part of the clips.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The column.
    pub column: String,
    /// What the part's clips have in it.
    pub value: String,
    /// Its measures.
    #[serde(flatten)]
    pub measures: Measures,
}

impl EvalReport {
    /// Whether something of the table was left out.
    pub fn complete(&self) -> bool {
        self.problems.count == 0
    }
}
