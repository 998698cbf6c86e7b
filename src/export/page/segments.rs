//! Timeline of unknown length in a bounded number of segments: neighbours are joined when there are
//! too many.

use crate::engine::{Classification, NoAnswer, Segment};

/// The most segments: 4.5 hours at 1 s each. A longer recording joins two, then four …
const MAX_SEGMENTS: usize = 16_384;

/// One segment of the engine, or the mean of several, without labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PageSegment {
    pub(super) start_s: f64,
    pub(super) end_s: f64,
    /// Seconds of speech in it.
    pub(super) speech_s: f64,
    /// Seconds of speech with a prediction, the weight of the means; 0 without a prediction.
    weight: f64,
    /// Probabilities in the order of the labels; empty without a prediction.
    pub(super) emotion: Vec<f32>,
    pub(super) gender: Vec<f32>,
    pub(super) years: Option<f32>,
    /// Reason for a missing prediction.
    pub(super) no_answer: Option<NoAnswer>,
}

/// The segments of one voice.
#[derive(Debug, Clone, Default)]
pub(super) struct PageSegments {
    /// Engine segments per element of `list`: a power of two.
    per_element: usize,
    /// Engine segments in the last element.
    filled: usize,
    pub(super) list: Vec<PageSegment>,
}

impl PageSegments {
    pub(super) fn push(&mut self, segment: &Segment) {
        let next = PageSegment::of(segment);
        self.per_element = self.per_element.max(1);
        if let Some(last) = self.list.last_mut().filter(|_| self.filled < self.per_element) {
            last.join(&next);
            self.filled += 1;
            return;
        }
        self.join_if_full();
        self.list.push(next);
        self.filled = 1;
    }

    fn join_if_full(&mut self) {
        if self.list.len() == MAX_SEGMENTS {
            self.list = joined(&self.list, 2);
            self.per_element *= 2;
        }
    }
}

/// Groups of `n` segments joined to one each.
fn joined(segments: &[PageSegment], n: usize) -> Vec<PageSegment> {
    segments.chunks(n.max(1)).filter_map(PageSegment::joined).collect()
}

impl PageSegment {
    pub(super) fn of(segment: &Segment) -> Self {
        let numbers = |choice: &Option<Classification>| {
            choice.iter().flat_map(|choice| choice.probabilities.iter().map(|(_, p)| *p as f32)).collect()
        };
        let has_prediction = segment.no_answer.is_none();
        Self {
            start_s: segment.start_s,
            end_s: segment.end_s,
            speech_s: segment.speech_s(),
            weight: if has_prediction { segment.speech_s().max(1e-6) } else { 0.0 },
            emotion: numbers(&segment.predictions.emotion),
            gender: numbers(&segment.predictions.gender),
            years: segment.predictions.age.map(|age| age.years as f32),
            no_answer: segment.no_answer,
        }
    }

    /// One segment in place of several consecutive ones; `None` for none.
    pub(super) fn joined(segments: &[Self]) -> Option<Self> {
        let (first, rest) = segments.split_first()?;
        let mut whole = first.clone();
        for segment in rest {
            whole.join(segment);
        }
        Some(whole)
    }

    /// Appends the next segment: means weighted by speech. There is a prediction if either of them
    /// has one.
    fn join(&mut self, next: &Self) {
        let whole = self.weight + next.weight;
        let share = if whole > 0.0 { (next.weight / whole) as f32 } else { 0.0 };
        mean(&mut self.emotion, &next.emotion, share);
        mean(&mut self.gender, &next.gender, share);
        self.years = match (self.years, next.years) {
            (Some(a), Some(b)) => Some(a + share * (b - a)),
            (a, b) => a.or(b),
        };
        self.no_answer = self.no_answer.and(next.no_answer);
        self.weight = whole;
        self.speech_s += next.speech_s;
        self.end_s = next.end_s;
    }

    /// Whether both have the same most probable labels, or the same reason for a missing
    /// prediction.
    pub(super) fn has_labels_of(&self, other: &Self) -> bool {
        let labels = |segment: &Self| [&segment.emotion, &segment.gender].map(|p| Self::best(p));
        self.no_answer == other.no_answer && labels(self) == labels(other)
    }

    /// Index of the most probable label.
    pub(super) fn best(probabilities: &[f32]) -> Option<usize> {
        (0..probabilities.len()).reduce(|best, k| if probabilities[k] > probabilities[best] { k } else { best })
    }
}

/// Moves `mine` towards `theirs` by `share`; an empty `mine` becomes `theirs`.
fn mean(mine: &mut Vec<f32>, theirs: &[f32], share: f32) {
    if mine.is_empty() {
        *mine = theirs.to_vec();
        return;
    }
    mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += share * (b - *a));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Predictions;

    fn segment(k: usize, p: Option<f64>) -> Segment {
        let probabilities = |p: f64| vec![("a".to_owned(), p), ("b".to_owned(), 1.0 - p)];
        let emotion = p.map(|p| Classification { label: "a".into(), probabilities: probabilities(p) });
        Segment {
            start_s: k as f64,
            end_s: k as f64 + 1.0,
            speech_share: Some(if p.is_some() { 0.5 } else { 0.0 }),
            overlap_s: None,
            predictions: Predictions { emotion, ..Predictions::default() },
            withheld: Vec::new(),
            familiarity: None,
            no_answer: p.is_none().then_some(NoAnswer::Silence),
        }
    }

    #[test]
    fn joined_segments_are_means_of_the_predictions() {
        let mut segments = PageSegments::default();
        for (k, p) in [Some(0.9), None, Some(0.5), Some(0.7)].into_iter().enumerate() {
            segments.push(&segment(k, p));
        }
        let whole = &joined(&segments.list, 4)[0];
        assert_eq!((whole.start_s, whole.end_s, whole.speech_s, whole.no_answer), (0.0, 4.0, 1.5, None));
        approx::assert_abs_diff_eq!(whole.emotion[0], 0.7, epsilon = 1e-5);
        assert_eq!(joined(&segments.list, 3).len(), 2);
        assert_eq!(PageSegment::best(&[0.1, 0.6, 0.3]), Some(1));
        assert_eq!(PageSegment::best(&[]), None);
    }

    #[test]
    fn memory_is_bounded_for_any_length() {
        let mut segments = PageSegments::default();
        let n = 3 * MAX_SEGMENTS + 5;
        for k in 0..n {
            segments.push(&segment(k, (k % 3 > 0).then_some(0.25)));
        }
        assert!((MAX_SEGMENTS / 2..=MAX_SEGMENTS).contains(&segments.list.len()), "{}", segments.list.len());
        assert!(segments.list.windows(2).all(|pair| pair[0].end_s == pair[1].start_s));
        assert_eq!(segments.list.last().unwrap().end_s, n as f64);
        let speech: f64 = segments.list.iter().map(|segment| segment.speech_s).sum();
        approx::assert_abs_diff_eq!(speech, 0.5 * (0..n).filter(|k| k % 3 > 0).count() as f64, epsilon = 1e-6);
    }
}
