//! The evaluation as text for a terminal: at most 100 columns, without colour.

use std::io::{self, Write};

use super::measures::{AgeMeasures, Baselines, ClassDetail, ClassMeasures, Estimate};
use super::report::{EvalReport, Group};

/// Coverages of the risk-coverage table, percent.
pub(super) const COVERAGES: [u64; 10] = [100, 90, 80, 70, 60, 50, 40, 30, 20, 10];

/// Writes the report.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, report: &EvalReport) -> io::Result<()> {
    writeln!(out, "{}", heading(report))?;
    writeln!(out, "{}", wrapped(&origin(report), 98, ""))?;
    for warning in &report.warnings {
        writeln!(out, "\n{}", wrapped(&format!("! {warning}"), 98, "  "))?;
    }
    write_overall(out, report)?;
    for (head, detail) in [("emotion", &report.emotion_detail), ("gender", &report.gender_detail)] {
        if let Some(detail) = detail {
            write_confusion(out, head, detail)?;
            write_risk_coverage(out, head, detail)?;
        }
    }
    write_groups(out, &report.groups)?;
    write_left_out(out, report)
}

/// `xvector-cnn on 1,321 clips of 81 speakers`
pub(super) fn heading(report: &EvalReport) -> String {
    let speakers = match report.input.speakers {
        0 => String::new(),
        1 => " of 1 speaker".into(),
        n => format!(" of {} speakers", thousands(n)),
    };
    let clips = if report.input.clips == 1 { "clip" } else { "clips" };
    format!("{} on {} {clips}{speakers}", report.system.name, thousands(report.input.clips))
}

/// Files, filters and model of the evaluation.
pub(super) fn origin(report: &EvalReport) -> String {
    let input = &report.input;
    let undetected = !report.settings.activity && input.features.is_none();
    let parts = [
        (!input.filters.is_empty()).then(|| format!(" where {}", input.filters.join(", "))),
        input.limit.map(|limit| format!(", at most {limit} rows")),
        input.features.as_ref().map(|features| format!(", features {features}")),
        undetected.then(|| ", without speech detection".into()),
    ];
    let parts: String = parts.into_iter().flatten().collect();
    let sha256: String = report.system.sha256.chars().take(16).collect();
    format!("{}{parts}; model SHA-256 {sha256}", input.table)
}

/// Description of the intervals.
pub(super) fn interval_note(report: &EvalReport) -> String {
    match report.settings.bootstrap {
        0 => "without intervals".into(),
        draws => format!("95 % intervals: bootstrap over {}, {} draws", report.settings.resampled, thousands(draws)),
    }
}

fn write_overall(out: &mut dyn Write, report: &EvalReport) -> io::Result<()> {
    writeln!(out, "\n{:<9}{:<19}{:>9}   {:<17}constant baseline", "", "", "value", "95 % interval")?;
    for row in overall_rows(report) {
        let line = format!("{:<9}{:<19}{:>9}   {:<17}{}", row.head, row.measure, row.value, row.interval, row.baseline);
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out, "\n{}", interval_note(report))
}

/// A row of the table of overall results.
pub(super) struct OverallRow {
    pub(super) head: &'static str,
    pub(super) measure: &'static str,
    pub(super) value: String,
    pub(super) interval: String,
    pub(super) baseline: String,
}

/// The rows of the table of overall results.
pub(super) fn overall_rows(report: &EvalReport) -> Vec<OverallRow> {
    let overall = &report.overall;
    let Baselines { emotion, gender, age } = &report.baselines;
    let mut rows = Vec::new();
    for (head, measures, majority) in [("emotion", &overall.emotion, emotion), ("gender", &overall.gender, gender)] {
        let Some(measures) = measures else { continue };
        let share = |share: f64| percent(Some(share));
        let accuracy = majority.as_ref().map(|m| format!("{} (always {})", share(m.accuracy), m.label));
        let uar = majority.as_ref().map(|m| share(m.uar));
        rows.extend(class_rows(head, measures, accuracy.unwrap_or_default(), uar.unwrap_or_default()));
    }
    if let Some(measures) = &overall.age {
        let rmse = age.as_ref().map(|m| format!("{:.2} (always {:.1} years)", m.rmse, m.years));
        let mae = age.as_ref().map(|m| format!("{:.2}", m.mae));
        rows.extend(age_rows(measures, rmse.unwrap_or_default(), mae.unwrap_or_default()));
    }
    rows
}

