//! Lines of bytes of bounded length, and file names from bytes.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Maximum length of a line in bytes: far beyond the longest path of any system.
const MAX_LINE: usize = 64 << 10;

/// Reads lines.
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
    /// Number of the line that was read last, from 1.
    pub number: u64,
}

impl<R: Read> Lines<R> {
    /// Lines of a reader.
    pub fn new(reader: R) -> Self {
        Self { reader: BufReader::new(reader), number: 0 }
    }

    /// Reads the next line into `out`, without `\n` or `\r\n`. Returns false after the last one.
    ///
    /// # Errors
    /// Those of the reader; [`Error::Limit`] for a line that is too long to be a file name.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        out.clear();
        self.number += 1;
        let read = (&mut self.reader).take(MAX_LINE as u64 + 1).read_until(b'\n', out)?;
        if out.last() == Some(&b'\n') {
            out.pop();
        }
        if out.last() == Some(&b'\r') {
            out.pop();
        }
        if out.len() > MAX_LINE {
            let what = "length of a line in bytes (is this a list of files?)";
            return Err(Error::Limit { what, actual: out.len() as u64, limit: MAX_LINE as u64 });
        }
        Ok(read > 0)
    }
}

/// A file name from bytes. `None` if it is not UTF-8 and the system's names are.
#[cfg(unix)]
pub fn file_name(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(std::ffi::OsStr::from_bytes(bytes).into())
}

/// A file name from bytes. `None` if it is not UTF-8 and the system's names are.
#[cfg(not(unix))]
pub fn file_name(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(Into::into)
}
