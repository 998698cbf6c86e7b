//! An upload as a reader: the network's side puts chunks in, the recording's thread reads them. Little is between the two, so a body of any
//! length is read in little memory, and a client that sends faster than its recording is answered is slowed down.
//!
//! The recording begins when the pipe is full, or holds all that is sent: so a clip has all its bytes when its turn comes, and does not give the turn
//! up to wait for some.

use std::io::{self, ErrorKind, Read};
use std::mem;
use std::sync::{Arc, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, error::TryRecvError};

use super::turns::SharedTurn;

/// Bytes between the two sides: 8 s of 16 kHz, 16 bits.
const HELD: usize = 256 << 10;
/// A chunk counts for at least so many bytes, since it takes memory of its own.
const LEAST: usize = 1 << 10;

/// What goes through.
enum Sent {
    Chunk(Bytes),
    End,
}

/// The bytes that a chunk counts for.
fn cost(chunk: &Bytes) -> u32 {
    chunk.len().clamp(LEAST, HELD) as u32
}

/// The sending side.
pub(super) struct PipeEnd {
    chunks: mpsc::UnboundedSender<Sent>,
    room: Arc<Semaphore>,
    /// Called once, when the recording is to begin.
    begin: Option<Box<dyn FnOnce() + Send>>,
}

/// What was sent, before there is anybody to read it. Dropped, it tells the sender that nobody will.
pub(super) struct Pipe {
    chunks: mpsc::UnboundedReceiver<Sent>,
    room: Arc<Semaphore>,
}

/// The reading side.
pub(super) struct PipeReader {
    pipe: Pipe,
    chunk: Bytes,
    ended: bool,
    turn: SharedTurn,
}

/// A pipe: both its sides.
pub(super) fn pipe() -> (PipeEnd, Pipe) {
    let (sender, chunks) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(HELD));
    (PipeEnd { chunks: sender, room: Arc::clone(&room), begin: None }, Pipe { chunks, room })
}

impl PipeEnd {
    /// `begin` is called when there is enough to begin with. Without an end and with less, it never is.
    pub(super) fn when_filled(self, begin: impl FnOnce() + Send + 'static) -> Self {
        Self { begin: Some(Box::new(begin)), ..self }
    }

    /// Hands a chunk over, waiting while the pipe is full. False if nobody reads any more.
    pub(super) async fn send(&mut self, chunk: Bytes) -> bool {
        let cost = cost(&chunk);
        if self.room.available_permits() < cost as usize {
            self.begin();
        }
        let Ok(room) = self.room.acquire_many(cost).await else { return false };
        room.forget();
        self.chunks.send(Sent::Chunk(chunk)).is_ok()
    }

    /// Says that all was sent. Without it, a reader takes the end for a break.
    pub(super) fn finish(mut self) {
        // Nobody reads any more: then nobody needs to be told.
        let _ = self.chunks.send(Sent::End);
        self.begin();
    }

    fn begin(&mut self) {
        if let Some(begin) = self.begin.take() {
            begin();
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.room.close();
    }
}

impl Pipe {
    /// Its reader, which passes its turn on while it waits for bytes.
    pub(super) fn reader(self, turn: SharedTurn) -> PipeReader {
        PipeReader { pipe: self, chunk: Bytes::new(), ended: false, turn }
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
                Some(Sent::Chunk(chunk)) => {
                    self.pipe.room.add_permits(cost(&chunk) as usize);
                    self.chunk = chunk;
                }
                Some(Sent::End) => self.ended = true,
                None => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the upload broke off; send it again")),
            }
        }
        Ok(())
    }

    /// Nothing if the sender is gone.
    fn next_chunk(&mut self) -> Option<Sent> {
        match self.pipe.chunks.try_recv() {
            Ok(chunk) => Some(chunk),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
                turn.leave();
                let chunk = self.pipe.chunks.blocking_recv();
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
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::server::turns::{Turn, Turns};

    fn reader(pipe: Pipe, turns: &Arc<Turns>) -> PipeReader {
        let mut turn = Turn::none_yet(turns);
        turn.take();
        pipe.reader(Arc::new(Mutex::new(turn)))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_sent_is_read_and_the_turn_is_free_while_nothing_comes() {
        let turns = Turns::new(1);
        let (mut end, pipe) = pipe();
        let mut reader = reader(pipe, &turns);
        let reading = std::thread::spawn(move || {
            assert_eq!(reader.look_ahead(4).unwrap(), b"voice");
            assert_eq!(reader.look_ahead(99).unwrap(), b"voice");
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            assert_eq!(all, b"voice");
            assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
        });
        let mut other = Turn::none_yet(&turns);
        tokio::task::block_in_place(|| other.take());
        for chunk in ["voi", "", "ce"] {
            assert!(end.send(Bytes::from_static(chunk.as_bytes())).await);
        }
        end.finish();
        drop(other);
        tokio::task::block_in_place(|| reading.join().unwrap());
    }

    #[tokio::test]
    async fn an_end_that_is_not_announced_is_a_break() {
        let (end, pipe) = pipe();
        drop(end);
        let broken = reader(pipe, &Turns::new(1)).read(&mut [0; 4]).unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn nobody_there_to_read_is_told() {
        let (mut end, pipe) = pipe();
        drop(pipe);
        assert!(!end.send(Bytes::from_static(b"voice")).await);
    }

    /// How often a recording was begun, and a pipe that begins it.
    fn counted() -> (Arc<AtomicUsize>, PipeEnd, Pipe) {
        let begun = Arc::new(AtomicUsize::new(0));
        let (count, (end, pipe)) = (Arc::clone(&begun), pipe());
        let end = end.when_filled(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        (begun, end, pipe)
    }

    #[tokio::test]
    async fn a_recording_begins_when_all_is_there_or_the_pipe_is_full() {
        let (begun, mut end, _pipe) = counted();
        assert!(end.send(Bytes::from(vec![0; HELD])).await);
        assert_eq!(begun.load(Ordering::SeqCst), 0);
        end.finish();
        assert_eq!(begun.load(Ordering::SeqCst), 1);

        // Chunks of a byte fill it too, long before they are as many bytes.
        let (begun, mut end, pipe) = counted();
        for _ in 0..HELD / LEAST {
            assert!(end.send(Bytes::from_static(b"a")).await);
        }
        assert_eq!(begun.load(Ordering::SeqCst), 0);
        let sending = tokio::spawn(async move {
            assert!(end.send(Bytes::from_static(b"b")).await);
            end.finish();
        });
        while begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!sending.is_finished());
        let mut reader = reader(pipe, &Turns::new(1));
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 1);
        sending.await.unwrap();
        let rest = io::copy(&mut reader, &mut io::sink()).unwrap();
        assert_eq!((begun.load(Ordering::SeqCst), rest), (1, (HELD / LEAST) as u64));

        let (begun, end, _pipe) = counted();
        drop(end);
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    }
}