fn class_rows(head: &'static str, m: &ClassMeasures, accuracy: String, uar: String) -> Vec<OverallRow> {
    let row = |measure, estimate: &Estimate, form: Form, baseline| OverallRow {
        head: if measure == "accuracy" { head } else { "" },
        measure,
        value: form.value(estimate),
        interval: form.interval(estimate),
        baseline,
    };
    vec![
        row("accuracy", &m.accuracy, Form::Percent, accuracy),
        row("UAR", &m.uar, Form::Percent, uar),
        row("macro-F1", &m.macro_f1, Form::Percent, String::new()),
        row("NLL, nats", &m.nll, Form::Digits(3), String::new()),
        row("ECE", &m.ece, Form::Digits(3), String::new()),
        row("AURC", &m.aurc, Form::Digits(3), String::new()),
    ]
}

fn age_rows(m: &AgeMeasures, rmse: String, mae: String) -> Vec<OverallRow> {
    let row = |measure, estimate: &Estimate, form: Form, baseline| OverallRow {
        head: if measure == "RMSE, years" { "age" } else { "" },
        measure,
        value: form.value(estimate),
        interval: form.interval(estimate),
        baseline,
    };
    let mut rows = vec![
        row("RMSE, years", &m.rmse, Form::Digits(2), rmse),
        row("MAE, years", &m.mae, Form::Digits(2), mae),
        row("bias, years", &m.bias, Form::Signed(2), String::new()),
        row("correlation", &m.correlation, Form::Digits(3), String::new()),
    ];
    if m.interval_claimed.is_some() {
        let nominal = format!("{} nominal", percent(m.interval_claimed));
        rows.push(row("interval coverage", &m.interval_coverage, Form::Percent, nominal));
        rows.push(row("interval width", &m.interval_width, Form::Digits(1), String::new()));
    }
    rows
}

/// Format of a number.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// `70.1 %`
    Percent,
    /// Number of decimal places.
    Digits(usize),
    /// Number of decimal places, with a sign.
    Signed(usize),
}

impl Form {
    pub(super) fn number(self, value: Option<f64>) -> String {
        match (self, value) {
            (_, None) => "–".into(),
            (Self::Percent, value) => percent(value),
            (Self::Digits(digits), Some(value)) => format!("{value:.digits$}"),
            (Self::Signed(digits), Some(value)) => format!("{value:+.digits$}"),
        }
    }

    pub(super) fn value(self, estimate: &Estimate) -> String {
        self.number(estimate.value)
    }

