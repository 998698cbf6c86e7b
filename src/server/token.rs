//! Who may ask: bearer authentication (RFC 6750).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::service::Service;
use crate::error::{Error, Result};

/// A token, as its checksum: of equal length for all tokens, so that comparing takes the same time for all.
pub(super) struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Token")
    }
}

impl Token {
    /// # Errors
    /// [`Error::Config`] for an empty token, or one with characters that no header can carry.
    pub(super) fn new(token: &str) -> Result<Self> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Config("the token is empty, or has characters other than visible ASCII".into()));
        }
        Ok(Self(Sha256::digest(token).into()))
    }

    /// Whether another token is this one. All bytes are looked at.
    fn is(&self, other: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(other).into();
        let different = self.0.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(different) == 0
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let (scheme, token) = value.split_at(value.len().min(7));
        scheme.eq_ignore_ascii_case(b"bearer ") && self.is(token.trim_ascii())
    }
}

/// Refuses requests without the token, if one is asked for.
pub(super) async fn check(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    match &service.token {
        Some(token) if !token.is_in(request.headers()) => {
            let detail = "a token is needed, and this request has none or another: Authorization: Bearer TOKEN";
            Problem::new(StatusCode::UNAUTHORIZED, "token", detail).into_response()
        }
        _ => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_alone() {
        let token = Token::new("s3cret").unwrap();
        let is_in =
            |value: &'static str| token.is_in(&HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]));
        assert!(is_in("Bearer s3cret") && is_in("bearer s3cret"));
        for wrong in ["Bearer s3cre", "Bearer s3crets", "Basic s3cret", "s3cret", "Bearer", "Bearer ", "", "Bear"] {
            assert!(!is_in(wrong), "{wrong}");
        }
        assert!(!token.is_in(&HeaderMap::new()));
        assert!(Token::new("").is_err() && Token::new("a b").is_err());
        assert_eq!(format!("{token:?}"), "Token");
    }
}
