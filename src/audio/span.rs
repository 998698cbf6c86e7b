//! A segment of a recording, by its start and end.

use crate::error::{Error, Result};

/// The longest overlap of two segments that are decoded in one pass, seconds. Their common samples
/// are in memory meanwhile: 23 MB at 48 kHz in stereo.
const MAX_OVERLAP_S: f64 = 60.0;

/// A segment of a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Start in seconds, from the beginning of the recording.
    pub start_s: f64,
    /// End in seconds, at least the start; `None` for the end of the recording.
    pub end_s: Option<f64>,
}

impl Span {
    /// Checks that the times are finite and in order.
    ///
    /// # Errors
    /// [`Error::Usage`] with the times.
    pub fn check(&self) -> Result<()> {
        let end_s = self.end_s.unwrap_or(self.start_s);
        if self.start_s.is_finite() && end_s.is_finite() && self.start_s >= 0.0 && end_s >= self.start_s {
            return Ok(());
        }
        Err(Error::usage(format!("a segment from {} s to {end_s} s: expected 0 ≤ start ≤ end", self.start_s)))
    }

    /// The frame at which the segment begins, and the one before which it ends.
    pub fn frames(&self, sample_rate_hz: u32) -> (u64, Option<u64>) {
        let frame = |seconds: f64| (seconds * f64::from(sample_rate_hz)).round() as u64;
        (frame(self.start_s), self.end_s.map(frame))
    }

    /// Divides segments of one recording into passes over it, as indices in the order of their
    /// starts, so that no two segments of a pass overlap by more than a minute. Segments that do
    /// not overlap by more make one pass.
    pub fn passes(spans: &[Self]) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by(|a, b| spans[*a].start_s.total_cmp(&spans[*b].start_s).then(a.cmp(b)));
        let mut passes: Vec<(f64, Vec<usize>)> = Vec::new();
        for index in order {
            let Self { start_s, end_s } = spans[index];
            let end_s = end_s.unwrap_or(f64::INFINITY);
            match passes.iter_mut().find(|(last_s, _)| *last_s - start_s <= MAX_OVERLAP_S) {
                Some((last_s, members)) => {
                    *last_s = last_s.max(end_s);
                    members.push(index);
                }
                None => passes.push((end_s, vec![index])),
            }
        }
        passes.into_iter().map(|(_, members)| members).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start_s: f64, end_s: f64) -> Span {
        Span { start_s, end_s: Some(end_s) }
    }

    #[test]
    fn segments_that_overlap_little_are_one_pass_in_the_order_of_their_starts() {
        assert_eq!(Span::passes(&[span(5.0, 9.0), span(0.0, 6.0), span(5.0, 7.0)]), [[1, 0, 2]]);
        let whole = Span { start_s: 0.0, end_s: None };
        assert_eq!(Span::passes(&[whole, whole, span(0.0, 3600.0)]), [[0], [1], [2]]);
        assert_eq!(Span::passes(&[span(0.0, 100.0), span(30.0, 200.0), span(90.0, 300.0)]), [vec![0, 2], vec![1]]);
        assert_eq!(Span::passes(&[]), [[0; 0]; 0]);
    }

    #[test]
    fn times_must_be_finite_and_in_order() {
        assert!(span(0.0, 0.0).check().is_ok() && Span { start_s: 1.0, end_s: None }.check().is_ok());
        for wrong in [span(-1.0, 2.0), span(2.0, 1.0), span(f64::NAN, 2.0), span(0.0, f64::INFINITY)] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        assert_eq!(span(0.5, 1.25).frames(8000), (4000, Some(10_000)));
    }
}
