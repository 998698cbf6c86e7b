//! The evaluation as one HTML page: nothing outside it is needed, plots are inline SVG, every plot's numbers stand in a table too.
//!
//! | file | concept |
//! |---|---|
//! | `axes` | axes and ticks |
//! | `plots` | confusion, reliability, abstaining, ages |
//! | `group_plot` | groups side by side |
//! | `tables` | the same numbers as tables |

mod axes;
mod group_plot;
mod plots;
mod tables;

use std::io::{self, Write};

use crate::html;
use crate::html::svg::escaped;

use super::evaluation::Evaluation;
use super::measures::{ClassDetail, Estimate};
use super::report::EvalReport;
use super::text::{Form, heading, interval_note, left_out, origin};

/// What each figure means, for the end of the page.
const MEANINGS: [(&str, &str); 12] = [
    (
        "95 % interval",
        "From drawing the speakers again, with replacement: where the figure may lie for other speakers of the same kind. It is not given for fewer than five. \
        An interval from 100 to 100 % says only that none of these clips was wrong.",
    ),
    ("accuracy", "The share of clips that were given their true label."),
    (
        "UAR",
        "Unweighted average recall: the mean over the labels of the share of their clips that were recognised. Rare labels count like common ones.",
    ),
    ("macro-F1", "The mean over the labels of F1, which also counts clips that were given a label wrongly."),
    (
        "NLL",
        "Mean negative logarithm of the probability given to the true label. Being sure and wrong costs most. 0 is perfect.",
    ),
    (
        "ECE",
        "Expected calibration error over 15 bins of equal width: how far confidence and the share of right answers lie apart. 0 is perfect.",
    ),
    (
        "AURC",
        "Area under the risk-coverage curve: the mean share of errors when only the most confident clips are answered. 0 is perfect.",
    ),
    ("RMSE, MAE", "Root of the mean squared error, and mean absolute error, in years."),
    ("bias", "Mean of answer minus truth, in years: above 0, people are taken for older."),
    ("correlation", "Pearson's, of answers and true ages."),
    (
        "interval",
        "The share of ages that lie in the interval that the system gave, beside the share that it claims, and the interval's mean width.",
    ),
    (
        "a constant answer",
        "What always giving the commonest label, or always the mean age of these clips, would reach. A figure no better than that is worth nothing.",
    ),
];

/// Writes the page.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, evaluation: &Evaluation) -> io::Result<()> {
    let report = &evaluation.report;
    html::begin(out, &heading(report), "")?;
    writeln!(out, "<p class=\"soft\">{}</p>\n</header>\n<main>", escaped(&origin(report)))?;
    for warning in &report.warnings {
        writeln!(out, "<p class=\"warning\" role=\"note\"><strong>Warning.</strong> {}.</p>", escaped(warning))?;
    }
    write_tiles(out, report)?;
    writeln!(out, "<section>\n<h2>Overall</h2>\n{}", tables::overall(report))?;
    writeln!(out, "<p class=\"soft\">{}.</p>\n</section>", escaped(&interval_note(report)))?;
    for (head, detail) in [("Emotion", &report.emotion_detail), ("Gender", &report.gender_detail)] {
        if let Some(detail) = detail {
            write_head(out, head, detail)?;
        }
    }
    if let Some((plot, note)) = plots::ages(&evaluation.answers) {
        let (figure, table) = (figure(&plot, &note), tables::ages(&report.groups));
        writeln!(out, "<section>\n<h2>Age</h2>\n<div class=\"figures\">{figure}<div>{table}</div></div>\n</section>")?;
    }
    write_groups(out, report)?;
    write_left_out(out, report)?;
    write_meanings(out)?;
    writeln!(
        out,
        "</main>\n<footer class=\"soft\"><p>Made by {}.</p></footer>\n</body>\n</html>",
        escaped(&report.created_by)
    )
}

