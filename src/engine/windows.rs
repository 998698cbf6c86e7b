//! Cutting a signal of unknown length into windows, as its samples come.
//!
//! ```text
//! signal     |----------------------------------------|
//! whole ones |--- 3 s ---|--- 3 s ---|--- 3 s ---|
//!                                        |--- 3 s ----|   the last one reaches back
//! fresh            1           1           1      what is new
//!
//! on a hop   |--- 3 s ---|                                for a timeline: one every hop,
//!                |--- 3 s ---|                            and the last one
//!                    |--- 3 s ---| …
//! ```
//!
//! The network was trained on clips of up to 3 s, so that is what it is given. Every sample is in a whole window or in the last one, and `fresh`
//! counts each sample once. A signal shorter than a window is one window of its own length. Windows on a hop come beside these and bring nothing
//! fresh, so that a recording's answer is the same with a timeline and without; where both begin at the same sample they are one.

/// One segment of the signal to be answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// Mono samples at the network's rate: `window_len`, or fewer if the signal is shorter than that.
    pub(super) samples: Vec<f32>,
    /// Where it begins in the signal, in samples.
    pub(super) start: usize,
    /// Samples of this window that no earlier whole one holds; 0 for one that is there for the timeline alone.
    pub(super) fresh: usize,
    /// Whether it belongs to the timeline.
    pub(super) timeline: bool,
}

/// Collects samples and hands out windows, in the order in which they begin.
#[derive(Debug)]
pub(super) struct Windows {
    window_len: usize,
    /// From one window of the timeline to the next; nothing without a timeline.
    hop: Option<usize>,
    /// The signal from `start` on: what windows to come need, the last one included.
    held: Vec<f32>,
    start: usize,
    /// Where the next whole window begins; all samples before it have been in one.
    next_whole: usize,
    /// Where the next window of the timeline begins.
    next_on_hop: usize,
}

impl Windows {
    /// Windows of `window_len` samples; a timeline's every `hop` samples beside them, 1 to `window_len`.
    pub(super) fn new(window_len: usize, hop: Option<usize>) -> Self {
        let held = Vec::with_capacity(2 * window_len);
        Self { window_len, hop, held, start: 0, next_whole: 0, next_on_hop: 0 }
    }

    /// Samples taken so far.
    pub(super) fn samples(&self) -> usize {
        self.start + self.held.len()
    }

    /// Takes the next samples, any number, and hands on the windows that are now complete.
    pub(super) fn push(&mut self, mut samples: &[f32], ready: &mut dyn FnMut(Window)) {
        while !samples.is_empty() {
            let room = self.next() + self.window_len - self.samples();
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.held.extend_from_slice(now);
            samples = later;
            if self.samples() == self.next() + self.window_len {
                ready(self.take());
                self.forget();
            }
        }
    }

    /// At the end of the signal: the last window, which reaches back, or nothing if all of it has been in windows.
    pub(super) fn last(&mut self) -> Option<Window> {
        let end = self.samples();
        let fresh = end - self.next_whole;
        let on_hop_until = self.hop.map_or(end, |hop| match self.next_on_hop {
            0 => 0,
            next => next - hop + self.window_len,
        });
        let timeline = on_hop_until < end;
        if fresh == 0 && !timeline {
            return None;
        }
        let start = end.saturating_sub(self.window_len);
        self.next_whole = end;
        Some(Window { samples: self.held[start - self.start..].to_vec(), start, fresh, timeline })
    }

    /// Where the next window begins.
    fn next(&self) -> usize {
        self.hop.map_or(self.next_whole, |_| self.next_whole.min(self.next_on_hop))
    }

    /// The window that has just become complete.
    fn take(&mut self) -> Window {
        let start = self.next();
        let samples = self.held[start - self.start..].to_vec();
        let is_whole = start == self.next_whole;
        if is_whole {
            self.next_whole += self.window_len;
        }
        let hop = self.hop.filter(|_| start == self.next_on_hop);
        self.next_on_hop += hop.unwrap_or(0);
        Window { samples, start, fresh: if is_whole { self.window_len } else { 0 }, timeline: hop.is_some() }
    }

