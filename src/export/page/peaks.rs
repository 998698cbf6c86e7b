//! Peak envelope of a signal of unknown length, in a bounded number of bins.

/// The most bins. When they are full, neighbours are joined, so a long recording has 8,192 bins or
/// more.
const MAX_BINS: usize = 16_384;
/// Samples per bin at the beginning.
const FIRST_BIN: usize = 32;

/// The largest magnitude of each bin of consecutive samples.
#[derive(Debug, Clone)]
pub(super) struct Peaks {
    /// Samples per bin.
    per_bin: usize,
    /// Peaks of the full bins.
    bins: Vec<f32>,
    /// Peak of the bin that is being filled, and the number of its samples.
    open: f32,
    filled: usize,
}

impl Default for Peaks {
    fn default() -> Self {
        Self { per_bin: FIRST_BIN, bins: Vec::new(), open: 0.0, filled: 0 }
    }
}

impl Peaks {
    pub(super) fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(self.per_bin - self.filled));
            self.open = now.iter().fold(self.open, |peak, x| peak.max(x.abs()));
            self.filled += now.len();
            samples = later;
            if self.filled == self.per_bin {
                self.bins.push(std::mem::take(&mut self.open));
                self.filled = 0;
                self.join_if_full();
            }
        }
    }

    fn join_if_full(&mut self) {
        if self.bins.len() == MAX_BINS {
            self.bins = self.bins.chunks(2).map(|pair| pair.iter().copied().fold(0.0, f32::max)).collect();
            self.per_bin *= 2;
        }
    }

    /// The peaks from the beginning to the end, each of equally many samples (the last one of
    /// fewer).
    pub(super) fn values(&self) -> impl Iterator<Item = f32> + '_ {
        self.bins.iter().copied().chain((self.filled > 0).then_some(self.open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_counts_and_the_size_of_blocks_does_not() {
        let samples: Vec<f32> = (0..1000).map(|i| if i % 2 == 0 { i as f32 } else { -(i as f32) }).collect();
        let mut whole = Peaks::default();
        whole.push(&samples);
        let mut blocks = Peaks::default();
        samples.chunks(7).for_each(|block| blocks.push(block));
        let peaks: Vec<f32> = whole.values().collect();
        assert_eq!(peaks, blocks.values().collect::<Vec<_>>());
        assert_eq!((peaks.len(), peaks[0], peaks[2], peaks[31]), (32, 31.0, 95.0, 999.0));
        assert_eq!(Peaks::default().values().count(), 0);
    }

    #[test]
    fn memory_is_bounded_for_any_length() {
        let mut peaks = Peaks::default();
        for k in 0..300 {
            peaks.push(&vec![k as f32; 10_000]);
            assert!(peaks.bins.len() < MAX_BINS);
        }
        assert!(peaks.bins.len() >= MAX_BINS / 4, "{}", peaks.bins.len());
        let middle = peaks.bins[peaks.bins.len() / 2];
        assert!((145.0..=155.0).contains(&middle), "{middle}");
    }
}
