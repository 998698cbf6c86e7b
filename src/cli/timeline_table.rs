//! A timeline as rows for people: one for each run of segments that say the same.

use std::io::{self, Write};

use persona_engine::export::Run;

use super::table::percent;

/// Writes the rows of one channel.
pub(super) fn write<'a>(out: &mut dyn Write, runs: impl Iterator<Item = &'a Run>) -> io::Result<()> {
    runs.into_iter().try_for_each(|run| writeln!(out, "  {}", row(run).trim_end()))
}

/// `0:04.0 –   0:06.0  anger        71.3 %  male       >99.9 %  34 years`
fn row(run: &Run) -> String {
    let time = format!("{:>9} – {:>9}", clock(run.start_s), clock(run.end_s));
    if let Some(reason) = run.no_answer {
        return format!("{time}  – {}", reason.brief());
    }
    let choice = |choice: &Option<(String, f64)>, width: usize| {
        choice.as_ref().map_or_else(String::new, |(label, p)| format!("  {label:<width$} {:>7}", percent(*p)))
    };
    let age = run.age_years.map_or_else(String::new, |years| format!("  {years:.0} years"));
    format!("{time}{}{}{age}", choice(&run.emotion, 9), choice(&run.gender, 6))
}

/// `0:04.0`, `1:02:03.5`
fn clock(seconds: f64) -> String {
    let tenths = (10.0 * seconds).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let (seconds, tenths) = (rest / 10, rest % 10);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}.{tenths}")
    } else {
        format!("{minutes}:{seconds:02}.{tenths}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use persona_engine::engine::NoAnswer;

    #[test]
    fn times_and_rows() {
        assert_eq!([0.0, 59.96, 61.0, 3725.25].map(clock), ["0:00.0", "1:00.0", "1:01.0", "1:02:05.3"]);
        let run = Run {
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
        let silent = Run { no_answer: Some(NoAnswer::Silence), ..run };
        assert_eq!(row(&silent), "   0:04.0 –    0:06.0  – silence");
    }
}
