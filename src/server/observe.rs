//! Every request is given an id, counted and logged: method, route, status, time, and the reason of a refusal. Nothing of what was sent is.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::Reason;
use super::routes::counted_as;
use super::service::Service;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of an id that a client or a proxy gave.
const ID_CHARACTERS: usize = 64;

/// The id that came with a request, if it is harmless in a log; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|id| {
        let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        (1..=ID_CHARACTERS).contains(&id.len()) && id.as_bytes().iter().all(harmless)
    });
    given.cloned().unwrap_or_else(new_id)
}

/// Random for each run of the program, counted within it.
fn new_id() -> HeaderValue {
    static RUN: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let run = *RUN.get_or_init(|| RandomState::new().build_hasher().finish());
    let id = format!("{run:016x}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
}

/// A request whose end is not known yet. Dropped without one, its client went away.
struct Watched {
    service: Arc<Service>,
    id: HeaderValue,
    method: String,
    route: &'static str,
    began: Instant,
    ended: bool,
}

impl Watched {
    fn end(mut self, response: &mut Response) {
        self.ended = true;
        let (status, time) = (response.status().as_u16(), self.began.elapsed());
        let reason = response.extensions().get::<Reason>().map(|reason| reason.0);
        self.service.metrics.answered(self.route, status, reason, time);
        tracing::info!(
            request_id = self.id.to_str().unwrap_or_default(),
            method = self.method,
            route = self.route,
            status,
            ms = time.as_secs_f64() * 1e3,
            reason,
            "answered"
        );
        response.headers_mut().insert(REQUEST_ID, self.id.clone());
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended {
            self.service.metrics.gone();
            let (id, ms) = (self.id.to_str().unwrap_or_default(), self.began.elapsed().as_secs_f64() * 1e3);
            tracing::info!(request_id = id, method = self.method, route = self.route, ms, "the client went away");
        }
    }
}

/// Watches a request from its header to its answer.
pub(super) async fn watch(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let watched = Watched {
        service,
        id: request_id(request.headers()),
        method: request.method().as_str().chars().take(16).collect(),
        route: counted_as(matched),
        began: Instant::now(),
        ended: false,
    };
    let mut response = next.run(request).await;
    watched.end(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_ids_are_kept_and_others_replaced() {
        let of = |id: &[u8]| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(id).unwrap())]);
            request_id(&headers).to_str().unwrap().to_owned()
        };
        assert_eq!(of(b"trace-1.2_x"), "trace-1.2_x");
        for replaced in [&b""[..], b"a b", b"<script>", &[b'a'; 65], b"\xff"] {
            assert_ne!(of(replaced).as_bytes(), replaced);
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
