//! Stretches that follow each other and say the same, joined: what people want to read.

use crate::engine::{Classification, NoAnswer, Observer, Segment};
use crate::error::Result;

/// Neighbouring segments with the same emotion and gender, or the same reason for no answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The channel, counted from 1; 0 is the mean of all.
    pub channel: u16,
    /// Where it begins, seconds.
    pub start_s: f64,
    /// Where it ends, seconds.
    pub end_s: f64,
    /// Seconds of it that are speech.
    pub speech_s: f64,
    /// The emotion, and the mean of its probability over the speech.
    pub emotion: Option<(String, f64)>,
    /// The gender, likewise.
    pub gender: Option<(String, f64)>,
    /// The mean age over the speech, years.
    pub age_years: Option<f64>,
    /// Why there is no answer.
    pub no_answer: Option<NoAnswer>,
}

/// Joins segments as they come.
#[derive(Debug, Default)]
pub struct Runs {
    runs: Vec<Run>,
    /// Index of the run that a channel is in, by channel.
    open: Vec<Option<usize>>,
}

impl Runs {
    /// The runs of a channel, counted from 1, or 0 for the mean of all.
    pub fn of(&self, channel: u16) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.channel == channel)
    }

    /// The run that the channel's next segment may go on with.
    fn open(&mut self, channel: u16) -> &mut Option<usize> {
        let index = usize::from(channel);
        if self.open.len() <= index {
            self.open.resize(index + 1, None);
        }
        &mut self.open[index]
    }
}

impl Observer for Runs {
    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        let next = Run::of(channel, segment);
        let open = *self.open(channel);
        match open.and_then(|index| self.runs.get_mut(index)) {
            Some(run) if run.says_the_same(&next) => run.join(&next),
            _ => {
                *self.open(channel) = Some(self.runs.len());
                self.runs.push(next);
            }
        }
        Ok(())
    }
}

impl Run {
    fn of(channel: u16, segment: &Segment) -> Self {
        let best = |choice: &Option<Classification>| choice.as_ref().map(|c| (c.label.clone(), c.probability()));
        Self {
            channel,
            start_s: segment.start_s,
            end_s: segment.end_s,
            speech_s: segment.speech_s(),
            emotion: best(&segment.answers.emotion),
            gender: best(&segment.answers.gender),
            age_years: segment.answers.age.map(|age| age.years),
            no_answer: segment.no_answer,
        }
    }

    fn says_the_same(&self, next: &Self) -> bool {
        let labels =
            |run: &Self| [&run.emotion, &run.gender].map(|choice| choice.as_ref().map(|(label, _)| label.clone()));
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
