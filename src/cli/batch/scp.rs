//! Kaldi's `wav.scp`: one id and one file per line.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use persona_engine::{Error, Result};

use super::input::{Input, MAX_INPUTS, Manifest, Row};
use super::lines::{Lines, file_name};

/// The column that contains the id.
const COLUMN: &str = "id";
/// Why an entry that Kaldi would execute is not opened.
const COMMAND: &str =
    "the entry is a command, and commands are never executed: run it and list the file that it writes";

/// Reads a script file. As in Kaldi, a line is an id, white space and a file name, which may
/// contain spaces and is relative to the current folder. An entry that is a command (it begins or
/// ends with `|`) gives an input that is refused.
///
/// # Errors
/// [`Error::Malformed`] names the file and the line: no id, no file, or an id that is not UTF-8.
pub(super) fn read(script: &Path) -> Result<Manifest> {
    let read = || {
        let columns: Arc<[String]> = [COLUMN.to_owned()].into();
        let mut lines = Lines::new(File::open(script)?);
        let (mut inputs, mut line) = (Vec::new(), Vec::new());
        while lines.next(&mut line)? {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            if inputs.len() == MAX_INPUTS {
                let limit = MAX_INPUTS as u64;
                return Err(Error::Limit { what: "number of entries", actual: limit + 1, limit });
            }
            let malformed = || Error::malformed("wav.scp", format!("line {}: expected `ID FILE`", lines.number));
            inputs.push(entry(line, &columns).ok_or_else(malformed)?);
        }
        Ok(Manifest { columns, inputs })
    };
    read().map_err(|error: Error| error.in_file(script))
}

/// Parses one line without surrounding white space.
fn entry(line: &[u8], columns: &Arc<[String]>) -> Option<Input> {
    let end = line.iter().position(u8::is_ascii_whitespace)?;
    let (id, file) = (std::str::from_utf8(&line[..end]).ok()?, line[end..].trim_ascii());
    let is_command = file.first() == Some(&b'|') || file.last() == Some(&b'|');
    Some(Input {
        row: Some(Row::new(columns, [id].into_iter())),
        refused: is_command.then_some(COMMAND),
        ..Input::file(file_name(file)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::test_folder::test_folder;
    use std::fs;

    fn parse(test: &str, text: &str) -> Result<Manifest> {
        let script = test_folder(test).join("wav.scp");
        fs::write(&script, text).unwrap();
        read(&script)
    }

    #[test]
    fn one_id_and_one_file_per_line() {
        let manifest = parse("scp_entries", "utt1 a.wav\r\n\nutt2\t my calls/b c.wav \n").unwrap();
        assert_eq!(*manifest.columns, ["id"]);
        let row = |input: &Input| serde_json::to_string(&input.row).unwrap();
        let entries: Vec<_> = manifest.inputs.iter().map(|input| (row(input), input.name(), input.refused)).collect();
        assert_eq!(entries[0], (r#"{"id":"utt1"}"#.into(), "a.wav".into(), None));
        assert_eq!(entries[1], (r#"{"id":"utt2"}"#.into(), "my calls/b c.wav".into(), None));
    }

    #[test]
    fn commands_are_refused() {
        let manifest = parse("scp_commands", "u1 sph2pipe -f wav x.sph |\nu2 |cat\nu3 a|b.wav\n").unwrap();
        let refused: Vec<_> = manifest.inputs.iter().map(|input| (input.name(), input.refused.is_some())).collect();
        assert_eq!(
            refused,
            [("sph2pipe -f wav x.sph |".into(), true), ("|cat".into(), true), ("a|b.wav".into(), false)]
        );
    }

    #[test]
    fn an_incomplete_entry_is_an_error_that_names_the_line() {
        let message = parse("scp_error", "u1 a.wav\nu2\n").unwrap_err().to_string();
        assert!(message.contains("wav.scp") && message.contains("line 2"), "{message}");
    }
}
