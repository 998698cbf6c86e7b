//! One JSON object a line: a segment as soon as it is known, then the report.
//!
//! ```text
//! {"schema":1,"type":"stretch","file":"call.wav","channel":1,"start_s":0.0,"end_s":1.0,"speech_share":0.93,"emotion":{…},…}
//! {"schema":1,"type":"report","file":"call.wav",…}
//! ```
//!
//! `channel` is there only if channels are answered apart. A recording that cannot be answered ends with an object of type `error`.

use std::io::{self, Write};

use serde::Serialize;

use crate::engine::{Observer, SCHEMA, Segment};
use crate::error::{Error, Result};

use super::outlet::Outlet;

/// Writes the lines of one recording after the other.
pub struct JsonLines<'a> {
    out: Outlet<'a>,
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
    /// Lines of recordings into `out`; each is flushed at once.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out: Outlet::new(out), file: String::new() }
    }

    /// From now on the segments of this recording.
    pub fn file(&mut self, name: &str) {
        name.clone_into(&mut self.file);
    }

    /// The recording's end: its report, as `report`, or its failure, as `error`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn end(&mut self, kind: &'static str, end: &impl Serialize) -> Result<()> {
        self.write(&EndLine { kind, end })
    }

    /// Why writing failed, if it did: then an error of the engine says nothing of the recording.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.out.failure()
    }

    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let line = serde_json::to_vec(line).map_err(|error| Error::Config(format!("not written as JSON: {error}")))?;
        self.out.line(&line)
    }
}

impl Observer for JsonLines<'_> {
    fn segment(&mut self, channel: u16, segment: &Segment) -> Result<()> {
        let file = std::mem::take(&mut self.file);
        let channel = (channel > 0).then_some(channel);
        let written = self.write(&SegmentLine { schema: SCHEMA, kind: "stretch", file: &file, channel, segment });
        self.file = file;
        written
    }
}
