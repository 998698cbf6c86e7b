//! Pieces: runs of one local speaker, cut to the length of the network's chunks.
//!
//! ```text
//! local speaker 0  ███████████▒▒██      ████       ▒ both
//! local speaker 1             ▒▒█████
//! pieces of 0      |---0---|---0---|    |-0-|      alone: without ▒
//! pieces of 1                 |--1--|
//! ```

use std::ops::Range;

use super::frames::{FrameGrid, SegmentedWindow};

/// Longest silence inside a piece, seconds: a pause in a phrase.
const LONGEST_PAUSE_S: f64 = 0.3;
/// How far the border between two windows may be moved to the nearest change, seconds.
const BORDER_S: f64 = 2.0;

/// A run of one local speaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Index of the window that it was found in.
    pub(super) window: usize,
    /// Local speaker of that window.
    pub(super) local: u8,
    /// Samples of the signal.
    pub(super) span: Range<usize>,
    /// The samples of it in which no other local speaker is active, in order.
    pub(super) alone: Vec<Range<usize>>,
}

impl Piece {
    /// Number of samples in which its speaker is alone.
    pub(super) fn alone_len(&self) -> usize {
        self.alone.iter().map(Range::len).sum()
    }

    /// Whether both are of one window and active at the same time, so that they are different people.
    pub(super) fn is_simultaneous(&self, other: &Self) -> bool {
        self.window == other.window
            && self.local != other.local
            && self.span.start < other.span.end
            && other.span.start < self.span.end
    }
}

/// The pieces of a window within `zone`, the samples for which it is responsible: each local
/// speaker's runs, across silences of up to 0.3 s, in equal parts of at most `longest` samples.
/// In the order of their starts.
pub(super) fn pieces(
    window: &SegmentedWindow,
    index: usize,
    zone: &Range<usize>,
    grid: FrameGrid,
    (longest, rate_hz): (usize, u32),
) -> Vec<Piece> {
    let frames = (0..window.active.len()).filter(|frame| zone.contains(&grid.middle(window.start, *frame)));
    let frames: Vec<usize> = frames.collect();
    let (pause, longest) = (grid.frames_in(LONGEST_PAUSE_S, rate_hz), (longest / grid.shift).max(1));
    let mut all = Vec::new();
    for local in window.locals() {
        for run in runs(window, local, &frames, pause) {
            let part = run.len().div_ceil(run.len().div_ceil(longest));
            for start in run.clone().step_by(part) {
                let run = start..run.end.min(start + part);
                let span = grid.samples(window.start, run.clone());
                all.push(Piece { window: index, local, span, alone: alone(window, local, run, grid) });
            }
        }
    }
    all.sort_by_key(|piece| (piece.span.start, piece.local));
    all
}

/// Runs of frames in which a local speaker is active, across silences of up to `pause` frames.
fn runs(window: &SegmentedWindow, local: u8, frames: &[usize], pause: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for &frame in frames.iter().filter(|frame| window.is_active(local, **frame)) {
        match runs.last_mut() {
            Some(run)
                if frame - run.end <= pause && window.active[run.end..frame].iter().all(|active| *active == 0) =>
            {
                run.end = frame + 1;
            }
            _ => runs.push(frame..frame + 1),
        }
    }
    runs
}

/// Samples of the frames of a run in which no other local speaker is active.
fn alone(window: &SegmentedWindow, local: u8, run: Range<usize>, grid: FrameGrid) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    for frame in run.filter(|frame| window.active[*frame] & !(1 << local) == 0) {
        match parts.last_mut() {
            Some(part) if part.end == frame => part.end = frame + 1,
            _ => parts.push(frame..frame + 1),
        }
    }
    parts.into_iter().map(|part| grid.samples(window.start, part)).collect()
}

