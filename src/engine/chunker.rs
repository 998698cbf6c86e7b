//! Chunker: cuts a signal of unknown length into chunks, as its samples come.
//!
//! ```text
//! signal     |----------------------------------------|
//! contiguous |--- 3 s ---|--- 3 s ---|--- 3 s ---|
//!                                        |--- 3 s ----|   the last one reaches back
//! fresh            1           1           1      the samples that are new
//!
//! on a hop   |--- 3 s ---|                                for a timeline: one every hop,
//!                |--- 3 s ---|                            and the last one
//!                    |--- 3 s ---| …
//! ```
//!
//! The network was trained on clips of up to 3 s, so chunks have that length. Every sample is in a
//! contiguous chunk or in the last one, and `fresh` counts each sample once. A signal shorter than
//! a chunk is one chunk of its own length. Chunks on a hop come in addition to these and contain no
//! fresh samples, so that a recording's predictions are the same with and without a timeline; where
//! both start at the same sample they are one chunk.

use super::no_answer::NoAnswer;

/// One piece of the signal, to be processed by the network.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    /// Mono samples at the network's rate: `chunk_len`, or fewer if the signal is shorter than
    /// that.
    pub(super) samples: Vec<f32>,
    /// Index of its first sample in the signal.
    pub(super) start: usize,
    /// Samples that no earlier contiguous chunk contains; 0 for one that only belongs to the
    /// timeline.
    pub(super) fresh: usize,
    /// Whether it belongs to the timeline.
    pub(super) timeline: bool,
    /// A reason for which it has no predictions, whatever it contains.
    pub(super) rejected: Option<NoAnswer>,
}

/// Collects samples and passes on chunks, in the order of their starts.
#[derive(Debug)]
pub(super) struct Chunker {
    chunk_len: usize,
    /// Samples from one chunk of the timeline to the next; `None` without a timeline.
    hop: Option<usize>,
    /// The signal from `start` on: what later chunks need, including a last one that reaches back.
    held: Vec<f32>,
    start: usize,
    /// Start of the next contiguous chunk; all samples before it have been in one.
    next_contiguous: usize,
    /// Start of the next chunk of the timeline.
    next_on_hop: usize,
}

impl Chunker {
    /// Chunks of `chunk_len` samples; in addition those of a timeline every `hop` samples, 1 to
    /// `chunk_len`.
    pub(super) fn new(chunk_len: usize, hop: Option<usize>) -> Self {
        let held = Vec::with_capacity(2 * chunk_len);
        Self { chunk_len, hop, held, start: 0, next_contiguous: 0, next_on_hop: 0 }
    }

    /// Samples added so far.
    pub(super) fn samples(&self) -> usize {
        self.start + self.held.len()
    }

    /// Adds the next samples, any number, and passes on the chunks that are now complete.
    pub(super) fn push(&mut self, mut samples: &[f32], ready: &mut dyn FnMut(Chunk)) {
        while !samples.is_empty() {
            let missing = self.next() + self.chunk_len - self.samples();
            let (now, later) = samples.split_at(missing.min(samples.len()));
            self.held.extend_from_slice(now);
            samples = later;
            if self.samples() == self.next() + self.chunk_len {
                ready(self.take());
                self.discard();
            }
        }
    }

    /// At the end of the signal: the last chunk, which reaches back, or `None` if all samples have
    /// been in chunks.
    pub(super) fn last(&mut self) -> Option<Chunk> {
        let end = self.samples();
        let fresh = end - self.next_contiguous;
        let on_hop_until = self.hop.map_or(end, |hop| match self.next_on_hop {
            0 => 0,
            next => next - hop + self.chunk_len,
        });
        let timeline = on_hop_until < end;
        if fresh == 0 && !timeline {
            return None;
        }
        let start = end.saturating_sub(self.chunk_len);
        self.next_contiguous = end;
        Some(Chunk { samples: self.held[start - self.start..].to_vec(), start, fresh, timeline, rejected: None })
    }

    /// Start of the next chunk.
    fn next(&self) -> usize {
        self.hop.map_or(self.next_contiguous, |_| self.next_contiguous.min(self.next_on_hop))
    }

