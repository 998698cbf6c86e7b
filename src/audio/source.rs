//! Reader with look-ahead, for probing and decoding; it works on pipes, because it never seeks.

use std::fs::File;
#[cfg(feature = "formats")]
use std::io::Seek;
use std::io::{self, Cursor, ErrorKind, Read};

use crate::error::Result;

/// Bytes requested from the reader at a time.
const CHUNK: usize = 32 * 1024;

enum Input {
    Stream(Box<dyn Read + Send + Sync>),
    File(File),
    Bytes(Cursor<Vec<u8>>),
}

/// A seekable input, at its first byte.
#[cfg(feature = "formats")]
pub(super) enum Seekable {
    File(File),
    Bytes(Cursor<Vec<u8>>),
}

impl Input {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(reader) => reader.read(out),
            Self::File(file) => file.read(out),
            Self::Bytes(bytes) => bytes.read(out),
        }
    }
}

/// A reader, its look-ahead (bytes read but not consumed), and the position in the stream.
pub(super) struct Source {
    reader: Input,
    ahead: Vec<u8>,
    start: usize,
    position: u64,
    /// Position that counts as the end of the stream.
    end: u64,
    ended: bool,
}

impl Source {
    pub(super) fn new(reader: impl Read + Send + Sync + 'static) -> Self {
        Self::of(Input::Stream(Box::new(reader)))
    }

    /// A source that [`Source::into_seekable`] turns back into its file.
    pub(super) fn from_file(file: File) -> Self {
        Self::of(Input::File(file))
    }

    /// A source that [`Source::into_seekable`] turns back into its bytes.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::of(Input::Bytes(Cursor::new(bytes)))
    }

    fn of(reader: Input) -> Self {
        Self { reader, ahead: Vec::new(), start: 0, position: 0, end: u64::MAX, ended: false }
    }

    /// The file or the bytes, rewound. `Err` returns the source itself: a pipe, or one that was
    /// consumed from.
    #[cfg(feature = "formats")]
    pub(super) fn into_seekable(mut self) -> Result<Seekable, Self> {
        let rewound = self.position == 0
            && match &mut self.reader {
                Input::Stream(_) => false,
                Input::File(file) => file.metadata().is_ok_and(|m| m.is_file()) && file.rewind().is_ok(),
                Input::Bytes(bytes) => bytes.rewind().is_ok(),
            };
        match self.reader {
            Input::File(file) if rewound => Ok(Seekable::File(file)),
            Input::Bytes(bytes) if rewound => Ok(Seekable::Bytes(bytes)),
            reader => Err(Self { reader, ..self }),
        }
    }

    /// Number of bytes consumed: the offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next `n` bytes without consuming them; fewer at the end of the stream. Memory grows with
    /// `n` alone.
    pub(super) fn peek(&mut self, n: usize) -> Result<&[u8]> {
        while self.ahead.len() - self.start < n && !self.ended {
            self.read_more()?;
        }
        let there = &self.ahead[self.start..];
        let most = self.end.saturating_sub(self.position).min(n as u64) as usize;
        Ok(&there[..most.min(there.len())])
    }

    /// Lets the stream end after `n` more bytes.
    #[cfg(feature = "formats")]
    pub(super) fn end_after(&mut self, n: u64) {
        self.end = self.position.saturating_add(n);
    }

    /// The next `N` bytes without consuming them; `None` if the stream ends before.
    pub(super) fn peek_array<const N: usize>(&mut self) -> Result<Option<[u8; N]>> {
        Ok(self.peek(N)?.first_chunk::<N>().copied())
    }

    /// Consumes `n` bytes of the look-ahead, or all of it.
    pub(super) fn consume(&mut self, n: usize) {
        let taken = n.min(self.ahead.len() - self.start);
        self.start += taken;
        self.position += taken as u64;
    }

    /// Consumes `n` bytes and returns their number; fewer at the end of the stream.
    pub(super) fn skip(&mut self, n: u64) -> Result<u64> {
        let mut left = n;
        while left > 0 {
            let there = self.peek(left.min(CHUNK as u64) as usize)?.len();
            if there == 0 {
                break;
            }
            self.consume(there);
            left -= there as u64;
        }
        Ok(n - left)
    }

    /// Whether nothing but zeros follows, up to the end of the stream. If not, the source is at a
    /// position up to the first other byte.
    #[cfg(feature = "formats")]
    pub(super) fn rest_is_zero(&mut self) -> Result<bool> {
        loop {
            let bytes = self.peek(CHUNK)?;
            if bytes.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            let there = bytes.len();
            if there == 0 {
                return Ok(true);
            }
            self.consume(there);
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        self.ahead.drain(..self.start);
        self.start = 0;
        let held = self.ahead.len();
        self.ahead.resize(held + CHUNK, 0);
        let read = loop {
            match self.reader.read(&mut self.ahead[held..]) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        // A faulty reader may return more than the buffer's length.
        self.ahead.truncate(held + read.as_ref().map_or(0, |&n| n.min(CHUNK)));
        self.ended = read? == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one byte at a time, with an interruption before each.
    struct Drip(Vec<u8>, bool);

    impl Read for Drip {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            if self.0.is_empty() {
                return Ok(0);
            }
            out[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn one_byte_at_a_time_gives_the_same_bytes() {
        let bytes: Vec<u8> = (0..100).collect();
        let mut source = Source::new(Drip(bytes.clone(), false));
        assert_eq!(source.peek(10).unwrap(), &bytes[..10]);
        source.consume(3);
        assert_eq!(source.skip(40).unwrap(), 40);
        assert_eq!(source.position(), 43);
        assert_eq!(source.peek(1000).unwrap(), &bytes[43..]);
        assert_eq!(source.skip(1000).unwrap(), 57);
        assert_eq!(source.peek_array::<1>().unwrap(), None);
    }
}
