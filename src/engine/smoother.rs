//! From windows that overlap to stretches that follow each other.
//!
//! ```text
//! windows    |-------- 0 --------|
//!                  |-------- 1 --------|
//!                        |-------- 2 --------|            weight of 0, 1, 2 for stretch c: 1/2, 1, 1/2
//! stretches  |  a  |  b  |  c  |  d  |  e  |  …
//! ```
//!
//! A stretch is told as soon as no window to come can touch it: windows come in the order in which they begin.

use std::collections::VecDeque;
use std::ops::Range;

use crate::error::Result;
use crate::models::heads::HeadsRecipe;

use super::answer::{Answer, Means, Outcome, Part, Sums};
use super::options::Options;
use super::report::NoAnswer;
use super::timeline::{Smoothing, Stretch};
use super::verdict::{Verdict, rounded};

/// A stretch of which less than this share is speech holds none: a tenth of a second in one of 1 s, not a syllable.
const MIN_SPEECH_SHARE: f64 = 0.1;

/// Is told each stretch.
pub(super) type Tell<'a> = dyn FnMut(&Stretch) -> Result<()> + 'a;

/// Turns one channel's windows into stretches, as they come.
#[derive(Debug)]
pub(super) struct Smoother<'a> {
    rate_hz: u32,
    hop: usize,
    smoothing: Smoothing,
    heads: &'a HeadsRecipe,
    options: &'a Options,
    /// The windows that stretches to come may touch.
    windows: VecDeque<Answer>,
    /// The next stretch to be told.
    next: usize,
}

impl<'a> Smoother<'a> {
    /// Stretches of `hop` samples at `rate_hz`.
    pub(super) fn new(
        rate_hz: u32,
        hop: usize,
        smoothing: Smoothing,
        heads: &'a HeadsRecipe,
        options: &'a Options,
    ) -> Self {
        Self { rate_hz, hop, smoothing, heads, options, windows: VecDeque::new(), next: 0 }
    }

    /// Takes the next window, and tells the stretches that end before it begins.
    pub(super) fn push(&mut self, window: Answer, tell: &mut Tell<'_>) -> Result<()> {
        while (self.next + 1) * self.hop <= window.start {
            self.tell((self.next + 1) * self.hop, tell)?;
        }
        let from = self.next * self.hop;
        self.windows.retain(|w| w.start + w.length > from);
        self.windows.push_back(window);
        Ok(())
    }

    /// The end of a signal of `samples` samples: tells the stretches that are left. What remains after whole ones is a stretch of its own
    /// from half a hop on; less goes with the one before.
    pub(super) fn finish(&mut self, samples: usize, tell: &mut Tell<'_>) -> Result<()> {
        while self.next * self.hop < samples {
            let end = (self.next + 1) * self.hop;
            let is_last = samples < end + self.hop.div_ceil(2);
            self.tell(if is_last { samples } else { end }, tell)?;
            self.next += usize::from(is_last);
        }
        Ok(())
    }

    /// Tells stretch `next`, which ends at sample `end`.
    fn tell(&mut self, end: usize, tell: &mut Tell<'_>) -> Result<()> {
        let start = self.next * self.hop;
        let shown = self.windows.iter().filter_map(|window| part(window, self.next..end.div_ceil(self.hop), self.hop));
        // The part that holds most of it; of equal ones that in which most is speech.
        let part = shown.max_by_key(|part| (part.length, part.speech));
        let verdict = self.verdict(start, end, part);
        let share = part.map_or(0.0, |part| (part.speech as f64 / (end - start) as f64).min(1.0));
        let seconds = |samples: usize| rounded(samples as f64 / f64::from(self.rate_hz), 6);
        let stretch = Stretch {
            start_s: seconds(start),
            end_s: seconds(end),
            speech_share: self.options.activity.then(|| rounded(share, 3)),
            answers: verdict.answers,
            withheld: verdict.withheld,
            no_answer: verdict.no_answer,
        };
        self.next += 1;
        tell(&stretch)
    }

    fn verdict(&self, start: usize, end: usize, part: Option<Part>) -> Verdict {
        let none = |reason| Verdict::none(self.options.heads, reason);
        let nearest = self.nearest(start, end);
        let reason = nearest.and_then(|window| match window.outcome {
            Outcome::Answered(_) => None,
            Outcome::Left(reason) => Some(reason),
        });
        let Some(part) = part else {
            return none(NoAnswer::TooShort);
        };
        if part.silent {
            return none(NoAnswer::Silence);
        }
        if self.options.activity && (part.speech as f64) < MIN_SPEECH_SHARE * (end - start) as f64 {
            // What its window lacks it may have been left for; what drowns speech where there is none is of no interest.
            let why = reason.filter(|reason| matches!(reason, NoAnswer::Clipped | NoAnswer::Silence));
            return none(why.unwrap_or(NoAnswer::NoSpeech));
        }
        match self.means(start, end, nearest) {
            Some(means) => Verdict::new(&means, self.heads, self.options),
            None => none(reason.unwrap_or(NoAnswer::NoSpeech)),
        }
    }

    /// The weighted mean over the answered windows; nothing if there is none.
    fn means(&self, start: usize, end: usize, nearest: Option<&Answer>) -> Option<Means> {
        let mut sums = Sums::default();
        let mut add = |window: &Answer, weight: f64| match &window.outcome {
            Outcome::Answered(output) if weight > 0.0 => sums.add(output, weight),
            _ => {}
        };
        match self.smoothing {
            Smoothing::Overlap => self.windows.iter().for_each(|window| add(window, weight(window, start, end))),
            Smoothing::None => nearest.into_iter().for_each(|window| add(window, 1.0)),
        }
        sums.means()
    }

    /// The window whose middle is nearest to that of the stretch; of two the earlier one.
    fn nearest(&self, start: usize, end: usize) -> Option<&Answer> {
        self.windows.iter().min_by_key(|window| apart(window, start, end))
    }
}

/// What a window shows of a stretch of one hop or two; nothing if it does not touch it.
fn part(window: &Answer, hops: Range<usize>, hop: usize) -> Option<Part> {
    let first = window.start / hop;
    let shown = hops.filter_map(|index| window.parts.get(index.checked_sub(first)?));
    shown.copied().reduce(|a, b| Part {
        length: a.length + b.length,
        speech: a.speech + b.speech,
        silent: a.silent && b.silent,
    })
}

/// Twice the distance of the middles, samples.
fn apart(window: &Answer, start: usize, end: usize) -> usize {
    (2 * window.start + window.length).abs_diff(start + end)
}

/// See [`Smoothing::Overlap`].
fn weight(window: &Answer, start: usize, end: usize) -> f64 {
    1.0 - apart(window, start, end) as f64 / (window.length + end - start) as f64
}
