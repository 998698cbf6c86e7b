//! Praat TextGrid: interval tiers with emotion, gender, age and the reason for a missing
//! prediction, for each channel.
//!
//! Long text format of the Praat manual ("TextGrid file formats"): UTF-8, intervals without gaps
//! from 0 to the end, quotes doubled. Consecutive segments with the same text are one interval. A
//! missing prediction is an empty text, with its reason in the tier `no answer`.
//!
//! With speaker diarization there is one tier per speaker: a turn's text is its emotion, the
//! reason for a missing prediction in brackets, or `speech` without an emotion; an interval without
//! text is one in which this speaker is silent.

use std::io::{self, Write};

use crate::engine::{Classification, NoAnswer, Observer, Report, Segment, Voice};
use crate::error::Result;

/// Collects the tiers of one recording; needs a few bytes for each change of a label.
#[derive(Debug, Default)]
pub struct TextGrid {
    /// By channel, and within a channel in the order of a report.
    tiers: Vec<Tier>,
}

#[derive(Debug)]
struct Tier {
    /// 0 is the mean of all.
    channel: u16,
    /// What it contains: a head, or a speaker.
    head: String,
    /// End in seconds and text of each interval.
    intervals: Vec<(f64, String)>,
}

impl TextGrid {
    /// A tier for each speaker of a report.
    pub fn of_speakers(report: &Report) -> Self {
        let voices = report.voices.iter().filter(|voice| voice.speaker.is_some());
        Self { tiers: voices.map(|voice| Tier::of_speaker(voice, report.recording.duration_s)).collect() }
    }

    /// Writes the file. Without segments it has no tiers, which Praat reads as an empty object.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let end = self.tiers.iter().filter_map(|tier| tier.intervals.last()).map(|(end, _)| *end).fold(0.0, f64::max);
        writeln!(out, "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n")?;
        writeln!(out, "xmin = 0\nxmax = {end}\ntiers? <exists>\nsize = {}\nitem []:", self.tiers.len())?;
        self.tiers.iter().enumerate().try_for_each(|(index, tier)| tier.write(out, index + 1, end))
    }

    fn push(&mut self, channel: u16, head: &str, end_s: f64, text: String) {
        let known = self.tiers.iter().position(|tier| tier.channel == channel && tier.head == head);
        let place = known.unwrap_or_else(|| {
            let after = self.tiers.iter().rposition(|tier| tier.channel <= channel).map_or(0, |last| last + 1);
            self.tiers.insert(after, Tier { channel, head: head.to_owned(), intervals: Vec::new() });
            after
        });
        if let Some(tier) = self.tiers.get_mut(place) {
            tier.push(end_s, text);
        }
    }
}

impl Observer for TextGrid {
    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        let heads = segment.predictions.heads;
        let label =
            |choice: &Option<Classification>| choice.as_ref().map_or_else(String::new, |choice| choice.label.clone());
        let end = segment.end_s;
        if heads.emotion {
            self.push(channel, "emotion", end, label(&segment.predictions.emotion));
        }
        if heads.gender {
            self.push(channel, "gender", end, label(&segment.predictions.gender));
        }
        if heads.age {
            let years = segment.predictions.age.map_or_else(String::new, |age| format!("{:.0}", age.years));
            self.push(channel, "age", end, years);
        }
        self.push(channel, "no answer", end, segment.no_answer.map_or("", NoAnswer::code).to_owned());
        Ok(())
    }
}

impl Tier {
    /// The turns of a speaker, and the pauses between them.
    fn of_speaker(voice: &Voice, duration_s: f64) -> Self {
        let head = format!("speaker {}", voice.speaker.unwrap_or_default());
        let mut tier = Self { channel: voice.channel.unwrap_or(0), head, intervals: Vec::new() };
        let mut at = 0.0;
        for turn in voice.turns.iter().flatten() {
            if turn.start_s > at {
                tier.intervals.push((turn.start_s, String::new()));
            }
            // two turns are two intervals, even if their texts are equal
            tier.intervals.push((turn.end_s, turn_text(turn)));
            at = turn.end_s;
        }
        if at < duration_s {
            tier.intervals.push((duration_s, String::new()));
        }
        tier
    }

    /// Appends a segment that ends at `end_s`.
    fn push(&mut self, end_s: f64, text: String) {
        match self.intervals.last_mut() {
            Some((end, last)) if *last == text => *end = end_s,
            _ => self.intervals.push((end_s, text)),
        }
    }

    fn write(&self, out: &mut dyn Write, number: usize, end: f64) -> io::Result<()> {
        let name = match self.channel {
            0 => self.head.clone(),
            channel => format!("channel {channel}: {}", self.head),
        };
        writeln!(out, "    item [{number}]:\n        class = \"IntervalTier\"\n        name = {}", quoted(&name))?;
        let size = self.intervals.len();
        writeln!(out, "        xmin = 0\n        xmax = {end}\n        intervals: size = {size}")?;
        let mut start = 0.0;
        for (index, (end, text)) in self.intervals.iter().enumerate() {
            writeln!(out, "        intervals [{}]:\n            xmin = {start}\n            xmax = {end}", index + 1)?;
            writeln!(out, "            text = {}", quoted(text))?;
            start = *end;
        }
        Ok(())
    }
}

/// The text of a turn.
fn turn_text(turn: &Segment) -> String {
    match (turn.no_answer, &turn.predictions.emotion) {
        (Some(reason), _) => format!("({})", reason.code()),
        (None, Some(emotion)) => emotion.label.clone(),
        (None, None) => "speech".to_owned(),
    }
}

/// A text in quotes, with quotes within it doubled.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Predictions;

    fn segment(start_s: f64, label: Option<&str>) -> Segment {
        let choice =
            label.map(|label| Classification { label: label.into(), probabilities: vec![(label.into(), 1.0)] });
        let predictions = Predictions { emotion: choice, ..Predictions::default() };
        let no_answer = label.is_none().then_some(NoAnswer::Silence);
        Segment {
            start_s,
            end_s: start_s + 0.5,
            speech_share: None,
            overlap_s: None,
            predictions,
            withheld: Vec::new(),
            no_answer,
            familiarity: None,
        }
    }

    #[test]
    fn equal_neighbours_are_one_interval_and_channels_are_in_order() {
        let mut grid = TextGrid::default();
        for (channel, start, label) in [
            (1, 0.0, Some("anger")),
            (2, 0.0, None),
            (1, 0.5, Some("anger")),
            (2, 0.5, Some("say \"hm\"")),
            (1, 1.0, None),
            (2, 1.0, None),
        ] {
            grid.segment(channel, &segment(start, label)).unwrap();
        }
        let mut bytes = Vec::new();
        grid.write(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\nxmax = 1.5\n"));
        let names: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("name = ")).collect();
        assert_eq!(names.len(), 8);
        assert_eq!((names[0], names[4]), ("\"channel 1: emotion\"", "\"channel 2: emotion\""));
        let first = "intervals: size = 2\n        intervals [1]:\n            xmin = 0\n            xmax = 1\n            text = \"anger\"";
        assert!(text.contains(first), "{text}");
        assert!(text.contains("text = \"say \"\"hm\"\"\""));
    }
}
