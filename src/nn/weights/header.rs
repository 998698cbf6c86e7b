//! What a model file says before its tensors: read and checked without them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use safetensors::tensor::Metadata;

use super::{LENGTH_BYTES, MAX_HEADER_BYTES, malformed, open_regular};
use crate::error::{Error, Result};

/// The header of a model file: its texts, and where its tensors lie.
#[derive(Debug)]
pub struct Header {
    texts: BTreeMap<String, String>,
    file_bytes: u64,
}

impl Header {
    /// Reads the header of a file and none of its tensors.
    ///
    /// # Errors
    ///
    /// Those of [`read_file`](super::read_file) and of [`Weights::from_bytes`](super::Weights::from_bytes), with the path: places of tensors
    /// are held against the file's length, too.
    pub fn open(path: &Path) -> Result<Self> {
        let read = || {
            let (mut file, file_bytes) = open_regular(path)?;
            let (metadata, _) = self::read(&mut file, file_bytes)?;
            Ok(Self { texts: texts(&metadata), file_bytes })
        };
        read().map_err(|error: Error| error.in_file(path))
    }

    /// The header of a whole file in memory.
    ///
    /// # Errors
    ///
    /// Those of [`Weights::from_bytes`](super::Weights::from_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (header, data) = split(bytes)?;
        let metadata = parse(header, data.len() as u64)?;
        Ok(Self { texts: texts(&metadata), file_bytes: bytes.len() as u64 })
    }

    /// A text of the header's `__metadata__`.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// Length of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }
}

/// The header of a file, and where its tensors begin.
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

/// Header and tensors, by the length in the first eight bytes.
pub(super) fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let file_bytes = bytes.len() as u64;
    let (first, rest) = bytes.split_first_chunk().ok_or_else(|| too_short(file_bytes))?;
    let length = header_length(*first, file_bytes)?;
    rest.split_at_checked(length).ok_or_else(|| longer_than_the_file(length as u64, file_bytes))
}

/// The header, which must place its tensors in exactly `data_bytes`. Parsing also checks that shapes, types and places agree and that tensors
/// follow each other without gap or overlap.
pub(super) fn parse(header: &[u8], data_bytes: u64) -> Result<Metadata> {
    let header: Metadata =
        serde_json::from_slice(header).map_err(|e| malformed(format!("the header does not parse: {e}")))?;
    if header.data_len() as u64 == data_bytes {
        return Ok(header);
    }
    let claimed = header.data_len();
    Err(malformed(format!("its tensors take {claimed} bytes, the file holds {data_bytes}. Copy the file again")))
}

/// The texts of `__metadata__`.
pub(super) fn texts(header: &Metadata) -> BTreeMap<String, String> {
    header.metadata().clone().unwrap_or_default().into_iter().collect()
}

/// The header's length, held against the file's before anything is allocated.
fn header_length(first: [u8; LENGTH_BYTES], file_bytes: u64) -> Result<usize> {
    let length = u64::from_le_bytes(first);
    if length > MAX_HEADER_BYTES && length <= file_bytes {
        return Err(Error::Limit { what: "model file's header in bytes", actual: length, limit: MAX_HEADER_BYTES });
    }
    if length > MAX_HEADER_BYTES {
        let mends = "a safetensors file begins with its header's length";
        return Err(malformed(format!("a header of {length} bytes in a file of {file_bytes}: {mends}")));
    }
    if LENGTH_BYTES as u64 + length > file_bytes {
        return Err(longer_than_the_file(length, file_bytes));
    }
    Ok(length as usize)
}

fn longer_than_the_file(length: u64, file_bytes: u64) -> Error {
    malformed(format!("the header has {length} bytes, the file {file_bytes} in all. Copy it again"))
}

fn too_short(file_bytes: u64) -> Error {
    malformed(format!("{file_bytes} bytes are no safetensors file. Copy it again"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Weights;
    use super::super::tests::file;
    use super::*;

    /// A file of its own in the system's folder for such, gone when the test ends.
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
    fn of_a_file_and_of_its_bytes_it_is_the_same_as_the_weights_say() {
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
    fn a_file_cut_or_lengthened_is_malformed_without_its_tensors_too() {
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
