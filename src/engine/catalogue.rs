//! The systems that can be asked for by name: those inside the program, then those that are installed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::models::{AnyManifest, Manifest, Model, Precision, System};
use crate::nn::weights::Header;

use super::folders::{self, is_path};
use super::nearest::nearest;

#[cfg(feature = "embedded-weights")]
use super::embedded::EMBEDDED;
#[cfg(not(feature = "embedded-weights"))]
const EMBEDDED: &[(&str, &[u8])] = &[];

/// Name of the system that answers when none is asked for.
pub const DEFAULT_SYSTEM: &str = "campplus-fcn";

const ENDING: &str = ".safetensors";
/// Entries of one folder that are looked at.
const MAX_FOLDER_ENTRIES: usize = 10_000;

/// Systems by name. A file's name without `.safetensors` is its system's name; where two have the same name, the first one has it: those inside
/// the program come first, then the folders in their order.
///
/// ```no_run
/// use persona_engine::engine::Catalogue;
///
/// let catalogue = Catalogue::installed();
/// for entry in catalogue.entries() {
///     match entry.header() {
///         Ok(header) => println!("{}: {} bytes, sha256 {}", entry.name, header.bytes, header.manifest.sha256()),
///         Err(error) => println!("{}: broken: {error}", entry.name),
///     }
/// }
/// let system = catalogue.asked("xvector-cnn".as_ref())?;
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct Catalogue {
    entries: Vec<Entry>,
    unread: Vec<Error>,
    precision: Option<Precision>,
}

/// One system of a [`Catalogue`]. Nothing of it has been read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is asked for by.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Whether an earlier entry has the same name: then this one is asked for by its path.
    pub hidden: bool,
}

/// Where a system is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Inside the program; its bytes.
    Inside(&'static [u8]),
    /// A file.
    File(PathBuf),
}

/// What a model file says of itself.
#[derive(Debug)]
pub struct ModelHeader {
    /// The recipe and the scores.
    pub manifest: AnyManifest,
    /// Length of the file.
    pub bytes: u64,
}

impl Catalogue {
    /// What is inside the program and what is installed, see [`installed_folders`](super::installed_folders).
    pub fn installed() -> Self {
        Self::of(&folders::installed())
    }

    /// What is inside the program and what lies in these folders. Folders that cannot be read are kept as [`Catalogue::unread`].
    pub fn of(folders: &[PathBuf]) -> Self {
        let inside = |(name, bytes): &(&str, &'static [u8])| ((*name).to_owned(), Place::Inside(bytes));
        let mut places: Vec<(String, Place)> = EMBEDDED.iter().map(inside).collect();
        let (mut unread, mut seen) = (Vec::new(), BTreeSet::new());
        for folder in folders {
            if !seen.insert(fs::canonicalize(folder).unwrap_or_else(|_| folder.clone())) {
                continue;
            }
            match model_files(folder) {
                Ok(files) => places.extend(files.into_iter().map(|(name, path)| (name, Place::File(path)))),
                Err(error) => unread.push(error.in_file(folder)),
            }
        }
        let mut names = BTreeSet::new();
        let entry = |(name, place): (String, Place)| Entry { hidden: !names.insert(name.clone()), name, place };
        Self { entries: places.into_iter().map(entry).collect(), unread, precision: None }
    }

    /// Systems are loaded in this precision; without one, see [`Model::from_bytes_in`].
    #[must_use]
    pub fn in_precision(mut self, precision: Option<Precision>) -> Self {
        self.precision = precision;
        self
    }

    /// All systems, in the order in which names are looked up, hidden ones included.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The folders that could not be read, and why.
    pub fn unread(&self) -> &[Error] {
        &self.unread
    }

    /// The entry that has a name.
    ///
    /// # Errors
    /// [`Error::Config`] with the names that there are and the one that was probably meant.
    pub fn find(&self, name: &str) -> Result<&Entry> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| self.unknown(name))
    }

    /// The system that has a name.
    ///
    /// # Errors
    /// Those of [`Catalogue::find`] and of [`System::open`].
    pub fn system(&self, name: &str) -> Result<System> {
        self.find(name)?.model_in(self.precision)?.into_system()
    }

    /// The system that a user asks for, by a path or by a name; see [`is_path`](super::is_path) for which of them it is.
    ///
    /// # Errors
    /// Those of [`Catalogue::find`] and of [`System::open`].
    pub fn asked(&self, name_or_path: &OsStr) -> Result<System> {
        self.asked_model(name_or_path)?.into_system()
    }

    /// As [`Self::asked`], with or without heads.
    ///
    /// # Errors
    /// Those of [`Catalogue::find`] and of [`Model::open`].
    pub fn asked_model(&self, name_or_path: &OsStr) -> Result<Model> {
        if is_path(name_or_path) {
            return Model::open_in(Path::new(name_or_path), self.precision);
        }
        self.find(&name_or_path.to_string_lossy())?.model_in(self.precision)
    }

    fn unknown(&self, name: &str) -> Error {
        let names: BTreeSet<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        let meant =
            nearest(name, names.iter().copied()).map(|near| format!(" Was `{near}` meant?")).unwrap_or_default();
        let there_are = if names.is_empty() {
            "none is inside this build (feature `embedded-weights`), and none is installed".to_owned()
        } else {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("there is {}", quoted.join(", "))
        };
        let unread: Vec<String> = self.unread.iter().map(|error| format!(" Not searched: {error}.")).collect();
        let unread = unread.concat();
        Error::Config(format!(
            "no system has the name `{name}`; {there_are}.{meant} A file is named by a path, such as ./{name}{ENDING}.{unread}"
        ))
    }
}

