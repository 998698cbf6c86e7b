//! Splitting a signal into overlapping frames.
//!
//! ```text
//! frame[t][i] = x[first(t) + i]        i = 0 .. length − 1
//! ```
//!
//! The first sample of frame t, the number of frames of n samples and the samples outside the
//! signal depend on the [`Edges`]:
//!
//! | edges | first(t) | frames | outside | used by |
//! |---|---|---|---|---|
//! | `CentredZeros` | `t · hop − length / 2` | `1 + floor(n / hop)` | zeros | librosa and PyTorch: `center=True, pad_mode="constant"` |
//! | `Snip` | `t · hop` | `1 + floor((n − length) / hop)`, 0 for `n < length` | not reached | Kaldi: `snip-edges=true` |
//! | `Mirrored` | `t · hop + floor(hop / 2) − floor(length / 2)` | `floor((n + floor(hop / 2)) / hop)` | `x[−1 − i] = x[i]`, `x[n + i] = x[n − 1 − i]` | Kaldi: `snip-edges=false` |
//!
//! A mirrored signal that is shorter than a frame is reflected as often as needed: its period is 2
//! n.

use std::ops::Range;

use crate::kernels::lanes::transpose::gather;
use crate::kernels::lanes::{LANES, Lanes};

/// Treatment of the signal's edges; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edges {
    /// Frame t is centred at sample t · hop, with zeros outside the signal.
    CentredZeros,
    /// Only frames that are entirely inside the signal.
    Snip,
    /// One frame per hop, centred in it; the signal is reflected at its ends.
    Mirrored,
}

/// Positions of the frames of a signal.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    length: usize,
    hop_length: usize,
    edges: Edges,
}

impl Grid {
    /// Plans frames of `length` samples, `hop_length` samples apart.
    ///
    /// # Panics
    /// If one of them is 0.
    pub fn new(length: usize, hop_length: usize, edges: Edges) -> Self {
        assert!(length > 0 && hop_length > 0, "a frame and a hop of at least one sample");
        Self { length, hop_length, edges }
    }

    /// Length of a frame, samples.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Number of frames of a signal of `n_samples`.
    pub fn count(&self, n_samples: usize) -> usize {
        match self.edges {
            Edges::CentredZeros => 1 + n_samples / self.hop_length,
            Edges::Snip => n_samples.checked_sub(self.length).map_or(0, |rest| 1 + rest / self.hop_length),
            Edges::Mirrored => (n_samples + self.hop_length / 2) / self.hop_length,
        }
    }

    /// First sample of frame `t`; negative before the signal.
    pub fn first_sample(&self, t: usize) -> isize {
        let start = t * self.hop_length;
        match self.edges {
            Edges::CentredZeros => start as isize - (self.length / 2) as isize,
            Edges::Snip => start as isize,
            Edges::Mirrored => (start + self.hop_length / 2) as isize - (self.length / 2) as isize,
        }
    }

    /// Copies frame `t` of `samples` to `frame` `[length]`.
    ///
    /// # Panics
    /// If the length of `frame` differs.
    pub fn copy(&self, samples: &[f32], t: usize, frame: &mut [f32]) {
        assert_eq!(frame.len(), self.length, "a frame of the planned length");
        let first = self.first_sample(t);
        let inside = usize::try_from(first).ok().and_then(|first| samples.get(first..first + self.length));
        match inside {
            Some(inside) => frame.copy_from_slice(inside),
            None => frame.iter_mut().zip(first..).for_each(|(x, i)| *x = self.sample(samples, i)),
        }
    }

    /// Transposes the frames `frames`, at most 16: `lanes[i]` receives sample i of each; lanes
    /// without a frame are zero.
    ///
    /// # Panics
    /// If the length of `lanes` differs from that of a frame.
    pub(crate) fn gather(&self, samples: &[f32], frames: Range<usize>, scratch: &mut Vec<f32>, lanes: &mut [Lanes]) {
        let inside = |lane: usize| {
            let first = usize::try_from(self.first_sample(frames.start + lane)).ok()?;
            samples.get(first..first + self.length).filter(|_| lane < frames.len())
        };
        scratch.resize(LANES * self.length, 0.0);
        for (lane, row) in scratch.chunks_exact_mut(self.length).enumerate().filter(|(lane, _)| inside(*lane).is_none())
        {
            if lane < frames.len() {
                self.copy(samples, frames.start + lane, row);
            } else {
                row.fill(0.0);
            }
        }
        let row = |lane: usize| inside(lane).unwrap_or(&scratch[lane * self.length..(lane + 1) * self.length]);
        gather(std::array::from_fn(row), lanes);
    }

    /// Sample `i`, inside or outside the signal. An empty signal is 0 throughout.
    fn sample(&self, samples: &[f32], i: isize) -> f32 {
        let n = samples.len() as isize;
        let i = match self.edges {
            Edges::Mirrored if n > 0 => {
                let i = i.rem_euclid(2 * n);
                i.min(2 * n - 1 - i)
            }
            _ => i,
        };
        usize::try_from(i).ok().and_then(|i| samples.get(i)).copied().unwrap_or(0.0)
    }
}

/// Windowed frames; by default centred at multiples of the hop, with zeros outside the signal.
#[derive(Clone, Debug)]
pub struct Framing {
    window: Vec<f32>,
    grid: Grid,
}

impl Framing {
    /// Plans frames of the length of `window` (an even number of samples), `hop_length` (at least
    /// 1) samples apart.
    ///
    /// # Panics
    /// If the window's length is odd or 0, or the hop is 0.
    pub fn new(window: Vec<f32>, hop_length: usize) -> Self {
        Self::with_edges(window, hop_length, Edges::CentredZeros)
    }

