//! Diarization error rate.
//!
//! ```text
//! DER = (missed + false alarm + confusion) / speech
//! ```
//!
//! All are sums over the scored time, and a time with n speakers counts n times: with r speakers in
//! the reference, h in the hypothesis and c of them assigned to each other, `speech` grows by r,
//! `missed` by max(0, r − h), `false alarm` by max(0, h − r) and `confusion` by min(r, h) − c. The
//! assignment of speakers is the one with the least confusion (NIST, *RT-09 Evaluation Plan*).

use std::ops::AddAssign;

use serde::Serialize;

use super::super::ratio::ratio;
use super::pieces::Piece;

/// Seconds of speech and of each kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct ErrorTimes {
    /// Speech in the reference; overlapped speech counts for each speaker.
    pub speech_s: f64,
    /// Speech that the hypothesis lacks.
    pub missed_s: f64,
    /// Speech of the hypothesis that the reference lacks.
    pub false_alarm_s: f64,
    /// Speech attributed to another speaker.
    pub confusion_s: f64,
}

impl ErrorTimes {
    /// Sums over pieces, with the speaker of the hypothesis assigned to each of the reference.
    pub(super) fn of(pieces: &[Piece], assigned: &[Option<usize>]) -> Self {
        let mut times = Self::default();
        for piece in pieces {
            let [reference, hypothesis] = [&piece.reference, &piece.hypothesis].map(Vec::len);
            let is_right = |speaker: &&usize| assigned[**speaker].is_some_and(|h| piece.hypothesis.contains(&h));
            let right = piece.reference.iter().filter(is_right).count();
            times.speech_s += reference as f64 * piece.seconds;
            times.missed_s += reference.saturating_sub(hypothesis) as f64 * piece.seconds;
            times.false_alarm_s += hypothesis.saturating_sub(reference) as f64 * piece.seconds;
            times.confusion_s += (reference.min(hypothesis) - right) as f64 * piece.seconds;
        }
        times
    }

    /// The diarization error rate; may exceed 1. `None` without speech.
    pub fn der(&self) -> Option<f64> {
        ratio(self.missed_s + self.false_alarm_s + self.confusion_s, self.speech_s)
    }
}

impl AddAssign for ErrorTimes {
    fn add_assign(&mut self, other: Self) {
        self.speech_s += other.speech_s;
        self.missed_s += other.missed_s;
        self.false_alarm_s += other.false_alarm_s;
        self.confusion_s += other.confusion_s;
    }
}
