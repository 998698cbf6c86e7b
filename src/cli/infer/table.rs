//! A report as a table.

use std::io::{self, Write};
use std::path::Path;

use persona_engine::engine::{
    Age, Classification, Head, Interval, Manifest, RecordingInfo, Report, Voice, Withheld, WithheldReason,
};
use persona_engine::export::MergedSegments;

use super::{timeline_table, turns_table};
use crate::cli::numbers::{clock, exact_percent, percent};

/// Width of a bar of 100 %, characters.
const BAR: usize = 32;

/// Writes one report, with its timelines if `runs` has them.
pub(super) fn write(
    out: &mut dyn Write,
    report: &Report,
    runs: Option<&MergedSegments>,
    manifest: &Manifest,
) -> io::Result<()> {
    writeln!(out, "{}", heading(&report.recording))?;
    for voice in &report.voices {
        match (voice.channel, voice.speaker) {
            (None, None) => {}
            (Some(channel), None) => writeln!(out, "\n  channel {channel}")?,
            (None, Some(speaker)) => writeln!(out, "\n  speaker {speaker}")?,
            (Some(channel), Some(speaker)) => writeln!(out, "\n  speaker {speaker}, channel {channel}")?,
        }
        writeln!(out)?;
        write_voice(out, voice, manifest)?;
        if let Some(runs) = runs {
            writeln!(out)?;
            timeline_table::write(out, runs.of(voice.channel.unwrap_or(0)))?;
        }
    }
    turns_table::write(out, report)?;
    let chunks = report.voices.iter().map(|voice| voice.chunks).sum();
    write_foot(out, chunks, report.timings_ms.total, &report.model.name)
}

fn write_voice(out: &mut dyn Write, voice: &Voice, manifest: &Manifest) -> io::Result<()> {
    if let Some(reason) = voice.no_answer {
        writeln!(out, "  no prediction: {}", reason.explain())?;
    }
    if let Some(emotion) = &voice.predictions.emotion {
        write_emotion(out, emotion)?;
    }
    write_withheld(out, &voice.withheld, Head::Emotion)?;
    if let Some(gender) = &voice.predictions.gender {
        writeln!(out, "  gender   {:<10} {:>7}", gender.label, percent(gender.probability()))?;
    }
    write_withheld(out, &voice.withheld, Head::Gender)?;
    if let Some(age) = &voice.predictions.age {
        writeln!(out, "  age      {:.0} years{}", age.years, error_of_age(age, manifest))?;
    }
    write_withheld(out, &voice.withheld, Head::Age)?;
    if let (Some(_), Some(speech_s)) = (voice.speaker, voice.speech_s) {
        writeln!(out, "  speech   {}", length(speech_s))?;
    }
    if let Some(baseline) = voice.baseline.filter(|baseline| baseline.applied) {
        writeln!(out, "  baseline of the speaker taken off: {} chunks of other recordings", baseline.chunks)?;
    }
    Ok(())
}

fn write_foot(out: &mut dyn Write, chunks: usize, total_ms: f64, model: &str) -> io::Result<()> {
    let chunks = if chunks == 1 { "1 chunk".to_owned() } else { format!("{chunks} chunks") };
    writeln!(out, "\n  {chunks} in {:.0} ms by {model}", total_ms.max(1.0))
}

/// `speech.wav   4.16 s, 16 kHz, mono`
fn heading(recording: &RecordingInfo) -> String {
    let RecordingInfo { file, duration_s, sample_rate_hz, channels, .. } = recording;
    let name = if file == "-" { "standard input" } else { file.as_str() };
    let name = Path::new(name).file_name().map_or_else(|| name.to_owned(), |n| n.to_string_lossy().into_owned());
    let channels = match channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        n => format!("{n} channels"),
    };
    let khz = f64::from(*sample_rate_hz) / 1000.0;
    format!("{name}   {}, {khz} kHz, {channels}", length(*duration_s))
}

/// `4.16 s`, `12:05 min`, `2:00:00`: a duration.
fn length(seconds: f64) -> String {
    match seconds {
        short if short < 60.0 => format!("{short:.2} s"),
        long if long.round() < 3600.0 => format!("{} min", clock(long)),
        long => clock(long),
    }
}

fn write_emotion(out: &mut dyn Write, emotion: &Classification) -> io::Result<()> {
    for (index, (label, probability)) in emotion.probabilities.iter().enumerate() {
        let head = if index == 0 { "emotion" } else { "" };
        let mark = if *label == emotion.label { '▸' } else { ' ' };
        let line = format!("  {head:<7} {mark}{label:<10} {:>7}  {}", percent(*probability), bar(*probability));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn write_withheld(out: &mut dyn Write, withheld: &[Withheld], head: Head) -> io::Result<()> {
    let mut of_head = withheld.iter().filter(|withheld| withheld.head == head);
    of_head.try_for_each(|withheld| writeln!(out, "{}", withheld_line(withheld)))
}

/// `emotion no prediction: confidence 41.0 % is below the minimum of 60 %`. The confidence is rounded
/// down, so that it never equals the minimum that it is below.
fn withheld_line(withheld: &Withheld) -> String {
    let head = withheld.head.name();
    match withheld.reason {
        WithheldReason::LowConfidence { confidence, asked } => {
            let confidence = ((1e6 * confidence).round() / 1e3).floor() / 10.0;
            let asked = exact_percent(asked);
            format!("  {head:<7}  no prediction: confidence {confidence:.1} % is below the minimum of {asked} %")
        }
        WithheldReason::Unfamiliar { distance, limit } => {
            format!(
                "  {head:<7}  no prediction: the voice is unlike the training corpus (distance {distance:.2}, over {limit:.2})"
            )
        }
        other => format!("  {head:<7}  no prediction: {other:?}"),
    }
}

/// A bar in eighths of a character.
fn bar(probability: f64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (probability * (8 * BAR) as f64).round() as usize;
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

/// The uncertainty of an age: its interval, else the mean absolute error on unseen speakers, if the
/// model file states one.
fn error_of_age(age: &Age, manifest: &Manifest) -> String {
    if let Some(Interval { low_years, high_years, coverage, .. }) = age.interval {
        return format!(" ({} % interval {low_years:.0} to {high_years:.0})", exact_percent(coverage));
    }
    let unseen_speakers = manifest.scores().iter().find(|row| row.protocol == "fold_actor");
    match unseen_speakers.and_then(|row| row.age_mae) {
        Some(error) => format!("   (mean error {:.0} years for unseen speakers)", error.mean),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_below_the_threshold_is_printed_below_it() {
        let text = |confidence, asked| withheld_line(&Withheld::low_confidence(Head::Emotion, confidence, asked));
        assert_eq!(text(0.41, 0.6), "  emotion  no prediction: confidence 41.0 % is below the minimum of 60 %");
        assert!(text(0.599_999, 0.6).contains("confidence 59.9 % is below the minimum of 60 %"));
        assert!(text(0.5, 0.123_456_789).contains("minimum of 12.345679 %"));
    }

    #[test]
    fn bars_and_lengths() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(1.0).chars().count(), BAR);
        assert_eq!(bar(0.5 / BAR as f64), "▌");
        assert_eq!(length(4.161), "4.16 s");
        assert_eq!(length(725.2), "12:05 min");
        assert_eq!(length(7200.0), "2:00:00");
    }
}
