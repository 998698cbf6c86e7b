//! One input of a run, and the manifest row that belongs to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use persona_engine::engine::Recording;
use persona_engine::{Error, Result};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::cli::hashing::{self, Checksum};

/// Maximum number of inputs of one run.
pub(super) const MAX_INPUTS: usize = 10_000_000;

/// One input: its file and the columns that its manifest has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    /// The file, as it is opened and named in the output.
    pub(super) file: Box<Path>,
    /// Its row in the manifest.
    pub(super) row: Option<Row>,
    /// Why it must not be opened, if it must not.
    pub(super) refused: Option<&'static str>,
}

impl Input {
    /// A file without a manifest row.
    pub(super) fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: path.into().into_boxed_path(), row: None, refused: None }
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

/// The inputs of one manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Names of the columns, in the file's order.
    pub(super) columns: Arc<[String]>,
    /// One input per row, in the file's order.
    pub(super) inputs: Vec<Input>,
}

/// A manifest row: strings by column. In JSON an object in the order of the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    columns: Arc<[String]>,
    values: Box<[Box<str>]>,
}

impl Row {
    /// A row with one value per column.
    pub(super) fn new<'a>(columns: &Arc<[String]>, values: impl Iterator<Item = &'a str>) -> Self {
        Self { columns: Arc::clone(columns), values: values.map(Into::into).collect() }
    }

    /// Columns and values, in the order of the columns.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().map(String::as_str).zip(self.values.iter().map(|value| &**value))
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.values.len()))?;
        for (column, value) in self.iter() {
            map.serialize_entry(column, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_serialises_in_the_order_of_its_columns() {
        let columns: Arc<[String]> = ["z", "a"].map(str::to_owned).into();
        let row = Row::new(&columns, ["1", "say \"no\"\n"].into_iter());
        assert_eq!(serde_json::to_string(&row).unwrap(), r#"{"z":"1","a":"say \"no\"\n"}"#);
    }
}
