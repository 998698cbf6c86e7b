//! Output formats of `infer`: a table, JSON, JSON lines or CSV.

use std::io::Write;
use std::path::Path;

use persona_engine::engine::{Engine, Failure, Manifest, Observer, Report, Segment};
use persona_engine::export::{CsvRows, JsonLines, MergedSegments};
use persona_engine::{Error, Result};

use super::args::InferArgs;
use super::table;
use crate::cli::output::write_json_line;
use crate::cli::stop::Stop;

/// A format and its writer.
pub(super) enum Format<'o> {
    /// A table for people.
    Table { out: &'o mut dyn Write, first: bool },
    /// One object per recording.
    Json(&'o mut dyn Write),
    /// One object per segment and one per recording.
    Lines(JsonLines<'o>),
    /// CSV.
    Rows { rows: CsvRows<'o>, of: RowsOf },
}

/// What a row of CSV is about.
#[derive(Clone, Copy)]
pub(super) enum RowsOf {
    /// A segment of a timeline.
    Segments,
    /// A turn of a speaker.
    Turns,
    /// A recording, or a channel of it.
    Voices,
}

impl<'o> Format<'o> {
    /// The format that the arguments select.
    pub(super) fn new(args: &InferArgs, engine: &Engine, out: &'o mut dyn Write) -> Result<Self, Stop> {
        let options = &args.timeline;
        Ok(if args.json {
            Self::Json(out)
        } else if options.jsonl {
            Self::Lines(JsonLines::new(out))
        } else if options.csv {
            let rows = CsvRows::new(out, engine)?;
            let of = match options.speakers {
                Some(_) => RowsOf::Turns,
                None if options.show => RowsOf::Segments,
                None => RowsOf::Voices,
            };
            Self::Rows { rows, of }
        } else {
            Self::Table { out, first: true }
        })
    }

    /// Starts the next recording.
    pub(super) fn begin(&mut self, file: &Path) {
        match self {
            Self::Lines(lines) => lines.file(&file.to_string_lossy()),
            Self::Rows { rows, .. } => rows.file(&file.to_string_lossy()),
            Self::Table { .. } | Self::Json(_) => {}
        }
    }

    /// Writes its report. The table adds the runs of its timeline.
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
            Self::Json(out) => write_json_line(*out, report)?,
            Self::Lines(lines) => {
                let written = lines.turns(report).and_then(|()| lines.end("report", report));
                self.written(written)?;
            }
            Self::Rows { of: RowsOf::Segments, .. } => {}
            Self::Rows { rows, of: RowsOf::Turns } => {
                let written = rows.turns(report);
                self.written(written)?;
            }
            Self::Rows { rows, of: RowsOf::Voices } => {
                let written = report.voices.iter().try_for_each(|voice| {
                    let whole = voice.to_segment(report.recording.duration_s);
                    rows.segment(voice.channel.unwrap_or(0), &whole)
                });
                self.written(written)?;
            }
        }
        Ok(())
    }

    /// Writes its failure. Tables and CSV have no place for it: it is reported on standard error
    /// alone.
    pub(super) fn fail(&mut self, file: &Path, error: &Error) -> Result<(), Stop> {
        let failure = Failure::new(file.to_string_lossy(), error);
        match self {
            Self::Table { .. } | Self::Rows { .. } => Ok(()),
            Self::Json(out) => Ok(write_json_line(*out, &failure)?),
            Self::Lines(lines) => {
                let written = lines.end("error", &failure);
                self.written(written)
            }
        }
    }

    /// Returns the error of the writer, if that is what ended a recording.
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
        Ok(written?)
    }
}

impl Observer for Format<'_> {
    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        match self {
            Self::Lines(lines) => lines.segment(channel, segment),
            Self::Rows { rows, of: RowsOf::Segments } => rows.segment(channel, segment),
            Self::Rows { .. } | Self::Table { .. } | Self::Json(_) => Ok(()),
        }
    }
}
