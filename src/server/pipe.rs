//! An upload as a reader: the network's side puts chunks in, the recording's thread reads them. A few chunks are between the two, so a body of
//! any length is read in little memory, and a client that sends faster than its recording is answered is slowed down.

use std::io::{self, ErrorKind, Read};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc::{self, error::TryRecvError};

use super::turns::Turn;

/// Chunks between the two sides; a chunk is at most a connection's read buffer.
const CHUNKS: usize = 4;

/// A turn that the reader and the recording's pace share; both are used by one thread.
pub(super) type SharedTurn = Arc<Mutex<Turn>>;

/// What goes through.
enum Sent {
    Chunk(Bytes),
    End,
}

/// The sending side.
pub(super) struct PipeEnd(mpsc::Sender<Sent>);

/// The reading side.
pub(super) struct PipeReader {
    chunks: mpsc::Receiver<Sent>,
    chunk: Bytes,
    ended: bool,
    turn: SharedTurn,
}

/// A pipe whose reader passes its turn on while it waits for bytes.
pub(super) fn pipe(turn: SharedTurn) -> (PipeEnd, PipeReader) {
    let (sender, chunks) = mpsc::channel(CHUNKS);
    (PipeEnd(sender), PipeReader { chunks, chunk: Bytes::new(), ended: false, turn })
}

impl PipeEnd {
    /// Hands a chunk over, waiting while the pipe is full. False if nobody reads any more.
    pub(super) async fn send(&self, chunk: Bytes) -> bool {
        self.0.send(Sent::Chunk(chunk)).await.is_ok()
    }

    /// Says that all was sent. Without it, a reader takes the end for a break.
    pub(super) async fn finish(self) {
        // Nobody reads any more: then nobody needs to be told.
        let _ = self.0.send(Sent::End).await;
    }
}

impl PipeReader {
    /// Reads until `n` bytes are there, or the end; they stay to be read.
    pub(super) fn look_ahead(&mut self, n: usize) -> io::Result<&[u8]> {
        let mut held = BytesMut::new();
        while held.len() < n {
            self.fill()?;
            if self.chunk.is_empty() {
                break;
            }
            held.extend_from_slice(&mem::take(&mut self.chunk));
        }
        self.chunk = held.freeze();
        Ok(&self.chunk)
    }

    /// Waits for bytes where there are none, unless the end is reached.
    fn fill(&mut self) -> io::Result<()> {
        while self.chunk.is_empty() && !self.ended {
            match self.next_chunk() {
                Some(Sent::Chunk(chunk)) => self.chunk = chunk,
                Some(Sent::End) => self.ended = true,
                None => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the upload broke off; send it again")),
            }
        }
        Ok(())
    }

    /// Nothing if the sender is gone.
    fn next_chunk(&mut self) -> Option<Sent> {
        match self.chunks.try_recv() {
            Ok(chunk) => Some(chunk),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
                turn.leave();
                let chunk = self.chunks.blocking_recv();
                turn.take();
                chunk
            }
        }
    }
}

impl Read for PipeReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.fill()?;
        let n = out.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut out[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::turns::Turns;

    fn shared(turns: &Arc<Turns>) -> SharedTurn {
        Arc::new(Mutex::new(Turn::new(turns)))
    }

    #[test]
    fn what_is_sent_is_read_and_the_turn_is_free_while_nothing_comes() {
        let turns = Turns::new(1);
        let turn = shared(&turns);
        let (end, mut reader) = pipe(Arc::clone(&turn));
        turn.lock().unwrap().take();
        let sender = std::thread::spawn(move || {
            let mut other = Turn::new(&turns);
            other.take();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                assert!(end.send(Bytes::from_static(b"voi")).await);
                assert!(end.send(Bytes::new()).await);
                assert!(end.send(Bytes::from_static(b"ce")).await);
                end.finish().await;
            });
        });
        assert_eq!(reader.look_ahead(4).unwrap(), b"voice");
        assert_eq!(reader.look_ahead(99).unwrap(), b"voice");
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"voice");
        assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
        sender.join().unwrap();
    }

    #[test]
    fn an_end_that_is_not_announced_is_a_break() {
        let (end, mut reader) = pipe(shared(&Turns::new(1)));
        drop(end);
        assert_eq!(reader.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn nobody_there_to_read_is_told() {
        let (end, reader) = pipe(shared(&Turns::new(1)));
        drop(reader);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(!runtime.block_on(end.send(Bytes::from_static(b"voice"))));
    }
}