    /// Lets go of what neither the next window nor a last one that reaches back can need.
    fn forget(&mut self) {
        let needed = self.next().min(self.samples().saturating_sub(self.window_len));
        self.held.drain(..needed - self.start);
        self.start = needed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(n: usize, window_len: usize, hop: Option<usize>, chunk: usize) -> Vec<Window> {
        let signal: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let (mut windows, mut out) = (Windows::new(window_len, hop), Vec::new());
        signal.chunks(chunk).for_each(|c| windows.push(c, &mut |w| out.push(w)));
        assert_eq!(windows.samples(), n);
        out.extend(windows.last());
        out
    }

    /// Start, length, fresh samples.
    fn spans<'a>(windows: impl IntoIterator<Item = &'a Window>) -> Vec<(usize, usize, usize)> {
        windows.into_iter().map(|w| (w.start, w.samples.len(), w.fresh)).collect()
    }

    #[test]
    fn the_last_window_reaches_back() {
        assert_eq!(spans(&cut(25, 10, None, 25)), [(0, 10, 10), (10, 10, 10), (15, 10, 5)]);
        assert_eq!(spans(&cut(20, 10, None, 25)), [(0, 10, 10), (10, 10, 10)]);
        assert_eq!(spans(&cut(7, 10, None, 25)), [(0, 7, 7)]);
        assert_eq!(spans(&cut(0, 10, None, 25)), []);
    }

    #[test]
    fn a_timeline_has_a_window_every_hop_and_one_at_the_end() {
        let told = |n, hop| {
            let windows = cut(n, 10, Some(hop), n.max(1));
            windows.iter().filter(|w| w.timeline).map(|w| (w.start, w.samples.len())).collect::<Vec<_>>()
        };
        assert_eq!(told(25, 5), [(0, 10), (5, 10), (10, 10), (15, 10)]);
        assert_eq!(told(26, 5), [(0, 10), (5, 10), (10, 10), (15, 10), (16, 10)]);
        assert_eq!(told(17, 4), [(0, 10), (4, 10), (7, 10)]);
        assert_eq!(told(20, 10), [(0, 10), (10, 10)]);
        assert_eq!(told(7, 5), [(0, 7)]);
        assert_eq!(told(0, 5), []);
    }

    #[test]
    fn a_timeline_changes_nothing_of_the_recordings_windows() {
        for n in [1, 9, 10, 11, 19, 20, 21, 99] {
            for hop in [1, 3, 5, 7, 10] {
                let beside = cut(n, 10, Some(hop), n);
                assert!(beside.is_sorted_by_key(|w| w.start), "{n} samples, hop {hop}");
                let fresh = spans(beside.iter().filter(|w| w.fresh > 0));
                assert_eq!(fresh, spans(&cut(n, 10, None, n)), "{n} samples, hop {hop}");
            }
        }
    }

    #[test]
    fn chunks_make_no_difference_and_every_sample_counts_once() {
        for (n, hop) in [1, 9, 10, 11, 19, 20, 21, 99].into_iter().zip([None, Some(3), Some(10)].into_iter().cycle()) {
            let whole = cut(n, 10, hop, n);
            for chunk in [1, 3, 10, 11, 64] {
                assert_eq!(cut(n, 10, hop, chunk), whole, "{n} samples in chunks of {chunk}");
            }
            assert_eq!(whole.iter().map(|w| w.fresh).sum::<usize>(), n);
            assert!(whole.iter().all(|w| w.samples.iter().enumerate().all(|(i, &x)| x == (w.start + i) as f32)));
        }
    }

    #[test]
    fn what_is_held_does_not_follow_the_length() {
        for hop in [None, Some(1), Some(7)] {
            let mut windows = Windows::new(10, hop);
            for _ in 0..1000 {
                windows.push(&[0.0; 17], &mut |_| ());
                assert!(windows.held.len() <= 20, "{}", windows.held.len());
            }
        }
    }
}
