//! The inputs of a run: the arguments expanded in their order.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::Path;

use persona_engine::lists::{self, List, ListKind, MAX_ENTRIES};
use persona_engine::{Error, Result};
use sha2::{Digest, Sha256};

use super::input::Input;
use super::{file_list, folder};

/// All inputs of a run in order. Names and rows of lists are in memory, some hundred bytes per
/// input.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) list: Vec<Input>,
    /// Names of the lists' columns, each once, in the order of their first appearance.
    pub(super) columns: Vec<String>,
    /// What the lists contain and is not used, each with the list's name.
    pub(super) warnings: Vec<String>,
}

/// Options for expanding the arguments.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading<'a> {
    /// The column of tables that names the file, if it is not `file`.
    pub(super) file_column: Option<&'a str>,
    /// Whether every row of a list is about its whole file.
    pub(super) whole_files: bool,
    /// Whether recordings have no header; then a folder's `.raw` and `.pcm` files are taken.
    pub(super) raw: bool,
}

impl Inputs {
    /// Expands the arguments.
    ///
    /// # Errors
    /// A list or folder that cannot be read, a pattern that matches nothing, or no input
    /// at all.
    pub(super) fn expand(arguments: &[OsString], reading: Reading<'_>, stdin: &mut dyn Read) -> Result<Self> {
        let mut inputs = Self::default();
        for argument in arguments {
            inputs.add(argument, reading, stdin)?;
            if inputs.list.len() > MAX_ENTRIES {
                let (actual, limit) = (inputs.list.len() as u64, MAX_ENTRIES as u64);
                return Err(Error::Limit { what: "number of inputs", actual, limit });
            }
        }
        if inputs.list.is_empty() {
            return Err(Error::usage("no input: the arguments name no recording"));
        }
        Ok(inputs)
    }

    fn add(&mut self, argument: &OsStr, reading: Reading<'_>, stdin: &mut dyn Read) -> Result<()> {
        let path = Path::new(argument);
        match kind(argument) {
            Kind::Stdin => self.list.extend(file_list::read(stdin).map_err(|error| error.in_file("-"))?),
            Kind::Folder => self.list.extend(folder::recordings(path, reading.raw)?.into_iter().map(Input::file)),
            Kind::List(kind) => {
                let reading = lists::Reading {
                    file_column: reading.file_column.unwrap_or("file"),
                    whole_files: reading.whole_files,
                    column_hint: " (--file-column NAME selects the column)",
                    time_hint: " (--whole-files ignores the times of the list)",
                };
                let list = lists::read(path, kind, &reading)?;
                self.add_list(path, list.complete().map_err(|error| error.in_file(path))?);
            }
            Kind::Pattern(pattern) => return self.add_matches(&pattern, reading.raw),
            Kind::File => self.list.push(Input::file(path)),
        }
        Ok(())
    }

    fn add_list(&mut self, path: &Path, list: List) {
        let known: BTreeSet<String> = self.columns.iter().cloned().collect();
        self.columns.extend(list.columns.iter().filter(|column| !known.contains(*column)).cloned());
        self.warnings.extend(list.warnings.iter().map(|warning| format!("{}: {warning}", path.display())));
        self.list.extend(list.entries.into_iter().map(Input::from));
    }

    fn add_matches(&mut self, pattern: &str, raw: bool) -> Result<()> {
        let matches = glob::glob(pattern).map_err(|error| Error::usage(format!("{pattern}: {error}")))?;
        let before = self.list.len();
        for found in matches {
            let found = found.map_err(|error| Error::Read(error.into()).in_file(pattern))?;
            if found.is_dir() {
                self.list.extend(folder::recordings(&found, raw)?.into_iter().map(Input::file));
            } else {
                self.list.push(Input::file(found));
            }
        }
        if self.list.len() == before {
            return Err(Error::usage(format!("{pattern}: no file matches this pattern")));
        }
        Ok(())
    }

