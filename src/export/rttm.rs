//! RTTM, NIST's Rich Transcription Time Marked: who speaks when, one line per turn.
//!
//! ```text
//! SPEAKER call 1 0.480 3.215 <NA> <NA> speaker_1 <NA> <NA>
//! ```
//!
//! Recording without folder and ending, channel (1 for the mean of all), start and duration in
//! seconds, speaker. Blanks separate the fields, so those of a recording's name become underscores.

use std::io::{self, Write};
use std::path::Path;

use crate::engine::Report;

use super::turns::turns;

/// Writes the turns of all speakers of a report by time. Nothing is written for a recording in which
/// nobody speaks.
///
/// # Errors
/// Those of `out`.
pub fn write_rttm(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let recording = name(&report.recording.file);
    for turn in turns(report) {
        let (start_s, length_s) = (turn.turn.start_s, turn.turn.end_s - turn.turn.start_s);
        let channel = turn.voice.channel.unwrap_or(1);
        let speaker = turn.voice.speaker.unwrap_or_default();
        writeln!(
            out,
            "SPEAKER {recording} {channel} {start_s:.3} {length_s:.3} <NA> <NA> speaker_{speaker} <NA> <NA>"
        )?;
    }
    Ok(())
}

/// The name of a recording as a field: `-` is `stdin`.
pub(super) fn name(file: &str) -> String {
    let stem = Path::new(file).file_stem().map_or_else(|| file.into(), |stem| stem.to_string_lossy());
    let stem = if stem == "-" { "stdin".into() } else { stem };
    stem.split(|c: char| c.is_whitespace() || c.is_control()).collect::<Vec<_>>().join("_")
}