    /// The chunk that has just become complete.
    fn take(&mut self) -> Chunk {
        let start = self.next();
        let samples = self.held[start - self.start..].to_vec();
        let is_contiguous = start == self.next_contiguous;
        if is_contiguous {
            self.next_contiguous += self.chunk_len;
        }
        let hop = self.hop.filter(|_| start == self.next_on_hop);
        self.next_on_hop += hop.unwrap_or(0);
        let fresh = if is_contiguous { self.chunk_len } else { 0 };
        Chunk { samples, start, fresh, timeline: hop.is_some(), rejected: None }
    }

    /// Discards what neither the next chunk nor a last one that reaches back can need.
    fn discard(&mut self) {
        let needed = self.next().min(self.samples().saturating_sub(self.chunk_len));
        self.held.drain(..needed - self.start);
        self.start = needed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(n: usize, chunk_len: usize, hop: Option<usize>, block: usize) -> Vec<Chunk> {
        let signal: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let (mut chunker, mut out) = (Chunker::new(chunk_len, hop), Vec::new());
        signal.chunks(block).for_each(|samples| chunker.push(samples, &mut |chunk| out.push(chunk)));
        assert_eq!(chunker.samples(), n);
        out.extend(chunker.last());
        out
    }

    /// Start, length, fresh samples.
    fn spans<'a>(chunks: impl IntoIterator<Item = &'a Chunk>) -> Vec<(usize, usize, usize)> {
        chunks.into_iter().map(|c| (c.start, c.samples.len(), c.fresh)).collect()
    }

    #[test]
    fn the_last_chunk_reaches_back() {
        assert_eq!(spans(&cut(25, 10, None, 25)), [(0, 10, 10), (10, 10, 10), (15, 10, 5)]);
        assert_eq!(spans(&cut(20, 10, None, 25)), [(0, 10, 10), (10, 10, 10)]);
        assert_eq!(spans(&cut(7, 10, None, 25)), [(0, 7, 7)]);
        assert_eq!(spans(&cut(0, 10, None, 25)), []);
    }

    #[test]
    fn a_timeline_has_a_chunk_every_hop_and_one_at_the_end() {
        let on_hop = |n, hop| {
            let chunks = cut(n, 10, Some(hop), n.max(1));
            chunks.iter().filter(|c| c.timeline).map(|c| (c.start, c.samples.len())).collect::<Vec<_>>()
        };
        assert_eq!(on_hop(25, 5), [(0, 10), (5, 10), (10, 10), (15, 10)]);
        assert_eq!(on_hop(26, 5), [(0, 10), (5, 10), (10, 10), (15, 10), (16, 10)]);
        assert_eq!(on_hop(17, 4), [(0, 10), (4, 10), (7, 10)]);
        assert_eq!(on_hop(20, 10), [(0, 10), (10, 10)]);
        assert_eq!(on_hop(7, 5), [(0, 7)]);
        assert_eq!(on_hop(0, 5), []);
    }

    #[test]
    fn a_timeline_does_not_change_the_contiguous_chunks() {
        for n in [1, 9, 10, 11, 19, 20, 21, 99] {
            for hop in [1, 3, 5, 7, 10] {
                let chunks = cut(n, 10, Some(hop), n);
                assert!(chunks.is_sorted_by_key(|c| c.start), "{n} samples, hop {hop}");
                let fresh = spans(chunks.iter().filter(|c| c.fresh > 0));
                assert_eq!(fresh, spans(&cut(n, 10, None, n)), "{n} samples, hop {hop}");
            }
        }
    }

    #[test]
    fn block_sizes_make_no_difference_and_every_sample_counts_once() {
        for (n, hop) in [1, 9, 10, 11, 19, 20, 21, 99].into_iter().zip([None, Some(3), Some(10)].into_iter().cycle()) {
            let whole = cut(n, 10, hop, n);
            for block in [1, 3, 10, 11, 64] {
                assert_eq!(cut(n, 10, hop, block), whole, "{n} samples in blocks of {block}");
            }
            assert_eq!(whole.iter().map(|c| c.fresh).sum::<usize>(), n);
            assert!(whole.iter().all(|c| c.samples.iter().enumerate().all(|(i, &x)| x == (c.start + i) as f32)));
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_length() {
        for hop in [None, Some(1), Some(7)] {
            let mut chunker = Chunker::new(10, hop);
            for _ in 0..1000 {
                chunker.push(&[0.0; 17], &mut |_| ());
                assert!(chunker.held.len() <= 20, "{}", chunker.held.len());
            }
        }
    }
}
