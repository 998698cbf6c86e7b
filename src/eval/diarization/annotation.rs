//! Annotation of a recording: who speaks when.

use std::collections::BTreeMap;

use super::intervals::Intervals;

/// The speech of each speaker of a recording.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Annotation {
    /// Intervals by the speaker's name; none is empty.
    pub speakers: BTreeMap<String, Intervals>,
}

impl Annotation {
    /// Collects turns (speaker, start and end in seconds). Turns of one speaker that touch or
    /// overlap become one interval.
    pub fn of<'a>(turns: impl IntoIterator<Item = (&'a str, f64, f64)>) -> Self {
        let mut collected: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (speaker, start_s, end_s) in turns {
            collected.entry(speaker.to_owned()).or_default().push((start_s, end_s));
        }
        let united = collected.into_iter().map(|(speaker, turns)| (speaker, Intervals::union(turns)));
        Self { speakers: united.filter(|(_, intervals)| !intervals.is_empty()).collect() }
    }

    /// First start and last end of any speaker; `None` without speech.
    pub fn extent(&self) -> Option<(f64, f64)> {
        let extents = self.speakers.values().filter_map(Intervals::extent);
        extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Time within `collar_s` seconds of a start or an end of an interval.
    pub fn boundaries(&self, collar_s: f64) -> Intervals {
        let edges = self.speakers.values().flat_map(Intervals::iter).flat_map(|(start, end)| [start, end]);
        Intervals::union(edges.map(|edge| (edge - collar_s, edge + collar_s)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_a_speaker_are_united() {
        let annotation = Annotation::of([("b", 4.0, 5.0), ("a", 2.0, 3.0), ("a", 1.0, 2.5), ("c", 7.0, 7.0)]);
        assert_eq!(annotation.speakers.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(annotation.speakers["a"].extent(), Some((1.0, 3.0)));
        assert_eq!(annotation.extent(), Some((1.0, 5.0)));
        let expected = Intervals::union([(0.75, 1.25), (2.75, 3.25), (3.75, 4.25), (4.75, 5.25)]);
        assert_eq!(annotation.boundaries(0.25), expected);
    }
}
