//! Where a format writes to. Its failure ends the recording, and must not be taken for a fault of the recording.

use std::io::{self, Write};

use crate::error::{Error, Result};

/// A writer that keeps the reason why it failed.
pub(super) struct Outlet<'a> {
    to: &'a mut dyn Write,
    failure: Option<io::Error>,
}

impl<'a> Outlet<'a> {
    pub(super) fn new(to: &'a mut dyn Write) -> Self {
        Self { to, failure: None }
    }

    /// Writes one whole line and flushes, so that a reader at the other end of a pipe has it at once.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<()> {
        let written = self.to.write_all(line).and_then(|()| self.to.write_all(b"\n")).and_then(|()| self.to.flush());
        written.map_err(|error| {
            let told = Error::Config(format!("the output cannot be written: {error}"));
            self.failure = Some(error);
            told
        })
    }

    /// Why it failed, if it did.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}
