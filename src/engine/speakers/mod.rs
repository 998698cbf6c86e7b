//! Speakers: who speaks when in one signal, and the predictions for each of them.
//!
//! ```text
//! signal ─ windows of 10 s every 5 s ─ segmentation ─▶ local speakers, frame by frame
//!          runs of one local speaker, ≤ 3 s ─ network ─▶ predictions, statistics ─▶ embedding
//!          embeddings ─ clustering ─▶ speakers of the recording ─▶ turns, predictions
//! ```
//!
//! The network gets the samples of a piece in which its speaker is alone, so one pass serves
//! embedding, emotion, gender and age, no pass mixes speakers, and each sample goes through it once.
//! Local speakers are not taken for people: within a window the segmentation may give two people one
//! place, or one person two. So pieces are clustered, not local speakers.
//!
//! | file | concept |
//! |---|---|
//! | `options` | how many speakers to look for |
//! | `frames` | frames of the segmentation in samples |
//! | `pieces` | runs of one local speaker |
//! | `clustering` | embeddings of pieces to speakers |
//! | `turn_ranges` | when each speaker is active |
//! | `result` | predictions of each speaker and of each turn |
//! | `pipeline` | state of one signal |
//! | `segmenter` | windows through the segmentation network, on several threads |

mod clustering;
mod frames;
mod options;
mod pieces;
mod pipeline;
mod result;
mod segmenter;
mod turn_ranges;

pub use options::Speakers;
pub(super) use pipeline::{InputLimits, SpeakerPipeline};
pub(super) use result::{SignalResult, SpeakerResult};
pub(super) use segmenter::Segmenter;
