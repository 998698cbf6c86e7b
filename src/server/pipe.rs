//! Bounded pipe from the network to a worker thread: a body of any length needs little memory, and
//! a client that sends faster than its recording is processed is slowed down.
//!
//! The bytes go through tokio's `duplex`. tokio-util's `SyncIoBridge` could read it on a thread,
//! but gives no chance to release the worker's permit while it waits. The recording starts when the
//! pipe is full or holds the whole body: a clip then never waits for bytes while it has a permit.

use std::future::ready;
use std::io::{self, ErrorKind, Read};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::runtime::Handle;

use super::scheduler::SharedPermit;

/// Capacity in bytes: 8 s of 16 kHz, 16 bits.
const CAPACITY: usize = 256 << 10;

/// The writing side. Dropped without [`PipeWriter::finish`], it breaks the pipe.
pub(super) struct PipeWriter {
    stream: DuplexStream,
    finished: Arc<AtomicBool>,
    /// Called once, when reading should start.
    start: Option<Box<dyn FnOnce() + Send>>,
}

/// The reading side before it has a worker thread. If it is dropped, writes fail.
pub(super) struct Pipe {
    stream: DuplexStream,
    finished: Arc<AtomicBool>,
    runtime: Handle,
}

/// The reading side on a worker thread.
pub(super) struct PipeReader {
    pipe: Pipe,
    permit: SharedPermit,
}

/// Both sides of a pipe. Must be called on the runtime.
pub(super) fn pipe() -> (PipeWriter, Pipe) {
    let (writer, reader) = duplex(CAPACITY);
    let finished = Arc::new(AtomicBool::new(false));
    let pipe = Pipe { stream: reader, finished: Arc::clone(&finished), runtime: Handle::current() };
    (PipeWriter { stream: writer, finished, start: None }, pipe)
}

impl PipeWriter {
    /// Calls `start` once the pipe is full or finished; never if it breaks before.
    pub(super) fn when_filled(self, start: impl FnOnce() + Send + 'static) -> Self {
        Self { start: Some(Box::new(start)), ..self }
    }

    /// Writes a chunk, and waits while the pipe is full. Returns false if nobody reads any more.
    pub(super) async fn write(&mut self, chunk: &[u8]) -> bool {
        let Self { stream, start, .. } = self;
        let write = stream.write_all(chunk);
        tokio::pin!(write);
        tokio::select! {
            biased;
            written = &mut write => return written.is_ok(),
            () = ready(()) => {}
        }
        // The first poll was pending: the pipe is full.
        call(start);
        write.await.is_ok()
    }

    /// Marks the end of the data. Without it the reader gets an error.
    pub(super) fn finish(mut self) {
        self.finished.store(true, Ordering::Release);
        call(&mut self.start);
    }
}

fn call(start: &mut Option<Box<dyn FnOnce() + Send>>) {
    if let Some(start) = start.take() {
        start();
    }
}

impl Pipe {
    /// Reader that releases the permit while it waits for bytes.
    pub(super) fn reader(self, permit: SharedPermit) -> PipeReader {
        PipeReader { pipe: self, permit }
    }

    /// Reads what is there; `None` if nothing is.
    fn try_read(&mut self, to: &mut [u8]) -> Option<io::Result<usize>> {
        let mut buffer = ReadBuf::new(to);
        match Pin::new(&mut self.stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
            Poll::Ready(result) => Some(result.map(|()| buffer.filled().len())),
            Poll::Pending => None,
        }
    }
}

impl Read for PipeReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = if let Some(n) = self.pipe.try_read(to) {
            n?
        } else {
            let mut permit = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
            permit.release();
            let n = self.pipe.runtime.block_on(self.pipe.stream.read(to));
            permit.acquire();
            n?
        };
        if n == 0 && !to.is_empty() && !self.pipe.finished.load(Ordering::Acquire) {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the upload broke off; send it again"));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;
    use crate::server::scheduler::{Permit, Scheduler};

    fn reader(pipe: Pipe, scheduler: &Arc<Scheduler>) -> PipeReader {
        let mut permit = Permit::unacquired(scheduler);
        permit.acquire();
        pipe.reader(Arc::new(Mutex::new(permit)))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_permit_is_free_while_the_reader_waits() {
        let scheduler = Scheduler::new(1);
        let (mut writer, pipe) = pipe();
        let mut reader = reader(pipe, &scheduler);
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            assert_eq!(all, b"voice");
            assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
        });
        let mut other = Permit::unacquired(&scheduler);
        tokio::task::block_in_place(|| other.acquire());
        for chunk in ["voi", "", "ce"] {
            assert!(writer.write(chunk.as_bytes()).await);
        }
        writer.finish();
        drop(other);
        tokio::task::block_in_place(|| reading.join().unwrap());
    }

    #[tokio::test]
    async fn an_unfinished_pipe_is_an_error_after_its_last_byte() {
        let (mut writer, pipe) = pipe();
        assert!(writer.write(b"voice").await);
        drop(writer);
        let mut read = Vec::new();
        let error = reader(pipe, &Scheduler::new(1)).read_to_end(&mut read).unwrap_err();
        assert_eq!((error.kind(), read), (ErrorKind::UnexpectedEof, b"voice".to_vec()));
    }

    #[tokio::test]
    async fn writes_fail_once_nobody_reads() {
        let (mut writer, pipe) = pipe();
        drop(pipe);
        assert!(!writer.write(b"voice").await);
    }

    /// A pipe, and how often its recording was started.
    fn counted() -> (Arc<AtomicUsize>, PipeWriter, Pipe) {
        let started = Arc::new(AtomicUsize::new(0));
        let (count, (writer, pipe)) = (Arc::clone(&started), pipe());
        let writer = writer.when_filled(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        (started, writer, pipe)
    }

    #[tokio::test]
    async fn a_recording_starts_when_the_pipe_is_full_or_finished() {
        let (started, mut writer, _pipe) = counted();
        assert!(writer.write(&vec![0; CAPACITY]).await);
        assert_eq!(started.load(Ordering::SeqCst), 0);
        writer.finish();
        assert_eq!(started.load(Ordering::SeqCst), 1);

        let (started, mut writer, pipe) = counted();
        let writing = tokio::spawn(async move {
            assert!(writer.write(&vec![0; CAPACITY + 1]).await);
            writer.finish();
        });
        while started.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!writing.is_finished());
        let mut reader = reader(pipe, &Scheduler::new(1));
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 9);
        writing.await.unwrap();
        let rest = io::copy(&mut reader, &mut io::sink()).unwrap();
        assert_eq!((started.load(Ordering::SeqCst), rest), (1, (CAPACITY + 1 - 9) as u64));

        let (started, writer, _pipe) = counted();
        drop(writer);
        assert_eq!(started.load(Ordering::SeqCst), 0);
    }
}
