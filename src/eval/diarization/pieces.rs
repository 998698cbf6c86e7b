//! Pieces of time in which the speakers of reference and hypothesis do not change.

use super::annotation::Annotation;
use super::intervals::Intervals;

/// A piece of scored time. Speakers are numbered in the order of their annotation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) seconds: f64,
    /// Speakers of the reference who speak, ascending.
    pub(super) reference: Vec<usize>,
    /// Speakers of the hypothesis who speak, ascending.
    pub(super) hypothesis: Vec<usize>,
}

/// Whose interval begins or ends.
#[derive(Clone, Copy)]
enum Track {
    Scored,
    Reference(usize),
    Hypothesis(usize),
}

/// The pieces of the scored time in which anybody speaks, in their order.
pub(super) fn pieces(reference: &Annotation, hypothesis: &Annotation, scored: &Intervals) -> Vec<Piece> {
    let mut events: Vec<(f64, bool, Track)> = Vec::new();
    let mut add = |intervals: &Intervals, track| {
        events.extend(intervals.iter().flat_map(|(start, end)| [(start, true, track), (end, false, track)]));
    };
    add(scored, Track::Scored);
    reference.speakers.values().enumerate().for_each(|(number, intervals)| add(intervals, Track::Reference(number)));
    hypothesis.speakers.values().enumerate().for_each(|(number, intervals)| add(intervals, Track::Hypothesis(number)));
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut is_scored, mut in_reference, mut in_hypothesis) = (false, Vec::new(), Vec::new());
    let (mut pieces, mut last) = (Vec::new(), 0.0);
    for (time, begins, track) in events {
        if is_scored && time > last && !(in_reference.is_empty() && in_hypothesis.is_empty()) {
            let (reference, hypothesis) = (in_reference.clone(), in_hypothesis.clone());
            pieces.push(Piece { seconds: time - last, reference, hypothesis });
        }
        last = time;
        match track {
            Track::Scored => is_scored = begins,
            Track::Reference(number) => change(&mut in_reference, number, begins),
            Track::Hypothesis(number) => change(&mut in_hypothesis, number, begins),
        }
    }
    pieces
}

/// Adds a number to a sorted set, or removes it.
fn change(set: &mut Vec<usize>, number: usize, begins: bool) {
    match (set.binary_search(&number), begins) {
        (Err(place), true) => set.insert(place, number),
        (Ok(place), false) => drop(set.remove(place)),
        _ => {}
    }
}

/// Seconds that each speaker of the reference and each of the hypothesis share,
/// `[reference][hypothesis]`.
pub(super) fn shared_seconds(pieces: &[Piece], reference: usize, hypothesis: usize) -> Vec<Vec<f64>> {
    let mut shared = vec![vec![0.0; hypothesis]; reference];
    for piece in pieces {
        for &r in &piece.reference {
            piece.hypothesis.iter().for_each(|&h| shared[r][h] += piece.seconds);
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_where_anything_changes() {
        let reference = Annotation::of([("a", 0.0, 4.0), ("b", 3.0, 6.0)]);
        let hypothesis = Annotation::of([("x", 1.0, 5.0)]);
        let scored = Intervals::union([(0.5, 3.5), (5.5, 9.0)]);
        let found = pieces(&reference, &hypothesis, &scored);
        let found: Vec<_> = found.iter().map(|p| (p.seconds, &p.reference[..], &p.hypothesis[..])).collect();
        assert_eq!(found[0], (0.5, &[0][..], &[][..]));
        assert_eq!(found[1], (2.0, &[0][..], &[0][..]));
        assert_eq!(found[2], (0.5, &[0, 1][..], &[0][..]));
        assert_eq!(found[3], (0.5, &[1][..], &[][..]));
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn turns_that_touch_do_not_overlap() {
        let reference = Annotation::of([("a", 0.0, 1.0), ("b", 1.0, 2.0)]);
        let found = pieces(&reference, &Annotation::default(), &Intervals::union([(0.0, 2.0)]));
        assert_eq!(found.iter().map(|piece| &piece.reference[..]).collect::<Vec<_>>(), [[0], [1]]);
        assert_eq!(shared_seconds(&found, 2, 0), [[], []] as [[f64; 0]; 2]);
    }
}
