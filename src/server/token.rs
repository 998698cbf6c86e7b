//! Bearer authentication (RFC 6750).
//!
//! Written here, not taken from a middleware crate: the comparison takes the same time for every
//! token, and a refusal has the problem body of this server.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::error::{Error, Result};

/// SHA-256 of a token: of equal length for all tokens, so a comparison does not depend on theirs.
#[derive(Clone)]
pub(super) struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Token")
    }
}

impl Token {
    /// # Errors
    /// [`Error::Usage`] if the token is empty or has characters that a header cannot carry.
    pub(super) fn new(token: &str) -> Result<Self> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::usage("the token is empty or contains characters other than visible ASCII"));
        }
        Ok(Self(Sha256::digest(token).into()))
    }

    /// Whether `other` is this token, in constant time.
    fn matches(&self, other: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(other).into();
        let different = self.0.iter().zip(other).fold(0, |bits, (a, b)| bits | (a ^ b));
        std::hint::black_box(different) == 0
    }

    fn authorizes(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let (scheme, token) = value.split_at(value.len().min(7));
        scheme.eq_ignore_ascii_case(b"bearer ") && self.matches(token.trim_ascii())
    }
}

/// Middleware: 401 for requests without the token, if the server has one.
pub(super) async fn require(State(token): State<Option<Token>>, request: Request, next: Next) -> Response {
    match token {
        Some(token) if !token.authorizes(request.headers()) => {
            let detail = "missing or wrong token; send the header Authorization: Bearer TOKEN";
            Problem::new(StatusCode::UNAUTHORIZED, "token", detail).into_response()
        }
        _ => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_token_authorizes() {
        let token = Token::new("s3cret").unwrap();
        let authorizes = |value: &'static str| {
            token.authorizes(&HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]))
        };
        assert!(authorizes("Bearer s3cret") && authorizes("bearer s3cret"));
        for wrong in ["Bearer s3cre", "Bearer s3crets", "Basic s3cret", "s3cret", "Bearer", "Bearer ", "", "Bear"] {
            assert!(!authorizes(wrong), "{wrong}");
        }
        assert!(!token.authorizes(&HeaderMap::new()));
        assert!(Token::new("").is_err() && Token::new("a b").is_err());
        assert_eq!(format!("{token:?}"), "Token");
    }
}
