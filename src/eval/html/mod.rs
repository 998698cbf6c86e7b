//! The evaluation as one self-contained HTML page with inline SVG plots; the numbers of every plot
//! are also in a table.
//!
//! | file | concept |
//! |---|---|
//! | `axes` | axes and ticks |
//! | `plots` | confusion matrix, reliability diagram, accuracy by coverage, ages |
//! | `group_plot` | dot plot of groups |
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

/// Definitions of the measures, for the end of the page.
const DEFINITIONS: [(&str, &str); 12] = [
    (
        "95 % interval",
        "Bootstrap over speakers: the range of the measure for other speakers of the same kind. Not given for fewer than \
         five speakers. An interval from 100 to 100 % only means that none of these clips was wrong.",
    ),
    ("accuracy", "The share of clips whose predicted label is the true label."),
    ("UAR", "Unweighted average recall: the mean of the labels' recalls. Rare labels count as much as common ones."),
    ("macro-F1", "The mean of the labels' F1 scores, which also count clips that got the label wrongly."),
    (
        "NLL",
        "Negative log-likelihood: mean negative logarithm of the probability of the true label. Confident errors cost most. 0 is perfect.",
    ),
    (
        "ECE",
        "Expected calibration error over 15 bins of equal width: mean difference between confidence and accuracy. 0 is perfect.",
    ),
    (
        "AURC",
        "Area under the risk-coverage curve: the mean error rate when only the most confident clips are predicted. 0 is perfect.",
    ),
    ("RMSE, MAE", "Root of the mean squared error, and mean absolute error, in years."),
    ("bias", "Mean of predicted minus true age, in years: above 0, ages are estimated too high."),
    ("correlation", "Pearson correlation of predicted and true ages."),
    (
        "interval",
        "The share of true ages within the predicted interval, the share that the model states, and the interval's mean width.",
    ),
    (
        "constant baseline",
        "The result of always predicting the most frequent label, or the mean age, of these clips. A measure no better than this is useless.",
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
    report.warnings.iter().try_for_each(|warning| html::write_warning(out, warning))?;
    write_tiles(out, report)?;
    writeln!(out, "<section>\n<h2>Overall</h2>\n{}", tables::overall(report))?;
    writeln!(out, "<p class=\"soft\">{}.</p>\n</section>", escaped(&interval_note(report)))?;
    for (head, detail) in [("Emotion", &report.emotion_detail), ("Gender", &report.gender_detail)] {
        if let Some(detail) = detail {
            write_head(out, head, detail)?;
        }
    }
    if let Some((plot, note)) = plots::ages(&evaluation.clips) {
        let (figure, table) = (figure(&plot, &note), tables::ages(&report.groups));
        writeln!(out, "<section>\n<h2>Age</h2>\n<div class=\"figures\">{figure}<div>{table}</div></div>\n</section>")?;
    }
    write_groups(out, report)?;
    write_left_out(out, report)?;
    write_definitions(out)?;
    writeln!(
        out,
        "</main>\n<footer class=\"soft\"><p>Created by {}.</p></footer>\n</body>\n</html>",
        escaped(&report.created_by)
    )
}

/// The three main measures.
fn write_tiles(out: &mut dyn Write, report: &EvalReport) -> io::Result<()> {
    let overall = &report.overall;
    let rows = [
        ("emotion: accuracy", overall.emotion.as_ref().map(|m| &m.accuracy), Form::Percent),
        ("gender: accuracy", overall.gender.as_ref().map(|m| &m.accuracy), Form::Percent),
        ("age: mean absolute error, years", overall.age.as_ref().map(|m| &m.mae), Form::Digits(1)),
    ];
    writeln!(out, "<div class=\"tiles\">")?;
    for (name, estimate, form) in rows.into_iter().filter_map(|(name, estimate, form)| Some((name, estimate?, form))) {
        let (value, interval) = (form.value(estimate), interval_text(estimate, form));
        writeln!(out, "<div class=\"tile\"><span>{name}</span><b>{value}</b><span>{interval}</span></div>")?;
    }
    writeln!(out, "</div>")
}

fn interval_text(estimate: &Estimate, form: Form) -> String {
    match form.interval(estimate) {
        none if none.is_empty() => "no interval".into(),
        interval => format!("95 % interval {interval}"),
    }
}

fn write_head(out: &mut dyn Write, head: &str, detail: &ClassDetail) -> io::Result<()> {
    let name = head.to_lowercase();
    writeln!(out, "<section>\n<h2>{head}</h2>\n<div class=\"figures\">")?;
    let confusion = "Confusion matrix: shares of each true label, and clips. The diagonal is correct.";
    write!(out, "{}", figure(&plots::confusion(&name, detail), confusion))?;
    write!(out, "<div>{}</div>", tables::labels(detail))?;
    let reliability = "Reliability diagram: bars are the accuracy by confidence, pale where clips are few. On the dashed line confidence equals \
        accuracy; a ring below it is overconfident, and the tinted part is the gap.";
    write!(out, "{}", figure(&plots::reliability(&name, detail), reliability))?;
    let coverage = "Accuracy by coverage: accuracy if only the most confident clips are predicted.";
    write!(out, "{}", figure(&plots::coverage(&name, detail), coverage))?;
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
        "<p>Dots are measures, lines their 95 % intervals, the dashed line is the measure over all clips. The number beside a name is its number of clips.</p>"
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
    writeln!(out, "<section>\n<h2>Left out</h2>\n<p>These clips are not in any measure.</p>\n<ul>")?;
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

fn write_definitions(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<section>\n<h2>What the measures mean</h2>\n<dl>")?;
    DEFINITIONS.iter().try_for_each(|(name, meaning)| writeln!(out, "<dt>{name}</dt><dd>{meaning}</dd>"))?;
    writeln!(out, "</dl>\n</section>")
}

fn figure(svg: &str, caption: &str) -> String {
    let caption =
        if caption.is_empty() { String::new() } else { format!("<figcaption>{}</figcaption>\n", escaped(caption)) };
    format!("<figure>\n<div class=\"scroll\">{svg}</div>\n{caption}</figure>\n")
}
