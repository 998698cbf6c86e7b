//! The page's tables: the summary of each voice, and the timeline with equal neighbours merged.

use std::io::{self, Write};

use crate::engine::{Classification, Report, Voice};
use crate::export::format::{clock, percent};
use crate::export::turns::{SpeakerTurn, turns};
use crate::html::svg::escaped;

use super::collector::{Labels, PageCollector};
use super::segments::PageSegment;

/// The most rows of the timeline's table.
const MAX_ROWS: usize = 1000;
/// A table of more rows is not printed.
const MAX_PRINTED_ROWS: usize = 60;

/// Writes the summary: one column per voice.
pub(super) fn write_summary(out: &mut dyn Write, voices: &[Voice]) -> io::Result<()> {
    writeln!(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Summary\">")?;
    writeln!(out, "<table class=\"summary\">\n<thead><tr><td></td>")?;
    voices
        .iter()
        .try_for_each(|voice| writeln!(out, "<th class=\"left\" scope=\"col\">{}</th>", voice_heading(voice)))?;
    writeln!(out, "</tr></thead>\n<tbody>")?;
    write_row(out, "speech", voices, |voice| voice.speech_s.map_or_else(|| "–".into(), clock))?;
    write_row(out, "prediction", voices, |voice| {
        voice.no_answer.map_or_else(|| "yes".into(), |reason| format!("none: {}", reason.brief()))
    })?;
    let heads = voices.first().map(|voice| voice.predictions.heads).unwrap_or_default();
    if heads.gender {
        write_row(out, "gender", voices, |voice| classification(voice.predictions.gender.as_ref()))?;
    }
    if heads.age {
        write_row(out, "age", voices, age)?;
    }
    write_emotion_shares(out, voices)?;
    writeln!(out, "</tbody></table></div>")
}

/// `channel 2`, or `all channels` for their mean.
pub(super) fn signal_name(channel: Option<u16>) -> String {
    channel.map_or_else(|| "all channels".to_owned(), |channel| format!("channel {channel}"))
}

/// The name of a signal or a speaker as HTML: `channel 2, <span data-speaker="3">speaker 3</span>`.
fn voice_heading(voice: &Voice) -> String {
    let Some(speaker) = voice.speaker else { return signal_name(voice.channel) };
    let channel = voice.channel.map(|channel| format!("channel {channel}, ")).unwrap_or_default();
    format!("{channel}{}", speaker_name(speaker))
}

/// The name of a speaker, which `page.js` replaces when the reader changes it.
fn speaker_name(speaker: u16) -> String {
    format!("<span data-speaker=\"{speaker}\">speaker {speaker}</span>")
}

fn write_row(out: &mut dyn Write, name: &str, voices: &[Voice], cell: impl Fn(&Voice) -> String) -> io::Result<()> {
    write!(out, "<tr><th scope=\"row\">{}</th>", escaped(name))?;
    voices.iter().try_for_each(|voice| write!(out, "<td class=\"left\">{}</td>", escaped(&cell(voice))))?;
    writeln!(out, "</tr>")
}

/// Writes a row per emotion: the share of the speech in which it was the most probable one, with a
/// bar.
fn write_emotion_shares(out: &mut dyn Write, voices: &[Voice]) -> io::Result<()> {
    let shares =
        |voice: &Voice| voice.summary.as_ref().and_then(|summary| summary.emotion_shares.clone()).unwrap_or_default();
    let by_voice: Vec<Vec<(String, f64)>> = voices.iter().map(shares).collect();
    let labels = by_voice.first().map_or(&[][..], |first| first);
    for (k, (label, _)) in labels.iter().enumerate() {
        let (class, label) = (if k == 0 { " class=\"first\"" } else { "" }, escaped(label));
        write!(out, "<tr{class} data-label=\"{label}\"><th scope=\"row\">{label}</th>")?;
        for shares in &by_voice {
            let share = shares.get(k).map_or(0.0, |(_, share)| 100.0 * share);
            write!(out, "<td>{share:.1} %<span class=\"share\"><i style=\"width:{share:.1}%\"></i></span></td>")?;
        }
        writeln!(out, "</tr>")?;
    }
    Ok(())
}

fn classification(classification: Option<&Classification>) -> String {
    classification.map_or_else(|| "–".into(), |best| format!("{} {}", best.label, percent(best.probability())))
}

fn age(voice: &Voice) -> String {
    let Some(age) = voice.predictions.age else {
        return "–".into();
    };
    let interval = age
        .interval
        .map(|i| format!(" ({:.0} % interval {:.0} to {:.0})", 100.0 * i.coverage, i.low_years, i.high_years));
    format!("{:.0} years{}", age.years, interval.unwrap_or_default())
}

