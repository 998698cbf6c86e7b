//! Comparison of a hypothesis with the reference of one recording.

use super::annotation::Annotation;
use super::assignment::assign;
use super::error_rate::ErrorTimes;
use super::intervals::Intervals;
use super::jaccard::JaccardSum;
use super::pieces::{Piece, pieces, shared_seconds};

/// Half-width of the collar in seconds: time that close to a start or end in the reference is not
/// scored (NIST).
pub const COLLAR_S: f64 = 0.25;

/// The measures of one recording.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Comparison {
    /// Scored time in seconds.
    pub scored_s: f64,
    /// Errors without collar.
    pub errors: ErrorTimes,
    /// Errors with a collar of [`COLLAR_S`].
    pub errors_with_collar: ErrorTimes,
    /// Jaccard error rate without collar.
    pub jaccard: JaccardSum,
    /// Speakers of the reference in the scored time.
    pub speakers: usize,
    /// Speakers of the hypothesis in the scored time.
    pub speakers_found: usize,
}

/// Compares a hypothesis with the reference of a recording. `scored` is the time to be scored;
/// `None`: all.
pub fn compare(reference: &Annotation, hypothesis: &Annotation, scored: Option<&Intervals>) -> Comparison {
    let all = Intervals::union([reference, hypothesis].iter().filter_map(|annotation| annotation.extent()));
    // between two extents that do not meet nobody speaks
    let scored = scored.unwrap_or(&all);
    let whole = Assigned::of(reference, hypothesis, scored);
    let without_edges = Assigned::of(reference, hypothesis, &scored.without(&reference.boundaries(COLLAR_S)));
    Comparison {
        scored_s: scored.seconds(),
        errors: whole.errors(),
        errors_with_collar: without_edges.errors(),
        jaccard: JaccardSum::of(&whole.pieces, &whole.partners, &whole.shared),
        speakers: occurring(&whole.pieces, |piece| &piece.reference),
        speakers_found: occurring(&whole.pieces, |piece| &piece.hypothesis),
    }
}

/// The pieces of a scored time with the assignment that is the best for it.
struct Assigned {
    pieces: Vec<Piece>,
    shared: Vec<Vec<f64>>,
    partners: Vec<Option<usize>>,
}

impl Assigned {
    fn of(reference: &Annotation, hypothesis: &Annotation, scored: &Intervals) -> Self {
        let pieces = pieces(reference, hypothesis, scored);
        let shared = shared_seconds(&pieces, reference.speakers.len(), hypothesis.speakers.len());
        let partners = assign(&shared);
        Self { pieces, shared, partners }
    }

    fn errors(&self) -> ErrorTimes {
        ErrorTimes::of(&self.pieces, &self.partners)
    }
}

/// Number of speakers who occur in any piece.
fn occurring(pieces: &[Piece], speakers: impl Fn(&Piece) -> &[usize]) -> usize {
    let mut seen: Vec<usize> = pieces.iter().flat_map(|piece| speakers(piece).iter().copied()).collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        recordings: Vec<GoldenRecording>,
    }

    #[derive(serde::Deserialize)]
    struct GoldenRecording {
        name: String,
        reference: Vec<(String, f64, f64)>,
        hypothesis: Vec<(String, f64, f64)>,
        scored: Option<Vec<(f64, f64)>>,
        /// Speech, missed, false alarm, confusion in seconds.
        errors: [f64; 4],
        errors_with_collar: [f64; 4],
        jaccard_errors: f64,
        jaccard_speakers: usize,
        speakers: usize,
        speakers_found: usize,
    }

    fn annotation(turns: &[(String, f64, f64)]) -> Annotation {
        Annotation::of(turns.iter().map(|(speaker, start, end)| (&**speaker, *start, *end)))
    }

    /// Golden: pyannote.metrics (tools/golden/diarization.py). Its times are sums of differences in
    /// f64, as these are: 1e-6 s is far above their rounding.
    #[test]
    fn measures_equal_pyannote_metrics() {
        let golden: Golden = serde_json::from_str(include_str!("../../../tests/golden/diarization.json")).unwrap();
        assert!(golden.recordings.len() >= 60);
        for recording in &golden.recordings {
            let scored = recording.scored.as_ref().map(|scored| Intervals::union(scored.iter().copied()));
            let (reference, hypothesis) = (annotation(&recording.reference), annotation(&recording.hypothesis));
            let found = compare(&reference, &hypothesis, scored.as_ref());
            for (kind, errors, expected) in [
                ("no collar", found.errors, recording.errors),
                ("collar", found.errors_with_collar, recording.errors_with_collar),
            ] {
                let times = [errors.speech_s, errors.missed_s, errors.false_alarm_s, errors.confusion_s];
                for (is, expected) in times.iter().zip(expected) {
                    assert!((is - expected).abs() < 1e-6, "{}, {kind}: {times:?}, not {expected}", recording.name);
                }
            }
            let name = &recording.name;
            assert!((found.jaccard.errors - recording.jaccard_errors).abs() < 1e-6, "{name}: {:?}", found.jaccard);
            assert_eq!(found.jaccard.speakers, recording.jaccard_speakers, "{name}");
            assert_eq!(
                (found.speakers, found.speakers_found),
                (recording.speakers, recording.speakers_found),
                "{name}"
            );
        }
    }

    fn conversation() -> Annotation {
        Annotation::of([("a", 0.0, 4.0), ("b", 3.5, 8.0), ("a", 9.0, 12.0), ("c", 12.5, 13.0)])
    }

    #[test]
    fn the_reference_itself_has_no_errors_under_any_names() {
        let reference = conversation();
        let renamed = Annotation::of([("2", 0.0, 4.0), ("1", 3.5, 8.0), ("2", 9.0, 12.0), ("0", 12.5, 13.0)]);
        let found = compare(&reference, &renamed, None);
        assert_eq!(
            (found.errors.der(), found.errors_with_collar.der(), found.jaccard.jer()),
            (Some(0.0), Some(0.0), Some(0.0))
        );
        assert_eq!((found.speakers, found.speakers_found, found.errors.speech_s), (3, 3, 12.0));
        // 0.5 s of c lie within the collars
        assert!(found.errors_with_collar.speech_s < 12.0 - 0.5);
    }

    #[test]
    fn nothing_found_is_all_missed_and_nothing_said_has_no_rate() {
        let (nothing, reference) = (Annotation::default(), conversation());
        let found = compare(&reference, &nothing, None);
        assert_eq!((found.errors.der(), found.errors.missed_s, found.jaccard.jer()), (Some(1.0), 12.0, Some(1.0)));
        let found = compare(&nothing, &reference, None);
        assert_eq!((found.errors.der(), found.errors.false_alarm_s, found.jaccard.jer()), (None, 12.0, None));
        assert_eq!(compare(&nothing, &nothing, None), Comparison::default());
    }

    #[test]
    fn time_that_is_not_scored_has_no_errors() {
        let reference = conversation();
        let wrong = Annotation::of([("x", 0.0, 20.0)]);
        let found = compare(&reference, &wrong, Some(&Intervals::union([(0.0, 3.0), (8.0, 9.0)])));
        let ErrorTimes { speech_s, missed_s, false_alarm_s, confusion_s } = found.errors;
        assert_eq!((speech_s, missed_s, false_alarm_s, confusion_s), (3.0, 0.0, 1.0, 0.0));
        assert_eq!((found.speakers, found.speakers_found, found.scored_s), (1, 1, 4.0));
    }
}