    /// SHA-256 over names, segments and rows in order; tells the inputs of one run from those of
    /// another.
    pub(super) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for input in &self.list {
            // Strings alone: serialising them cannot fail.
            let row = input.row.as_ref().and_then(|row| serde_json::to_string(row).ok()).unwrap_or_default();
            let span = input.span.map_or_else(String::new, |span| format!("{} {:?}", span.start_s, span.end_s));
            for part in [input.file.as_os_str().as_encoded_bytes(), row.as_bytes(), span.as_bytes()] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        hex::encode(hash.finalize())
    }
}

/// Kind of an argument.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Stdin,
    Folder,
    List(ListKind),
    Pattern(String),
    File,
}

/// The kind of an argument: by what exists, then by the name. An existing file is never a pattern,
/// whatever its name.
fn kind(argument: &OsStr) -> Kind {
    if argument == "-" {
        return Kind::Stdin;
    }
    let path = Path::new(argument);
    let found = fs::metadata(path);
    if found.as_ref().is_ok_and(fs::Metadata::is_dir) {
        return Kind::Folder;
    }
    match argument.to_str() {
        Some(text) if found.is_err() && text.contains(['*', '?', '[']) => Kind::Pattern(text.to_owned()),
        _ => ListKind::of(path).map_or(Kind::File, Kind::List),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use persona_engine::engine::Span;
    use persona_engine::lists::Row;
    use std::sync::Arc;

    fn expand(arguments: &[&str], stdin: &str) -> Result<Inputs> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        Inputs::expand(&arguments, Reading::default(), &mut stdin.as_bytes())
    }

    fn names(inputs: &Inputs) -> Vec<String> {
        inputs.list.iter().map(Input::name).collect()
    }

    #[test]
    fn kinds_of_arguments() {
        assert_eq!(kind("-".as_ref()), Kind::Stdin);
        assert_eq!(kind("/".as_ref()), Kind::Folder);
        assert_eq!(kind("calls.CSV".as_ref()), Kind::List(ListKind::Table));
        assert_eq!(kind("data/wav.scp".as_ref()), Kind::List(ListKind::Scp));
        assert_eq!(kind("calls/*.wav".as_ref()), Kind::Pattern("calls/*.wav".into()));
        assert_eq!(kind("*.csv".as_ref()), Kind::Pattern("*.csv".into()));
        assert_eq!(kind("a.wav".as_ref()), Kind::File);
    }

    #[test]
    fn arguments_keep_their_order_and_repetitions() {
        let inputs = expand(&["b.wav", "-", "a.wav", "b.wav"], "x.wav\ny.wav\n").unwrap();
        assert_eq!(names(&inputs), ["b.wav", "x.wav", "y.wav", "a.wav", "b.wav"]);
    }

    #[test]
    fn no_input_is_an_error() {
        for (arguments, words) in
            [(&["-"][..], "no input"), (&["/nowhere/*.wav"], "no file matches"), (&["/nowhere.csv"], "/nowhere.csv")]
        {
            let message = expand(arguments, "\n").unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn the_checksum_depends_on_names_rows_and_order() {
        let columns: Arc<[String]> = ["c".to_owned()].into();
        let of = |list: Vec<Input>| Inputs { list, ..Inputs::default() }.sha256();
        let checksum = |list: &[(&str, Option<&str>)]| {
            let row = |value: &str| Row::new(&columns, [value].into_iter());
            let input = |(file, value): &(&str, Option<&str>)| Input { row: value.map(row), ..Input::file(file) };
            of(list.iter().map(input).collect())
        };
        let lists: [&[(&str, Option<&str>)]; 5] = [
            &[("a", None), ("b", None)],
            &[("b", None), ("a", None)],
            &[("ab", None)],
            &[("a", Some("b"))],
            &[("a", None), ("b", Some(""))],
        ];
        let mut distinct: BTreeSet<String> = lists.into_iter().map(checksum).collect();
        let span = Some(Span { start_s: 1.0, end_s: None });
        distinct.insert(of(vec![Input { span, ..Input::file("a") }, Input::file("b")]));
        assert_eq!(distinct.len(), lists.len() + 1);
    }
}
