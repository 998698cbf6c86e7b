//! A list of files on standard input: one name per line.

use std::io::Read;

use persona_engine::lists::{Lines, MAX_ENTRIES, file_name};
use persona_engine::{Error, Result};

use super::input::Input;

/// Reads all names. Blank lines are skipped; everything else in a line belongs to the name.
///
/// # Errors
/// Those of the reader; [`Error::Limit`] for a line that is too long or for too many names;
/// [`Error::Malformed`] for a name that this system cannot represent.
pub(super) fn read(from: impl Read) -> Result<Vec<Input>> {
    let mut lines = Lines::new(from);
    let (mut inputs, mut name) = (Vec::new(), Vec::new());
    while lines.next(&mut name)? {
        if name.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if inputs.len() == MAX_ENTRIES {
            let limit = MAX_ENTRIES as u64;
            return Err(Error::Limit { what: "number of names in a list", actual: limit + 1, limit });
        }
        let not_utf_8 = || Error::malformed("list of files", format!("line {}: not UTF-8", lines.number));
        inputs.push(Input::file(file_name(&name).ok_or_else(not_utf_8)?));
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_per_line() {
        let inputs = read(&b"a.wav\r\n\n  \nmy call.wav\n#1.wav"[..]).unwrap();
        let names: Vec<_> = inputs.iter().map(Input::name).collect();
        assert_eq!(names, ["a.wav", "my call.wav", "#1.wav"]);
        assert_eq!(read(&b""[..]).unwrap(), []);
    }

    #[cfg(unix)]
    #[test]
    fn names_need_not_be_utf_8() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(read(&b"caf\xe9.wav\n"[..]).unwrap()[0].file.as_os_str().as_bytes(), b"caf\xe9.wav");
    }

    /// An endless line, such as that of a device, must not fill the memory.
    #[test]
    fn an_endless_line_is_refused() {
        let message = read(std::io::repeat(b'x')).unwrap_err().to_string();
        assert!(message.contains("line in bytes"), "{message}");
    }
}
