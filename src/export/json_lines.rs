//! Timelines as JSON Lines: one object per segment as soon as it is predicted, then the report.
//!
//! ```text
//! {"schema":1,"type":"stretch","file":"call.wav","channel":1,"start_s":0.0,"end_s":1.0,"speech_share":0.93,…}
//! {"schema":1,"type":"report","file":"call.wav",…}
//! ```
//!
//! `channel` exists only with separate channels. With speaker diarization, the lines before the
//! report are of type `turn`, with a key `speaker`; they come when the recording has ended, by time. A recording that fails ends with an object of type
//! `error`.

use std::io::{self, Write};

use serde::Serialize;

use crate::engine::{Observer, Report, SCHEMA, Segment};
use crate::error::{Error, Result};

use super::line_writer::LineWriter;
use super::turns::turns;

/// JSON Lines writer: the segments and the report of one recording after the other.
pub struct JsonLines<'a> {
    out: LineWriter<'a>,
    file: String,
}

#[derive(Serialize)]
struct SegmentLine<'a> {
    schema: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speaker: Option<u16>,
    #[serde(flatten)]
    segment: &'a Segment,
}

#[derive(Serialize)]
struct EndLine<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    end: &'a T,
}

impl<'a> JsonLines<'a> {
    /// Writes to `out`, which is flushed after each line.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out: LineWriter::new(out), file: String::new() }
    }

    /// Sets the recording of the following segments.
    pub fn file(&mut self, name: &str) {
        name.clone_into(&mut self.file);
    }

    /// Writes the turns of all speakers of a report.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn turns(&mut self, report: &Report) -> Result<()> {
        for turn in turns(report) {
            let (channel, speaker, file) = (turn.voice.channel, turn.voice.speaker, &*report.recording.file);
            self.write(&SegmentLine { schema: SCHEMA, kind: "turn", file, channel, speaker, segment: turn.turn })?;
        }
        Ok(())
    }

    /// Writes the last line of a recording: its report, `kind` `report`, or its failure, `kind`
    /// `error`.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn end(&mut self, kind: &'static str, end: &impl Serialize) -> Result<()> {
        self.write(&EndLine { kind, end })
    }

    /// Takes the error of the writer, if there was one: the engine's error is then not the
    /// recording's.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.out.failure()
    }

    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let bug = |error| Error::Internal(format!("cannot encode a JSON line: {error}"));
        let line = serde_json::to_vec(line).map_err(bug)?;
        self.out.line(&line)
    }
}

impl Observer for JsonLines<'_> {
    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        let file = std::mem::take(&mut self.file);
        let channel = (channel > 0).then_some(channel);
        let line = SegmentLine { schema: SCHEMA, kind: "stretch", file: &file, channel, speaker: None, segment };
        let written = self.write(&line);
        self.file = file;
        written
    }
}
