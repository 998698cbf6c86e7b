//! A recording to be answered: a file, or a stream of bytes that somebody names.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use crate::audio::{Decoder, Limits, RawFormat};
use crate::error::{Error, Result};

/// Where a recording comes from, and what it is called in reports and errors.
pub struct Recording {
    bytes: Bytes,
    name: String,
}

enum Bytes {
    File(PathBuf),
    Stream(Box<dyn Read + Send + Sync>),
    Memory(Vec<u8>),
}

impl Recording {
    /// A file, called by its path.
    pub fn file(path: &Path) -> Self {
        Self { bytes: Bytes::File(path.to_owned()), name: path.to_string_lossy().into_owned() }
    }

    /// The bytes of a file, a pipe or a socket, called `name`.
    pub fn stream(reader: impl Read + Send + Sync + 'static, name: &str) -> Self {
        Self { bytes: Bytes::Stream(Box::new(reader)), name: name.to_owned() }
    }

    /// The bytes of a file in memory, called `name`: an M4A whose index lies behind its sound can be answered so.
    pub fn bytes(bytes: Vec<u8>, name: &str) -> Self {
        Self { bytes: Bytes::Memory(bytes), name: name.to_owned() }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The decoder, and the name; `raw` says what bytes without a header hold.
    pub(super) fn open(self, raw: Option<&RawFormat>, limits: &Limits) -> Result<(Decoder, String)> {
        let Self { bytes, name } = self;
        let decoder = match (bytes, raw) {
            (Bytes::File(path), None) => Decoder::open(&path, limits),
            (Bytes::File(path), Some(format)) => Decoder::open_raw(&path, format, limits),
            (Bytes::Stream(reader), None) => Decoder::new(reader, limits),
            (Bytes::Memory(bytes), None) => Decoder::from_bytes(bytes, limits),
            (Bytes::Memory(bytes), Some(format)) => Decoder::raw(Cursor::new(bytes), format, limits),
            (Bytes::Stream(reader), Some(format)) => Decoder::raw(reader, format, limits),
        };
        decoder.map(|decoder| (decoder, name.clone())).map_err(|error: Error| error.in_file(&name))
    }
}
