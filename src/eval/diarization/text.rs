//! The measures of a diarization as text for a terminal: at most 100 columns, without colour.

use std::io::{self, Write};

use super::report::{DiarizationReport, Rates};

/// Width of the column of names.
const NAME: usize = 34;

/// Writes the report.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, report: &DiarizationReport) -> io::Result<()> {
    let overall = &report.overall;
    let source = &report.source;
    let hypothesis = source.hypothesis.as_deref().or(source.system.as_deref()).unwrap_or_default();
    let scored = source.uem.as_ref().map(|uem| format!(", {uem}")).unwrap_or_default();
    let recordings =
        if overall.recordings == 1 { "1 recording".into() } else { format!("{} recordings", overall.recordings) };
    writeln!(out, "{hypothesis} on {recordings} of {}{scored}", source.reference)?;
    writeln!(out, "\nper cent of the speech; overlapped speech counts for each speaker")?;
    let collar = format!("±{} s", report.collar_s);
    writeln!(out, "{:<NAME$}{:>8}{:>8}{:>8}{:>8}{:>8}{collar:>9}{:>8}{:>9}", "", "", "", "", "false", "con-", "", "")?;
    writeln!(
        out,
        "{:<NAME$}{:>8}{:>8}{:>8}{:>8}{:>8}{:>9}{:>8}{:>9}",
        "", "speech", "DER", "missed", "alarm", "fusion", "DER", "JER", "speakers"
    )?;
    for row in &report.recordings {
        write_row(out, &row.recording, &row.rates)?;
    }
    write_row(out, "all", &overall.rates)?;
    if let (Some(right), Some(error)) = (overall.speaker_count_accuracy, overall.speaker_count_error) {
        let right = percent(Some(right));
        writeln!(out, "\nnumber of speakers right in {right} % of the recordings, mean error {error:.2}")?;
    }
    writeln!(out, "speakers: found of true; ±{} s: without the time that close to a boundary", report.collar_s)
}

fn write_row(out: &mut dyn Write, name: &str, rates: &Rates) -> io::Result<()> {
    let plain = &rates.no_collar;
    let [der, missed, false_alarm, confusion] =
        [plain.der, plain.missed, plain.false_alarm, plain.confusion].map(percent);
    let (with_collar, jer) = (percent(rates.collar.der), percent(rates.jer));
    let speakers = format!("{} of {}", rates.speakers_found, rates.speakers);
    let speech = format!("{:.1} s", plain.times.speech_s);
    let name = cut(name);
    writeln!(
        out,
        "{name:<NAME$}{speech:>8}{der:>8}{missed:>8}{false_alarm:>8}{confusion:>8}{with_collar:>9}{jer:>8}{speakers:>9}"
    )
}

fn percent(share: Option<f64>) -> String {
    share.map_or("–".into(), |share| format!("{:.1}", 100.0 * share))
}

/// Shortens a name to the width of its column.
fn cut(name: &str) -> String {
    if name.chars().count() < NAME { name.to_owned() } else { name.chars().take(NAME - 2).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::{Annotation, DiarizationInputs, DiarizationSource};
    use super::*;

    #[test]
    fn rows_are_aligned_and_narrow() {
        let annotation = |end| Annotation::of([("a", 0.0, 4.0), ("b", 4.0, end)]);
        let long = "a-recording-with-a-name-that-does-not-fit-in";
        let inputs = DiarizationInputs {
            reference: [(long.to_owned(), annotation(8.0)), ("silence".to_owned(), Annotation::default())].into(),
            hypothesis: [(long.to_owned(), annotation(7.0)), ("silence".to_owned(), Annotation::default())].into(),
            ..DiarizationInputs::default()
        };
        let source =
            DiarizationSource { reference: "r.rttm".into(), hypothesis: Some("h.rttm".into()), ..Default::default() };
        let mut text = Vec::new();
        write(&mut text, &DiarizationReport::new(source, &inputs)).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.starts_with("h.rttm on 2 recordings of r.rttm\n"), "{text}");
        assert!(text.contains("a-recording-with-a-name-that-doe…"), "{text}");
        let all = text.lines().find(|line| line.starts_with("all ")).unwrap();
        assert_eq!(
            all.split_whitespace().collect::<Vec<_>>(),
            "all 8.0 s 12.5 12.5 0.0 0.0 10.7 12.5 2 of 2".split(' ').collect::<Vec<_>>()
        );
        assert!(text.contains("number of speakers right in 100.0 %"), "{text}");
    }
}
