//! Catalogue: models by name, embedded in the binary or installed in folders.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::models::segmentation::Segmentation;
use crate::models::{LoadOptions, Manifest, Model, Precision};
use crate::nn::weights::Header;

use super::embedded::{EMBEDDED, SEGMENTATION, SEGMENTATION_BYTES};
use super::folders::{self, is_path};
use super::nearest::nearest;

const EXTENSION: &str = ".safetensors";
/// Limit on the entries of one folder.
const MAX_FOLDER_ENTRIES: usize = 10_000;

/// Models by name. A model's name is its file's name without `.safetensors`; of several with the
/// same name the first one is found: embedded models come first, then the folders in their order.
///
/// ```no_run
/// use persona_engine::{Catalogue, LoadOptions};
///
/// let catalogue = Catalogue::installed();
/// for entry in catalogue.entries() {
///     match entry.header() {
///         Ok(header) => println!("{}: {} bytes", entry.name, header.bytes),
///         Err(error) => println!("{}: broken: {error}", entry.name),
///     }
/// }
/// let model = catalogue.load("xvector-cnn", LoadOptions::default())?;
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct Catalogue {
    entries: Vec<Entry>,
    unread: Vec<Error>,
    segmentation: Option<PathBuf>,
}

/// One model of a [`Catalogue`]. Nothing of it has been read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The model's name.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Whether an earlier entry has the same name: then this one is found only by its path.
    pub hidden: bool,
}

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Embedded in the binary; its bytes.
    Inside(&'static [u8]),
    /// A file.
    File(PathBuf),
}

/// The header of a model file.
#[derive(Debug)]
#[non_exhaustive]
pub struct ModelHeader {
    /// The manifest.
    pub manifest: Manifest,
    /// Length of the file, bytes.
    pub bytes: u64,
}

impl Catalogue {
    /// Embedded and installed models, see [`installed_folders`](super::installed_folders).
    pub fn installed() -> Self {
        Self::of(&folders::installed())
    }

    /// Embedded models and those in these folders. Folders that cannot be read are reported by
    /// [`Catalogue::unread`].
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
        let is_segmentation = |(name, _): &(String, Place)| name == SEGMENTATION;
        let segmentation = places.iter().find(|place| is_segmentation(place)).and_then(|(_, place)| match place {
            Place::File(path) => Some(path.clone()),
            Place::Inside(_) => None,
        });
        places.retain(|place| !is_segmentation(place));
        let mut names = BTreeSet::new();
        let entry = |(name, place): (String, Place)| Entry { hidden: !names.insert(name.clone()), name, place };
        Self { entries: places.into_iter().map(entry).collect(), unread, segmentation }
    }

    /// All models, in the order in which names are looked up, including hidden ones.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The errors of folders that could not be read.
    pub fn unread(&self) -> &[Error] {
        &self.unread
    }

    /// Finds a model by a name or a path; see [`is_path`](super::is_path) for which of them a text
    /// is. The file at a path is not read.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown name, with the available names and the nearest one.
    pub fn find(&self, name_or_path: impl AsRef<OsStr>) -> Result<Entry> {
        let text = name_or_path.as_ref();
        if is_path(text) {
            let path = PathBuf::from(text);
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Entry { name, place: Place::File(path), hidden: false });
        }
        let name = text.to_string_lossy();
        self.entries.iter().find(|entry| entry.name == name).cloned().ok_or_else(|| self.unknown(&name))
    }

    /// Finds and loads a model by a name or a path.
    ///
    /// # Errors
    /// Those of [`Catalogue::find`] and of [`Model::open`].
    pub fn load(&self, name_or_path: impl AsRef<OsStr>, options: LoadOptions) -> Result<Model> {
        self.find(name_or_path)?.load(options)
    }

    /// Loads the segmentation of speakers: the embedded one, else `segmentation.safetensors` in the
    /// first folder that has it. It is no model, so it is not among the entries.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is none; those of [`Segmentation::open`].
    pub fn segmentation(&self, precision: Precision) -> Result<Segmentation> {
        match (SEGMENTATION_BYTES, &self.segmentation) {
            (Some(bytes), _) => Segmentation::from_embedded_bytes(bytes, precision),
            (None, Some(path)) => Segmentation::open(path, precision),
            (None, None) => Err(Error::usage(format!(
                "speakers: no segmentation network is embedded in this build (feature `embedded-weights`), and no folder of \
                 models contains {SEGMENTATION}{EXTENSION}"
            ))),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let names: BTreeSet<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        let meant =
            nearest(name, names.iter().copied()).map(|near| format!(" Was `{near}` meant?")).unwrap_or_default();
        let available = if names.is_empty() {
            "none is embedded in this build (feature `embedded-weights`), and none is installed".to_owned()
        } else {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("available: {}", quoted.join(", "))
        };
        let unread: Vec<String> = self.unread.iter().map(|error| format!(" Not searched: {error}.")).collect();
        let unread = unread.concat();
        Error::usage(format!(
            "there is no model `{name}`; {available}.{meant} To name a file, use a path such as ./{name}{EXTENSION}.{unread}"
        ))
    }
}

