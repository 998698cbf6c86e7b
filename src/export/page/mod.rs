//! A timeline as one HTML page: nothing outside it is needed, the waveform and what was heard under it, playable if the audio is inside.
//!
//! | file | concept |
//! |---|---|
//! | `page.css`, `page.js` | colours of the emotions; pointer, keyboard and player |
//! | `scale` | lines of a nice length, ticks, clocks |
//! | `drawing` | one line as SVG |
//! | `tables` | summary, and the timeline as rows |
//! | `data` | the numbers for the script |
//! | `audio` | the recording as base64 |
//!
//! Without scripts everything is there but the pointer's read-out. What comes from outside (names, labels) is escaped.

mod audio;
mod data;
mod drawing;
mod scale;
mod tables;

pub use audio::{Audio, MAX_AUDIO_BYTES};

use std::io::{self, Write};
use std::path::Path;

use crate::engine::{ChannelsReport, Report};
use crate::html;
use crate::html::svg::escaped;

use super::sketch::Sketch;

use drawing::Line;
use scale::{clock, line_s};
use tables::Voice;

/// What a page is about.
struct Subject<'a> {
    file: &'a str,
    duration_s: f64,
    sample_rate_hz: u32,
    channels: u16,
    model: String,
    warnings: &'a [String],
    voices: Vec<Voice<'a>>,
}

/// Writes the page of a recording whose channels' mean was answered.
///
/// # Errors
/// Those of `out`, and of reading the audio.
pub fn write_page(out: &mut dyn Write, report: &Report, sketch: &Sketch, audio: Option<&Audio>) -> io::Result<()> {
    let voice = Voice {
        name: "all channels".to_owned(),
        answers: &report.answers,
        no_answer: report.no_answer,
        speech_s: report.speech_s,
        summary: report.summary.as_ref(),
    };
    let subject = Subject {
        file: &report.file,
        duration_s: report.duration_s,
        sample_rate_hz: report.sample_rate_hz,
        channels: report.channels,
        model: format!("{} ({})", report.model, report.model_sha256),
        warnings: &report.warnings,
        voices: vec![voice],
    };
    write(out, &subject, sketch, audio)
}

/// Writes the page of a recording whose channels were answered apart.
///
/// # Errors
/// Those of `out`, and of reading the audio.
pub fn write_channels_page(
    out: &mut dyn Write,
    report: &ChannelsReport,
    sketch: &Sketch,
    audio: Option<&Audio>,
) -> io::Result<()> {
    let voices = report.per_channel.iter().map(|channel| Voice {
        name: format!("channel {}", channel.channel),
        answers: &channel.answers,
        no_answer: channel.no_answer,
        speech_s: channel.speech_s,
        summary: channel.summary.as_ref(),
    });
    let subject = Subject {
        file: &report.file,
        duration_s: report.duration_s,
        sample_rate_hz: report.sample_rate_hz,
        channels: report.channels,
        model: format!("{} ({})", report.model, report.model_sha256),
        warnings: &report.warnings,
        voices: voices.collect(),
    };
    write(out, &subject, sketch, audio)
}

fn write(out: &mut dyn Write, subject: &Subject<'_>, sketch: &Sketch, audio: Option<&Audio>) -> io::Result<()> {
    html::begin(out, &title(subject.file), include_str!("page.css"))?;
    writeln!(out, "<p class=\"soft\">{}</p>\n</header>\n<main>", escaped(&facts(subject)))?;
    for warning in subject.warnings {
        writeln!(out, "<p class=\"warning\" role=\"note\"><strong>Warning.</strong> {}.</p>", escaped(warning))?;
    }
    writeln!(out, "<section>\n<h2>Summary</h2>")?;
    tables::write_summary(out, &subject.voices)?;
    writeln!(
        out,
        "<p class=\"soft\">An emotion's share is the part of the speech in which it was the most probable one.</p>\n</section>"
    )?;
    write_timeline(out, subject, sketch, audio)?;
    writeln!(
        out,
        "{MEANING}</main>\n<footer class=\"soft\"><p>Made by persona-engine {}.</p></footer>",
        env!("CARGO_PKG_VERSION")
    )?;
    data::write(out, sketch, subject.duration_s, line_s(subject.duration_s))?;
    writeln!(out, "<script>\n{}</script>\n</body>\n</html>", include_str!("page.js"))
}

