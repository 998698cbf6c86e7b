//! Cutting a signal of unknown length into windows, as its samples come.
//!
//! ```text
//! signal   |----------------------------------------|
//! windows  |--- 3 s ---|--- 3 s ---|--- 3 s ---|
//!                                      |--- 3 s ----|   the last one reaches back
//! weight         1           1           1      share that is new
//! ```
//!
//! The network was trained on clips of up to 3 s, so that is what it is given. Every sample is in a window, and the weights count each
//! sample once. A signal shorter than a window is one window of its own length.

/// One stretch of the signal to be answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// Mono samples at the network's rate: `window_len`, or fewer if the signal is shorter than that.
    pub(super) samples: Vec<f32>,
    /// Samples of this window that no earlier one holds.
    pub(super) fresh: usize,
}

/// Collects samples and hands out windows.
#[derive(Debug)]
pub(super) struct Windows {
    window_len: usize,
    /// The last whole window (to reach back into), then what came since.
    held: Vec<f32>,
    /// Samples of `held` that already were in a window: 0 or `window_len`.
    used: usize,
}

impl Windows {
    /// Windows of `window_len` samples.
    pub(super) fn new(window_len: usize) -> Self {
        Self { window_len, held: Vec::with_capacity(2 * window_len), used: 0 }
    }

    /// Takes the next samples, any number, and appends the windows that are now whole to `out`.
    pub(super) fn push(&mut self, mut samples: &[f32], out: &mut Vec<Window>) {
        while !samples.is_empty() {
            let room = self.used + self.window_len - self.held.len();
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.held.extend_from_slice(now);
            samples = later;
            if self.held.len() == self.used + self.window_len {
                self.held.drain(..self.used);
                self.used = self.window_len;
                out.push(Window { samples: self.held.clone(), fresh: self.window_len });
            }
        }
    }

    /// The rest of the signal as a last window that reaches back, or nothing if every sample has been in a window.
    pub(super) fn finish(mut self) -> Option<Window> {
        let fresh = self.held.len() - self.used;
        if fresh == 0 {
            return None;
        }
        let start = self.held.len().saturating_sub(self.window_len);
        self.held.drain(..start);
        Some(Window { samples: self.held, fresh })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(n: usize, window_len: usize, chunk: usize) -> Vec<Window> {
        let signal: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let (mut windows, mut out) = (Windows::new(window_len), Vec::new());
        signal.chunks(chunk).for_each(|c| windows.push(c, &mut out));
        out.extend(windows.finish());
        out
    }

    fn spans(windows: &[Window]) -> Vec<(f32, usize, usize)> {
        windows.iter().map(|w| (w.samples[0], w.samples.len(), w.fresh)).collect()
    }

    #[test]
    fn the_last_window_reaches_back() {
        assert_eq!(spans(&cut(25, 10, 25)), [(0.0, 10, 10), (10.0, 10, 10), (15.0, 10, 5)]);
        assert_eq!(spans(&cut(20, 10, 25)), [(0.0, 10, 10), (10.0, 10, 10)]);
        assert_eq!(spans(&cut(7, 10, 25)), [(0.0, 7, 7)]);
        assert_eq!(spans(&cut(0, 10, 25)), []);
    }

    #[test]
    fn chunks_make_no_difference_and_every_sample_counts_once() {
        for n in [1, 9, 10, 11, 19, 20, 21, 99] {
            let whole = cut(n, 10, n);
            for chunk in [1, 3, 10, 11, 64] {
                assert_eq!(cut(n, 10, chunk), whole, "{n} samples in chunks of {chunk}");
            }
            assert_eq!(whole.iter().map(|w| w.fresh).sum::<usize>(), n);
        }
    }
}
