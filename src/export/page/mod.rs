//! A timeline as one HTML page: waveforms and predictions over time, playable if the audio is
//! embedded.
//!
//! The page is self-contained and works from `file://`. The drawing is the [timeline
//! component](crate::html::timeline) of the server's page; summary and table are plain HTML and
//! need no script. Names and labels are escaped.
//!
//! | file | concept |
//! |---|---|
//! | `collector` | observer that collects what the page shows |
//! | `peaks`, `segments` | waveform and timeline in bounded memory |
//! | `data` | the data for the script, as JSON |
//! | `page.js` | starts the component with the data |
//! | `tables` | summary and timeline as tables |
//! | `audio` | the recording as base64 |
//! | `page.css` | what this page adds to the style of documents |

mod audio;
mod collector;
mod data;
mod peaks;
mod segments;
mod tables;

pub use audio::{Audio, MAX_AUDIO_BYTES};
pub use collector::PageCollector;

use std::io::{self, Write};
use std::path::Path;

use crate::engine::{LEGAL_NOTICE, RecordingInfo, Report, Voice, reasons_json};
use crate::html::svg::escaped;
use crate::html::{self, timeline};

use super::format::clock;
use super::rttm::name;
use super::turns::turns;
use collector::Labels;
use data::PageSignal;

/// Writes the page of a recording.
///
/// # Errors
/// Those of `out`, and of reading the audio.
pub fn write_page(
    out: &mut dyn Write,
    report: &Report,
    collected: &PageCollector,
    audio: Option<&Audio>,
) -> io::Result<()> {
    let recording = &report.recording;
    let style = [timeline::STYLE, include_str!("page.css")].concat();
    html::begin(out, &title(&recording.file), &style)?;
    writeln!(out, "<p class=\"soft\">{}</p>\n</header>\n<main>", escaped(&facts(report)))?;
    report.warnings.iter().try_for_each(|warning| html::write_warning(out, warning))?;
    writeln!(out, "<section>\n<h2>Summary</h2>")?;
    tables::write_summary(out, &report.voices)?;
    writeln!(
        out,
        "<p class=\"soft\">The percentage beside an emotion is the share of the speech in which it was the most probable \
         one.</p>\n</section>"
    )?;
    let mut labels = collected.labels.clone();
    let turns = turns(report);
    for turn in &turns {
        labels.add(&turn.turn.predictions);
    }
    write_timeline(out, report, collected, &labels, audio)?;
    writeln!(
        out,
        "{EXPLANATION}<p>{LEGAL_NOTICE}</p>\n</section>\n</main>\n\
         <footer class=\"soft\"><p>Created by persona-engine {}.</p></footer>",
        env!("CARGO_PKG_VERSION")
    )?;
    data::write(out, &labels, &signals(report, collected), &name(&recording.file), recording.duration_s)?;
    let script = timeline::inline_script(&reasons_json(), include_str!("page.js"));
    writeln!(out, "<script type=\"module\">\n{script}</script>\n</body>\n</html>")
}

/// The signals of a recording: channels, or the mean of all, with their speakers.
fn signals<'a>(report: &'a Report, collected: &'a PageCollector) -> Vec<PageSignal<'a>> {
    let several = collected.voices.len() > 1;
    let signal = |(index, collected)| {
        let channel = several.then_some(index as u16 + 1);
        let of_signal = |voice: &&Voice| !several || voice.channel == channel;
        let speakers = report.voices.iter().filter(|voice| voice.speaker.is_some()).filter(of_signal).collect();
        PageSignal { name: tables::signal_name(channel), collected, speakers }
    };
    collected.voices.iter().enumerate().map(signal).collect()
}

fn write_timeline(
    out: &mut dyn Write,
    report: &Report,
    collected: &PageCollector,
    labels: &Labels,
    audio: Option<&Audio>,
) -> io::Result<()> {
    writeln!(out, "<section>\n<h2>Timeline</h2>")?;
    let playback = if audio.is_some() { " A click goes to that position; the space bar plays and pauses." } else { "" };
    writeln!(
        out,
        "<p class=\"soft help\">Point at the timeline for the numbers, or use the arrow keys, Page Up, Page Down, Home and End. \
         + and − zoom.{playback}</p>"
    )?;
    if let Some(audio) = audio {
        write!(out, "<audio controls preload=\"metadata\" src=\"")?;
        audio.write(out)?;
        writeln!(out, "\"></audio>")?;
    }
    writeln!(out, "<div id=\"timeline\"></div>")?;
    writeln!(out, "<noscript><p>The drawing needs JavaScript; the table below does not.</p></noscript>")?;
    if report.voices.iter().any(|voice| voice.turns.is_some()) {
        writeln!(out, "<p><button type=\"button\" id=\"rttm\" hidden>Save as RTTM</button></p>")?;
        tables::write_turns(out, report)?;
    } else {
        tables::write_timeline(out, collected, labels)?;
    }
    writeln!(out, "</section>")
}

const EXPLANATION: &str = "<section>\n<h2>How to read it</h2>\n<dl>\n\
    <dt>height</dt><dd>The probability of the row's emotion: in full colour where it is the most probable one, elsewhere \
    pale.</dd>\n\
    <dt>hatched</dt><dd>No prediction, for the reason given.</dd>\n\
    <dt>gender, age</dt><dd>The most probable gender, and the mean age in years, as long as the gender stays the \
    same.</dd>\n\
    <dt>smoothing</dt><dd>The network processes overlapping chunks of 3 s. A segment is the mean of the chunks that overlap it, \
    weighted by how central it is in them, unless another smoothing was requested.</dd>\n</dl>\n";

fn title(file: &str) -> String {
    match file {
        "-" => "standard input".to_owned(),
        file => Path::new(file).file_name().map_or_else(|| file.to_owned(), |name| name.to_string_lossy().into_owned()),
    }
}

/// `1:02:03.0, 8 kHz, 2 channels; predicted by campplus-fcn (8f5cee89f3b55976)`
fn facts(report: &Report) -> String {
    let RecordingInfo { duration_s, sample_rate_hz, channels, .. } = report.recording;
    let channels = if channels == 1 { "mono".to_owned() } else { format!("{channels} channels") };
    let khz = f64::from(sample_rate_hz) / 1000.0;
    let (model, sha256) = (&report.model.name, &report.model.sha256);
    format!("{}, {khz} kHz, {channels}; predicted by {model} ({sha256})", clock(duration_s))
}
