//! Turns and scored time of lists, by recording.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::lists::{ScoredTime, Turn};

use super::annotation::Annotation;
use super::intervals::Intervals;
use super::report::Annotations;

/// The annotation of each recording.
///
/// # Errors
/// [`Error::Unsupported`] for a recording with turns in several channels.
pub fn annotations(turns: &[Turn]) -> Result<Annotations> {
    let grouped = by_recording(turns, |turn| (&turn.recording, &turn.channel))?;
    let annotation =
        |turns: Vec<&Turn>| Annotation::of(turns.into_iter().map(|turn| (&*turn.speaker, turn.start_s, turn.end_s)));
    Ok(grouped.into_iter().map(|(name, turns)| (name, annotation(turns))).collect())
}

/// The time to be scored of each recording.
///
/// # Errors
/// [`Error::Unsupported`] for a recording with several channels.
pub fn scored_time(scored: &[ScoredTime]) -> Result<BTreeMap<String, Intervals>> {
    let grouped = by_recording(scored, |time| (&time.recording, &time.channel))?;
    let union = |times: Vec<&ScoredTime>| Intervals::union(times.into_iter().map(|time| (time.start_s, time.end_s)));
    Ok(grouped.into_iter().map(|(name, times)| (name, union(times))).collect())
}

fn by_recording<T>(rows: &[T], key: impl Fn(&T) -> (&String, &String)) -> Result<BTreeMap<String, Vec<&T>>> {
    let mut grouped: BTreeMap<String, Vec<&T>> = BTreeMap::new();
    for row in rows {
        let (recording, channel) = key(row);
        let others = grouped.entry(recording.clone()).or_default();
        if let Some(first) = others.first().map(|first| key(first).1).filter(|first| *first != channel) {
            return Err(Error::Unsupported(format!(
                "{recording} has turns in the channels {first} and {channel}; write a file for each channel"
            )));
        }
        others.push(row);
    }
    Ok(grouped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(recording: &str, channel: &str, speaker: &str, start_s: f64) -> Turn {
        let [recording, channel, speaker] = [recording, channel, speaker].map(String::from);
        Turn { line: 1, recording, channel, start_s, end_s: start_s + 1.0, speaker }
    }

    #[test]
    fn turns_are_grouped_by_recording_and_channels_refused() {
        let turns = [turn("a", "1", "x", 0.0), turn("b", "2", "x", 5.0), turn("a", "1", "y", 2.0)];
        let found = annotations(&turns).unwrap();
        assert_eq!(found["a"].speakers.len(), 2);
        assert_eq!(found["b"].extent(), Some((5.0, 6.0)));
        let message = annotations(&[turn("a", "1", "x", 0.0), turn("a", "2", "x", 0.0)]).unwrap_err().to_string();
        assert!(message.contains("a has turns in the channels 1 and 2"), "{message}");
    }
}
