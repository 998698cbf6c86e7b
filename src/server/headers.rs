//! Response headers for browsers, and the size limit of request headers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::set_header::response::SetMultipleResponseHeadersLayer;
use tower_http::set_header::{HeaderMetadata, SetResponseHeaderLayer};

use super::problem::Problem;
use super::service::Service;

/// Scripts, styles and requests of the page come from this server alone; recorded or dropped audio
/// is a blob.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SECURITY: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
];

/// Layer that sets the security headers of every response.
pub(super) fn security() -> SetMultipleResponseHeadersLayer<Response> {
    let header = |(name, value)| HeaderMetadata::from((name, HeaderValue::from_static(value)));
    SetMultipleResponseHeadersLayer::overriding(SECURITY.into_iter().map(header).collect())
}

/// Layer that forbids caching, except where a handler allows it.
pub(super) fn no_store() -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// Bytes of a request's header, as sent.
#[derive(Clone, Copy)]
struct HeaderBytes(usize);

/// Middleware: measures the request's header, before other middleware adds to it.
pub(super) async fn measure(mut request: Request) -> Request {
    let bytes = HeaderBytes(header_bytes(&request));
    request.extensions_mut().insert(bytes);
    request
}

/// Middleware: 431 for a request header that is too large; during shutdown, asks clients to close
/// the connection.
pub(super) async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let measured = request.extensions().get().map(|HeaderBytes(bytes)| *bytes);
    let bytes = measured.unwrap_or_else(|| header_bytes(&request));
    let limit = service.limits.header_bytes;
    let mut response = if bytes > limit {
        let detail = format!("over the limit: the request's header in bytes is {bytes}, at most {limit} are allowed");
        Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "header_too_large", detail).into_response()
    } else {
        next.run(request).await
    };
    if service.is_stopping() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn header_bytes(request: &Request) -> usize {
    let line = request.method().as_str().len() + request.uri().to_string().len() + " HTTP/1.1\r\n ".len();
    line + lines(request.headers())
}

fn lines(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}
