//! Error responses: problem details (RFC 9457) with a reason code and the engine's error message.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::Error;

/// An error response. `reason` is for programs and metrics, `detail` for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
    pub(super) detail: String,
    /// `Retry-After`, seconds.
    pub(super) retry_after_s: Option<u64>,
}

/// Extension of an error response, for metrics and access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason(pub(super) &'static str);

/// All reason codes.
#[cfg(test)]
pub(super) const REASONS: &[&str] = &[
    "malformed",
    "too_short",
    "unsupported",
    "over_limit",
    "upload_broken",
    "bad_form",
    "bad_option",
    "no_file",
    "unknown_model",
    "content_type",
    "body_too_large",
    "header_too_large",
    "too_many_parts",
    "too_slow",
    "queue_full",
    "time",
    "connections",
    "stopping",
    "token",
    "origin",
    "not_found",
    "method",
    "failed",
];

impl Problem {
    pub(super) fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { status, reason, detail: detail.into(), retry_after_s: None }
    }

    pub(super) fn bad_request(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, detail)
    }

    /// 500, an internal error.
    pub(super) fn failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail)
    }

    /// 503 during shutdown.
    pub(super) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is shutting down; try again").retry_after(1)
    }

    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The body. `type` is `about:blank`, so by RFC 9457 `title` is the status in words; `reason`
    /// is the kind of problem.
    pub(super) fn json(&self) -> String {
        let title = self.status.canonical_reason().unwrap_or_default();
        json!({
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "reason": self.reason,
            "detail": self.detail,
        })
        .to_string()
    }
}

/// Status and reason by [`Error::codes`]. All that the engine reads here is the upload, and clients
/// do not learn which internal error a 500 is.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let codes = error.codes();
        let detail = error.to_string();
        match codes.reason {
            "cannot_read" | "not_found" | "permission_denied" => Self::bad_request("upload_broken", detail),
            "configuration" => Self::bad_request("bad_option", detail),
            reason => match StatusCode::from_u16(codes.http_status) {
                Ok(status) if status.is_client_error() => Self::new(status, reason, detail),
                _ => Self::failed(detail),
            },
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let content_type = (header::CONTENT_TYPE, "application/problem+json");
        let mut response = (self.status, [content_type], self.json()).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.reason == "token" {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Reason(self.reason));
        response
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use super::*;

    #[test]
    fn errors_of_the_engine_keep_their_status_and_message() {
        let problem = Problem::from(Error::malformed("WAV", "no fmt chunk").in_file("a.wav"));
        assert_eq!((problem.status.as_u16(), problem.reason), (422, "malformed"));
        assert_eq!(problem.detail, "a.wav: WAV is malformed: no fmt chunk");
        let limit = Error::Limit { what: "the number of channels", actual: 65, limit: 64 };
        let cases = [
            (limit, 413, "over_limit"),
            (Error::Unsupported("AIFF".into()), 415, "unsupported"),
            (Error::TooShort("0.1 s".into()), 422, "too_short"),
            (Error::usage("min_confidence"), 400, "bad_option"),
            (Error::Read(io::Error::new(ErrorKind::UnexpectedEof, "cut off")), 400, "upload_broken"),
            (Error::Read(io::Error::from(ErrorKind::NotFound)), 400, "upload_broken"),
            (Error::Manifest("no heads".into()), 500, "failed"),
            (Error::Internal("a bug".into()), 500, "failed"),
        ];
        for (error, status, reason) in cases {
            let problem = Problem::from(error);
            assert_eq!((problem.status.as_u16(), problem.reason), (status, reason));
            assert!(REASONS.contains(&reason));
        }
    }

    #[test]
    fn problems_are_json_with_a_retry_time() {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", "a \"full\" queue").retry_after(3);
        let parsed: serde_json::Value = serde_json::from_str(&problem.json()).unwrap();
        assert_eq!(parsed["title"], "Too Many Requests");
        assert_eq!((&parsed["status"], &parsed["detail"]), (&json!(429), &json!("a \"full\" queue")));
        let response = problem.into_response();
        assert_eq!(response.headers()["retry-after"], "3");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.extensions().get(), Some(&Reason("queue_full")));
    }
}
