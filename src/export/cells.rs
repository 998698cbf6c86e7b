//! A timeline in a bounded number of cells: numbers without labels, neighbours joined when there are too many.

use crate::engine::{Classification, NoAnswer, Segment};

/// Cells at most: 4.5 hours in segments of 1 s. Beyond that, cells hold two segments, then four …
const MAX_CELLS: usize = 16_384;

/// A segment, or the mean of several.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) start_s: f64,
    pub(super) end_s: f64,
    /// Seconds of it that are speech.
    pub(super) speech_s: f64,
    /// Seconds of speech that the answers are a mean over; 0 where there is none.
    weight: f64,
    /// Probabilities in the order of the labels; empty without an answer.
    pub(super) emotion: Vec<f32>,
    pub(super) gender: Vec<f32>,
    pub(super) years: Option<f32>,
    /// Why there is no answer.
    pub(super) no_answer: Option<NoAnswer>,
}

/// One channel's cells.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    /// Stretches that a cell holds: a power of two.
    per_cell: usize,
    /// Stretches in the last cell.
    filled: usize,
    pub(super) list: Vec<Cell>,
}

impl Cells {
    pub(super) fn push(&mut self, segment: &Segment) {
        let next = Cell::of(segment);
        self.per_cell = self.per_cell.max(1);
        if let Some(last) = self.list.last_mut().filter(|_| self.filled < self.per_cell) {
            last.join(&next);
            self.filled += 1;
            return;
        }
        self.join_if_full();
        self.list.push(next);
        self.filled = 1;
    }

    fn join_if_full(&mut self) {
        if self.list.len() == MAX_CELLS {
            self.list = joined(&self.list, 2);
            self.per_cell *= 2;
        }
    }
}

/// Cells of `n` each.
pub(super) fn joined(cells: &[Cell], n: usize) -> Vec<Cell> {
    let join = |group: &[Cell]| {
        group.split_first().map(|(first, rest)| {
            rest.iter().fold(first.clone(), |mut whole, cell| {
                whole.join(cell);
                whole
            })
        })
    };
    cells.chunks(n.max(1)).filter_map(join).collect()
}

impl Cell {
    fn of(segment: &Segment) -> Self {
        let numbers = |choice: &Option<Classification>| {
            choice.iter().flat_map(|choice| choice.probabilities.iter().map(|(_, p)| *p as f32)).collect()
        };
        let answered = segment.no_answer.is_none();
        Self {
            start_s: segment.start_s,
            end_s: segment.end_s,
            speech_s: segment.speech_s(),
            weight: if answered { segment.speech_s().max(1e-6) } else { 0.0 },
            emotion: numbers(&segment.answers.emotion),
            gender: numbers(&segment.answers.gender),
            years: segment.answers.age.map(|age| age.years as f32),
            no_answer: segment.no_answer,
        }
    }

    /// Goes on with the next cell: answers are means weighted by speech; what is answered anywhere is answered.
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

    /// Index of the most probable label.
    pub(super) fn best(probabilities: &[f32]) -> Option<usize> {
        (0..probabilities.len()).reduce(|best, k| if probabilities[k] > probabilities[best] { k } else { best })
    }
}

/// What is empty has nothing to say.
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
            answers: Predictions { emotion, ..Predictions::default() },
            withheld: Vec::new(),
            no_answer: p.is_none().then_some(NoAnswer::Silence),
        }
    }

    #[test]
    fn joined_cells_are_means_of_what_was_answered() {
        let mut cells = Cells::default();
        for (k, p) in [Some(0.9), None, Some(0.5), Some(0.7)].into_iter().enumerate() {
            cells.push(&segment(k, p));
        }
        let whole = &joined(&cells.list, 4)[0];
        assert_eq!((whole.start_s, whole.end_s, whole.speech_s, whole.no_answer), (0.0, 4.0, 1.5, None));
        approx::assert_abs_diff_eq!(whole.emotion[0], 0.7, epsilon = 1e-5);
        assert_eq!(joined(&cells.list, 3).len(), 2);
        assert_eq!(Cell::best(&[0.1, 0.6, 0.3]), Some(1));
        assert_eq!(Cell::best(&[]), None);
    }

    #[test]
    fn what_is_kept_does_not_follow_the_length() {
        let mut cells = Cells::default();
        let n = 3 * MAX_CELLS + 5;
        for k in 0..n {
            cells.push(&segment(k, (k % 3 > 0).then_some(0.25)));
        }
        assert!((MAX_CELLS / 2..=MAX_CELLS).contains(&cells.list.len()), "{}", cells.list.len());
        assert!(cells.list.windows(2).all(|pair| pair[0].end_s == pair[1].start_s));
        assert_eq!(cells.list.last().unwrap().end_s, n as f64);
        let speech: f64 = cells.list.iter().map(|cell| cell.speech_s).sum();
        approx::assert_abs_diff_eq!(speech, 0.5 * (0..n).filter(|k| k % 3 > 0).count() as f64, epsilon = 1e-6);
    }
}