    /// As [`Framing::new`], with other edges.
    ///
    /// # Panics
    /// As [`Framing::new`].
    pub fn with_edges(window: Vec<f32>, hop_length: usize, edges: Edges) -> Self {
        assert!(window.len().is_multiple_of(2), "a window of even length");
        Self { grid: Grid::new(window.len(), hop_length, edges), window }
    }

    /// The window `[n_fft]`.
    pub(crate) fn window(&self) -> &[f32] {
        &self.window
    }

    /// Positions of the frames.
    pub(crate) fn grid(&self) -> Grid {
        self.grid
    }

    /// Number of frames of a signal of `n_samples`: 1 + floor(n_samples / hop_length), so at least
    /// one.
    pub fn count(&self, n_samples: usize) -> usize {
        self.grid.count(n_samples)
    }

    /// Writes frame `t` of `samples`, multiplied by the window, to `frame` `[n_fft]`.
    ///
    /// # Panics
    /// If the length of `frame` differs from the window's.
    pub fn write(&self, samples: &[f32], t: usize, frame: &mut [f32]) {
        self.grid.copy(samples, t, frame);
        for (x, w) in frame.iter_mut().zip(&self.window) {
            *x *= w;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula above, sample by sample.
    fn naive(window: &[f32], hop: usize, samples: &[f32], t: usize) -> Vec<f32> {
        let at =
            |i: usize| (t * hop + i).checked_sub(window.len() / 2).and_then(|i| samples.get(i)).copied().unwrap_or(0.0);
        window.iter().enumerate().map(|(i, w)| w * at(i)).collect()
    }

    #[test]
    fn equals_the_formula_for_short_and_long_signals() {
        let window: Vec<f32> = (1..=8).map(|i| i as f32).collect();
        for hop in [1, 3, 8, 20] {
            let framing = Framing::new(window.clone(), hop);
            for n in 0..30 {
                let samples: Vec<f32> = (1..=n).map(|i| (i * i) as f32).collect();
                for t in 0..framing.count(n) + 3 {
                    let mut frame = vec![f32::NAN; 8];
                    framing.write(&samples, t, &mut frame);
                    assert_eq!(frame, naive(&window, hop, &samples, t), "hop {hop}, n {n}, frame {t}");
                }
            }
        }
    }

    #[test]
    fn counts() {
        let framing = Framing::new(vec![1.0; 1024], 256);
        for (n, frames) in [(0, 1), (1, 1), (255, 1), (256, 2), (511, 2), (1024, 5), (48_000, 188)] {
            assert_eq!(framing.count(n), frames);
        }
    }

    /// The table above, with one reflection after the other.
    fn naive_sample(edges: Edges, samples: &[f32], mut i: isize) -> f32 {
        let n = samples.len() as isize;
        while edges == Edges::Mirrored && n > 0 && !(0..n).contains(&i) {
            i = if i < 0 { -i - 1 } else { 2 * n - 1 - i };
        }
        if (0..n).contains(&i) { samples[i as usize] } else { 0.0 }
    }

    #[test]
    fn copies_follow_the_table_at_all_edges() {
        for (length, hop) in [(1, 1), (5, 2), (8, 3), (7, 7), (4, 9)] {
            for edges in [Edges::CentredZeros, Edges::Snip, Edges::Mirrored] {
                let grid = Grid::new(length, hop, edges);
                for n in 0..25 {
                    let samples: Vec<f32> = (1..=n).map(|i| (i * i) as f32).collect();
                    for t in 0..grid.count(n) + 2 {
                        let mut frame = vec![f32::NAN; length];
                        grid.copy(&samples, t, &mut frame);
                        let first = grid.first_sample(t);
                        let want: Vec<f32> =
                            (0..length).map(|i| naive_sample(edges, &samples, first + i as isize)).collect();
                        assert_eq!(frame, want, "{edges:?}, length {length}, hop {hop}, n {n}, frame {t}");
                    }
                }
            }
        }
    }

    #[test]
    fn transposed_frames_equal_copies() {
        for edges in [Edges::CentredZeros, Edges::Snip, Edges::Mirrored] {
            let grid = Grid::new(20, 7, edges);
            let samples: Vec<f32> = (1..=150).map(|i| (i * i) as f32).collect();
            let (mut lanes, mut scratch) = (vec![Lanes::of(f32::NAN); 20], vec![f32::NAN; 3]);
            for frames in [0..16, 5..10, 12..grid.count(150), 3..3] {
                grid.gather(&samples, frames.clone(), &mut scratch, &mut lanes);
                for lane in 0..LANES {
                    let mut want = vec![0.0; 20];
                    if lane < frames.len() {
                        grid.copy(&samples, frames.start + lane, &mut want);
                    }
                    assert!((0..20).all(|i| lanes[i].0[lane] == want[i]), "{edges:?}, {frames:?}, lane {lane}");
                }
            }
        }
    }

    /// 25 ms every 10 ms at 16 kHz.
    #[test]
    fn kaldis_frame_counts() {
        let snip = Grid::new(400, 160, Edges::Snip);
        for (n, frames) in [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16_000, 98)] {
            assert_eq!(snip.count(n), frames, "{n}");
        }
        let mirrored = Grid::new(400, 160, Edges::Mirrored);
        for (n, frames) in [(0, 0), (79, 0), (80, 1), (239, 1), (240, 2), (16_000, 100)] {
            assert_eq!(mirrored.count(n), frames, "{n}");
        }
        assert_eq!((mirrored.first_sample(0), mirrored.first_sample(2)), (-120, 200));
    }
}
