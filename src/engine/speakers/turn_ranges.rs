//! When each speaker is active: pieces, whose speakers are known, joined to turns.

use std::ops::Range;

/// Joining of pieces to turns, in samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct TurnRangeOptions {
    /// A pause of up to so many samples is no end of a turn.
    pub(super) longest_gap: usize,
    /// A turn of fewer samples is dropped.
    pub(super) shortest: usize,
}

/// Samples in which each of `speakers` speakers is active, in order, from spans with their speaker.
pub(super) fn turn_ranges(
    spans: impl Iterator<Item = (usize, Range<usize>)>,
    speakers: usize,
    options: TurnRangeOptions,
) -> Vec<Vec<Range<usize>>> {
    let mut of_speakers: Vec<Vec<Range<usize>>> = vec![Vec::new(); speakers];
    spans.for_each(|(speaker, span)| of_speakers[speaker].push(span));
    for of_speaker in &mut of_speakers {
        of_speaker.sort_by_key(|span| (span.start, span.end));
        let mut joined: Vec<Range<usize>> = Vec::new();
        for span in of_speaker.drain(..) {
            match joined.last_mut() {
                Some(last) if span.start <= last.end + options.longest_gap => last.end = last.end.max(span.end),
                _ => joined.push(span),
            }
        }
        joined.retain(|turn| turn.len() >= options.shortest);
        *of_speaker = joined;
    }
    of_speakers
}

/// Samples of `range` in which another speaker is active.
pub(super) fn overlap(range: &Range<usize>, speaker: usize, turn_ranges: &[Vec<Range<usize>>]) -> usize {
    let mut others: Vec<Range<usize>> = Vec::new();
    for of_other in turn_ranges.iter().enumerate().filter(|(other, _)| *other != speaker).map(|(_, of_other)| of_other)
    {
        let from = of_other.partition_point(|other| other.end <= range.start);
        let near = of_other[from..].iter().take_while(|other| other.start < range.end);
        others.extend(near.map(|other| other.start.max(range.start)..other.end.min(range.end)));
    }
    others.sort_by_key(|other| other.start);
    let (mut total, mut at) = (0, range.start);
    for other in others {
        total += other.end.saturating_sub(other.start.max(at));
        at = at.max(other.end);
    }
    total
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a list of ranges that has one")]
mod tests {
    use super::*;

    #[test]
    fn short_gaps_are_joined_and_short_turns_dropped() {
        let options = TurnRangeOptions { longest_gap: 5, shortest: 10 };
        let spans = [(0, 20..30), (1, 0..9), (0, 0..15), (0, 36..50), (1, 40..60), (1, 45..50)];
        let got = turn_ranges(spans.into_iter(), 3, options);
        assert_eq!(got, [vec![0..30, 36..50], vec![40..60], vec![]]);
    }

    #[test]
    fn overlap_counts_each_sample_once() {
        let turn_ranges = [vec![0..100], vec![10..30, 90..120], vec![20..40]];
        assert_eq!(overlap(&(0..100), 0, &turn_ranges), 40);
        assert_eq!(overlap(&(90..120), 1, &turn_ranges), 10);
        assert_eq!(overlap(&(20..40), 2, &turn_ranges), 20);
        assert_eq!(overlap(&(0..5), 0, &turn_ranges), 0);
    }
}
