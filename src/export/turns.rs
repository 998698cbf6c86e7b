//! Turns of all speakers of a report, by time.

use crate::engine::{Report, Segment, Voice};

/// A turn and who speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpeakerTurn<'a> {
    pub(super) voice: &'a Voice,
    pub(super) turn: &'a Segment,
}

/// The turns of all speakers by their start, those that start together by speaker. Empty if speakers
/// were not distinguished, or nobody speaks.
pub(super) fn turns(report: &Report) -> Vec<SpeakerTurn<'_>> {
    let mut turns: Vec<_> = Vec::new();
    for voice in report.voices.iter().filter(|voice| voice.speaker.is_some()) {
        turns.extend(voice.turns.iter().flatten().map(|turn| SpeakerTurn { voice, turn }));
    }
    turns.sort_by(|a, b| a.turn.start_s.total_cmp(&b.turn.start_s).then(a.voice.speaker.cmp(&b.voice.speaker)));
    turns
}
