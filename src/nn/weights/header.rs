//! The header of a model file, read and checked without its tensors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use safetensors::tensor::Metadata;

use super::file::{MAX_HEADER_BYTES, malformed, open_regular};
use crate::error::{Error, Result};

const LENGTH_BYTES: usize = 8;

/// The texts of the header of a model file, and the size of the file.
#[derive(Debug)]
pub struct Header {
    texts: BTreeMap<String, String>,
    file_bytes: u64,
}

impl Header {
    /// Reads the header of a file, without its tensors.
    ///
    /// # Errors
    ///
    /// Those of [`read_file`](super::read_file) and of
    /// [`Weights::from_bytes`](super::Weights::from_bytes), with the path. The offsets of the
    /// tensors are checked against the length of the file.
    pub fn open(path: &Path) -> Result<Self> {
        let read = || {
            let (mut file, file_bytes) = open_regular(path)?;
            let (metadata, _) = self::read(&mut file, file_bytes)?;
            Ok(Self { texts: texts(&metadata), file_bytes })
        };
        read().map_err(|error: Error| error.in_file(path))
    }

    /// The header of a complete file in memory.
    ///
    /// # Errors
    ///
    /// Those of [`Weights::from_bytes`](super::Weights::from_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (header, data) = split(bytes)?;
        let metadata = parse(header, data.len() as u64)?;
        Ok(Self { texts: texts(&metadata), file_bytes: bytes.len() as u64 })
    }

    /// A text of `__metadata__` in the header.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// Size of the file.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }
}

/// The header of a file, and the offset of its tensors.
pub(super) fn read(file: &mut File, file_bytes: u64) -> Result<(Metadata, u64)> {
    let mut first = [0; LENGTH_BYTES];
    file.read_exact(&mut first).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => too_short(file_bytes),
        _ => Error::Read(error),
    })?;
    let length = header_length(first, file_bytes)?;
    let mut header = vec![0; length];
    file.read_exact(&mut header)?;
    let data = LENGTH_BYTES as u64 + length as u64;
    Ok((parse(&header, file_bytes - data)?, data))
}

/// Splits a file into header and tensors by the length in the first eight bytes.
pub(super) fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let file_bytes = bytes.len() as u64;
    let (first, rest) = bytes.split_first_chunk().ok_or_else(|| too_short(file_bytes))?;
    let length = header_length(*first, file_bytes)?;
    rest.split_at_checked(length).ok_or_else(|| longer_than_the_file(length as u64, file_bytes))
}

/// Parses a header whose tensors must occupy exactly `data_bytes`. Parsing also checks that shapes,
/// types and offsets agree and that the tensors have no gaps or overlaps.
pub(super) fn parse(header: &[u8], data_bytes: u64) -> Result<Metadata> {
    let header: Metadata =
        serde_json::from_slice(header).map_err(|e| malformed(format!("the header does not parse: {e}")))?;
    if header.data_len() as u64 == data_bytes {
        return Ok(header);
    }
    let claimed = header.data_len();
    Err(malformed(format!("its tensors take {claimed} bytes, the file contains {data_bytes}. Copy the file again")))
}

/// The texts of `__metadata__`.
pub(super) fn texts(header: &Metadata) -> BTreeMap<String, String> {
    header.metadata().clone().unwrap_or_default().into_iter().collect()
}

/// The length of the header, checked against that of the file before anything is allocated.
fn header_length(first: [u8; LENGTH_BYTES], file_bytes: u64) -> Result<usize> {
    let length = u64::from_le_bytes(first);
    if length > MAX_HEADER_BYTES && length <= file_bytes {
        return Err(Error::Limit { what: "model file's header in bytes", actual: length, limit: MAX_HEADER_BYTES });
    }
    if length > MAX_HEADER_BYTES {
        let hint = "a safetensors file begins with the length of its header";
        return Err(malformed(format!("a header of {length} bytes in a file of {file_bytes}: {hint}")));
    }
    if LENGTH_BYTES as u64 + length > file_bytes {
        return Err(longer_than_the_file(length, file_bytes));
    }
    Ok(length as usize)
}

fn longer_than_the_file(length: u64, file_bytes: u64) -> Error {
    malformed(format!("the header has {length} bytes, the whole file {file_bytes}. Copy it again"))
}

fn too_short(file_bytes: u64) -> Error {
    malformed(format!("{file_bytes} bytes are too few for a safetensors file. Copy it again"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Weights;
    use super::super::test_files::file;
    use super::*;

    /// A temporary file, removed when the test ends.
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str, bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("persona-engine-{}-{name}", std::process::id()));
            fs::write(&path, bytes).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_file_and_its_bytes_have_the_same_header() {
        let bytes = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-cnn.safetensors")).unwrap();
        let scratch = Scratch::new("whole", &bytes);
        let (of_file, of_bytes) = (Header::open(&scratch.0).unwrap(), Header::from_bytes(&bytes).unwrap());
        let weights = Weights::from_bytes(&bytes).unwrap();
        assert!(weights.text("persona").is_some());
        for header in [of_file, of_bytes] {
            assert_eq!(header.text("persona"), weights.text("persona"));
            assert_eq!(header.file_bytes(), bytes.len() as u64);
        }
    }

    #[test]
    fn a_truncated_or_extended_file_is_malformed() {
        let bytes = file(&[("a", &[2, 3], &[1.0; 6])]);
        let longer = [&bytes[..], &[0]].concat();
        for cut in (0..bytes.len()).map(|n| &bytes[..n]).chain([&longer[..]]) {
            let scratch = Scratch::new("cut", cut);
            let (of_file, of_bytes) = (Header::open(&scratch.0).unwrap_err(), Header::from_bytes(cut).unwrap_err());
            assert!(matches!(of_bytes, Error::Malformed { .. }), "{} bytes: {of_bytes}", cut.len());
            assert_eq!(of_file.to_string(), of_bytes.in_file(&scratch.0).to_string(), "{} bytes", cut.len());
        }
    }
}
