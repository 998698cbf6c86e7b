//! A list of files on standard input: one name a line.

use std::io::{BufRead, BufReader, Read};

use persona_engine::{Error, Result};

use super::inputs::{Input, MAX_INPUTS};

/// The longest name, in bytes: far beyond what systems allow.
pub(super) const MAX_NAME: usize = 64 << 10;

/// Reads names up to the end. Blank lines are left out, a carriage return before the line's end too; all else belongs to the name.
///
/// # Errors
/// What the reader says; [`Error::Limit`] for a line that is no name and for too many of them; names that this system cannot have.
pub(super) fn read(from: impl Read) -> Result<Vec<Input>> {
    let mut lines = Lines { reader: BufReader::new(from), line: 0 };
    let (mut inputs, mut name) = (Vec::new(), Vec::new());
    while lines.next(&mut name)? {
        if name.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if inputs.len() == MAX_INPUTS {
            let limit = MAX_INPUTS as u64;
            return Err(Error::Limit { what: "number of names in a list", actual: limit + 1, limit });
        }
        inputs.push(Input::file(path(&name).ok_or_else(|| Error::Config(format!("line {} is no UTF-8", lines.line)))?));
    }
    Ok(inputs)
}

/// Lines of bytes, of bounded length.
pub(super) struct Lines<R> {
    pub(super) reader: BufReader<R>,
    /// Number of the line that was read last, from 1.
    pub(super) line: u64,
}

impl<R: Read> Lines<R> {
    /// The next line without its end; false after the last.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        out.clear();
        self.line += 1;
        let read = (&mut self.reader).take(MAX_NAME as u64 + 1).read_until(b'\n', out)?;
        if out.last() == Some(&b'\n') {
            out.pop();
        }
        if out.last() == Some(&b'\r') {
            out.pop();
        }
        if out.len() > MAX_NAME {
            let what = "length of a line in bytes (is this a list of files?)";
            return Err(Error::Limit { what, actual: out.len() as u64, limit: MAX_NAME as u64 });
        }
        Ok(read > 0)
    }
}

/// A file's name from its bytes. Nothing where names are text and these are none.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere names are text")]
pub(super) fn path(bytes: &[u8]) -> Option<std::path::PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(std::ffi::OsStr::from_bytes(bytes).into())
}

/// A file's name from its bytes. Nothing where names are text and these are none.
#[cfg(not(unix))]
pub(super) fn path(bytes: &[u8]) -> Option<std::path::PathBuf> {
    std::str::from_utf8(bytes).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_line() {
        let inputs = read(&b"a.wav\r\n\n  \nmy call.wav\n#1.wav"[..]).unwrap();
        let names: Vec<_> = inputs.iter().map(Input::name).collect();
        assert_eq!(names, ["a.wav", "my call.wav", "#1.wav"]);
        assert_eq!(read(&b""[..]).unwrap(), []);
    }

    #[cfg(unix)]
    #[test]
    fn a_name_need_not_be_text() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(read(&b"caf\xe9.wav\n"[..]).unwrap()[0].file.as_os_str().as_bytes(), b"caf\xe9.wav");
    }

    /// An endless line, such as of a device, does not fill the memory.
    #[test]
    fn what_is_no_list_is_refused() {
        let message = read(std::io::repeat(b'x')).unwrap_err().to_string();
        assert!(message.contains("line in bytes"), "{message}");
    }
}
