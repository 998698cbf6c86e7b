//! Layer `engine`: where audio, signal processing and models meet. A [`Recording`] in, a [`Report`]
//! out.
//!
//! | file | concept |
//! |---|---|
//! | **output** | |
//! | `predictions` | emotion, gender and age of one voice |
//! | `familiarity` | distance of a voice to the training domain |
//! | `no_answer` | reasons for missing predictions |
//! | `texts` | texts for people: reasons for missing predictions, the legal notice |
//! | `signal_quality` | clipping, bandwidth, offset and noise of an input |
//! | `timeline` | options of a timeline, and one segment of it |
//! | `summary` | share of speech by label over a timeline |
//! | `report` | the report and its JSON |
//! | `round` | rounding of reported numbers |
//! | **input** | |
//! | `options` | options of an engine |
//! | `recording` | file, bytes, reader or samples |
//! | `audio_source` | a decoder, a segment of one, or samples in memory |
//! | `control`, `observer` | the caller's checkpoints, and the receiver of samples and segments |
//! | **run** | |
//! | `engine` | the engine: stream → chunks → predictions → report |
//! | `spans` | segments of a recording in one pass |
//! | `stream` | a recording as signals at the network's rate, block by block |
//! | `chunker` | signals to chunks of 3 s |
//! | `chunk_worker`, `chunk_output` | one chunk: speech detection, features, network |
//! | `pool` | threads that process chunks |
//! | `voice_pipeline` | chunker, aggregate and smoother of one signal |
//! | `aggregate`, `mean` | chunks to the predictions of the recording |
//! | `smoother` | overlapping chunks to consecutive segments |
//! | `decision` | probabilities to labels; low confidence withheld |
//! | `speakers` | who speaks when, and the predictions for each speaker |
//! | `report_builder` | results of a run to the report |
//! | `level` | sums over samples, and their level |
//! | `embed` | a recording's embedding |
//! | `features` | a recording's features |
//! | **models** | |
//! | `catalogue` | models by name |
//! | `embedded` | the models in the binary (feature `embedded-weights`) |
//! | `folders` | folders of installed models |
//! | `nearest` | the name that was probably meant |
//! | `check` | a model compared with another implementation, layer by layer |

mod aggregate;
mod audio_source;
mod catalogue;
mod check;
mod chunk_output;
mod chunk_worker;
mod chunker;
mod control;
mod decision;
mod embed;
mod embedded;
#[expect(clippy::module_inception, reason = "the file of the type `Engine`")]
mod engine;
mod familiarity;
mod features;
mod folders;
mod level;
mod mean;
mod nearest;
mod no_answer;
mod observer;
mod options;
mod pool;
mod predictions;
mod recording;
mod report;
mod report_builder;
mod round;
mod signal_quality;
mod smoother;
mod spans;
mod speakers;
mod stream;
mod summary;
mod texts;
mod timeline;
mod voice_pipeline;

pub use catalogue::{Catalogue, Entry, ModelHeader, Place};
pub use check::{LayerCheck, ModelCheck, check};
pub use control::{Control, NoControl, Progress};
pub use embed::{EmbedOptions, Embedding};
pub use embedded::DEFAULT_MODEL;
pub use engine::Engine;
pub use familiarity::Familiarity;
pub use features::features;
pub use folders::{installed as installed_folders, is_path};
pub use no_answer::{Head, NoAnswer, Withheld, WithheldReason};
pub use observer::{Collector, NullObserver, Observer};
pub use options::Options;
pub use predictions::{Age, Classification, Interval, Predictions};
pub use recording::Recording;
pub use report::{Failure, ModelInfo, RecordingInfo, Report, SCHEMA, Timings, Voice};
pub use signal_quality::SignalQuality;
pub use speakers::Speakers;
pub use summary::Summary;
pub use texts::{LEGAL_NOTICE, ReasonTexts, reasons_json};
pub use timeline::{Segment, Smoothing, Timeline};

pub use crate::audio::{Limits, RawFormat, Span, needs_whole_file};
pub use crate::models::age_interval::AgeInterval;
pub use crate::models::manifest::{ClassifierManifest, Manifest, Measure, Score};
pub use crate::models::representation::{ConcatPart, RepresentationRecipe};
pub use crate::models::segmentation::Segmentation;
pub use crate::models::trunk::TrunkRecipe;
pub use crate::models::{ActiveHeads, Frontend, LoadOptions, Model, Precision};
pub use crate::models::{BaselineDecision, BaselineRefusal, adapted, unadapted};
pub use crate::models::{DomainRecipe, SpeakerBaseline, SpeakerVectors};
