//! The inputs of a run: the arguments expanded in their order.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::Path;

use persona_engine::{Error, Result};
use sha2::{Digest, Sha256};

use super::input::{Input, MAX_INPUTS, Manifest};
use super::{file_list, folder, manifest, scp};

/// All inputs of a run in order. Names and manifest rows are in memory, some hundred bytes per
/// input.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) list: Vec<Input>,
    /// Names of the manifests' columns, each once, in the order of their first appearance.
    pub(super) columns: Vec<String>,
}

/// Options for expanding the arguments.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading<'a> {
    /// The manifest column that names the file, if it is not `file`.
    pub(super) file_column: Option<&'a str>,
    /// Whether recordings have no header; then a folder's `.raw` and `.pcm` files are taken.
    pub(super) raw: bool,
}

impl Inputs {
    /// Expands the arguments.
    ///
    /// # Errors
    /// A manifest, list or folder that cannot be read, a pattern that matches nothing, or no input
    /// at all.
    pub(super) fn expand(arguments: &[OsString], reading: Reading<'_>, stdin: &mut dyn Read) -> Result<Self> {
        let mut inputs = Self::default();
        for argument in arguments {
            inputs.add(argument, reading, stdin)?;
            if inputs.list.len() > MAX_INPUTS {
                let (actual, limit) = (inputs.list.len() as u64, MAX_INPUTS as u64);
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
            Kind::Manifest => self.add_manifest(manifest::read(path, reading.file_column)?),
            Kind::Scp => self.add_manifest(scp::read(path)?),
            Kind::Pattern(pattern) => return self.add_matches(&pattern, reading.raw),
            Kind::File => self.list.push(Input::file(path)),
        }
        Ok(())
    }

    fn add_manifest(&mut self, manifest: Manifest) {
        let known: BTreeSet<String> = self.columns.iter().cloned().collect();
        self.columns.extend(manifest.columns.iter().filter(|column| !known.contains(*column)).cloned());
        self.list.extend(manifest.inputs);
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

    /// SHA-256 over names and manifest rows in order; tells the inputs of one run from those of
    /// another.
    pub(super) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for input in &self.list {
            // Strings alone: serialising them cannot fail.
            let row = input.row.as_ref().and_then(|row| serde_json::to_string(row).ok()).unwrap_or_default();
            for part in [input.file.as_os_str().as_encoded_bytes(), row.as_bytes()] {
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
    Manifest,
    Scp,
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
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match (ending.as_deref(), argument.to_str()) {
        (_, Some(text)) if found.is_err() && text.contains(['*', '?', '[']) => Kind::Pattern(text.to_owned()),
        (Some("csv" | "tsv"), _) => Kind::Manifest,
        (Some("scp"), _) => Kind::Scp,
        _ => Kind::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::input::Row;
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
        assert_eq!(kind("calls.CSV".as_ref()), Kind::Manifest);
        assert_eq!(kind("data/wav.scp".as_ref()), Kind::Scp);
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
        let checksum = |list: &[(&str, Option<&str>)]| {
            let row = |value: &str| Row::new(&columns, [value].into_iter());
            let input = |(file, value): &(&str, Option<&str>)| Input { row: value.map(row), ..Input::file(file) };
            Inputs { list: list.iter().map(input).collect(), columns: Vec::new() }.sha256()
        };
        let lists: [&[(&str, Option<&str>)]; 5] = [
            &[("a", None), ("b", None)],
            &[("b", None), ("a", None)],
            &[("ab", None)],
            &[("a", Some("b"))],
            &[("a", None), ("b", Some(""))],
        ];
        let distinct: BTreeSet<String> = lists.into_iter().map(checksum).collect();
        assert_eq!(distinct.len(), lists.len());
    }
}
