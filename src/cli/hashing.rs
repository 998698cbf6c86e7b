//! Opens an input as a recording and, for the audit log, computes the SHA-256 of its bytes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use persona_engine::engine::Recording;
use persona_engine::{Error, Result};
use sha2::{Digest, Sha256};

/// Bytes that are read at a time.
const BLOCK: usize = 64 << 10;

/// The pending checksum of an input.
#[derive(Debug)]
pub(super) enum Checksum {
    /// None is wanted, or the file cannot be read.
    None,
    /// That of a regular file, computed before it is opened as a recording.
    Known(String),
    /// That of a stream, which can be read only once: computed while the recording is decoded.
    Stream(HashingReader),
}

/// Opens a file. `hash` says whether its checksum is wanted.
///
/// # Errors
/// [`Error::Read`] for a pipe or device that cannot be opened. A regular file is opened by the
/// engine.
pub(super) fn open_file(path: &Path, hash: bool) -> Result<(Recording, Checksum)> {
    if !hash {
        return Ok((Recording::file(path), Checksum::None));
    }
    if fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return Ok((Recording::file(path), sha256_of_file(path).map_or(Checksum::None, Checksum::Known)));
    }
    let stream = File::open(path).map_err(|error| Error::Read(error).in_file(path))?;
    Ok(hashed_stream(stream, &path.to_string_lossy()))
}

/// Opens standard input, which is named `-`. `hash` says whether its checksum is wanted.
pub(super) fn open_stdin(hash: bool) -> (Recording, Checksum) {
    if hash {
        return hashed_stream(io::stdin(), "-");
    }
    (Recording::reader(io::stdin()).named("-"), Checksum::None)
}

impl Checksum {
    /// SHA-256 of all bytes as hexadecimal digits. Bytes that the recording left unread are read
    /// now. `None` if there is no checksum, or if reading fails.
    pub(super) fn finish(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Known(sha256) => Some(sha256),
            Self::Stream(reader) => reader.finish(),
        }
    }
}

fn hashed_stream(stream: impl Read + Send + Sync + 'static, name: &str) -> (Recording, Checksum) {
    let reader = HashingReader::new(stream);
    (Recording::reader(reader.clone()).named(name), Checksum::Stream(reader))
}

/// SHA-256 of a file's bytes, or `None` if it cannot be read.
fn sha256_of_file(path: &Path) -> Option<String> {
    HashingReader::new(File::open(path).ok()?).finish()
}

/// A reader that hashes the bytes that pass. Clones share one state: the recording owns and reads
/// one clone, the other one returns the checksum.
#[derive(Clone)]
pub(super) struct HashingReader(Arc<Mutex<State>>);

struct State {
    reader: Box<dyn Read + Send + Sync>,
    hash: Sha256,
}

impl std::fmt::Debug for HashingReader {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("HashingReader")
    }
}

impl HashingReader {
    fn new(reader: impl Read + Send + Sync + 'static) -> Self {
        Self(Arc::new(Mutex::new(State { reader: Box::new(reader), hash: Sha256::new() })))
    }

    fn finish(mut self) -> Option<String> {
        let mut rest = vec![0; BLOCK];
        while self.read(&mut rest).ok()? > 0 {}
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(hex::encode(state.hash.clone().finalize()))
    }
}

impl Read for HashingReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match state.reader.read(out) {
                Ok(read) => {
                    state.hash.update(&out[..read]);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_hashed_by_whichever_clone_they_are_read() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // "abc", FIPS 180-2
        assert_eq!(HashingReader::new(&b"abc"[..]).finish().unwrap(), expected);
        let kept = HashingReader::new(&b"abc"[..]);
        let mut one = [0];
        kept.clone().read_exact(&mut one).unwrap();
        assert_eq!((one, kept.finish().unwrap()), (*b"a", expected.to_owned()));
        assert_eq!(sha256_of_file("/nowhere".as_ref()), None);
    }
}