/// Writes the timeline as a table, in which consecutive segments with equal labels are one row.
pub(super) fn write_timeline(out: &mut dyn Write, collected: &PageCollector, labels: &Labels) -> io::Result<()> {
    let has_channels = collected.voices.len() > 1;
    let mut rows: Vec<(f64, String)> = Vec::new();
    for (index, voice) in collected.voices.iter().enumerate() {
        let channel = if has_channels { format!("<td class=\"left\">{}</td>", index + 1) } else { String::new() };
        let merged = voice.segments.list.chunk_by(PageSegment::has_labels_of).filter_map(PageSegment::joined);
        rows.extend(merged.map(|segment| (segment.start_s, timeline_row(labels, &segment, &channel))));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let channel = if has_channels { "<th class=\"left\">channel</th>" } else { "" };
    write_rows(out, "The timeline", channel, &rows)
}

/// Writes the turns of speakers as a table.
pub(super) fn write_turns(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let row = |SpeakerTurn { voice, turn }: SpeakerTurn<'_>| {
        let speaker = speaker_name(voice.speaker.unwrap_or_default());
        let label = |choice: &Option<Classification>| escaped(&classification(choice.as_ref()));
        let emotion = match turn.no_answer {
            Some(reason) => format!("– ({})", reason.brief()),
            None => label(&turn.predictions.emotion),
        };
        let age = turn.predictions.age.map_or_else(|| "–".to_owned(), |age| format!("{:.0}", age.years));
        let speech = 100.0 * turn.speech_share.unwrap_or(1.0);
        let cells = format!(
            "<tr><td>{}</td><td>{}</td><td class=\"left\">{speaker}</td><td class=\"left\">{emotion}</td>\
             <td class=\"left\">{}</td><td>{age}</td><td>{speech:.0} %</td></tr>",
            clock(turn.start_s),
            clock(turn.end_s),
            label(&turn.predictions.gender)
        );
        (turn.start_s, cells)
    };
    let rows: Vec<(f64, String)> = turns(report).into_iter().map(row).collect();
    write_rows(out, "The turns", "<th class=\"left\">speaker</th>", &rows)
}

/// Writes rows by time. `who` is the heading of the column after the times, if there is one.
fn write_rows(out: &mut dyn Write, what: &str, who: &str, rows: &[(f64, String)]) -> io::Result<()> {
    let class = if rows.len() > MAX_PRINTED_ROWS { " class=\"long-table\"" } else { "" };
    writeln!(out, "<details{class}>\n<summary>{what} as a table ({} rows)</summary>", rows.len())?;
    let names = "<th class=\"left\">emotion</th><th class=\"left\">gender</th><th>age</th><th>speech</th>";
    writeln!(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{what} as a table\">")?;
    writeln!(out, "<table>\n<thead><tr><th>from</th><th>to</th>{who}{names}</tr></thead>")?;
    writeln!(out, "<tbody>")?;
    rows.iter().take(MAX_ROWS).try_for_each(|(_, row)| writeln!(out, "{row}"))?;
    writeln!(out, "</tbody></table></div>")?;
    if rows.len() > MAX_ROWS {
        let more = rows.len() - MAX_ROWS;
        writeln!(out, "<p class=\"soft\">{more} more rows; --csv writes all of them.</p>")?;
    }
    writeln!(out, "</details>")
}

fn timeline_row(labels: &Labels, segment: &PageSegment, channel: &str) -> String {
    let best = |labels: &[String], probabilities: &[f32]| {
        let Some(best) = PageSegment::best(probabilities) else { return "–".to_owned() };
        let label = labels.get(best).map_or("", |label| label);
        escaped(&format!("{label} {}", percent(probabilities[best].into())))
    };
    let emotion = match segment.no_answer {
        Some(reason) => format!("– ({})", reason.brief()),
        None => best(&labels.emotions, &segment.emotion),
    };
    let gender = best(&labels.genders, &segment.gender);
    let age = segment.years.map_or_else(|| "–".to_owned(), |years| format!("{years:.0}"));
    let (start, end) = (clock(segment.start_s), clock(segment.end_s));
    let speech = 100.0 * segment.speech_s / (segment.end_s - segment.start_s);
    format!(
        "<tr><td>{start}</td><td>{end}</td>{channel}<td class=\"left\">{emotion}</td><td class=\"left\">{gender}</td>\
         <td>{age}</td><td>{speech:.0} %</td></tr>"
    )
}