    /// `68.0 – 72.1 %`, or empty without an interval.
    pub(super) fn interval(self, estimate: &Estimate) -> String {
        let (Some(low), Some(high)) = (estimate.low, estimate.high) else { return String::new() };
        let low = self.number(Some(low));
        let low = low.strip_suffix(" %").unwrap_or(&low);
        format!("{low} – {}", self.number(Some(high)))
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("–".into(), |share| format!("{:.1} %", 100.0 * share))
}

fn write_confusion(out: &mut dyn Write, head: &str, detail: &ClassDetail) -> io::Result<()> {
    writeln!(out, "\n{head}: confusion matrix, true labels (rows) and predicted labels (columns), clips")?;
    write!(out, "  {:<12}", "")?;
    detail.labels.iter().try_for_each(|label| write!(out, "{:>11}", cut(label, 10)))?;
    writeln!(out, "{:>9}", "recall")?;
    for (row, counts) in detail.by_label.iter().zip(&detail.confusion) {
        write!(out, "  {:<12}", cut(&row.label, 11))?;
        counts.iter().try_for_each(|count| write!(out, "{count:>11}"))?;
        writeln!(out, "{:>9}", percent(row.recall))?;
    }
    Ok(())
}

fn write_risk_coverage(out: &mut dyn Write, head: &str, detail: &ClassDetail) -> io::Result<()> {
    writeln!(out, "\n{head}: accuracy on the most confident clips")?;
    let rows = || COVERAGES.iter().filter_map(|percent| detail.risk_coverage.get(*percent as usize - 1));
    write!(out, "  coverage")?;
    rows().try_for_each(|row| write!(out, "{:>7.0} %", 100.0 * row.coverage))?;
    write!(out, "\n  accuracy")?;
    rows().try_for_each(|row| write!(out, "{:>7.1} %", 100.0 * row.accuracy))?;
    write!(out, "\n  min conf")?;
    rows().try_for_each(|row| write!(out, "{:>9.3}", row.threshold))?;
    writeln!(out)
}

fn write_groups(out: &mut dyn Write, groups: &[Group]) -> io::Result<()> {
    for column in groups.chunk_by(|a, b| a.column == b.column) {
        let name = cut(&column[0].column, 17);
        writeln!(
            out,
            "\n{name:<18}{:>7}{:>24}{:>24}{:>17}{:>8}",
            "clips", "emotion acc.", "gender acc.", "age MAE", "bias"
        )?;
        for group in column {
            let m = &group.measures;
            let both =
                |estimate: Option<&Estimate>, form: Form| estimate.map_or(String::new(), |e| with_interval(e, form));
            let emotion = both(m.emotion.as_ref().map(|m| &m.accuracy), Form::Percent);
            let gender = both(m.gender.as_ref().map(|m| &m.accuracy), Form::Percent);
            let age = both(m.age.as_ref().map(|m| &m.mae), Form::Digits(1));
            let bias = m.age.as_ref().map_or(String::new(), |m| Form::Signed(1).value(&m.bias));
            let (value, clips) = (cut(&group.value, 16), thousands(m.clips));
            let line = format!("  {value:<16}{clips:>7}{emotion:>24}{gender:>24}{age:>17}{bias:>8}");
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}

/// `70.1 (68.0 – 72.1) %`
fn with_interval(estimate: &Estimate, form: Form) -> String {
    let bare = |value| form.number(value).trim_end_matches(" %").to_owned();
    let unit = if matches!(form, Form::Percent) { " %" } else { "" };
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => {
            format!("{} ({} – {}){unit}", bare(estimate.value), bare(Some(low)), bare(Some(high)))
        }
        _ => format!("{}{unit}", bare(estimate.value)),
    }
}

/// Clips and rows that are in no metric.
pub(super) fn left_out(report: &EvalReport) -> Vec<String> {
    let clips = |n: usize| if n == 1 { "1 clip".to_owned() } else { format!("{} clips", thousands(n)) };
    let mut lines: Vec<String> = report
        .no_answer
        .iter()
        .map(|(reason, count)| format!("{} without prediction: {reason}", clips(*count)))
        .collect();
    if !report.complete() {
        let reasons: Vec<_> =
            report.problems.by_reason.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        lines.push(format!("{} problems of the table were skipped: {}", report.problems.count, reasons.join(", ")));
    }
    lines
}

fn write_left_out(out: &mut dyn Write, report: &EvalReport) -> io::Result<()> {
    for line in left_out(report) {
        writeln!(out, "\n{line}")?;
    }
    report.problems.list.iter().take(10).try_for_each(|problem| writeln!(out, "  {problem}"))?;
    match report.problems.count {
        0..=10 => Ok(()),
        more => writeln!(out, "  and {} more", more - 10),
    }
}

/// `1,321`
pub(super) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}

/// Shortens a text to at most `most` characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

/// Wraps a text at `width` characters; all lines but the first are indented.
fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("{indent}{word}"));
        } else {
            *line += if line.is_empty() { "" } else { " " };
            *line += word;
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted() {
        assert_eq!([0, 7, 999, 1000, 1_234_567].map(thousands), ["0", "7", "999", "1,000", "1,234,567"]);
        let estimate = Estimate { value: Some(0.7012), low: Some(0.68), high: Some(0.72) };
        assert_eq!(
            (Form::Percent.value(&estimate), Form::Percent.interval(&estimate)),
            ("70.1 %".into(), "68.0 – 72.0 %".into())
        );
        assert_eq!(with_interval(&estimate, Form::Percent), "70.1 (68.0 – 72.0) %");
        assert_eq!(Form::Signed(1).value(&Estimate { value: Some(2.0), ..Estimate::default() }), "+2.0");
        assert_eq!(
            (Form::Digits(2).value(&Estimate::default()), Form::Percent.interval(&Estimate::default())),
            ("–".into(), String::new())
        );
    }

    #[test]
    fn long_texts_are_shortened_or_wrapped() {
        assert_eq!(cut("happiness", 8), "happine…");
        assert_eq!(cut("fear", 8), "fear");
        assert_eq!(wrapped("aaa bbb ccc", 7, "  "), "aaa bbb\n  ccc");
    }
}
