//! Observer that merges consecutive segments with the same labels, for tables that people read.

use crate::engine::{Classification, NoAnswer, Observer, Segment};
use crate::error::Result;

/// Consecutive segments with the same emotion and gender, or the same reason for a missing
/// prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedSegment {
    /// The channel, counted from 1; 0 is the mean of all.
    pub channel: u16,
    /// Start, seconds.
    pub start_s: f64,
    /// End, seconds.
    pub end_s: f64,
    /// Seconds of speech in it.
    pub speech_s: f64,
    /// The emotion, and its mean probability, weighted by speech.
    pub emotion: Option<(String, f64)>,
    /// The gender, likewise.
    pub gender: Option<(String, f64)>,
    /// The mean age, weighted by speech, years.
    pub age_years: Option<f64>,
    /// Reason for a missing prediction.
    pub no_answer: Option<NoAnswer>,
}

/// Merges the segments of a recording as they are predicted.
#[derive(Debug, Default)]
pub struct MergedSegments {
    list: Vec<MergedSegment>,
    /// Index in `list` of the last one of each channel.
    last: Vec<Option<usize>>,
}

impl MergedSegments {
    /// The merged segments of a channel, counted from 1, or 0 for the mean of all.
    pub fn of(&self, channel: u16) -> impl Iterator<Item = &MergedSegment> {
        self.list.iter().filter(move |merged| merged.channel == channel)
    }

    /// The one that the channel's next segment may extend.
    fn last_of(&mut self, channel: u16) -> &mut Option<usize> {
        let index = usize::from(channel);
        if self.last.len() <= index {
            self.last.resize(index + 1, None);
        }
        &mut self.last[index]
    }
}

impl Observer for MergedSegments {
    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        let next = MergedSegment::of(channel, segment);
        let last = *self.last_of(channel);
        match last.and_then(|index| self.list.get_mut(index)) {
            Some(last) if last.has_labels_of(&next) => last.join(&next),
            _ => {
                *self.last_of(channel) = Some(self.list.len());
                self.list.push(next);
            }
        }
        Ok(())
    }
}

impl MergedSegment {
    fn of(channel: u16, segment: &Segment) -> Self {
        let best = |choice: &Option<Classification>| choice.as_ref().map(|c| (c.label.clone(), c.probability()));
        Self {
            channel,
            start_s: segment.start_s,
            end_s: segment.end_s,
            speech_s: segment.speech_s(),
            emotion: best(&segment.predictions.emotion),
            gender: best(&segment.predictions.gender),
            age_years: segment.predictions.age.map(|age| age.years),
            no_answer: segment.no_answer,
        }
    }

    fn has_labels_of(&self, next: &Self) -> bool {
        let labels = |merged: &Self| {
            [&merged.emotion, &merged.gender].map(|choice| choice.as_ref().map(|(label, _)| label.clone()))
        };
        self.no_answer == next.no_answer && labels(self) == labels(next)
    }

    fn join(&mut self, next: &Self) {
        let whole = self.speech_s + next.speech_s;
        let share = if whole > 0.0 { next.speech_s / whole } else { 0.5 };
        let mean = |a: f64, b: f64| a + share * (b - a);
        for (mine, theirs) in [(&mut self.emotion, &next.emotion), (&mut self.gender, &next.gender)] {
            if let (Some((_, p)), Some((_, q))) = (mine, theirs) {
                *p = mean(*p, *q);
            }
        }
        self.age_years = self.age_years.zip(next.age_years).map(|(a, b)| mean(a, b));
        self.speech_s = whole;
        self.end_s = next.end_s;
    }
}