fn write_timeline(
    out: &mut dyn Write,
    subject: &Subject<'_>,
    sketch: &Sketch,
    audio: Option<&Audio>,
) -> io::Result<()> {
    writeln!(out, "<section>\n<h2>Timeline</h2>")?;
    if let Some(audio) = audio {
        write!(out, "<audio controls preload=\"metadata\" src=\"")?;
        audio.write(out)?;
        writeln!(out, "\"></audio>")?;
    }
    let plays = if audio.is_some() { " A click goes there, and the space bar plays." } else { "" };
    writeln!(
        out,
        "<p class=\"soft help\">Move over the drawing for the numbers, or reach it with Tab and use the arrow keys, Page Up and Down, Home and End.{plays}</p>"
    )?;
    writeln!(out, "{HATCH}<div id=\"timeline\" class=\"timeline\">")?;
    let length = line_s(subject.duration_s);
    let lines = (subject.duration_s / length - 1e-9).ceil().max(1.0) as usize;
    for index in 0..lines {
        let start = index as f64 * length;
        let line = Line { start, length, end: (start + length).min(subject.duration_s) };
        writeln!(out, "<div class=\"line scroll\" data-start=\"{start}\" data-end=\"{}\">", line.end)?;
        writeln!(out, "{}</div>", drawing::draw(sketch, &line))?;
    }
    writeln!(out, "</div>\n<div id=\"readout\" hidden></div>")?;
    tables::write_runs(out, sketch)?;
    writeln!(out, "</section>")
}

/// Hatching, once for all lines.
const HATCH: &str = "<svg class=\"defs\" aria-hidden=\"true\"><defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
    patternTransform=\"rotate(45)\"><line class=\"hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern></defs></svg>\n";

const MEANING: &str = "<section>\n<h2>How to read it</h2>\n<dl>\n\
    <dt>height</dt><dd>In the row of an emotion, its probability. Where it is the most probable one it is filled with its colour, elsewhere pale.</dd>\n\
    <dt>hatched</dt><dd>No answer, for the reason given: silence, no speech, clipped, too noisy.</dd>\n\
    <dt>voice</dt><dd>The most probable gender, and the age in years, while they last.</dd>\n\
    <dt>smoothing</dt><dd>The network hears windows of 3 s that overlap. Each segment is the mean of those around it, the one in whose middle it lies \
    counting most, unless other smoothing was asked for.</dd>\n</dl>\n\
    <p>These are estimates by a statistical model, not findings about a person. Do not decide on anybody by them. In the European Union, \
    inferring emotions of people at work or in education is prohibited (AI Act, article 5(1)(f)); elsewhere the people concerned must be told \
    (article 50(3)).</p>\n</section>\n";

fn title(file: &str) -> String {
    match file {
        "-" => "standard input".to_owned(),
        file => Path::new(file).file_name().map_or_else(|| file.to_owned(), |name| name.to_string_lossy().into_owned()),
    }
}

/// `1:02:03, 8 kHz, 2 channels; heard by campplus-fcn (8f5cee89f3b55976)`
fn facts(subject: &Subject<'_>) -> String {
    let channels = if subject.channels == 1 { "mono".to_owned() } else { format!("{} channels", subject.channels) };
    let khz = f64::from(subject.sample_rate_hz) / 1000.0;
    format!("{}, {khz} kHz, {channels}; heard by {}", clock(subject.duration_s), subject.model)
}
