//! Writes whole lines, and keeps the error of the writer apart from errors of the recording.

use std::io::{self, Write};

use crate::error::{Error, Result};

/// A writer of lines that remembers its own failure.
pub(super) struct LineWriter<'a> {
    to: &'a mut dyn Write,
    failure: Option<io::Error>,
}

impl<'a> LineWriter<'a> {
    pub(super) fn new(to: &'a mut dyn Write) -> Self {
        Self { to, failure: None }
    }

    /// Writes one line and flushes, so that a reader at the other end of a pipe gets it at once.
    ///
    /// # Errors
    /// [`Error::Write`]; the operating system's error is then also in [`LineWriter::failure`].
    pub(super) fn line(&mut self, line: &[u8]) -> Result<()> {
        let written = self.to.write_all(line).and_then(|()| self.to.write_all(b"\n")).and_then(|()| self.to.flush());
        written.map_err(|error| {
            // `io::Error` cannot be cloned: the kind is what a caller needs to know, the original
            // has the details.
            let copy = io::Error::new(error.kind(), error.to_string());
            self.failure = Some(error);
            Error::write("the output", copy)
        })
    }

    /// Takes the error of the writer, if there was one.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}
