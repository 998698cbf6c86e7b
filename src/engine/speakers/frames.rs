//! Frames of the segmentation in samples.

use std::ops::Range;

use crate::models::segmentation::SegmentationRecipe;

/// Geometry of the frames of a window. A frame stands for the samples around the middle of those
/// that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameGrid {
    /// Samples from one frame to the next.
    pub(super) shift: usize,
    /// First sample of frame 0 of a window.
    pub(super) offset: usize,
}

impl FrameGrid {
    pub(super) fn new(recipe: &SegmentationRecipe) -> Self {
        let shift = recipe.frame_shift();
        Self { shift, offset: recipe.frame_length().saturating_sub(shift) / 2 }
    }

    /// Samples of frames of a window that starts at sample `start`.
    pub(super) fn samples(self, start: usize, frames: Range<usize>) -> Range<usize> {
        let at = |frame: usize| start + self.offset + frame * self.shift;
        at(frames.start)..at(frames.end)
    }

    /// The sample in the middle of a frame.
    pub(super) fn middle(self, start: usize, frame: usize) -> usize {
        self.samples(start, frame..frame).start + self.shift / 2
    }

    /// Number of frames in so many seconds, rounded.
    pub(super) fn frames_in(self, seconds: f64, rate_hz: u32) -> usize {
        (seconds * f64::from(rate_hz) / self.shift as f64).round() as usize
    }
}

/// A window and the set of local speakers that are active in each of its frames, as bit masks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentedWindow {
    /// Its first sample.
    pub(super) start: usize,
    /// Its number of samples.
    pub(super) length: usize,
    /// Of each frame; empty for a silent window.
    pub(super) active: Vec<u8>,
}

impl SegmentedWindow {
    /// Maximum number of local speakers: the bits of a mask.
    pub(super) const MAX_LOCAL: u8 = 8;

    /// Whether a local speaker is active in a frame.
    pub(super) fn is_active(&self, local: u8, frame: usize) -> bool {
        self.active[frame] >> local & 1 == 1
    }

    /// The local speakers that are active in any frame.
    pub(super) fn locals(&self) -> impl Iterator<Item = u8> + use<> {
        let any = self.active.iter().fold(0, |any, active| any | active);
        (0..Self::MAX_LOCAL).filter(move |local| any >> local & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_each_other_without_gaps() {
        let grid = FrameGrid { shift: 270, offset: 360 };
        assert_eq!(grid.samples(1000, 0..2), 1360..1900);
        assert_eq!(grid.samples(0, 2..3), 900..1170);
        assert_eq!(grid.middle(0, 0), 495);
        assert_eq!(grid.frames_in(0.5, 16_000), 30);
    }

    #[test]
    fn local_speakers_are_the_bits() {
        let window = SegmentedWindow { start: 0, length: 3, active: vec![0, 1, 5] };
        assert_eq!(window.locals().collect::<Vec<_>>(), [0, 2]);
        assert!(window.is_active(0, 1) && window.is_active(2, 2) && !window.is_active(1, 2) && !window.is_active(0, 0));
    }
}
