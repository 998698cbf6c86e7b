//! The numbers of the plots as tables.

use super::super::groups::AGE_BAND;
use super::super::measures::{AgeMeasures, ClassDetail, Estimate};
use super::super::report::{EvalReport, Group};
use super::super::text::{Form, overall_rows, thousands};
use super::plots::is_tenth;
use crate::html::svg::escaped;

/// A table with a header; the first cell of each row is its header.
fn table(caption: &str, head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let caption = match caption {
        "" => String::new(),
        caption => format!("<caption class=\"left\">{}</caption>\n", escaped(caption)),
    };
    let head: Vec<String> = head.iter().map(|cell| format!("<th scope=\"col\">{}</th>", escaped(cell))).collect();
    let rows: Vec<String> = rows.map(|row| table_row(&row)).collect();
    let (head, rows) = (head.concat(), rows.concat());
    format!(
        "<div class=\"scroll\"><table>\n{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

fn table_row(cells: &[String]) -> String {
    let cells = cells.iter().enumerate().map(|(k, cell)| match k {
        0 => format!("<th scope=\"row\">{}</th>", escaped(cell)),
        _ => format!("<td>{}</td>", escaped(cell)),
    });
    format!("<tr>{}</tr>\n", cells.collect::<Vec<_>>().concat())
}

/// The measures over all clips.
pub(super) fn overall(report: &EvalReport) -> String {
    let mut head = "";
    let rows = overall_rows(report).into_iter().map(|row| {
        if !row.head.is_empty() {
            head = row.head;
        }
        vec![format!("{head}: {}", row.measure), row.value, row.interval, row.baseline]
    });
    table("", &["measure", "value", "95 % interval", "constant baseline"], rows)
}

/// Recall and precision by label.
pub(super) fn labels(detail: &ClassDetail) -> String {
    let share = |value: Option<f64>| Form::Percent.number(value);
    let labels = detail.by_label.iter().map(|row| {
        vec![row.label.clone(), count(row.clips), count(row.given), share(row.recall), share(row.precision)]
    });
    table("", &["label", "clips", "predicted", "recall", "precision"], labels)
}

/// The bins of the reliability diagram, and accuracy by coverage.
pub(super) fn detail(detail: &ClassDetail) -> String {
    let share = |value: Option<f64>| Form::Percent.number(value);
    let bins = detail.reliability.iter().filter(|row| row.clips > 0).map(|row| {
        let bin = format!("{:.3} – {:.3}", row.low, row.high);
        vec![bin, count(row.clips), share(row.confidence), share(row.accuracy)]
    });
    let bins = table("By confidence", &["confidence", "clips", "mean confidence", "accuracy"], bins);
    let kept = detail.risk_coverage.iter().rev().filter(|row| is_tenth(row)).map(|row| {
        let threshold = format!("{:.3}", row.threshold);
        vec![share(Some(row.coverage)), count(row.clips), share(Some(row.accuracy)), threshold]
    });
    let kept = table("By coverage", &["coverage", "clips", "accuracy", "confidence at least"], kept);
    bins + &kept
}

/// All measures of the groups of one column.
pub(super) fn groups(groups: &[Group]) -> String {
    let cell = |estimate: Option<&Estimate>, form: Form| match estimate {
        None => "–".to_owned(),
        Some(estimate) => match form.interval(estimate) {
            none if none.is_empty() => form.value(estimate),
            interval => format!("{} ({interval})", form.value(estimate)),
        },
    };
    let rows = groups.iter().map(|group| {
        let m = &group.measures;
        let (emotion, gender, age) = (m.emotion.as_ref(), m.gender.as_ref(), m.age.as_ref());
        vec![
            group.value.clone(),
            thousands(m.clips),
            thousands(m.speakers),
            cell(emotion.map(|m| &m.accuracy), Form::Percent),
            cell(emotion.map(|m| &m.uar), Form::Percent),
            cell(emotion.map(|m| &m.ece), Form::Digits(3)),
            cell(gender.map(|m| &m.accuracy), Form::Percent),
            cell(gender.map(|m| &m.ece), Form::Digits(3)),
            cell(age.map(|m| &m.rmse), Form::Digits(1)),
            cell(age.map(|m| &m.mae), Form::Digits(1)),
            cell(age.map(|m| &m.bias), Form::Signed(1)),
            cell(age.map(|m| &m.interval_coverage), Form::Percent),
            cell(age.map(|m| &m.interval_width), Form::Digits(1)),
        ]
    });
    let head = [
        "group",
        "clips",
        "speakers",
        "emotion accuracy",
        "emotion UAR",
        "emotion ECE",
        "gender accuracy",
        "gender ECE",
        "age RMSE",
        "age MAE",
        "age bias",
        "age interval coverage",
        "age interval width",
    ];
    table("", &head, rows)
}

/// Age errors by band of true age, if measured. Intervals have columns where the model states them.
pub(super) fn ages(groups: &[Group]) -> String {
    let bands = groups.iter().filter(|group| group.column == AGE_BAND);
    let bands: Vec<(&str, &AgeMeasures)> =
        bands.filter_map(|group| Some((group.value.as_str(), group.measures.age.as_ref()?))).collect();
    let with_intervals = bands.iter().any(|(_, measures)| measures.interval_claimed.is_some());
    let columns = if with_intervals { 7 } else { 5 };
    let rows = bands.iter().map(|(band, measures)| age_cells(band, measures)[..columns].to_vec());
    let head = ["true age", "clips", "RMSE", "MAE", "bias", "covered", "width"];
    if bands.is_empty() { String::new() } else { table("", &head[..columns], rows) }
}

fn age_cells(band: &str, m: &AgeMeasures) -> [String; 7] {
    [
        band.to_owned(),
        thousands(m.clips),
        Form::Digits(1).value(&m.rmse),
        Form::Digits(1).value(&m.mae),
        Form::Signed(1).value(&m.bias),
        Form::Percent.value(&m.interval_coverage),
        Form::Digits(1).value(&m.interval_width),
    ]
}

fn count(n: u64) -> String {
    thousands(n as usize)
}
