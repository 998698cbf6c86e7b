//! Which web pages may ask (CORS). The server's own page may; another page's script only if its origin was allowed: otherwise any page that a
//! person visits could set this machine to work.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::service::Service;

/// Whose script asks.
#[derive(Debug, PartialEq, Eq)]
enum Origin<'a> {
    /// No other page's.
    Own,
    Allowed(&'a HeaderValue),
    Foreign,
}

fn origin<'a>(headers: &'a HeaderMap, allowed: &[String]) -> Origin<'a> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Origin::Own };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let after_scheme = memchr::memmem::find(origin.as_bytes(), b"://").map(|at| &origin.as_bytes()[at + 3..]);
    if after_scheme == Some(host) {
        Origin::Own
    } else if allowed.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
        Origin::Allowed(origin)
    } else {
        Origin::Foreign
    }
}

/// Refuses other pages' scripts what changes or costs something, and lets allowed ones read the answers.
pub(super) async fn check(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let asks_first = request.method() == Method::OPTIONS;
    let harmless = request.method() == Method::GET || request.method() == Method::HEAD;
    let allowed = match origin(request.headers(), &service.origins) {
        Origin::Own => return next.run(request).await,
        Origin::Foreign if harmless => return next.run(request).await,
        Origin::Foreign => {
            let detail = "another web page's script asked, and its origin is not allowed here (serve --allow-origin)";
            return Problem::new(StatusCode::FORBIDDEN, "origin", detail).into_response();
        }
        Origin::Allowed(origin) => origin.clone(),
    };
    let mut response = if asks_first { preflight() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id, retry-after"));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    response
}

/// What a browser asks before it sends a request of another page.
fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, x-request-id"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_allowed_and_foreign() {
        let headers = |origin: &'static str| {
            let pairs = [(header::HOST, "127.0.0.1:8080"), (header::ORIGIN, origin)];
            HeaderMap::from_iter(pairs.map(|(name, value)| (name, HeaderValue::from_static(value))))
        };
        let allowed = ["https://example.org".to_owned()];
        assert_eq!(origin(&HeaderMap::new(), &allowed), Origin::Own);
        assert_eq!(origin(&headers("http://127.0.0.1:8080"), &allowed), Origin::Own);
        let example = HeaderValue::from_static("https://example.org");
        assert_eq!(origin(&headers("https://example.org"), &allowed), Origin::Allowed(&example));
        for foreign in ["http://example.org", "https://example.org.evil", "null", "http://127.0.0.1:8081", ""] {
            assert_eq!(origin(&headers(foreign), &allowed), Origin::Foreign, "{foreign}");
        }
    }
}
