//! The page and its parts, inside the program. A browser asks each time whether what it has is still the same.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// A file of the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    kind: &'static str,
    body: &'static str,
}

macro_rules! asset {
    ($path:literal, $file:literal, $kind:literal) => {
        Asset { path: $path, kind: $kind, body: include_str!(concat!("page/", $file)) }
    };
}

/// Where each is served.
pub(super) const ASSETS: &[Asset] = &[
    asset!("/", "index.html", "text/html; charset=utf-8"),
    asset!("/app.js", "app.js", "text/javascript; charset=utf-8"),
    asset!("/style.css", "style.css", "text/css; charset=utf-8"),
    asset!("/icon.svg", "icon.svg", "image/svg+xml"),
];

impl Asset {
    /// The checksum of its bytes, quoted.
    fn tag(&self) -> String {
        let digest = Sha256::digest(self.body);
        let first = digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        format!("\"{first:016x}\"")
    }

    /// It, or 304 for a browser that has it.
    pub(super) fn answer(&self, headers: &HeaderMap) -> Response {
        let tag = self.tag();
        let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(self.kind))];
        let mut response =
            if has_it { StatusCode::NOT_MODIFIED.into_response() } else { (kind, self.body).into_response() };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_has_a_file_is_not_sent_it_again() {
        let page = ASSETS[0];
        let first = page.answer(&HeaderMap::new());
        assert_eq!(
            (first.status(), &first.headers()["content-type"]),
            (StatusCode::OK, &HeaderValue::from_static("text/html; charset=utf-8"))
        );
        let known = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(page.answer(&known).status(), StatusCode::NOT_MODIFIED);
        assert_ne!(ASSETS[1].answer(&known).status(), StatusCode::NOT_MODIFIED);
    }

    /// The content policy forbids what is written into the page, and asking elsewhere.
    #[test]
    fn the_page_asks_nobody_else_and_has_nothing_inline() {
        for asset in ASSETS {
            for outside in ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "@import", "url(http", "url(//"] {
                assert!(!asset.body.contains(outside), "{}: {outside}", asset.path);
            }
        }
        let page = ASSETS[0].body;
        assert!(!page.contains("<style") && !page.contains("style=\"") && !page.contains(" onclick="));
        assert!(
            page.split("<script")
                .skip(1)
                .all(|script| script.trim_start().starts_with("src=") || script.contains(" src="))
        );
    }
}