/// The three figures that are asked for first.
fn write_tiles(out: &mut dyn Write, report: &EvalReport) -> io::Result<()> {
    let overall = &report.overall;
    let rows = [
        ("emotion: right answers", overall.emotion.as_ref().map(|m| &m.accuracy), Form::Percent),
        ("gender: right answers", overall.gender.as_ref().map(|m| &m.accuracy), Form::Percent),
        ("age: mean absolute error, years", overall.age.as_ref().map(|m| &m.mae), Form::Digits(1)),
    ];
    writeln!(out, "<div class=\"tiles\">")?;
    for (name, estimate, form) in rows.into_iter().filter_map(|(name, estimate, form)| Some((name, estimate?, form))) {
        let (value, interval) = (form.value(estimate), interval_in_words(estimate, form));
        writeln!(out, "<div class=\"tile\"><span>{name}</span><b>{value}</b><span>{interval}</span></div>")?;
    }
    writeln!(out, "</div>")
}

fn interval_in_words(estimate: &Estimate, form: Form) -> String {
    match form.interval(estimate) {
        none if none.is_empty() => "no interval".into(),
        interval => format!("95 % interval {interval}"),
    }
}

fn write_head(out: &mut dyn Write, head: &str, detail: &ClassDetail) -> io::Result<()> {
    let name = head.to_lowercase();
    writeln!(out, "<section>\n<h2>{head}</h2>\n<div class=\"figures\">")?;
    let confusion = "Confusion: shares of each true label, and clips. The diagonal is right.";
    write!(out, "{}", figure(&plots::confusion(&name, detail), confusion))?;
    write!(out, "<div>{}</div>", tables::labels(detail))?;
    let reliability = "Reliability: bars are the share of right answers by confidence, pale where clips are few. On the dashed line confidence is worth \
        its number; a ring under it is overconfident, and the tinted part is the gap.";
    write!(out, "{}", figure(&plots::reliability(&name, detail), reliability))?;
    let abstaining = "Abstaining: how accurate the answers are if only the most confident clips are answered.";
    write!(out, "{}", figure(&plots::abstaining(&name, detail), abstaining))?;
    writeln!(out, "</div>")?;
    writeln!(
        out,
        "<details>\n<summary>{head}: the numbers behind the plots</summary>\n{}</details>",
        tables::detail(detail)
    )?;
    writeln!(out, "</section>")
}

fn write_groups(out: &mut dyn Write, report: &EvalReport) -> io::Result<()> {
    if report.groups.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section>\n<h2>By group</h2>")?;
    writeln!(
        out,
        "<p>Dots are measures, lines their 95 % intervals, the dashed line all clips. The number beside a name counts its clips.</p>"
    )?;
    for column in report.groups.chunk_by(|a, b| a.column == b.column) {
        let name = escaped(&column[0].column);
        writeln!(out, "<h3>{name}</h3>\n{}", figure(&group_plot::groups(column, &report.overall), ""))?;
        writeln!(out, "<details>\n<summary>{name}: all measures</summary>\n{}</details>", tables::groups(column))?;
    }
    writeln!(out, "</section>")
}

fn write_left_out(out: &mut dyn Write, report: &EvalReport) -> io::Result<()> {
    let lines = left_out(report);
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section>\n<h2>Left out</h2>\n<p>These are in no measure.</p>\n<ul>")?;
    lines.iter().try_for_each(|line| writeln!(out, "<li>{}</li>", escaped(line)))?;
    writeln!(out, "</ul>")?;
    if !report.problems.list.is_empty() {
        writeln!(out, "<details>\n<summary>Problems by line</summary>\n<ul>")?;
        report
            .problems
            .list
            .iter()
            .try_for_each(|problem| writeln!(out, "<li>{}</li>", escaped(&problem.to_string())))?;
        writeln!(out, "</ul>\n</details>")?;
    }
    writeln!(out, "</section>")
}

fn write_meanings(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<section>\n<h2>What the figures mean</h2>\n<dl>")?;
    MEANINGS.iter().try_for_each(|(name, meaning)| writeln!(out, "<dt>{name}</dt><dd>{meaning}</dd>"))?;
    writeln!(out, "</dl>\n</section>")
}

fn figure(svg: &str, caption: &str) -> String {
    let caption =
        if caption.is_empty() { String::new() } else { format!("<figcaption>{}</figcaption>\n", escaped(caption)) };
    format!("<figure>\n<div class=\"scroll\">{svg}</div>\n{caption}</figure>\n")
}
