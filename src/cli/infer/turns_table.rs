//! The turns of all speakers as rows of the table, in order.

use std::io::{self, Write};

use persona_engine::Segment;
use persona_engine::engine::{Classification, Report};
use persona_engine::export::clock;

use crate::cli::numbers::percent;

/// Writes a row for each turn, if the report has speakers.
pub(super) fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let turns_of = |voice: &'_ persona_engine::Voice| voice.speaker.zip(voice.turns.clone());
    let mut turns: Vec<(u16, Segment)> = report
        .voices
        .iter()
        .filter_map(turns_of)
        .flat_map(|(speaker, turns)| turns.into_iter().map(move |turn| (speaker, turn)))
        .collect();
    turns.sort_by(|a, b| a.1.start_s.total_cmp(&b.1.start_s).then(a.0.cmp(&b.0)));
    if !turns.is_empty() {
        writeln!(out)?;
    }
    turns.iter().try_for_each(|(speaker, turn)| writeln!(out, "  {}", row(*speaker, turn).trim_end()))
}

/// `0:04.0 –   0:06.0  speaker 2  anger        71.3 %  0.4 s of overlap`
fn row(speaker: u16, turn: &Segment) -> String {
    let time = format!("{:>9} – {:>9}  speaker {speaker:<2}", clock(turn.start_s), clock(turn.end_s));
    let overlap = match turn.overlap_s {
        Some(seconds) if seconds >= 0.05 => format!("  {seconds:.1} s of overlap"),
        _ => String::new(),
    };
    let label = match (turn.no_answer, &turn.predictions.emotion) {
        (Some(reason), _) => format!("  – {}", reason.brief()),
        (None, Some(emotion @ Classification { label, .. })) => {
            format!("  {label:<9} {:>7}", percent(emotion.probability()))
        }
        (None, None) => String::new(),
    };
    format!("{time}{label}{overlap}")
}
