//! How a recording changes: what is asked for, and one segment of the answer.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::models::ActiveHeads;

use super::report::{NoAnswer, Predictions, Withheld};

/// The shortest hop, seconds: each second of sound is then heard thirty times.
const MIN_HOP_S: f64 = 0.1;

/// A timeline: the recording in segments of one hop, each answered by the windows around it.
///
/// ```
/// use persona_engine::engine::{Options, Smoothing, Timeline};
///
/// let every_half_second = Timeline { hop_s: 0.5, ..Timeline::default() };
/// let options = Options { timeline: Some(every_half_second), ..Options::default() };
/// assert_eq!(Timeline::default(), Timeline { hop_s: 1.0, smoothing: Smoothing::Overlap });
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeline {
    /// Seconds from one window to the next, and the length of a segment. Default 1; 0.1 to the window's length (3 s). At that length
    /// windows do not overlap and segments are windows. The time that an answer takes grows as the hop shrinks: at 1 s it is threefold.
    pub hop_s: f64,
    /// What a segment takes from the windows around it.
    pub smoothing: Smoothing,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { hop_s: 1.0, smoothing: Smoothing::Overlap }
    }
}

/// What a segment takes from the windows around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Smoothing {
    /// The mean of the probabilities and ages of all answered windows that overlap it, weighted by a triangle:
    ///
    /// ```text
    /// weight = 1 − 2 · |middle of the window − middle of the segment| / (length of the window + length of the segment)
    /// ```
    ///
    /// That is 1 for the window which has the segment in its middle and falls to 0 where they no longer overlap: with a hop of 1 s
    /// 1/2, 1, 1/2 for the three windows that hold the segment.
    #[default]
    Overlap,
    /// The answer of the one window whose middle is nearest, as it came from the network.
    None,
}

impl Timeline {
    /// Whether the hop makes sense for a network that hears `window_s` seconds at a time.
    ///
    /// # Errors
    /// [`Error::Config`] that names the hop and what it may be.
    pub(super) fn check(&self, window_s: f64) -> Result<()> {
        if (MIN_HOP_S..=window_s).contains(&self.hop_s) {
            return Ok(());
        }
        let what = format!("is not between {MIN_HOP_S} and {window_s} seconds, the length of a window");
        Err(Error::Config(format!("hop_s: {} {what}", self.hop_s)))
    }

    /// The hop in samples.
    pub(super) fn hop(&self, rate_hz: u32) -> usize {
        ((self.hop_s * f64::from(rate_hz)).round() as usize).max(1)
    }
}

/// One segment of a timeline. Stretches follow each other without gaps from 0 to the end of the recording, each of one hop; the last one has half a
/// hop to one and a half.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Segment {
    /// Where it begins, seconds.
    pub start_s: f64,
    /// Where it ends, seconds.
    pub end_s: f64,
    /// The share of it that is speech, 0 to 1; nothing if the detector is off.
    pub speech_share: Option<f64>,
    /// Emotion, gender and age, or those of them that were asked for.
    #[serde(flatten)]
    pub answers: Predictions,
    /// What was withheld because the system is less sure of it than asked.
    pub withheld: Vec<Withheld>,
    /// Why there is no answer.
    pub no_answer: Option<NoAnswer>,
}

impl Segment {
    /// Its length, seconds.
    pub fn length_s(&self) -> f64 {
        self.end_s - self.start_s
    }

    /// Seconds of it that are speech; all of it if the detector is off.
    pub fn speech_s(&self) -> f64 {
        self.speech_share.unwrap_or(1.0) * self.length_s()
    }

    /// The heads that were asked.
    pub fn heads(&self) -> ActiveHeads {
        self.answers.heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_that_makes_no_sense_is_named_with_its_bounds() {
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
