//! Timeline of a recording: its options, and one segment of the output.

use serde::Serialize;

use crate::error::{Error, Result};

use super::familiarity::Familiarity;
use super::no_answer::{NoAnswer, Withheld};
use super::predictions::Predictions;

/// Minimum hop in seconds; with 3 s chunks each second is processed 30 times.
const MIN_HOP_S: f64 = 0.1;

/// Options of a timeline: the recording in segments of one hop, each predicted from the chunks
/// around it.
///
/// ```
/// use persona_engine::{Options, Smoothing, Timeline};
///
/// let every_half_second = Timeline { hop_s: 0.5, ..Timeline::default() };
/// let options = Options { timeline: Some(every_half_second), ..Options::default() };
/// assert_eq!(Timeline::default(), Timeline { hop_s: 1.0, smoothing: Smoothing::Overlap });
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeline {
    /// Seconds from the start of one chunk to the next, and the length of a segment. Default 1; 0.1
    /// to the chunk length (3 s). At the chunk length, chunks do not overlap and segments are
    /// chunks. The processing time is inversely proportional to the hop: at 1 s it is threefold.
    pub hop_s: f64,
    /// How the predictions of overlapping chunks are combined.
    pub smoothing: Smoothing,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { hop_s: 1.0, smoothing: Smoothing::Overlap }
    }
}

/// How a segment's predictions are computed from the chunks that overlap it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Smoothing {
    /// The mean of the probabilities and ages of all predicted chunks that overlap the segment,
    /// with triangular weights:
    ///
    /// ```text
    /// weight = 1 − 2 · |centre(chunk) − centre(segment)| / (length(chunk) + length(segment))
    /// ```
    ///
    /// The weight is 1 for the chunk that is centred on the segment and falls to 0 where they no
    /// longer overlap: with a hop of 1 s it is 1/2, 1, 1/2 for the three chunks that contain the
    /// segment.
    #[default]
    Overlap,
    /// The prediction of the one chunk whose centre is nearest, unsmoothed.
    None,
}

impl Timeline {
    /// Checks the hop for a network with chunks of `chunk_s` seconds.
    ///
    /// # Errors
    /// [`Error::Usage`] with the hop and its valid range.
    pub(super) fn check(&self, chunk_s: f64) -> Result<()> {
        if (MIN_HOP_S..=chunk_s).contains(&self.hop_s) {
            return Ok(());
        }
        let what = format!("is not between {MIN_HOP_S} and {chunk_s} seconds, the length of a chunk");
        Err(Error::usage(format!("hop_s: {} {what}", self.hop_s)))
    }

    /// The hop in samples.
    pub(super) fn hop(&self, rate_hz: u32) -> usize {
        ((self.hop_s * f64::from(rate_hz)).round() as usize).max(1)
    }
}

/// One segment of a timeline. Segments follow each other without gaps from 0 to the end of the
/// recording, each of one hop; the last one is half a hop to one and a half long.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Segment {
    /// Start, seconds.
    pub start_s: f64,
    /// End, seconds.
    pub end_s: f64,
    /// Share of the segment that is speech, 0 to 1; `None` if the detector is off.
    pub speech_share: Option<f64>,
    /// Seconds in which somebody else speaks, too; `None`, and no key in JSON, unless the segment is
    /// a turn of a speaker ([`Voice::turns`](crate::Voice::turns)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap_s: Option<f64>,
    /// Predictions of the active heads.
    #[serde(flatten)]
    pub predictions: Predictions,
    /// Predictions below the minimum confidence.
    pub withheld: Vec<Withheld>,
    /// Reason for missing predictions. `Some` if and only if every head is `None`.
    pub no_answer: Option<NoAnswer>,
    /// Distance to the training domain, if the model states one.
    #[serde(rename = "domain", skip_serializing_if = "Option::is_none")]
    pub familiarity: Option<Familiarity>,
}

impl Segment {
    /// Length, seconds.
    pub fn length_s(&self) -> f64 {
        self.end_s - self.start_s
    }

    /// Seconds of speech; the whole length if the detector is off.
    pub fn speech_s(&self) -> f64 {
        self.speech_share.unwrap_or(1.0) * self.length_s()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_hop_is_reported_with_its_range() {
        for hop_s in [0.1, 1.0, 3.0] {
            Timeline { hop_s, ..Timeline::default() }.check(3.0).unwrap();
        }
        for (hop_s, named) in
            [(0.0, "hop_s: 0 "), (3.1, "hop_s: 3.1 "), (f64::NAN, "hop_s: NaN "), (-1.0, "hop_s: -1 ")]
        {
            let message = Timeline { hop_s, ..Timeline::default() }.check(3.0).unwrap_err().to_string();
            assert!(message.starts_with(named) && message.contains("0.1 and 3 seconds"), "{message}");
        }
        assert_eq!(Timeline { hop_s: 0.3, ..Timeline::default() }.hop(16_000), 4800);
    }
}