impl Entry {
    /// What it says of itself. Reads the header alone: of a damaged tensor [`Entry::model`] would tell.
    ///
    /// # Errors
    /// Those of [`Header::open`] and of [`AnyManifest::parse`], naming the file.
    pub fn header(&self) -> Result<ModelHeader> {
        let read = |header: Header| {
            let manifest = AnyManifest::of_header(header.text(Manifest::KEY))?;
            Ok(ModelHeader { manifest, bytes: header.file_bytes() })
        };
        match &self.place {
            Place::Inside(bytes) => Header::from_bytes(bytes).and_then(read),
            Place::File(path) => Header::open(path).and_then(read).map_err(|error| error.in_file(path)),
        }
    }

    /// Loads it.
    ///
    /// # Errors
    /// Those of [`Model::open`].
    pub fn model(&self) -> Result<Model> {
        self.model_in(None)
    }

    /// Loads it in a precision: see [`Model::from_bytes_in`].
    ///
    /// # Errors
    /// Those of [`Model::open`].
    pub fn model_in(&self, precision: Option<Precision>) -> Result<Model> {
        match &self.place {
            Place::Inside(bytes) => Model::from_own_bytes(bytes, precision),
            Place::File(path) => Model::open_in(path, precision),
        }
    }
}

/// Name and path of each model file of a folder, in the order of the names. What begins with a dot is no model.
fn model_files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for (index, entry) in fs::read_dir(folder)?.enumerate() {
        if index >= MAX_FOLDER_ENTRIES {
            let (actual, limit) = (index as u64 + 1, MAX_FOLDER_ENTRIES as u64);
            return Err(Error::Limit { what: "entries of a folder of models", actual, limit });
        }
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = file.strip_suffix(ENDING).filter(|_| !file.starts_with('.')) {
            files.push((name.to_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    /// A folder of its own in the system's folder for such, gone when the test ends.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("persona-engine-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn with(self, name: &str, bytes: &[u8]) -> Self {
            fs::write(self.0.join(name), bytes).unwrap();
            self
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn tiny() -> Vec<u8> {
        fs::read(repository("tests/golden/tiny-cnn.safetensors")).unwrap()
    }

    fn installed(catalogue: &Catalogue) -> Vec<(&str, bool)> {
        let files = catalogue.entries().iter().filter(|entry| matches!(entry.place, Place::File(_)));
        files.map(|entry| (entry.name.as_str(), entry.hidden)).collect()
    }

    #[test]
    fn the_default_is_the_one_of_the_results() {
        let results = fs::read_to_string(repository("weights/results.json")).unwrap();
        let results: serde_json::Value = serde_json::from_str(&results).unwrap();
        assert_eq!(results["default"], DEFAULT_SYSTEM);
    }

    #[cfg(feature = "embedded-weights")]
    #[test]
    fn each_system_inside_has_the_name_that_its_file_says() {
        let catalogue = Catalogue::of(&[]);
        assert!(catalogue.find(DEFAULT_SYSTEM).is_ok());
        for entry in catalogue.entries() {
            let header = entry.header().unwrap();
            let Place::Inside(bytes) = entry.place else { panic!("{} is a file", entry.name) };
            assert_eq!((header.manifest.name(), header.bytes), (entry.name.as_str(), bytes.len() as u64));
            let system = entry.model().unwrap().into_system().unwrap();
            assert_eq!(AnyManifest::System(Box::new(system.manifest().clone())), header.manifest);
            // the one place where the checksum of what is inside is computed
            System::from_bytes(bytes).unwrap();
        }
    }

    #[test]
    fn the_first_of_a_name_has_it() {
        let first = Scratch::new("first").with("b.safetensors", &tiny()).with("a.safetensors", &tiny());
        let second = Scratch::new("second").with("b.safetensors", b"").with("c.safetensors", &tiny());
        let second = second.with(".b.safetensors", b"").with("c.txt", b"").with(".safetensors", b"");
        let catalogue = Catalogue::of(&[first.0.clone(), second.0.clone(), first.0.join("../").join(&first.0)]);
        assert_eq!(installed(&catalogue), [("a", false), ("b", false), ("b", true), ("c", false)]);
        assert_eq!(catalogue.find("b").unwrap().place, Place::File(first.0.join("b.safetensors")));
        assert_eq!(catalogue.system("c").unwrap().manifest().name, "tiny-cnn");
        assert_eq!(catalogue.asked("b".as_ref()).unwrap().manifest().name, "tiny-cnn");
        let path = second.0.join("c.safetensors");
        assert_eq!(catalogue.asked(path.as_os_str()).unwrap().manifest().name, "tiny-cnn");
    }

    #[test]
    fn a_broken_file_is_listed_and_its_reason_names_it() {
        let folder = Scratch::new("broken").with("cut.safetensors", &tiny()[..999]).with("whole.safetensors", &tiny());
        fs::create_dir(folder.0.join("folder.safetensors")).unwrap();
        let catalogue = Catalogue::of(std::slice::from_ref(&folder.0));
        assert_eq!(installed(&catalogue), [("cut", false), ("folder", false), ("whole", false)]);
        for (name, what) in [("cut", "malformed"), ("folder", "a directory")] {
            let message = catalogue.find(name).unwrap().header().unwrap_err().to_string();
            let path = folder.0.join(format!("{name}.safetensors"));
            assert!(message.starts_with(path.to_str().unwrap()) && message.contains(what), "{message}");
        }
        assert_eq!(catalogue.find("whole").unwrap().header().unwrap().bytes, tiny().len() as u64);
    }

    #[test]
    fn an_unknown_name_lists_those_that_there_are() {
        let folder = Scratch::new("unknown").with("campplus-fcn.safetensors", b"");
        let catalogue = Catalogue::of(&[folder.0.clone(), "/nowhere/at all".into()]);
        assert!(matches!(catalogue.unread(), [Error::InFile { path, .. }] if *path == *"/nowhere/at all"));
        let message = catalogue.asked("camplus-fcn".as_ref()).unwrap_err().to_string();
        for word in
            ["`camplus-fcn`", "there is `campplus-fcn`", "Was `campplus-fcn` meant?", "./camplus-fcn.safetensors"]
        {
            assert!(message.contains(word), "{word} is missing: {message}");
        }
        assert!(message.contains("Not searched: /nowhere/at all: cannot read"), "{message}");
        assert!(!catalogue.find("wavlm").unwrap_err().to_string().contains("meant"));
    }

    #[test]
    fn a_folder_of_too_many_files_is_told() {
        let folder = Scratch::new("many");
        (0..=MAX_FOLDER_ENTRIES).for_each(|k| drop(fs::File::create(folder.0.join(k.to_string())).unwrap()));
        let catalogue = Catalogue::of(std::slice::from_ref(&folder.0));
        assert!(catalogue.unread()[0].to_string().contains("over the limit"), "{:?}", catalogue.unread());
    }
}
