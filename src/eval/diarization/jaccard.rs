//! Jaccard error rate (Ryant and others 2019, *The Second DIHARD Diarization Challenge*).
//!
//! ```text
//! JER = mean over the reference's speakers of 1 − |reference ∩ hypothesis| / |reference ∪ hypothesis|
//! ```
//!
//! Each speaker counts the same, however much they speak. The hypothesis of a speaker is that of the
//! speaker assigned to them, as for the diarization error rate; a speaker with none counts as 1.

use std::ops::AddAssign;

use super::super::ratio::ratio;
use super::pieces::Piece;

/// Sum of the speakers' error rates.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct JaccardSum {
    /// Sum of the error rates.
    pub errors: f64,
    /// Number of speakers.
    pub speakers: usize,
}

impl JaccardSum {
    /// The speakers who speak in these pieces, with the speaker of the hypothesis assigned to each.
    /// `shared` are the seconds that they share, `[reference][hypothesis]`.
    pub(super) fn of(pieces: &[Piece], assigned: &[Option<usize>], shared: &[Vec<f64>]) -> Self {
        let mut in_reference = vec![0.0; assigned.len()];
        // of no reference there is no row of `shared`, and nobody to count
        let mut in_hypothesis = vec![0.0; shared.first().map_or(0, Vec::len)];
        for piece in pieces {
            piece.reference.iter().for_each(|&speaker| in_reference[speaker] += piece.seconds);
            for &speaker in &piece.hypothesis {
                if let Some(seconds) = in_hypothesis.get_mut(speaker) {
                    *seconds += piece.seconds;
                }
            }
        }
        let mut sum = Self::default();
        for (speaker, &seconds) in in_reference.iter().enumerate().filter(|(_, seconds)| **seconds > 0.0) {
            sum.speakers += 1;
            sum.errors += match assigned[speaker] {
                None => 1.0,
                Some(other) => {
                    let both = shared[speaker][other];
                    1.0 - both / (seconds + in_hypothesis[other] - both)
                }
            };
        }
        sum
    }

    /// The Jaccard error rate, from 0 to 1. `None` without speakers.
    pub fn jer(&self) -> Option<f64> {
        ratio(self.errors, self.speakers as f64)
    }
}

impl AddAssign for JaccardSum {
    fn add_assign(&mut self, other: Self) {
        self.errors += other.errors;
        self.speakers += other.speakers;
    }
}
