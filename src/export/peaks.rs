//! A waveform in a bounded number of bins: the lowest and the highest sample of each.

/// Bins at most. When they are full, neighbours are joined, so what is kept does not follow the length: 8,192 bins or more of a long recording.
const MAX_BINS: usize = 16_384;
/// Samples of a bin to begin with.
const FIRST_BIN: usize = 32;

/// Takes samples as they come.
#[derive(Debug, Clone)]
pub(super) struct Peaks {
    /// Samples that a bin holds.
    per_bin: usize,
    /// Lowest and highest sample of each whole bin.
    bins: Vec<(f32, f32)>,
    /// The bin that is being filled, and how many samples it has.
    open: (f32, f32),
    filled: usize,
}

impl Default for Peaks {
    fn default() -> Self {
        Self { per_bin: FIRST_BIN, bins: Vec::new(), open: EMPTY, filled: 0 }
    }
}

const EMPTY: (f32, f32) = (f32::INFINITY, f32::NEG_INFINITY);

impl Peaks {
    pub(super) fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(self.per_bin - self.filled));
            self.open = now.iter().fold(self.open, |(low, high), &x| (low.min(x), high.max(x)));
            self.filled += now.len();
            samples = later;
            if self.filled == self.per_bin {
                self.bins.push(std::mem::replace(&mut self.open, EMPTY));
                self.filled = 0;
                self.join_if_full();
            }
        }
    }

    fn join_if_full(&mut self) {
        if self.bins.len() == MAX_BINS {
            self.bins = self.bins.chunks(2).map(|pair| pair.iter().copied().fold(EMPTY, joined)).collect();
            self.per_bin *= 2;
        }
    }

    /// The lowest and highest sample between two places in samples; nothing where none was heard. To the width of a bin.
    pub(super) fn between(&self, from: f64, to: f64) -> Option<(f32, f32)> {
        let first = (from / self.per_bin as f64).floor() as usize;
        let last = ((to / self.per_bin as f64).ceil() as usize).max(first + 1);
        let whole = self.bins.get(first..last.min(self.bins.len())).unwrap_or_default();
        let open = (last > self.bins.len() && first <= self.bins.len()).then_some(self.open);
        let (low, high) = whole.iter().copied().chain(open).fold(EMPTY, joined);
        (low <= high).then_some((low, high))
    }
}

fn joined(a: (f32, f32), b: (f32, f32)) -> (f32, f32) {
    (a.0.min(b.0), a.1.max(b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(n: usize) -> Vec<f32> {
        (0..n).map(|i| i as f32).collect()
    }

    #[test]
    fn every_sample_is_in_a_bin_and_blocks_do_not_matter() {
        let samples = ramp(1000);
        let mut whole = Peaks::default();
        whole.push(&samples);
        let mut blocks = Peaks::default();
        samples.chunks(7).for_each(|block| blocks.push(block));
        assert_eq!((&whole.bins, whole.open), (&blocks.bins, blocks.open));
        assert_eq!(whole.between(0.0, 1000.0), Some((0.0, 999.0)));
        assert_eq!(whole.between(64.0, 96.0), Some((64.0, 95.0)));
        assert_eq!(whole.between(2000.0, 2001.0), None);
        assert_eq!(Peaks::default().between(0.0, 1.0), None);
    }

    #[test]
    fn what_is_kept_does_not_follow_the_length() {
        let mut peaks = Peaks::default();
        for k in 0..300 {
            peaks.push(&vec![k as f32; 10_000]);
            assert!(peaks.bins.len() < MAX_BINS);
        }
        assert!(peaks.bins.len() >= MAX_BINS / 4, "{}", peaks.bins.len());
        let (low, high) = peaks.between(1_500_000.0, 1_509_000.0).unwrap();
        assert!((149.0..=150.0).contains(&low) && (150.0..=151.0).contains(&high), "{low} {high}");
    }
}
