//! Layer `eval`: a researcher's evaluation of any system, by the engine that answers its users.
//!
//! ```text
//! table.csv ─ records ─ condition ─ table ─▶ rows: clip, true labels, speaker          problems, by line
//! clips     ─ engine (recordings), or features file and the network ─▶ predictions: those of `infer`
//! both      ─ cases by speaker ─▶ sums ─▶ measures, and their intervals by drawing speakers again
//!           ─▶ report: JSON, text, one HTML page
//! ```
//!
//! | file | concept |
//! |---|---|
//! | `records` | a CSV file as records with their lines |
//! | `condition` | which rows are asked for |
//! | `spelling` | the words by which corpora call a system's labels |
//! | `table` | the labelled table |
//! | `problem` | what cannot be used of it |
//! | `features` | a file of stored features |
//! | `clips` | where clips come from, and their answers by any number of threads |
//! | `prediction` | what the system said of one clip |
//! | `classes`, `calibration`, `abstention`, `ages` | the measures, each with its definition |
//! | `bootstrap` | intervals by drawing speakers |
//! | `measures` | the measures of a set of clips with their intervals |
//! | `groups` | the sets that are measured apart |
//! | `overlap` | voices that the system was trained on |
//! | `evaluation` | the way from a request to a report |
//! | `report`, `predictions`, `text`, `html` | what comes out: JSON, a table of answers, text, a page with plots |

mod abstention;
mod ages;
mod bootstrap;
mod calibration;
mod classes;
mod clips;
mod condition;
mod evaluation;
mod features;
mod groups;
mod html;
mod measures;
mod overlap;
mod prediction;
mod predictions;
mod problem;
mod records;
mod report;
mod spelling;
mod table;
mod text;

pub use abstention::{Kept, Ranking};
pub use ages::{AgeCase, AgeSums};
pub use bootstrap::Bootstrap;
pub use calibration::{BINS, Calibration, Reliability};
pub use classes::{ClassCase, ClassSums, PROBABILITY_FLOOR};
pub use condition::Condition;
pub use evaluation::{Answered, Evaluation, Request, evaluate};
pub use html::write as write_html;
pub use measures::{
    AgeMeasures, Baselines, ClassDetail, ClassMeasures, Estimate, KeptRow, LabelRow, Majority, MeanAge, ReliabilityRow,
};
pub use overlap::TrainingOverlap;
pub use prediction::{ClassAnswer, Interval, Prediction};
pub use predictions::write as write_predictions;
pub use problem::{Problem, Reason};
pub use report::{EvalReport, Group, InputInfo, Measures, Problems, SCHEMA, Settings, SystemInfo};
pub use spelling::Spelling;
pub use table::{Roles, Row, Selection, Table};
pub use text::write as write_text;
