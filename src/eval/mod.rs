//! Layer `eval`: evaluation of a model on labelled recordings, with the engine that `infer` uses.
//!
//! ```text
//! table.csv ─ records ─ row filters ─ table ─▶ rows: clip, true labels, speaker      problems, by line
//! clips     ─ engine (recordings, or a features file and the network) ─▶ predictions: those of `infer`
//! both      ─ cases by speaker ─▶ sums ─▶ metrics, and their bootstrap intervals over speakers
//!           ─▶ report: JSON, text, one HTML page
//! ```
//!
//! | file | concept |
//! |---|---|
//! | `records` | a list as records with line numbers |
//! | `row_filter` | selection of rows by column values |
//! | `label_aliases` | the words that corpora use for a model's labels |
//! | `table` | the labelled table |
//! | `problem` | rows and labels that cannot be used |
//! | `features` | a file of stored features |
//! | `clips` | sources of clips, and prediction by any number of threads |
//! | `prediction` | a model's prediction for one clip |
//! | `classes`, `calibration`, `risk_coverage`, `ages` | the metrics, each with its definition |
//! | `ratio` | ratios that are undefined over an empty set |
//! | `bootstrap` | confidence intervals by resampling speakers |
//! | `measures` | the metrics of a set of clips with their intervals |
//! | `groups` | the sets that are evaluated separately |
//! | `overlap` | speakers of the table who are in the model's training set |
//! | `evaluation` | from a request to a report |
//! | `diarization` | who speaks when, against a reference |
//! | `report`, `predictions_csv`, `text`, `html` | outputs: JSON, a table of predictions, text, a page with plots |

mod ages;
mod bootstrap;
mod calibration;
mod classes;
mod clips;
pub mod diarization;
mod evaluation;
mod features;
mod groups;
mod html;
mod label_aliases;
mod measures;
mod overlap;
mod prediction;
mod predictions_csv;
mod problem;
mod ratio;
mod records;
mod report;
mod risk_coverage;
mod row_filter;
mod table;
mod text;

pub use crate::engine::Interval;
pub use ages::{AgeCase, AgeSums};
pub use bootstrap::Bootstrap;
pub use calibration::{BINS, Calibration, Reliability};
pub use classes::{ClassCase, ClassSums, PROBABILITY_FLOOR};
pub use evaluation::{EvaluatedClip, Evaluation, Request, evaluate};
pub use html::write as write_html;
pub use label_aliases::LabelAliases;
pub use measures::{
    AgeMeasures, Baselines, ClassDetail, ClassMeasures, CoverageRow, Estimate, LabelRow, Majority, MeanAge,
    ReliabilityRow,
};
pub use overlap::TrainingOverlap;
pub use prediction::{ClassPrediction, Prediction};
pub use predictions_csv::write as write_predictions;
pub use problem::{Problem, Reason};
pub use report::{EvalReport, Group, InputInfo, Measures, Problems, SCHEMA, Settings, SystemInfo};
pub use risk_coverage::{CoveragePoint, Ranking};
pub use row_filter::RowFilter;
pub use table::{Roles, Row, Selection, Table};
pub use text::write as write_text;
