//! From windows that overlap to segments that follow each other.
//!
//! ```text
//! windows    |-------- 0 --------|
//!                  |-------- 1 --------|
//!                        |-------- 2 --------|            weight of 0, 1, 2 for segment c: 1/2, 1, 1/2
//! segments  |  a  |  b  |  c  |  d  |  e  |  …
//! ```
//!
//! A segment is told as soon as no window to come can touch it: windows come in the order in which they begin.

use std::collections::VecDeque;
use std::ops::Range;

use crate::error::Result;
use crate::models::heads::HeadsRecipe;

use super::answer::{Answer, Means, Outcome, Part, Sums};
use super::options::Options;
use super::report::NoAnswer;
use super::timeline::{Segment, Smoothing};
use super::verdict::{Verdict, rounded};

/// A segment of which less than this share is speech holds none: a tenth of a second in one of 1 s, not a syllable.
const MIN_SPEECH_SHARE: f64 = 0.1;

/// Is told each segment.
pub(super) type Tell<'a> = dyn FnMut(&Segment) -> Result<()> + 'a;

/// Turns one channel's windows into segments, as they come.
#[derive(Debug)]
pub(super) struct Smoother<'a> {
    rate_hz: u32,
    hop: usize,
    smoothing: Smoothing,
    heads: &'a HeadsRecipe,
    options: &'a Options,
    /// The windows that segments to come may touch.
    windows: VecDeque<Answer>,
    /// The next segment to be told.
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

    /// Takes the next window, and tells the segments that end before it begins.
    pub(super) fn push(&mut self, window: Answer, tell: &mut Tell<'_>) -> Result<()> {
        while (self.next + 1) * self.hop <= window.start {
            self.tell((self.next + 1) * self.hop, tell)?;
        }
        let from = self.next * self.hop;
        self.windows.retain(|w| w.start + w.length > from);
        self.windows.push_back(window);
        Ok(())
    }

    /// The end of a signal of `samples` samples: tells the segments that are left. What remains after whole ones is a segment of its own
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

    /// Tells segment `next`, which ends at sample `end`.
    fn tell(&mut self, end: usize, tell: &mut Tell<'_>) -> Result<()> {
        let start = self.next * self.hop;
        let shown = self.windows.iter().filter_map(|window| part(window, self.next..end.div_ceil(self.hop), self.hop));
        // The part that holds most of it; of equal ones that in which most is speech.
        let part = shown.max_by_key(|part| (part.length, part.speech));
        let verdict = self.verdict(start, end, part);
        // Of the part: a last segment may be longer than any window that shows it.
        let share = part.map_or(0.0, |part| part.speech as f64 / part.length.max(1) as f64);
        let seconds = |samples: usize| rounded(samples as f64 / f64::from(self.rate_hz), 6);
        let segment = Segment {
            start_s: seconds(start),
            end_s: seconds(end),
            speech_share: self.options.activity.then(|| rounded(share, 3)),
            answers: verdict.answers,
            withheld: verdict.withheld,
            no_answer: verdict.no_answer,
        };
        self.next += 1;
        tell(&segment)
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

    /// The window whose middle is nearest to that of the segment; of two the earlier one.
    fn nearest(&self, start: usize, end: usize) -> Option<&Answer> {
        self.windows.iter().min_by_key(|window| apart(window, start, end))
    }
}