impl Entry {
    /// Reads the header only, so damaged tensors are found by [`Entry::load`] alone.
    ///
    /// # Errors
    /// Those of [`Header::open`] and of [`Manifest::parse`], with the file.
    pub fn header(&self) -> Result<ModelHeader> {
        let read = |header: Header| {
            let manifest = Manifest::from_header(header.text(Manifest::KEY))?;
            Ok(ModelHeader { manifest, bytes: header.file_bytes() })
        };
        match &self.place {
            Place::Inside(bytes) => Header::from_bytes(bytes).and_then(read),
            Place::File(path) => Header::open(path).and_then(read).map_err(|error| error.in_file(path)),
        }
    }

    /// Loads the model.
    ///
    /// # Errors
    /// Those of [`Model::open`].
    pub fn load(&self, options: LoadOptions) -> Result<Model> {
        match &self.place {
            Place::Inside(bytes) => Model::from_embedded_bytes(bytes, options),
            Place::File(path) => Model::open(path, options),
        }
    }
}

/// Name and path of each model file of a folder, in the order of the names. Hidden files are no
/// models.
fn model_files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for (index, entry) in fs::read_dir(folder)?.enumerate() {
        if index >= MAX_FOLDER_ENTRIES {
            let (actual, limit) = (index as u64 + 1, MAX_FOLDER_ENTRIES as u64);
            return Err(Error::Limit { what: "entries of a folder of models", actual, limit });
        }
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = file.strip_suffix(EXTENSION).filter(|_| !file.starts_with('.')) {
            files.push((name.to_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::embedded::DEFAULT_MODEL;

    fn repository(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    /// A temporary folder, removed when the test ends.
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
        assert_eq!(results["default"], DEFAULT_MODEL);
    }

    #[cfg(embedded_weights)]
    #[test]
    fn each_embedded_model_has_the_name_of_its_manifest() {
        let catalogue = Catalogue::of(&[]);
        assert!(catalogue.find(DEFAULT_MODEL).is_ok());
        for entry in catalogue.entries() {
            let header = entry.header().unwrap();
            let Place::Inside(bytes) = entry.place else { panic!("{} is a file", entry.name) };
            assert_eq!((header.manifest.name.as_str(), header.bytes), (entry.name.as_str(), bytes.len() as u64));
            let model = entry.load(LoadOptions::default()).unwrap();
            assert_eq!(*model.manifest(), header.manifest);
            // the one place where the checksum of an embedded model is computed
            Model::from_bytes(bytes, LoadOptions::default()).unwrap();
        }
    }

    #[test]
    fn of_equal_names_the_first_is_found() {
        let first = Scratch::new("first").with("b.safetensors", &tiny()).with("a.safetensors", &tiny());
        let second = Scratch::new("second").with("b.safetensors", b"").with("c.safetensors", &tiny());
        let second = second.with(".b.safetensors", b"").with("c.txt", b"").with(".safetensors", b"");
        let catalogue = Catalogue::of(&[first.0.clone(), second.0.clone(), first.0.join("../").join(&first.0)]);
        assert_eq!(installed(&catalogue), [("a", false), ("b", false), ("b", true), ("c", false)]);
        assert_eq!(catalogue.find("b").unwrap().place, Place::File(first.0.join("b.safetensors")));
        let path = second.0.join("c.safetensors");
        for found in ["b".as_ref(), "c".as_ref(), path.as_os_str()] {
            assert_eq!(catalogue.load(found, LoadOptions::default()).unwrap().manifest().name, "tiny-cnn");
        }
    }

    #[test]
    fn a_broken_file_is_listed_and_its_error_names_it() {
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
    fn an_unknown_name_lists_the_available_ones() {
        let folder = Scratch::new("unknown").with("campplus-fcn.safetensors", b"");
        let catalogue = Catalogue::of(&[folder.0.clone(), "/nowhere/at all".into()]);
        assert!(matches!(catalogue.unread(), [Error::InFile { path, .. }] if *path == *"/nowhere/at all"));
        let message = catalogue.find("camplus-fcn").unwrap_err().to_string();
        for word in
            ["`camplus-fcn`", "available: `campplus-fcn`", "Was `campplus-fcn` meant?", "./camplus-fcn.safetensors"]
        {
            assert!(message.contains(word), "{word} is missing: {message}");
        }
        assert!(message.contains("Not searched: /nowhere/at all: cannot read"), "{message}");
        assert!(!catalogue.find("wavlm").unwrap_err().to_string().contains("meant"));
    }

    #[test]
    fn a_folder_with_too_many_files_is_reported() {
        let folder = Scratch::new("many");
        (0..=MAX_FOLDER_ENTRIES).for_each(|k| drop(fs::File::create(folder.0.join(k.to_string())).unwrap()));
        let catalogue = Catalogue::of(std::slice::from_ref(&folder.0));
        assert!(catalogue.unread()[0].to_string().contains("over the limit"), "{:?}", catalogue.unread());
    }
}
