//! The form in which answers are printed: a table, JSON, JSON lines or CSV.

use std::io::{self, Write};
use std::path::Path;

use persona_engine::engine::{Engine, Failure, Manifest, Observer, Report, Segment};
use persona_engine::export::{CsvRows, JsonLines, MergedSegments};
use persona_engine::{Error, Result};
use serde::Serialize;

use super::Stop;
use super::args::InferArgs;
use super::table;

/// A form, and what it needs to be written.
pub(super) enum Form<'o> {
    /// For people.
    Table { out: &'o mut dyn Write, first: bool },
    /// One object a recording.
    Json(&'o mut dyn Write),
    /// One object a segment, and one a recording.
    Lines(JsonLines<'o>),
    /// One row a segment; or one a recording or channel, if there is no timeline.
    Rows { rows: CsvRows<'o>, timeline: bool },
}

impl<'o> Form<'o> {
    /// The form that the arguments ask for.
    pub(super) fn new(args: &InferArgs, engine: &Engine, out: &'o mut dyn Write) -> Result<Self, Stop> {
        let asked = &args.timeline;
        Ok(if args.json {
            Self::Json(out)
        } else if asked.jsonl {
            Self::Lines(JsonLines::new(out))
        } else if asked.csv {
            let rows = CsvRows::new(out, engine).map_err(Stop::SetUp)?;
            Self::Rows { rows, timeline: asked.timeline }
        } else {
            Self::Table { out, first: true }
        })
    }

    /// The next recording is this one.
    pub(super) fn begin(&mut self, file: &Path) {
        match self {
            Self::Lines(lines) => lines.file(&file.to_string_lossy()),
            Self::Rows { rows, .. } => rows.file(&file.to_string_lossy()),
            Self::Table { .. } | Self::Json(_) => {}
        }
    }

    /// Its answer; with runs of its timeline if they are to be shown.
    pub(super) fn end(
        &mut self,
        report: &Report,
        runs: Option<&MergedSegments>,
        manifest: &Manifest,
    ) -> Result<(), Stop> {
        match self {
            Self::Table { out, first } => {
                if !std::mem::take(first) {
                    writeln!(out)?;
                }
                table::write(*out, report, runs, manifest)?;
            }
            Self::Json(out) => write_json(*out, report)?,
            Self::Lines(lines) => {
                let written = lines.end("report", report);
                self.written(written)?;
            }
            Self::Rows { timeline: true, .. } => {}
            Self::Rows { rows, .. } => {
                let written = report.voices.iter().try_for_each(|voice| {
                    let whole = voice.to_segment(report.recording.duration_s);
                    rows.segment(voice.channel.unwrap_or(0), &whole)
                });
                self.written(written)?;
            }
        }
        Ok(())
    }

    /// It could not be answered. In a table and in CSV nothing says so: standard error does.
    pub(super) fn fail(&mut self, file: &Path, error: &Error) -> Result<(), Stop> {
        let failure = Failure::new(file.to_string_lossy(), error);
        match self {
            Self::Table { .. } | Self::Rows { .. } => Ok(()),
            Self::Json(out) => Ok(write_json(*out, &failure)?),
            Self::Lines(lines) => {
                let written = lines.end("error", &failure);
                self.written(written)
            }
        }
    }

    /// Whether it was the output that failed, and not a recording.
    pub(super) fn check(&mut self) -> Result<(), Stop> {
        let failure = match self {
            Self::Lines(lines) => lines.failure(),
            Self::Rows { rows, .. } => rows.failure(),
            Self::Table { .. } | Self::Json(_) => None,
        };
        failure.map_or(Ok(()), |failure| Err(Stop::Output(failure)))
    }

    fn written(&mut self, written: Result<()>) -> Result<(), Stop> {
        self.check()?;
        written.map_err(Stop::SetUp)
    }
}

impl Observer for Form<'_> {
    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        match self {
            Self::Lines(lines) => lines.segment(channel, segment),
            Self::Rows { rows, timeline: true } => rows.segment(channel, segment),
            Self::Rows { .. } | Self::Table { .. } | Self::Json(_) => Ok(()),
        }
    }
}

/// One object, one line, at once: a reader at the other end of a pipe need not wait for the last file.
fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    out.flush()
}
