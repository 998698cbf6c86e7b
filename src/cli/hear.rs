//! Hearing one input, with the checksum of what was heard where an audit log asks for it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use persona_engine::engine::{Recording, Report};
use persona_engine::{Error, Result};
use sha2::{Digest, Sha256};

/// Bytes that are hashed at a time.
const CHUNK: usize = 64 << 10;

/// What became of an input, and SHA-256 of its bytes: nothing if they were not hashed or could not be read.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) answer: Result<Report>,
    pub(super) sha256: Option<String>,
}

/// Predicts a file. One that can be read only once, such as a pipe, is hashed on its way.
pub(super) fn file(path: &Path, hashed: bool, answer: impl FnOnce(Recording) -> Result<Report>) -> Heard {
    if !hashed {
        return Heard { answer: answer(Recording::file(path)), sha256: None };
    }
    if fs::metadata(path).is_ok_and(|found| found.is_file()) {
        let sha256 = sha256_of_file(path);
        return Heard { answer: answer(Recording::file(path)), sha256 };
    }
    match File::open(path) {
        Ok(stream) => hashed_stream(stream, &path.to_string_lossy(), answer),
        Err(error) => Heard { answer: Err(Error::Read(error).in_file(path)), sha256: None },
    }
}

/// Predicts what comes on standard input, which is named `-`.
pub(super) fn stdin(hashed: bool, answer: impl FnOnce(Recording) -> Result<Report>) -> Heard {
    if hashed {
        return hashed_stream(io::stdin(), "-", answer);
    }
    Heard { answer: answer(Recording::reader(io::stdin()).named("-")), sha256: None }
}

fn hashed_stream(
    stream: impl Read + Send + Sync + 'static,
    name: &str,
    answer: impl FnOnce(Recording) -> Result<Report>,
) -> Heard {
    let hashing = Hashing::new(stream);
    let answer = answer(Recording::reader(hashing.clone()).named(name));
    Heard { answer, sha256: hashing.finish() }
}

/// SHA-256 of a file's bytes. Nothing if it cannot be read.
fn sha256_of_file(path: &Path) -> Option<String> {
    let hashing = Hashing::new(File::open(path).ok()?);
    hashing.finish()
}

/// A reader that hashes what passes. Clones share it: one is given away to be read, one is kept for the sum.
#[derive(Debug)]
struct Hashing<R>(Arc<Mutex<(R, Sha256)>>);

impl<R> Clone for Hashing<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Read> Hashing<R> {
    fn new(reader: R) -> Self {
        Self(Arc::new(Mutex::new((reader, Sha256::new()))))
    }

    /// SHA-256 of all bytes: what was not read yet is read now. Nothing if that fails.
    fn finish(mut self) -> Option<String> {
        let mut rest = vec![0; CHUNK];
        while self.read(&mut rest).ok()? > 0 {}
        let shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(hex(&shared.1.clone().finalize()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (reader, hash) = &mut *shared;
        loop {
            match reader.read(out) {
                Ok(read) => {
                    hash.update(&out[..read]);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_hashed_whoever_reads_them() {
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // of "abc", FIPS 180-2
        assert_eq!(Hashing::new(&b"abc"[..]).finish().unwrap(), sum);
        let kept = Hashing::new(&b"abc"[..]);
        let mut one = [0];
        kept.clone().read_exact(&mut one).unwrap();
        assert_eq!((one, kept.finish().unwrap()), (*b"a", sum.to_owned()));
        assert_eq!(sha256_of_file("/nowhere".as_ref()), None);
    }
}