/// What a window shows of a segment of one hop or two; nothing if it does not touch it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::windows::{Window, Windows};
    use crate::models::heads::{Classes, Output};
    use serde_json::json;

    const RATE: u32 = 10;

    fn recipe() -> HeadsRecipe {
        HeadsRecipe::parse(json!({"emotion": {"labels": ["a", "d", "f", "h", "n", "s"], "temperature": 1.0},
            "gender": {"labels": ["female", "male"], "temperature": 1.0},
            "age": {"mean_years": 40.0, "scale_years": 10.0}}))
        .unwrap()
    }

    /// An answer whose first emotion and age are those of its first sample.
    fn output(start: usize) -> Output {
        let p = (start % 97) as f32 / 97.0;
        let probabilities = [p, 1.0 - p, 0.0, 0.0, 0.0, 0.0];
        Output {
            emotion: Some(Classes { probabilities, logits: [0.0; 6] }),
            gender: Some(Classes { probabilities: [1.0 - p, p], logits: [0.0; 2] }),
            age_years: Some(20.0 + 50.0 * p),
        }
    }

    /// All of it speech, all of it answered.
    fn answered(window: &Window, hop: usize) -> Answer {
        let (start, length) = (window.start, window.samples.len());
        let part = |index: usize| {
            let within = ((index + 1) * hop).min(start + length) - (index * hop).max(start);
            Part { length: within, speech: within, silent: false }
        };
        let parts = (start / hop..(start + length).div_ceil(hop)).map(part).collect();
        let mut answer = Answer::new(Outcome::Answered(output(start)), start, length, window.fresh);
        answer.parts = parts;
        answer
    }

    /// The timeline's answers of a signal of `n` samples in windows of 30.
    fn answers(n: usize, hop: usize) -> Vec<Answer> {
        let (mut windows, mut out) = (Windows::new(30, Some(hop)), Vec::new());
        windows.push(&vec![0.0; n], &mut |window| out.push(window));
        out.extend(windows.last());
        out.iter().filter(|window| window.timeline).map(|window| answered(window, hop)).collect()
    }

    fn smooth(answers: &[Answer], n: usize, hop: usize, smoothing: Smoothing) -> Vec<Segment> {
        let (recipe, options) = (recipe(), Options::default());
        let mut told = Vec::new();
        let mut tell = |segment: &Segment| {
            told.push(segment.clone());
            Ok(())
        };
        let mut smoother = Smoother::new(RATE, hop, smoothing, &recipe, &options);
        for answer in answers {
            smoother.push(answer.clone(), &mut tell).unwrap();
            assert!(smoother.windows.len() <= 2 * 30 / hop + 2, "{} windows held", smoother.windows.len());
        }
        smoother.finish(n, &mut tell).unwrap();
        told
    }

    fn first_emotion(segment: &Segment) -> f64 {
        segment.answers.emotion.as_ref().unwrap().probabilities[0].1
    }

    #[test]
    fn stretches_follow_each_other_from_0_to_the_end() {
        for hop in [1, 4, 10, 29, 30] {
            for n in [1, 3, 10, 14, 15, 29, 30, 31, 44, 45, 100] {
                let told = smooth(&answers(n, hop), n, hop, Smoothing::Overlap);
                let hop_s = hop as f64 / f64::from(RATE);
                assert_eq!((told[0].start_s, told.last().unwrap().end_s), (0.0, n as f64 / 10.0), "{n} by {hop}");
                assert!(told.windows(2).all(|pair| pair[0].end_s == pair[1].start_s), "{n} by {hop}");
                let (last, whole) = told.split_last().unwrap();
                assert!(whole.iter().all(|s| (s.length_s() - hop_s).abs() < 1e-9), "{n} by {hop}");
                assert!(last.length_s() < 1.5 * hop_s + 1e-9, "{n} by {hop}");
                assert!(whole.is_empty() || last.length_s() >= 0.5 * hop_s - 1e-9, "{n} by {hop}");
                assert!(told.iter().all(|s| s.no_answer.is_none() && s.speech_share == Some(1.0)), "{n} by {hop}");
            }
        }
    }

    /// The definition, over all windows at once, in f64.
    #[test]
    fn the_mean_is_that_of_the_triangle() {
        for (n, hop) in [(100, 10), (103, 10), (100, 7), (95, 30), (20, 10), (64, 4)] {
            let all = answers(n, hop);
            for segment in smooth(&all, n, hop, Smoothing::Overlap) {
                let (mut sum, mut weights) = (0.0, 0.0);
                for window in &all {
                    let length = window.length as f64 / 10.0;
                    let middle = window.start as f64 / 10.0 + length / 2.0;
                    let apart = (middle - f64::midpoint(segment.start_s, segment.end_s)).abs();
                    let weight = (1.0 - 2.0 * apart / (length + segment.length_s())).max(0.0);
                    sum += weight * f64::from(output(window.start).emotion.unwrap().probabilities[0]);
                    weights += weight;
                }
                approx::assert_abs_diff_eq!(first_emotion(&segment), sum / weights, epsilon = 2e-6);
            }
        }
    }

    #[test]
    fn with_a_hop_of_a_third_the_middle_window_counts_twice() {
        let all = answers(150, 10);
        let of = |k: usize| f64::from(output(10 * k).emotion.unwrap().probabilities[0]);
        let smoothed = smooth(&all, 150, 10, Smoothing::Overlap);
        approx::assert_abs_diff_eq!(
            first_emotion(&smoothed[5]),
            0.25 * of(3) + 0.5 * of(4) + 0.25 * of(5),
            epsilon = 2e-6
        );
        let raw = smooth(&all, 150, 10, Smoothing::None);
        approx::assert_abs_diff_eq!(first_emotion(&raw[5]), of(4), epsilon = 2e-6);
        // those at the ends have no window around them
        approx::assert_abs_diff_eq!(first_emotion(&raw[0]), of(0), epsilon = 2e-6);
        approx::assert_abs_diff_eq!(first_emotion(&raw[14]), of(12), epsilon = 2e-6);
    }

    #[test]
    fn without_overlap_there_is_nothing_to_smooth() {
        let all = answers(90, 30);
        assert_eq!(smooth(&all, 90, 30, Smoothing::Overlap), smooth(&all, 90, 30, Smoothing::None));
    }

    /// Five segments of one window each, one of every kind.
    #[test]
    fn what_is_left_unanswered_has_its_reason() {
        let mut all = answers(180, 30);
        all[1].parts[0].silent = true;
        all[2].parts[0].speech = 2;
        all[3].outcome = Outcome::Left(NoAnswer::TooNoisy);
        all[4].outcome = Outcome::Left(NoAnswer::Clipped);
        (all[4].parts[0].speech, all[5].parts[0].speech) = (0, 3);
        let reasons: Vec<_> =
            smooth(&all, 180, 30, Smoothing::Overlap).iter().map(|segment| segment.no_answer).collect();
        let (silence, no_speech) = (Some(NoAnswer::Silence), Some(NoAnswer::NoSpeech));
        assert_eq!(reasons, [None, silence, no_speech, Some(NoAnswer::TooNoisy), Some(NoAnswer::Clipped), None]);
    }

    #[test]
    fn windows_that_were_left_do_not_count() {
        let mut all = answers(90, 10);
        all[1].outcome = Outcome::Left(NoAnswer::Clipped);
        let told = smooth(&all, 90, 10, Smoothing::Overlap);
        let of = |k: usize| f64::from(output(10 * k).emotion.unwrap().probabilities[0]);
        approx::assert_abs_diff_eq!(first_emotion(&told[2]), f64::midpoint(of(0), of(2)), epsilon = 2e-6);
        assert_eq!(smooth(&all, 90, 10, Smoothing::None)[2].no_answer, Some(NoAnswer::Clipped));
    }

    #[test]
    fn a_signal_without_windows_is_too_short_and_an_error_ends_it() {
        let told = smooth(&[], 7, 10, Smoothing::Overlap);
        assert_eq!((told.len(), told[0].no_answer), (1, Some(NoAnswer::TooShort)));
        let (recipe, options) = (recipe(), Options::default());
        let mut smoother = Smoother::new(RATE, 10, Smoothing::Overlap, &recipe, &options);
        let stop = |_: &Segment| Err(crate::Error::Config("stopped".into()));
        assert!(smoother.finish(70, &mut { stop }).is_err());
    }
}
