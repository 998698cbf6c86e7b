//! TCP socket with a write timeout and a lingering close. hyper has neither: its timeouts end at
//! the request's header.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep, timeout};

/// Bytes that are still read after the server closed its side, and for how long. If a socket is
/// closed with unread bytes, the operating system resets the connection and the response is lost.
const MAX_LINGER_BYTES: usize = 64 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// A TCP stream whose writes fail after a time without progress. Dropped, it closes lingeringly.
pub(super) struct Socket {
    /// `None` only while it is dropped.
    stream: Option<TcpStream>,
    /// Counts the connection as open until the stream is closed.
    permit: Option<OwnedSemaphorePermit>,
    write_timeout: Duration,
    /// Runs while a write is pending.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, permit: OwnedSemaphorePermit, write_timeout: Duration) -> Self {
        Self { stream: Some(stream), permit: Some(permit), write_timeout, stalled: None }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// Starts the timeout when a write is pending and stops it when one is complete.
    fn with_timeout<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let write_timeout = self.write_timeout;
        let clock = self.stalled.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        clock.as_mut().poll(cx).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, to)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write(cx, bytes);
        self.with_timeout(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write_vectored(cx, pieces);
        self.with_timeout(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream()?.poll_flush(cx);
        self.with_timeout(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let (stream, permit) = (self.stream.take(), self.permit.take());
        // Without a runtime the program is ending.
        if let (Some(stream), Ok(runtime)) = (stream, Handle::try_current()) {
            runtime.spawn(async move {
                let _ = timeout(LINGER_TIME, linger(stream)).await;
                drop(permit);
            });
        }
    }
}

/// Closes the sending side, then reads what the client still sends.
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let (mut bytes, mut left) = ([0; 4096], MAX_LINGER_BYTES);
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        left = left.saturating_sub(read);
        if left == 0 {
            return;
        }
    }
}
