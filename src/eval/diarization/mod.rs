//! Evaluation of a diarization: who speaks when, against a reference.
//!
//! ```text
//! turns of reference and hypothesis ─ by recording ─▶ annotation: intervals by speaker
//! annotations, scored time          ─ pieces ───────▶ time with one set of speakers in both
//! pieces ─ assignment of speakers ──▶ diarization error rate, Jaccard error rate ─▶ report
//! ```
//!
//! | file | concept |
//! |---|---|
//! | `intervals` | a set of time |
//! | `annotation` | intervals by speaker |
//! | `turns` | annotations and scored time from lists |
//! | `pieces` | time with one set of speakers in reference and hypothesis |
//! | `assignment` | the one-to-one assignment with the largest sum |
//! | `error_rate`, `jaccard` | the measures, each with its definition |
//! | `comparison` | the measures of one recording, with and without collar |
//! | `report`, `text` | the measures of all recordings; JSON, text |

mod annotation;
mod assignment;
mod comparison;
mod error_rate;
mod intervals;
mod jaccard;
mod pieces;
mod report;
mod text;
mod turns;

pub use annotation::Annotation;
pub use comparison::{COLLAR_S, Comparison, compare};
pub use error_rate::ErrorTimes;
pub use intervals::Intervals;
pub use jaccard::JaccardSum;
pub use report::{
    Annotations, DiarizationInputs, DiarizationReport, DiarizationRow, DiarizationSource, ErrorRates, Overall, Rates,
    SCHEMA,
};
pub use text::write as write_text;
pub use turns::{annotations, scored_time};
