//! One input of a run, and the row of the list that it comes from.

use std::path::{Path, PathBuf};

use persona_engine::engine::{Recording, Span};
use persona_engine::lists::{Entry, Row};
use persona_engine::{Error, Result};

use crate::cli::hashing::{self, Checksum};

/// One input: its file, and what its list has for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    /// The file, as it is opened and named in the output.
    pub(super) file: Box<Path>,
    /// The segment of the file; `None` for the whole file.
    pub(super) span: Option<Span>,
    /// Its row in the list.
    pub(super) row: Option<Row>,
    /// Why it must not be opened, if it must not.
    pub(super) refused: Option<&'static str>,
}

impl Input {
    /// A whole file that no list describes.
    pub(super) fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: path.into().into_boxed_path(), span: None, row: None, refused: None }
    }

    /// Opens it. `hash` says whether its checksum is wanted.
    pub(super) fn open(&self, hash: bool) -> (Result<Recording>, Checksum) {
        if let Some(reason) = self.refused {
            return (Err(Error::Unsupported(reason.into()).in_file(&*self.file)), Checksum::None);
        }
        match hashing::open_file(&self.file, hash) {
            Ok((recording, checksum)) => (Ok(recording), checksum),
            Err(error) => (Err(error), Checksum::None),
        }
    }

    /// Its name in the output.
    pub(super) fn name(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }
}

impl From<Entry> for Input {
    fn from(entry: Entry) -> Self {
        let Entry { file, span, row, refused, .. } = entry;
        Self { file, span, row: Some(row), refused }
    }
}
