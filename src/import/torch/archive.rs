//! Zip archive of a checkpoint: `NAME/data.pkl`, the storages `NAME/data/0` and so on,
//! `NAME/byteorder`, all uncompressed.

use std::collections::BTreeMap;

use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive};

use super::errors::malformed;
use crate::error::{Error, Result};

/// Maximum number of files in an archive: a hundred times those of a large network.
const MAX_ENTRIES: usize = 100_000;

/// Files by their names inside the archive's folder. None has been read yet.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    zip: ZipSliceArchive<&'a [u8]>,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    place: ZipArchiveEntryWayfinder,
    readable: bool,
}

impl<'a> Archive<'a> {
    /// Reads the archive's directory.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for bytes that are not a complete archive with a `data.pkl`,
    /// [`Error::Limit`] for too many files.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self> {
        let zip = ZipArchive::from_slice(bytes).map_err(|error| {
            malformed(format!("{error}: the file is truncated, or not a zip archive; copy it again"))
        })?;
        let mut all = Vec::new();
        let mut headers = zip.entries();
        while let Some(header) = headers.next_entry().map_err(|error| malformed(format!("its directory: {error}")))? {
            if all.len() >= MAX_ENTRIES {
                let (actual, limit) = (all.len() as u64 + 1, MAX_ENTRIES as u64);
                return Err(Error::Limit { what: "number of files in a checkpoint", actual, limit });
            }
            let name = String::from_utf8_lossy(header.file_path().as_bytes()).into_owned();
            let readable = header.compression_method() == CompressionMethod::STORE && !header.flags().is_encrypted();
            all.push((name, Entry { place: header.wayfinder(), readable }));
        }
        if all.len() as u64 != zip.entries_hint() {
            let (found, claimed) = (all.len(), zip.entries_hint());
            return Err(malformed(format!("{found} files in an archive of {claimed}; copy it again")));
        }
        let entries = inside_folder(all)?;
        Ok(Self { bytes, zip, entries })
    }

    /// Whether there is a file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Bytes of a file, after verifying its checksum.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a file that is missing, truncated or damaged,
    /// [`Error::Unsupported`] for a compressed or encrypted one.
    pub(super) fn read(&self, name: &str) -> Result<&'a [u8]> {
        let entry = self.entries.get(name).ok_or_else(|| malformed(format!("it has no `{name}`")))?;
        if !entry.readable {
            let what =
                format!("`{name}` of the checkpoint is compressed or encrypted, which torch never does; save it again");
            return Err(Error::Unsupported(what));
        }
        let damaged = |what: String| malformed(format!("`{name}`: {what}; copy the file again"));
        let found = self.zip.get_entry(entry.place).map_err(|error| damaged(error.to_string()))?;
        let (start, end) = found.compressed_data_range();
        let bytes = self.bytes.get(start as usize..end as usize).ok_or_else(|| damaged("truncated".into()))?;
        let expected = found.claim_verifier();
        if expected.uncompressed_size != bytes.len() as u64 || expected.crc != rawzip::crc32(bytes) {
            return Err(damaged("its checksum is wrong".into()));
        }
        Ok(bytes)
    }
}

/// Files of the folder that contains `data.pkl`, by their names in it.
fn inside_folder(all: Vec<(String, Entry)>) -> Result<BTreeMap<String, Entry>> {
    let root = all.iter().find_map(|(name, _)| name.strip_suffix("data.pkl").filter(|root| root.ends_with('/')));
    let root = root.ok_or_else(|| malformed("a zip archive without `data.pkl`: not written by torch.save"))?;
    let root = root.to_owned();
    Ok(all.into_iter().filter_map(|(name, entry)| Some((name.strip_prefix(&root)?.to_owned(), entry))).collect())
}
