//! Kaldi's `wav.scp`: an id and a file a line.

use std::fs::File;
use std::path::Path;

use persona_engine::{Error, Result};
use serde_json::json;

use super::inputs::{Input, MAX_INPUTS};
use super::list::{Lines, path};
use super::manifest::Manifest;

/// The column that an id is kept in.
const COLUMN: &str = "id";
/// Why an entry that Kaldi would run is not opened.
const COMMAND: &str = "the entry is a command, and commands are never run: run it, and name the file that it writes";

/// Reads a script file. As in Kaldi, a line is an id, white space and a file, whose name may hold blanks and starts from the current folder.
/// An entry that is a command (it begins or ends with `|`) is an input that is refused.
///
/// # Errors
/// Naming the file, and the line: one without an id or a file, and an id that is no UTF-8.
pub(super) fn read(script: &Path) -> Result<Manifest> {
    let read = || {
        let mut lines = Lines { reader: std::io::BufReader::new(File::open(script)?), line: 0 };
        let (mut inputs, mut line) = (Vec::new(), Vec::new());
        while lines.next(&mut line)? {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let entry = entry(line).ok_or_else(|| {
                Error::Config(format!("line {}: `ID FILE` was expected, as in Kaldi's wav.scp", lines.line))
            })?;
            if inputs.len() == MAX_INPUTS {
                let limit = MAX_INPUTS as u64;
                return Err(Error::Limit { what: "number of entries", actual: limit + 1, limit });
            }
            inputs.push(entry);
        }
        Ok(Manifest { columns: vec![COLUMN.into()], inputs })
    };
    read().map_err(|error: Error| error.in_file(script))
}

/// One line, without blanks around it.
fn entry(line: &[u8]) -> Option<Input> {
    let end = line.iter().position(u8::is_ascii_whitespace)?;
    let (id, file) = (std::str::from_utf8(&line[..end]).ok()?, line[end..].trim_ascii());
    let is_command = file.first() == Some(&b'|') || file.last() == Some(&b'|');
    Some(Input {
        own: Some(json!({ COLUMN: id }).to_string().into_boxed_str()),
        refused: is_command.then_some(COMMAND),
        ..Input::file(path(file)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::testing::folder;
    use std::fs;

    fn of(text: &str) -> Result<Manifest> {
        let script = folder("scp").join("wav.scp");
        fs::write(&script, text).unwrap();
        read(&script)
    }

    #[test]
    fn an_id_and_a_file_a_line() {
        let read = of("utt1 a.wav\r\n\nutt2\t my calls/b c.wav \n").unwrap();
        assert_eq!(read.columns, ["id"]);
        let rows: Vec<_> = read.inputs.iter().map(|i| (i.name(), i.own.as_deref().unwrap(), i.refused)).collect();
        assert_eq!(rows[0], ("a.wav".into(), r#"{"id":"utt1"}"#, None));
        assert_eq!(rows[1], ("my calls/b c.wav".into(), r#"{"id":"utt2"}"#, None));
    }

    #[test]
    fn commands_are_refused_and_named() {
        let read = of("u1 sph2pipe -f wav x.sph |\nu2 |cat\nu3 a|b.wav\n").unwrap();
        let refused: Vec<_> = read.inputs.iter().map(|input| (input.name(), input.refused.is_some())).collect();
        assert_eq!(
            refused,
            [("sph2pipe -f wav x.sph |".into(), true), ("|cat".into(), true), ("a|b.wav".into(), false)]
        );
    }

    #[test]
    fn half_an_entry_is_named_with_its_line() {
        let message = of("u1 a.wav\nu2\n").unwrap_err().to_string();
        assert!(message.contains("wav.scp") && message.contains("line 2"), "{message}");
    }
}
