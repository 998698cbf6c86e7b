//! The page's data as JSON, read by `page.js`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::NoAnswer;

use super::collector::{CollectedVoice, PageCollector};
use super::segments::PageSegment;

/// Largest code of a peak; full scale.
const MAX_PEAK: f32 = 32_767.0;
/// Probabilities are integers in units of 1/10,000, from 1 to 9,999: estimates are never certain.
const PROBABILITY_UNITS: f32 = 10_000.0;

#[derive(Serialize)]
struct Data<'a> {
    duration_s: f64,
    emotions: &'a [String],
    genders: &'a [String],
    voices: Vec<Value>,
}

/// Writes the `<script>` element with the data. `<` is escaped, so no label can end the element.
pub(super) fn write(
    out: &mut dyn Write,
    collected: &PageCollector,
    names: &[String],
    duration_s: f64,
) -> io::Result<()> {
    let voices = collected.voices.iter().zip(names).map(|(voice, name)| voice_json(voice, name)).collect();
    let data = Data { duration_s, emotions: &collected.emotions, genders: &collected.genders, voices };
    let text = serde_json::to_string(&data)?.replace('<', "\\u003c");
    writeln!(out, "<script type=\"application/json\" id=\"data\">{text}</script>")
}

fn voice_json(voice: &CollectedVoice, name: &str) -> Value {
    let peaks: Vec<u16> = voice.peaks.values().map(|peak| (peak.min(1.0) * MAX_PEAK).round() as u16).collect();
    let segments: Vec<Value> = voice.segments.list.iter().map(segment_json).collect();
    json!({ "name": name, "peaks": peaks, "segments": segments })
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
