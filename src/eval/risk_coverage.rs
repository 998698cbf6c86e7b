//! Selective classification: the risk-coverage curve and the area under it (AURC).
//!
//! The clips are sorted by confidence in descending order. The risk at coverage `k / n` is the
//! share of errors among the first `k`, and
//!
//! ```text
//! AURC = 1/n · Σₖ risk(k / n)          k = 1 … n
//! ```
//!
//! (Geifman, Uziel, El-Yaniv 2019, "Bias-reduced uncertainty estimation for deep neural
//! classifiers", eq. 4.) A threshold cannot separate clips of equal confidence: the errors within
//! such a tie are distributed evenly, so the result does not depend on the order of the table.

use super::classes::ClassCase;

/// Clips of equal confidence.
#[derive(Debug, Clone, PartialEq)]
struct Tie {
    confidence: f64,
    /// The clip's bootstrap unit, and whether its prediction is wrong.
    clips: Vec<(usize, bool)>,
}

/// Clips in descending order of confidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    ties: Vec<Tie>,
}

/// A point of the risk-coverage curve: the most confident part of the clips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoveragePoint {
    /// Their share of all clips.
    pub coverage: f64,
    /// Number of clips.
    pub clips: usize,
    /// Share of them that is correct.
    pub accuracy: f64,
    /// Lowest confidence among them.
    pub threshold: f64,
}

impl Ranking {
    /// Ranks clips, given with their bootstrap units.
    pub fn new<'a>(cases: impl IntoIterator<Item = (usize, &'a ClassCase)>) -> Self {
        let mut cases: Vec<_> = cases.into_iter().collect();
        cases.sort_by(|a, b| b.1.confidence.total_cmp(&a.1.confidence).then(a.0.cmp(&b.0)));
        let ties = cases.chunk_by(|a, b| a.1.confidence == b.1.confidence).map(|tie| Tie {
            confidence: tie[0].1.confidence,
            clips: tie.iter().map(|(unit, case)| (*unit, !case.correct())).collect(),
        });
        Self { ties: ties.collect() }
    }

    /// Area under the risk-coverage curve, with unit `u` counted `times(u)` times. `None` of no
    /// clips.
    pub fn aurc(&self, times: impl Fn(usize) -> u32) -> Option<f64> {
        let (mut clips, mut errors, mut area) = (0_u64, 0_u64, 0.0);
        for tie in &self.ties {
            let drawn = tie.clips.iter().map(|(unit, _)| u64::from(times(*unit))).sum::<u64>();
            let wrong =
                tie.clips.iter().filter(|(_, wrong)| *wrong).map(|(unit, _)| u64::from(times(*unit))).sum::<u64>();
            for k in 1..=drawn {
                let expected = errors as f64 + wrong as f64 * (k as f64 / drawn as f64);
                area += expected / (clips + k) as f64;
            }
            (clips, errors) = (clips + drawn, errors + wrong);
        }
        (clips > 0).then(|| area / clips as f64)
    }

    /// The `⌈coverage · n⌉` most confident clips, at least one. `None` of no clips.
    pub fn at_coverage(&self, coverage: f64) -> Option<CoveragePoint> {
        let all: usize = self.ties.iter().map(|tie| tie.clips.len()).sum();
        // 1e-9 less, so that 0.3 · 10 = 3.0000000000000004 is rounded up to 3 and not to 4
        let wanted = ((coverage * all as f64 - 1e-9).ceil() as usize).clamp(1, all.max(1));
        let (mut clips, mut errors) = (0, 0.0);
        for tie in &self.ties {
            let wrong = tie.clips.iter().filter(|(_, wrong)| *wrong).count() as f64;
            let taken = tie.clips.len().min(wanted - clips);
            clips += taken;
            errors += wrong * taken as f64 / tie.clips.len() as f64;
            if clips == wanted {
                let (accuracy, coverage) = (1.0 - errors / clips as f64, clips as f64 / all as f64);
                return Some(CoveragePoint { coverage, clips, accuracy, threshold: tie.confidence });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(cases: &[(f64, bool)]) -> Ranking {
        let cases: Vec<_> = cases
            .iter()
            .map(|&(confidence, correct)| ClassCase {
                truth: 0,
                predicted: usize::from(!correct),
                confidence,
                nll: 0.0,
            })
            .collect();
        Ranking::new(cases.iter().map(|case| (0, case)))
    }

    #[test]
    fn equals_the_definition_without_ties() {
        let ranking = ranking(&[(0.6, false), (0.9, true), (0.7, true), (0.8, false)]);
        let expected = (0.0 + 1.0 / 2.0 + 1.0 / 3.0 + 2.0 / 4.0) / 4.0;
        approx::assert_abs_diff_eq!(ranking.aurc(|_| 1).unwrap(), expected, epsilon = 1e-15);
        let half = ranking.at_coverage(0.5).unwrap();
        assert_eq!((half.clips, half.accuracy, half.threshold, half.coverage), (2, 0.5, 0.8, 0.5));
        assert_eq!(ranking.at_coverage(1.0).unwrap().accuracy, 0.5);
        assert_eq!(ranking.at_coverage(0.0).unwrap().clips, 1);
    }

    #[test]
    fn a_tie_has_its_mean_risk_in_any_order() {
        let cases = [(0.9, true), (0.9, false), (0.9, true), (0.5, false)];
        let mut reversed = cases;
        reversed.reverse();
        assert_eq!(ranking(&cases).aurc(|_| 1), ranking(&reversed).aurc(|_| 1));
        approx::assert_abs_diff_eq!(ranking(&cases).aurc(|_| 1).unwrap(), (1.0 + 0.5) / 4.0, epsilon = 1e-15);
        approx::assert_abs_diff_eq!(ranking(&cases).at_coverage(0.25).unwrap().accuracy, 2.0 / 3.0, epsilon = 1e-15);
    }

    #[test]
    fn correct_predictions_have_risk_zero_and_wrong_ones_one() {
        assert_eq!(ranking(&[(0.9, true), (0.4, true)]).aurc(|_| 1), Some(0.0));
        assert_eq!(ranking(&[(0.9, false), (0.4, false)]).aurc(|_| 1), Some(1.0));
        assert_eq!(ranking(&[]).aurc(|_| 1), None);
        assert_eq!(ranking(&[]).at_coverage(0.5), None);
    }

    #[test]
    fn a_unit_counted_twice_equals_two_units() {
        let once = ranking(&[(0.9, true), (0.9, true), (0.5, false), (0.5, false)]);
        let drawn = ranking(&[(0.9, true), (0.5, false)]);
        assert_eq!(drawn.aurc(|_| 2), once.aurc(|_| 1));
        assert_eq!(drawn.aurc(|_| 0), None);
    }

    #[test]
    fn coverages_are_whole_numbers_of_clips() {
        let ranking = ranking(&(0..10).map(|i| (f64::from(i) / 10.0, true)).collect::<Vec<_>>());
        let clips: Vec<_> = (1..=10).map(|k| ranking.at_coverage(f64::from(k) / 10.0).unwrap().clips).collect();
        assert_eq!(clips, (1..=10).collect::<Vec<_>>());
    }
}
