//! What the page says in tables: the summary, and the runs of the timeline.

use std::io::{self, Write};

use crate::engine::{Classification, NoAnswer, Predictions, Summary};
use crate::export::cells::Cell;
use crate::export::sketch::Sketch;
use crate::html::svg::escaped;

use super::scale::clock;

/// Rows of the list of runs at most.
const MAX_ROWS: usize = 1000;

/// One signal's answer.
pub(super) struct Voice<'a> {
    pub(super) name: String,
    pub(super) answers: &'a Predictions,
    pub(super) no_answer: Option<NoAnswer>,
    pub(super) speech_s: Option<f64>,
    pub(super) summary: Option<&'a Summary>,
}

/// Writes the summary: a column for each signal.
pub(super) fn write_summary(out: &mut dyn Write, voices: &[Voice<'_>]) -> io::Result<()> {
    writeln!(out, "<div class=\"scroll\"><table class=\"summary\">\n<thead><tr><th></th>")?;
    voices
        .iter()
        .try_for_each(|voice| writeln!(out, "<th class=\"left\" scope=\"col\">{}</th>", escaped(&voice.name)))?;
    writeln!(out, "</tr></thead>\n<tbody>")?;
    write_row(out, "speech", voices, |voice| voice.speech_s.map_or_else(|| "–".into(), clock))?;
    write_row(out, "answer", voices, |voice| {
        voice.no_answer.map_or_else(|| "given".into(), |why| format!("none: {}", why.brief()))
    })?;
    let heads = voices.first().map(|voice| voice.answers.heads).unwrap_or_default();
    if heads.gender {
        write_row(out, "gender", voices, |voice| choice(voice.answers.gender.as_ref()))?;
    }
    if heads.age {
        write_row(out, "age", voices, age)?;
    }
    write_shares(out, voices)?;
    writeln!(out, "</tbody></table></div>")
}

fn write_row(
    out: &mut dyn Write,
    name: &str,
    voices: &[Voice<'_>],
    cell: impl Fn(&Voice<'_>) -> String,
) -> io::Result<()> {
    write!(out, "<tr><th scope=\"row\">{}</th>", escaped(name))?;
    voices.iter().try_for_each(|voice| write!(out, "<td class=\"left\">{}</td>", escaped(&cell(voice))))?;
    writeln!(out, "</tr>")
}

/// For how much of the speech each emotion was the most probable one, with a bar.
fn write_shares(out: &mut dyn Write, voices: &[Voice<'_>]) -> io::Result<()> {
    let shares =
        |voice: &Voice<'_>| voice.summary.and_then(|summary| summary.emotion_shares.clone()).unwrap_or_default();
    let all: Vec<Vec<(String, f64)>> = voices.iter().map(shares).collect();
    let labels = all.first().map_or(&[][..], |first| first);
    for (k, (label, _)) in labels.iter().enumerate() {
        write!(out, "<tr{}><th scope=\"row\">{}</th>", if k == 0 { " class=\"first\"" } else { "" }, escaped(label))?;
        for of_voice in &all {
            let share = of_voice.get(k).map_or(0.0, |(_, share)| 100.0 * share);
            write!(out, "<td>{share:.1} %<span class=\"share\"><i style=\"width:{share:.1}%\"></i></span></td>")?;
        }
        writeln!(out, "</tr>")?;
    }
    Ok(())
}

fn choice(choice: Option<&Classification>) -> String {
    choice.map_or_else(|| "–".into(), |choice| format!("{} {}", choice.label, percent(choice.probability())))
}

fn age(voice: &Voice<'_>) -> String {
    let Some(age) = voice.answers.age else {
        return "–".into();
    };
    let interval = age
        .interval
        .map(|i| format!(" ({:.0} % interval {:.0} to {:.0})", 100.0 * i.coverage, i.low_years, i.high_years));
    format!("{:.0} years{}", age.years, interval.unwrap_or_default())
}

/// No estimate is certain, so none is written as 0 or 100.
fn percent(p: f64) -> String {
    match 100.0 * p {
        low if low < 0.05 => "<0.1 %".into(),
        high if high >= 99.95 => ">99.9 %".into(),
        between => format!("{between:.1} %"),
    }
}

/// Writes neighbours that say the same as rows, for those who do not see the drawing.
pub(super) fn write_runs(out: &mut dyn Write, sketch: &Sketch) -> io::Result<()> {
    let apart = sketch.signals.len() > 1;
    let mut rows: Vec<(f64, String)> = Vec::new();
    for (index, signal) in sketch.signals.iter().enumerate() {
        let same = |a: &Cell, b: &Cell| {
            a.no_answer == b.no_answer
                && [(&a.emotion, &b.emotion), (&a.gender, &b.gender)]
                    .iter()
                    .all(|(a, b)| Cell::best(a) == Cell::best(b))
        };
        let channel = if apart { format!("<td class=\"left\">{}</td>", index + 1) } else { String::new() };
        rows.extend(
            signal
                .cells
                .list
                .chunk_by(same)
                .filter_map(|run| Some((run.first()?.start_s, run_row(sketch, run, &channel)?))),
        );
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let left_out = rows.len().saturating_sub(MAX_ROWS);
    let long = if rows.len() > 60 { " class=\"longlist\"" } else { "" };
    writeln!(
        out,
        "<details{long}>\n<summary>The timeline as a table ({} rows)</summary>\n<div class=\"scroll\"><table>",
        rows.len()
    )?;
    let channel = if apart { "<th class=\"left\">channel</th>" } else { "" };
    let names = "<th class=\"left\">emotion</th><th class=\"left\">gender</th><th>age</th><th>speech</th>";
    writeln!(out, "<thead><tr><th>from</th><th>to</th>{channel}{names}</tr></thead>\n<tbody>")?;
    rows.iter().take(MAX_ROWS).try_for_each(|(_, row)| writeln!(out, "{row}"))?;
    writeln!(out, "</tbody></table></div>")?;
    if left_out > 0 {
        writeln!(out, "<p class=\"soft\">{left_out} more rows: --csv gives them all.</p>")?;
    }
    writeln!(out, "</details>")
}

fn run_row(sketch: &Sketch, run: &[Cell], channel: &str) -> Option<String> {
    let (first, last) = (run.first()?, run.last()?);
    let n = run.len() as f32;
    let label = |labels: &[String], of: fn(&Cell) -> &[f32]| {
        let Some(best) = Cell::best(of(first)) else { return "–".to_owned() };
        let mean = run.iter().filter_map(|cell| of(cell).get(best)).sum::<f32>() / n;
        format!("{} {}", escaped(labels.get(best).map_or("", |label| label)), escaped(&percent(mean.into())))
    };
    let emotion = match first.no_answer {
        Some(reason) => format!("– ({})", reason.brief()),
        None => label(&sketch.emotions, |cell| &cell.emotion),
    };
    let gender = label(&sketch.genders, |cell| &cell.gender);
    let years: Vec<f32> = run.iter().filter_map(|cell| cell.years).collect();
    let age =
        if years.is_empty() { "–".into() } else { format!("{:.0}", years.iter().sum::<f32>() / years.len() as f32) };
    let speech = 100.0 * run.iter().map(|cell| cell.speech_s).sum::<f64>() / (last.end_s - first.start_s);
    Some(format!(
        "<tr><td>{}</td><td>{}</td>{channel}<td class=\"left\">{emotion}</td><td class=\"left\">{gender}</td><td>{age}</td><td>{speech:.0} %</td></tr>",
        clock(first.start_s),
        clock(last.end_s)
    ))
}
