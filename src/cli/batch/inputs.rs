//! Which inputs there are, and in which order: what the arguments name, one after the other.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use persona_engine::{Error, Result};
use sha2::{Digest, Sha256};

use super::{folder, list, manifest, scp};

/// The most inputs of one run.
pub(super) const MAX_INPUTS: usize = 10_000_000;

/// One input: what is opened, and what its manifest says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    /// The file, as it is opened and named in the output.
    pub(super) file: Box<Path>,
    /// The manifest's own columns as the text of a JSON object, in the manifest's order.
    pub(super) own: Option<Box<str>>,
    /// Why it must not be opened, if it must not.
    pub(super) refused: Option<&'static str>,
}

impl Input {
    /// A file of which nothing more is known.
    pub(super) fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: path.into().into_boxed_path(), own: None, refused: None }
    }

    /// Its name in the output.
    pub(super) fn name(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }
}

/// All inputs of a run, in its order. Names and own columns are held, some hundred bytes an input.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) list: Vec<Input>,
    /// Names of the manifests' own columns, each once, in the order in which they were first seen.
    pub(super) columns: Vec<String>,
}

/// How the arguments are read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading<'a> {
    /// The manifest's column that names the file, if it is not `file`.
    pub(super) file_column: Option<&'a str>,
    /// Whether recordings have no header: then a folder's are `.raw` and `.pcm`.
    pub(super) raw: bool,
}

impl Inputs {
    /// Expands the arguments in their order.
    ///
    /// # Errors
    /// A manifest, list or folder that cannot be read as it stands, a pattern that matches nothing, and no input at all.
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
            return Err(Error::Config("there is no input: what was named holds no recording".into()));
        }
        Ok(inputs)
    }

    fn add(&mut self, argument: &OsStr, reading: Reading<'_>, stdin: &mut dyn Read) -> Result<()> {
        let path = Path::new(argument);
        match kind(argument) {
            Kind::Stdin => self.list.extend(list::read(stdin).map_err(|error| error.in_file("-"))?),
            Kind::Folder => self.list.extend(folder::recordings(path, reading.raw)?.into_iter().map(Input::file)),
            Kind::Manifest => self.add_manifest(manifest::read(path, reading.file_column)?),
            Kind::Scp => self.add_manifest(scp::read(path)?),
            Kind::Pattern(pattern) => return self.add_matches(&pattern, reading.raw),
            Kind::File => self.list.push(Input::file(path)),
        }
        Ok(())
    }

    fn add_manifest(&mut self, read: manifest::Manifest) {
        let known: BTreeSet<String> = self.columns.iter().cloned().collect();
        self.columns.extend(read.columns.into_iter().filter(|column| !known.contains(column)));
        self.list.extend(read.inputs);
    }

    fn add_matches(&mut self, pattern: &str, raw: bool) -> Result<()> {
        let none = |what: &str| Error::Config(format!("{pattern}: {what}"));
        let matches = glob::glob(pattern).map_err(|error| none(&error.to_string()))?;
        let before = self.list.len();
        for found in matches {
            let found = found.map_err(|error| Error::Read(error.into()).in_file(pattern))?;
            if found.is_dir() {
                self.list.extend(folder::recordings(&found, raw)?.into_iter().map(Input::file));
            } else {
                self.list.push(Input::file(found));
            }
        }
        if self.list.len() == before { Err(none("no file matches this pattern")) } else { Ok(()) }
    }

    /// SHA-256 over all inputs, names and own columns, in their order: what tells one run's inputs from another's.
    pub(super) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for input in &self.list {
            for part in [input.file.as_os_str().as_encoded_bytes(), input.own.as_deref().unwrap_or_default().as_bytes()]
            {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        crate::cli::hear::hex(&hash.finalize())
    }
}

/// What an argument is.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Stdin,
    Folder,
    Manifest,
    Scp,
    Pattern(String),
    File,
}

/// By what is there first, then by the name. A file that has a pattern's characters in its name is that file.
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

    fn expand(arguments: &[&str], stdin: &str) -> Result<Inputs> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        Inputs::expand(&arguments, Reading::default(), &mut stdin.as_bytes())
    }

    fn names(inputs: &Inputs) -> Vec<String> {
        inputs.list.iter().map(Input::name).collect()
    }

    #[test]
    fn names_tell_what_an_argument_is() {
        assert_eq!(kind("-".as_ref()), Kind::Stdin);
        assert_eq!(kind("/".as_ref()), Kind::Folder);
        assert_eq!(kind("calls.CSV".as_ref()), Kind::Manifest);
        assert_eq!(kind("data/wav.scp".as_ref()), Kind::Scp);
        assert_eq!(kind("calls/*.wav".as_ref()), Kind::Pattern("calls/*.wav".into()));
        assert_eq!(kind("*.csv".as_ref()), Kind::Pattern("*.csv".into()));
        assert_eq!(kind("a.wav".as_ref()), Kind::File);
    }

    #[test]
    fn arguments_keep_their_order_and_a_file_named_twice_is_two_inputs() {
        let inputs = expand(&["b.wav", "-", "a.wav", "b.wav"], "x.wav\ny.wav\n").unwrap();
        assert_eq!(names(&inputs), ["b.wav", "x.wav", "y.wav", "a.wav", "b.wav"]);
    }

    #[test]
    fn nothing_to_do_is_told() {
        for (arguments, words) in
            [(&["-"][..], "no input"), (&["/nowhere/*.wav"], "no file matches"), (&["/nowhere.csv"], "/nowhere.csv")]
        {
            let message = expand(arguments, "\n").unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn the_checksum_sees_names_columns_and_order() {
        let of = |list: &[(&str, Option<&str>)]| {
            let input = |(file, own): &(&str, Option<&str>)| Input { own: own.map(Into::into), ..Input::file(file) };
            Inputs { list: list.iter().map(input).collect(), columns: Vec::new() }.sha256()
        };
        let lists: [&[(&str, Option<&str>)]; 5] = [
            &[("a", None), ("b", None)],
            &[("b", None), ("a", None)],
            &[("ab", None)],
            &[("a", Some("b"))],
            &[("a", None), ("b", Some("{}"))],
        ];
        let distinct: BTreeSet<String> = lists.into_iter().map(of).collect();
        assert_eq!(distinct.len(), lists.len());
    }
}
