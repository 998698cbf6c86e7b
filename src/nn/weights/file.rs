//! The file of a model: opened as a regular file of bounded size.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// Maximum size of a model file: 2 GiB. WavLM Large in f32 has 1.2.
pub const MAX_FILE_BYTES: u64 = 1 << 31;
/// Maximum size of a header: 4 MiB, a hundred times the size for a large network.
pub const MAX_HEADER_BYTES: u64 = 4 << 20;

/// The bytes of a model file.
///
/// # Errors
///
/// With the path: [`Error::Read`] if the operating system refuses, [`Error::Unsupported`] if it is
/// not a regular file, [`Error::Limit`] above [`MAX_FILE_BYTES`].
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let read = || {
        let (file, size) = open_regular(path)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(too_large(size.max(bytes.len() as u64)));
        }
        Ok(bytes)
    };
    read().map_err(|error| error.in_file(path))
}

/// Opens a regular file of at most [`MAX_FILE_BYTES`] and returns its size. The type is checked
/// first because opening a pipe would wait for its writer.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64)> {
    let kind = std::fs::metadata(path)?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "a directory" } else { "not a regular file" };
        return Err(Error::Unsupported(format!("{what}; a model is one file, such as xvector-cnn.safetensors")));
    }
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > MAX_FILE_BYTES { Err(too_large(bytes)) } else { Ok((file, bytes)) }
}

fn too_large(actual: u64) -> Error {
    Error::Limit { what: "model file's size in bytes", actual, limit: MAX_FILE_BYTES }
}

/// The error for a file that is not a valid safetensors file.
pub(super) fn malformed(what: String) -> Error {
    Error::malformed("model file", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_and_a_missing_file_are_reported() {
        let folder = read_file(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_err();
        assert!(folder.to_string().contains("a directory"), "{folder}");
        let missing = read_file(Path::new("/nowhere/at-all.safetensors")).unwrap_err();
        assert!(missing.to_string().starts_with("/nowhere/at-all.safetensors: cannot read"), "{missing}");
    }
}
