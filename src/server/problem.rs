//! Why a request is refused: RFC 9457 problem details, with the words of the command line.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::Error;

/// A refusal. `reason` is for programs and for the metrics, `detail` for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
    pub(super) detail: String,
    /// Seconds after which to try again.
    pub(super) retry_after: Option<u64>,
}

/// Left in a response by its problem, for the metrics and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason(pub(super) &'static str);

/// Every reason that there is.
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
        Self { status, reason, detail: detail.into(), retry_after: None }
    }

    pub(super) fn bad_request(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, detail)
    }

    /// The server's own fault.
    pub(super) fn failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail)
    }

    /// The server goes down; another one, or this one later, will answer.
    pub(super) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is being stopped; try again").after(1)
    }

    pub(super) fn after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The body: `type` is `about:blank`, so that `title` is the status in words, and `reason` tells the kind.
    pub(super) fn json(&self) -> String {
        let title = self.status.canonical_reason().unwrap_or_default();
        json!({"type": "about:blank", "title": title, "status": self.status.as_u16(), "reason": self.reason, "detail": self.detail})
            .to_string()
    }
}

/// Whose fault an error of the engine is.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::InFile { source, .. } => source,
            other => other,
        };
        let (status, reason) = match kind {
            Error::Malformed { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "malformed"),
            Error::Unsupported(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported"),
            Error::Limit { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "over_limit"),
            Error::Read(_) => (StatusCode::BAD_REQUEST, "upload_broken"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        Self::new(status, reason, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        const RETRY_AFTER: HeaderName = header::RETRY_AFTER;
        let mut response =
            (self.status, [(header::CONTENT_TYPE, "application/problem+json")], self.json()).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
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
    use super::*;

    #[test]
    fn the_engines_errors_keep_their_words() {
        let error = Error::malformed("WAV", "no fmt chunk").in_file("a.wav");
        let problem = Problem::from(error);
        assert_eq!((problem.status.as_u16(), problem.reason), (422, "malformed"));
        assert_eq!(problem.detail, "a.wav: WAV is malformed: no fmt chunk");
        let limit = Error::Limit { what: "the number of channels", actual: 65, limit: 64 };
        assert_eq!(Problem::from(limit).status.as_u16(), 413);
        assert_eq!(Problem::from(Error::Unsupported("AIFF".into())).status.as_u16(), 415);
        assert_eq!(Problem::from(Error::Config("threads".into())).status.as_u16(), 500);
    }

    #[test]
    fn a_problem_is_json_and_says_when_to_try_again() {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", "a \"full\" queue").after(3);
        let parsed: serde_json::Value = serde_json::from_str(&problem.json()).unwrap();
        assert_eq!(parsed["title"], "Too Many Requests");
        assert_eq!((&parsed["status"], &parsed["detail"]), (&json!(429), &json!("a \"full\" queue")));
        let response = problem.into_response();
        assert_eq!(response.headers()["retry-after"], "3");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.extensions().get(), Some(&Reason("queue_full")));
        assert!(REASONS.contains(&"queue_full"));
    }
}
