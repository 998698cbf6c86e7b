//! A timeline as rows of the table: one for each run of segments with the same labels.

use std::io::{self, Write};

use persona_engine::export::{MergedSegment, clock};

use crate::cli::numbers::percent;

/// Writes the rows of one channel.
pub(super) fn write<'a>(out: &mut dyn Write, runs: impl Iterator<Item = &'a MergedSegment>) -> io::Result<()> {
    runs.into_iter().try_for_each(|run| writeln!(out, "  {}", row(run).trim_end()))
}

/// `0:04.0 –   0:06.0  anger        71.3 %  male       >99.9 %  34 years`
fn row(run: &MergedSegment) -> String {
    let time = format!("{:>9} – {:>9}", clock(run.start_s), clock(run.end_s));
    if let Some(reason) = run.no_answer {
        return format!("{time}  – {}", reason.brief());
    }
    let class = |class: &Option<(String, f64)>, width: usize| match class {
        Some((label, probability)) => format!("  {label:<width$} {:>7}", percent(*probability)),
        None => String::new(),
    };
    let age = run.age_years.map_or_else(String::new, |years| format!("  {years:.0} years"));
    format!("{time}{}{}{age}", class(&run.emotion, 9), class(&run.gender, 6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use persona_engine::engine::NoAnswer;

    #[test]
    fn rows_of_labels_and_of_a_reason() {
        let run = MergedSegment {
            channel: 0,
            start_s: 4.0,
            end_s: 6.0,
            speech_s: 2.0,
            emotion: Some(("happiness".into(), 0.713)),
            gender: Some(("female".into(), 0.9999)),
            age_years: Some(33.7),
            no_answer: None,
        };
        assert_eq!(row(&run), "   0:04.0 –    0:06.0  happiness  71.3 %  female >99.9 %  34 years");
        let silent = MergedSegment { no_answer: Some(NoAnswer::Silence), ..run };
        assert_eq!(row(&silent), "   0:04.0 –    0:06.0  – silence");
    }
}
