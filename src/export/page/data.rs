//! The page's data as JSON, read by `page.js`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::{NoAnswer, Voice};

use super::collector::{CollectedVoice, Labels};
use super::segments::PageSegment;

/// Largest code of a peak; full scale.
const MAX_PEAK: f32 = 32_767.0;
/// Probabilities are integers in units of 1/10,000, from 1 to 9,999: estimates are never certain.
const PROBABILITY_UNITS: f32 = 10_000.0;

#[derive(Serialize)]
struct Data<'a> {
    recording: &'a str,
    duration_s: f64,
    emotions: &'a [String],
    genders: &'a [String],
    voices: Vec<Value>,
}

/// A signal of the page: a channel, or the mean of all.
pub(super) struct PageSignal<'a> {
    pub(super) name: String,
    pub(super) collected: &'a CollectedVoice,
    /// Its speakers; empty if they were not distinguished.
    pub(super) speakers: Vec<&'a Voice>,
}

/// Writes the `<script>` element with the data. `<` is escaped, so no label can end the element.
/// `recording` is the name of the recording as a field of RTTM.
pub(super) fn write(
    out: &mut dyn Write,
    labels: &Labels,
    signals: &[PageSignal<'_>],
    recording: &str,
    duration_s: f64,
) -> io::Result<()> {
    let voices = signals.iter().map(signal_json).collect();
    let data = Data { recording, duration_s, emotions: &labels.emotions, genders: &labels.genders, voices };
    let text = serde_json::to_string(&data)?.replace('<', "\\u003c");
    writeln!(out, "<script type=\"application/json\" id=\"data\">{text}</script>")
}

fn signal_json(PageSignal { name, collected, speakers }: &PageSignal<'_>) -> Value {
    let peaks: Vec<u16> = collected.peaks.values().map(|peak| (peak.min(1.0) * MAX_PEAK).round() as u16).collect();
    let segments: Vec<Value> = collected.segments.list.iter().map(segment_json).collect();
    let speakers: Vec<Value> = speakers.iter().map(|speaker| speaker_json(speaker)).collect();
    json!({ "name": name, "peaks": peaks, "segments": segments, "speakers": speakers })
}

/// A speaker's channel, number and turns; each turn is a segment and its seconds of overlap.
fn speaker_json(speaker: &Voice) -> Value {
    let turns = speaker.turns.iter().flatten();
    let rows: Vec<Value> =
        turns.map(|turn| json!([segment_json(&PageSegment::of(turn)), turn.overlap_s.unwrap_or(0.0)])).collect();
    json!({ "channel": speaker.channel, "number": speaker.speaker, "turns": rows })
}

/// `[start s, end s, speech %, emotion probabilities, gender probabilities, years, reason code]`
fn segment_json(segment: &PageSegment) -> Value {
    let codes = |probabilities: &[f32]| -> Vec<u16> {
        probabilities
            .iter()
            .map(|p| (PROBABILITY_UNITS * p).round().clamp(1.0, PROBABILITY_UNITS - 1.0) as u16)
            .collect()
    };
    let speech = (100.0 * segment.speech_s / (segment.end_s - segment.start_s)).round() as u32;
    json!([
        segment.start_s,
        segment.end_s,
        speech,
        codes(&segment.emotion),
        codes(&segment.gender),
        segment.years.map(|years| (10.0 * f64::from(years)).round() / 10.0),
        segment.no_answer.map(NoAnswer::code)
    ])
}