/// The sample at which the responsibility of a window ends and that of the next one begins: the
/// change of the set of active speakers that is nearest to the middle of their overlap, else the
/// middle.
pub(super) fn border(window: &SegmentedWindow, next_start: usize, grid: FrameGrid, rate_hz: u32) -> usize {
    let middle = usize::midpoint(next_start, window.start + window.length);
    let reach = (BORDER_S * f64::from(rate_hz)) as usize;
    let (from, to) = (middle.saturating_sub(reach).max(next_start), (middle + reach).min(window.start + window.length));
    let changes = (1..window.active.len()).filter(|frame| window.active[frame - 1] != window.active[*frame]);
    let samples = changes.map(|frame| grid.samples(window.start, frame..frame).start);
    let near = samples.filter(|sample| (from..to).contains(sample));
    near.min_by_key(|sample| sample.abs_diff(middle)).unwrap_or(middle)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a list of ranges that has one")]
mod tests {
    use super::*;

    const GRID: FrameGrid = FrameGrid { shift: 10, offset: 5 };

    fn window(active: &[u8]) -> SegmentedWindow {
        SegmentedWindow { start: 1000, length: active.len() * 10 + 10, active: active.to_vec() }
    }

    /// Local speaker, span and samples alone of all pieces of up to 60 samples at 100 Hz: a pause is
    /// up to 3 frames.
    fn all(active: &[u8]) -> Vec<(u8, Range<usize>, Vec<Range<usize>>)> {
        let found = pieces(&window(active), 3, &(0..9999), GRID, (60, 100));
        assert!(found.iter().all(|piece| piece.window == 3));
        found.into_iter().map(|piece| (piece.local, piece.span, piece.alone)).collect()
    }

    #[test]
    fn short_pauses_are_kept_and_overlap_is_not_alone() {
        let got = all(&[1, 1, 0, 0, 1, 3, 2, 2]);
        assert_eq!(got, [(0, 1005..1065, vec![1005..1055]), (1, 1055..1085, vec![1065..1085])]);
        // a long pause, and another speaker in between, end a piece
        assert_eq!(all(&[1, 0, 0, 0, 0, 1]).len(), 2);
        assert_eq!(all(&[1, 2, 1]).iter().map(|p| p.0).collect::<Vec<_>>(), [0, 1, 0]);
        assert_eq!(all(&[3, 3]), [(0, 1005..1025, vec![]), (1, 1005..1025, vec![])]);
        assert_eq!(all(&[0, 0]), []);
    }

    #[test]
    fn long_speech_is_cut_evenly_and_only_inside_the_zone() {
        assert_eq!(all(&[4; 8]), [(2, 1005..1045, vec![1005..1045]), (2, 1045..1085, vec![1045..1085])]);
        let found = pieces(&window(&[1; 8]), 0, &(1025..1056), GRID, (60, 100));
        assert_eq!(found.iter().map(|piece| piece.span.clone()).collect::<Vec<_>>(), [1025..1055]);
    }

    #[test]
    fn simultaneous_pieces_are_of_different_people() {
        let found = pieces(&window(&[1, 3, 2, 1]), 0, &(0..9999), GRID, (60, 100));
        assert!(found[0].is_simultaneous(&found[1]) && !found[1].is_simultaneous(&found[2]));
        let later = Piece { window: 1, ..found[1].clone() };
        assert!(!found[0].is_simultaneous(&later));
    }

    #[test]
    fn the_border_is_at_the_change_nearest_to_the_middle() {
        let grid = FrameGrid { shift: 10, offset: 0 };
        let of =
            |active: &[u8]| border(&SegmentedWindow { start: 0, length: 100, active: active.to_vec() }, 40, grid, 10);
        assert_eq!(of(&[1; 10]), 70);
        assert_eq!(of(&[1, 1, 1, 1, 1, 1, 0, 0, 0, 2]), 60);
        assert_eq!(of(&[1, 1, 0, 0, 0, 0, 0, 0, 2, 2]), 80);
        assert_eq!(of(&[1, 1, 0, 0, 0, 0, 0, 0, 0, 0]), 70, "a change outside of the overlap");
    }
}
