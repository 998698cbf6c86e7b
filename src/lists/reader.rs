//! The kind of a list, by its name and its first lines, and its reader.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

use super::list::List;
use super::reading::Reading;
use super::{audacity, kaldi, rttm, table};

/// Maximum size of a list: 1 GiB, some ten million rows.
const MAX_BYTES: u64 = 1 << 30;

/// The kinds of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Columns with a header, separated by commas, tabs or semicolons.
    Table,
    /// Audacity's label track.
    LabelTrack,
    /// NIST's Rich Transcription Time Marked.
    Rttm,
    /// Kaldi's `wav.scp`.
    Scp,
    /// Kaldi's `segments`.
    Segments,
}

impl ListKind {
    /// The kind of the list with this name; `None` if it is no list. A text file is read up to its
    /// first line with text, to tell a label track from other texts.
    pub fn of(path: &Path) -> Option<Self> {
        if path.file_name().is_some_and(|name| name == "segments") {
            return Some(Self::Segments);
        }
        let ending = path.extension()?.to_string_lossy().to_ascii_lowercase();
        match ending.as_str() {
            "csv" | "tsv" => Some(Self::Table),
            "rttm" => Some(Self::Rttm),
            "scp" => Some(Self::Scp),
            "txt" if is_regular(path) && audacity::is_label_track(path) => Some(Self::LabelTrack),
            _ => None,
        }
    }
}

/// Reads a list. Names of recordings are relative to its folder, in a `wav.scp` to the current one.
///
/// # Errors
/// With the list's name: [`Error::Read`]; [`Error::Limit`] for one that is too large;
/// [`Error::Malformed`] and [`Error::Usage`] for one that cannot be read at all;
/// [`Error::Unsupported`] for anything but a regular file. Rows that cannot be used are
/// [`List::problems`].
pub fn read(path: &Path, kind: ListKind, reading: &Reading<'_>) -> Result<List> {
    let list = match kind {
        ListKind::Table => read_bytes(path).and_then(|bytes| table::parse(&bytes, path, reading)),
        ListKind::LabelTrack => read_bytes(path).and_then(|bytes| audacity::parse(&bytes, path)),
        ListKind::Rttm => rttm::read(path),
        ListKind::Scp => kaldi::read_scp(path),
        ListKind::Segments => kaldi::read_segments(path),
    };
    let mut list = list.map_err(|error| error.in_file(path))?;
    if reading.whole_files {
        list.entries.iter_mut().for_each(|entry| entry.span = None);
    }
    Ok(list)
}

fn is_regular(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file())
}

/// The bytes of a list.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::Unsupported("not a regular file, as a list must be".into()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::Limit { what: "size of the list in bytes", actual: bytes.len() as u64, limit: MAX_BYTES });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_names() {
        let kind = |name: &str| ListKind::of(name.as_ref());
        assert_eq!(kind("calls.CSV"), Some(ListKind::Table));
        assert_eq!(kind("data/wav.scp"), Some(ListKind::Scp));
        assert_eq!(kind("data/segments"), Some(ListKind::Segments));
        assert_eq!(kind("a.rttm"), Some(ListKind::Rttm));
        assert_eq!((kind("a.wav"), kind("nowhere.txt"), kind("-")), (None, None, None));
    }

    #[test]
    fn missing_files_and_folders_are_named() {
        let message = |path: &str| read(path.as_ref(), ListKind::Table, &Reading::default()).unwrap_err().to_string();
        assert!(message("/nowhere/t.csv").starts_with("/nowhere/t.csv: cannot read"));
        assert!(message(env!("CARGO_MANIFEST_DIR")).contains("not a regular file"));
    }
}
