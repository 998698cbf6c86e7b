//! One signal that is answered apart: a channel, or the mean of all channels.

use crate::error::Result;

use super::answer::{Answer, Combined};
use super::observer::Observer;
use super::report::NoAnswer;
use super::smoother::Smoother;
use super::summary::Tally;
use super::windows::{Window, Windows};

/// What is known of one signal: a few windows of it, and sums.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    /// The channel, counted from 1; 0 is the mean of all.
    channel: u16,
    windows: Windows,
    combined: Combined,
    too_short: bool,
    /// Nothing without a timeline.
    timeline: Option<(Smoother<'a>, Tally)>,
}

/// What is known of a signal at its end.
#[derive(Debug)]
pub(super) struct LaneEnd {
    pub(super) combined: Combined,
    /// The reason to give if no window was answered.
    pub(super) unanswered: NoAnswer,
    /// Nothing without a timeline.
    pub(super) tally: Option<Tally>,
}

impl Default for LaneEnd {
    /// Of a signal that is too short.
    fn default() -> Self {
        Self { combined: Combined::default(), unanswered: NoAnswer::TooShort, tally: None }
    }
}

impl<'a> Lane<'a> {
    pub(super) fn new(channel: u16, windows: Windows, smoother: Option<Smoother<'a>>) -> Self {
        let timeline = smoother.map(|smoother| (smoother, Tally::default()));
        Self { channel, windows, combined: Combined::default(), too_short: false, timeline }
    }

    /// The channel, counted from 1; 0 is the mean of all.
    pub(super) fn channel(&self) -> u16 {
        self.channel
    }

    /// Takes samples, and hands on the windows that are complete.
    pub(super) fn push(&mut self, samples: &[f32], ready: &mut dyn FnMut(Window)) {
        self.windows.push(samples, ready);
    }

    /// The last window, once all samples are in; nothing if they are fewer than `min_samples`, and then no earlier one counts either.
    pub(super) fn last_window(&mut self, min_samples: usize) -> Option<Window> {
        if self.windows.samples() >= min_samples {
            return self.windows.last();
        }
        self.too_short = true;
        None
    }

    /// Takes the answer of the next window, in their order.
    pub(super) fn take(&mut self, answer: Answer, observer: &mut dyn Observer) -> Result<()> {
        self.combined.add(&answer);
        let Some((smoother, tally)) = self.timeline.as_mut().filter(|_| !answer.parts.is_empty()) else {
            return Ok(());
        };
        let channel = self.channel;
        smoother.push(answer, &mut |segment| {
            tally.add(segment);
            observer.segment(channel, segment)
        })
    }

    /// The end, when all windows have been answered.
    pub(super) fn finish(self, observer: &mut dyn Observer) -> Result<LaneEnd> {
        let Self { channel, windows, combined, too_short, timeline } = self;
        let finished = timeline.map(|(mut smoother, mut tally)| {
            let told = smoother.finish(windows.samples(), &mut |segment| {
                tally.add(segment);
                observer.segment(channel, segment)
            });
            told.map(|()| tally)
        });
        let tally = finished.transpose()?;
        if too_short {
            return Ok(LaneEnd { tally, ..LaneEnd::default() });
        }
        let unanswered = combined.commonest_reason().unwrap_or(NoAnswer::Silence);
        Ok(LaneEnd { combined, unanswered, tally })
    }
}
