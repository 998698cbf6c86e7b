//! Request body, read chunk by chunk with a size limit and a minimum upload rate.
//!
//! The checks are written here: tower-http's body limit and timeout layers answer without a problem
//! body, without the numbers, and know no minimum rate.

use std::mem;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::limits::Limits;
use super::problem::Problem;

/// Bytes that are still read of a body whose request was already answered: a client that is still
/// sending would otherwise see a reset connection, not the response.
const MAX_DRAIN_BYTES: usize = 1 << 20;
/// Timeout of that reading.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// A request body.
pub(super) struct Incoming {
    body: Body,
    limits: Limits,
    bytes: u64,
    /// Time spent waiting for the client, not for the engine.
    waited: Duration,
    ended: bool,
}

impl Incoming {
    pub(super) fn new(body: Body, limits: &Limits) -> Self {
        Self { body, limits: limits.clone(), bytes: 0, waited: Duration::ZERO, ended: false }
    }

    /// Refuses a body whose `Content-Length` is over the limit.
    pub(super) fn check_content_length(&self, bytes: Option<u64>) -> Result<(), Problem> {
        match bytes {
            Some(bytes) if bytes > self.limits.body_bytes => Err(too_large(bytes, &self.limits)),
            _ => Ok(()),
        }
    }

    /// Number of bytes received.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Receives the next bytes; `None` at the end.
    ///
    /// # Errors
    /// 408 `too_slow`, 413 `body_too_large`, 400 `upload_broken`.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        while !self.ended {
            let began = Instant::now();
            let frame = timeout(self.limits.patience, self.body.frame()).await;
            self.waited += began.elapsed();
            match frame {
                Err(_) => return Err(self.too_slow("nothing came")),
                Ok(None) => self.ended = true,
                Ok(Some(Err(error))) => return Err(broken(&error)),
                // Trailers are ignored.
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.count(bytes.len())?;
                        return Ok(Some(bytes));
                    }
                }
            }
        }
        Ok(None)
    }

    fn count(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes += bytes as u64;
        if self.bytes > self.limits.body_bytes {
            return Err(too_large(self.bytes, &self.limits));
        }
        let overtime = self.waited.saturating_sub(self.limits.patience).as_secs_f64();
        if (self.bytes as f64) < overtime * self.limits.body_rate as f64 {
            return Err(self.too_slow(&format!("fewer than {} bytes per second came", self.limits.body_rate)));
        }
        Ok(())
    }

    fn too_slow(&self, what: &str) -> Problem {
        let (bytes, patience) = (self.bytes, self.limits.patience.as_secs_f64());
        let detail = format!("the upload is too slow: after {bytes} bytes {what} for over {patience} s");
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", detail)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Without a runtime the program is ending.
        if let (false, Ok(runtime)) = (self.ended, Handle::try_current()) {
            runtime.spawn(timeout(DRAIN_TIME, drain(mem::take(&mut self.body))));
        }
    }
}

/// Reads a body to its end, or to [`MAX_DRAIN_BYTES`].
async fn drain(mut body: Body) {
    let mut left = MAX_DRAIN_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if bytes > left {
            return;
        }
        left -= bytes;
    }
}

fn too_large(actual: u64, limits: &Limits) -> Problem {
    let detail =
        format!("over the limit: the request's body in bytes is {actual}, at most {} are allowed", limits.body_bytes);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

fn broken(error: &axum::Error) -> Problem {
    Problem::bad_request("upload_broken", format!("the upload broke off: {error}; send it again"))
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    fn limits() -> Limits {
        Limits { body_bytes: 10, patience: Duration::from_millis(20), body_rate: 1 << 30, ..Limits::default() }
    }

    #[tokio::test]
    async fn bodies_over_the_limit_are_refused() {
        let mut whole = Incoming::new(Body::from("0123456789"), &limits());
        whole.check_content_length(Some(10)).unwrap();
        assert_eq!(whole.chunk().await.unwrap().unwrap(), "0123456789");
        assert_eq!(whole.chunk().await.unwrap(), None);
        assert_eq!((whole.chunk().await.unwrap(), whole.bytes()), (None, 10));
        let mut too_long = Incoming::new(Body::from("0123456789a"), &limits());
        let announced = too_long.check_content_length(Some(11)).unwrap_err();
        assert!(announced.detail.contains("is 11, at most 10"));
        assert_eq!(too_long.chunk().await.unwrap_err().reason, "body_too_large");
    }

    #[tokio::test]
    async fn silent_and_slow_uploads_are_refused() {
        let mut silent = Incoming::new(Body::new(Never), &limits());
        assert_eq!(silent.chunk().await.unwrap_err().reason, "too_slow");
        let mut slow = Incoming::new(Body::from("01"), &limits());
        slow.waited = Duration::from_secs(1);
        assert!(slow.chunk().await.unwrap_err().detail.contains("after 2 bytes fewer than"));
    }

    /// A body that is never ready.
    struct Never;

    impl axum::body::HttpBody for Never {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }
}
