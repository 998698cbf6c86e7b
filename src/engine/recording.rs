//! Where a recording's bytes come from.

use std::io::{Cursor, Read};

use crate::audio::{Decoder, Limits, RawFormat};
use crate::error::Result;

/// A recording's bytes.
pub enum Recording {
    /// As they come, of any length.
    Stream(Box<dyn Read + Send + Sync>),
    /// All of them, in memory: so an M4A can be read whose index lies behind its sound.
    Bytes(Vec<u8>),
}

impl Recording {
    /// Of a file, a pipe or whatever else can be read.
    pub fn stream(reader: impl Read + Send + Sync + 'static) -> Self {
        Self::Stream(Box::new(reader))
    }

    /// A decoder over it; `raw` says what bytes without a header hold.
    pub(super) fn decoder(self, raw: Option<&RawFormat>, limits: &Limits) -> Result<Decoder> {
        match (self, raw) {
            (Self::Stream(reader), None) => Decoder::new(reader, limits),
            (Self::Stream(reader), Some(format)) => Decoder::raw(reader, format, limits),
            (Self::Bytes(bytes), None) => Decoder::from_bytes(bytes, limits),
            (Self::Bytes(bytes), Some(format)) => Decoder::raw(Cursor::new(bytes), format, limits),
        }
    }
}
