//! Access log and request metrics: request id, method, route, status, time, and the reason of a
//! refusal. Nothing of the content is logged.
//!
//! Request ids are tower-http's. The log line is written here: tower-http's `TraceLayer` puts the
//! request's fields into a span, not into the line's own JSON keys, knows no `reason`, and does not
//! report clients that disconnect.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::paths::route_label;
use super::problem::Reason;
use super::service::Service;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Maximum length of a request id that a client or a proxy set.
const MAX_ID_LENGTH: usize = 64;

/// Middleware: removes a request id that is not safe in a log; `SetRequestIdLayer` then sets one.
pub(super) async fn drop_unsafe_id(mut request: Request) -> Request {
    if request.headers().get(REQUEST_ID).is_some_and(|id| !is_safe(id.as_bytes())) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

fn is_safe(id: &[u8]) -> bool {
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=MAX_ID_LENGTH).contains(&id.len()) && id.iter().all(safe)
}

fn request_id(headers: &HeaderMap) -> HeaderValue {
    headers.get(REQUEST_ID).cloned().unwrap_or(HeaderValue::from_static("-"))
}

/// A request in progress. If it is dropped before [`Entry::finish`], its client has disconnected.
struct Entry {
    service: Arc<Service>,
    id: HeaderValue,
    method: String,
    route: &'static str,
    began: Instant,
    finished: bool,
}

impl Entry {
    fn finish(mut self, response: &Response) {
        self.finished = true;
        let (status, time) = (response.status().as_u16(), self.began.elapsed());
        let reason = response.extensions().get::<Reason>().map(|reason| reason.0);
        self.service.metrics.record_request(self.route, status, reason, time);
        tracing::info!(
            request_id = self.id.to_str().unwrap_or_default(),
            method = self.method,
            route = self.route,
            status,
            ms = time.as_secs_f64() * 1e3,
            reason,
            "answered"
        );
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.finished {
            self.service.metrics.record_disconnect();
            let (id, ms) = (self.id.to_str().unwrap_or_default(), self.began.elapsed().as_secs_f64() * 1e3);
            tracing::info!(request_id = id, method = self.method, route = self.route, ms, "client disconnected");
        }
    }
}

/// Middleware: logs and counts a request when its response is ready or its client disconnects.
pub(super) async fn log(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let entry = Entry {
        service,
        id: request_id(request.headers()),
        method: request.method().as_str().chars().take(16).collect(),
        route: route_label(matched),
        began: Instant::now(),
        finished: false,
    };
    let response = next.run(request).await;
    entry.finish(&response);
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn safe_ids_are_kept_and_others_removed() {
        for (id, kept) in [
            (&b"trace-1.2_x"[..], true),
            (b"", false),
            (b"a b", false),
            (b"<script>", false),
            (&[b'a'; 65], false),
            (b"\xff", false),
        ] {
            let value = HeaderValue::from_bytes(id).unwrap();
            let request = Request::builder().header(REQUEST_ID, value).body(Body::empty()).unwrap();
            let request = drop_unsafe_id(request).await;
            assert_eq!(request.headers().contains_key(REQUEST_ID), kept, "{id:?}");
        }
    }
}
