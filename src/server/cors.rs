//! CORS: which web pages may call the API. The server's own page may; a page of another origin only
//! if that origin is allowed. Otherwise any page that a person visits could run requests on this
//! machine.
//!
//! tower-http's `CorsLayer` does not fit: it only adds headers and lets a foreign origin's POST
//! run, which here is refused before its body is read; and it answers every OPTIONS request with
//! 200, where this API answers 204 to preflights and 405 to others.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::service::Service;

/// Origin of a request, by its `Origin` header.
#[derive(Debug, PartialEq, Eq)]
enum Origin<'a> {
    /// No `Origin` header, or this server itself.
    Same,
    Allowed(&'a HeaderValue),
    Foreign,
}

fn origin<'a>(headers: &'a HeaderMap, allowed: &[String]) -> Origin<'a> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Origin::Same };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let origin_host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host.as_bytes());
    if origin_host == Some(host) {
        Origin::Same
    } else if allowed.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
        Origin::Allowed(origin)
    } else {
        Origin::Foreign
    }
}

/// Middleware: refuses requests of foreign origins unless they only read, answers preflights, and
/// lets pages of allowed origins read responses.
pub(super) async fn check(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let is_preflight = request.method() == Method::OPTIONS;
    let only_reads = request.method() == Method::GET || request.method() == Method::HEAD;
    let allowed = match origin(request.headers(), &service.origins) {
        Origin::Same => return next.run(request).await,
        Origin::Foreign if only_reads => return next.run(request).await,
        Origin::Foreign => {
            let detail = "origin not allowed (see --allow-origin)";
            return Problem::new(StatusCode::FORBIDDEN, "origin", detail).into_response();
        }
        Origin::Allowed(origin) => origin.clone(),
    };
    let mut response = if is_preflight { preflight() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id, retry-after"));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    response
}

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
    fn origins_are_same_allowed_or_foreign() {
        let headers = |origin: &'static str| {
            let pairs = [(header::HOST, "127.0.0.1:8080"), (header::ORIGIN, origin)];
            HeaderMap::from_iter(pairs.map(|(name, value)| (name, HeaderValue::from_static(value))))
        };
        let allowed = ["https://example.org".to_owned()];
        assert_eq!(origin(&HeaderMap::new(), &allowed), Origin::Same);
        assert_eq!(origin(&headers("http://127.0.0.1:8080"), &allowed), Origin::Same);
        let example = HeaderValue::from_static("https://example.org");
        assert_eq!(origin(&headers("https://example.org"), &allowed), Origin::Allowed(&example));
        for foreign in [
            "http://example.org",
            "https://example.org.evil",
            "null",
            "http://127.0.0.1:8081",
            "",
            "a://b://127.0.0.1:8080",
        ] {
            assert_eq!(origin(&headers(foreign), &allowed), Origin::Foreign, "{foreign}");
        }
    }
}
