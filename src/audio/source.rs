//! A reader with a look ahead: all that probing and decoding need, and it works on a pipe.

use std::fs::File;
#[cfg(feature = "formats")]
use std::io::Seek;
use std::io::{self, Cursor, ErrorKind, Read};

use crate::error::Result;

/// Bytes asked of the reader at a time.
const CHUNK: usize = 32 * 1024;

enum Input {
    Stream(Box<dyn Read + Send + Sync>),
    File(File),
    Bytes(Cursor<Vec<u8>>),
}

/// An input that can be read from any place, at its first byte.
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

/// A reader, the bytes that were looked at but not consumed, and the position in the stream.
pub(super) struct Source {
    reader: Input,
    ahead: Vec<u8>,
    start: usize,
    position: u64,
    ended: bool,
}

impl Source {
    pub(super) fn new(reader: impl Read + Send + Sync + 'static) -> Self {
        Self::of(Input::Stream(Box::new(reader)))
    }

    /// A source that can be turned back into its file.
    pub(super) fn from_file(file: File) -> Self {
        Self::of(Input::File(file))
    }

    /// A source that can be turned back into its bytes.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::of(Input::Bytes(Cursor::new(bytes)))
    }

    fn of(reader: Input) -> Self {
        Self { reader, ahead: Vec::new(), start: 0, position: 0, ended: false }
    }

    /// The file or the bytes of a source of which nothing was consumed; the source itself where there is no such thing (a pipe).
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

    /// Bytes consumed so far: the offset of the next one.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next `n` bytes, fewer only where the stream ends. They stay unconsumed. Memory grows with `n` alone.
    pub(super) fn peek(&mut self, n: usize) -> Result<&[u8]> {
        while self.ahead.len() - self.start < n && !self.ended {
            self.read_more()?;
        }
        let there = &self.ahead[self.start..];
        Ok(&there[..n.min(there.len())])
    }

    /// The first `N` bytes, `None` where the stream ends before.
    pub(super) fn peek_array<const N: usize>(&mut self) -> Result<Option<[u8; N]>> {
        Ok(self.peek(N)?.first_chunk::<N>().copied())
    }

    /// Takes `n` bytes away, or as many as were looked at.
    pub(super) fn consume(&mut self, n: usize) {
        let taken = n.min(self.ahead.len() - self.start);
        self.start += taken;
        self.position += taken as u64;
    }

    /// Takes `n` bytes away and tells how many there were; fewer only where the stream ends.
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
        // A reader that claims more than it was given room for must not push us out of the buffer.
        self.ahead.truncate(held + read.as_ref().map_or(0, |&n| n.min(CHUNK)));
        self.ended = read? == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, with an interruption before each.
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
    fn a_dripping_pipe_gives_what_a_whole_buffer_gives() {
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
