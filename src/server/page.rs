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

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

macro_rules! asset {
    ($path:expr, $file:literal, $kind:expr) => {
        Asset { path: $path, kind: $kind, body: include_str!(concat!("page/", $file)) }
    };
    ($file:literal, $kind:expr) => {
        asset!(concat!("/", $file), $file, $kind)
    };
}

/// Where each is served. What each script is for stands at its beginning.
pub(super) const ASSETS: &[Asset] = &[
    asset!("/", "index.html", HTML),
    asset!("icon.svg", "image/svg+xml"),
    asset!("base.css", STYLE),
    asset!("intake.css", STYLE),
    asset!("files.css", STYLE),
    asset!("answer.css", STYLE),
    asset!("timeline.css", STYLE),
    asset!("about.css", STYLE),
    asset!("app.js", SCRIPT),
    asset!("about.js", SCRIPT),
    asset!("answer.js", SCRIPT),
    asset!("api.js", SCRIPT),
    asset!("chart.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("downloads.js", SCRIPT),
    asset!("file-row.js", SCRIPT),
    asset!("format.js", SCRIPT),
    asset!("heads.js", SCRIPT),
    asset!("intake.js", SCRIPT),
    asset!("lanes.js", SCRIPT),
    asset!("microphone-tap.js", SCRIPT),
    asset!("microphone.js", SCRIPT),
    asset!("player.js", SCRIPT),
    asset!("queue.js", SCRIPT),
    asset!("reasons.js", SCRIPT),
    asset!("stretches.js", SCRIPT),
    asset!("token.js", SCRIPT),
    asset!("waveform.js", SCRIPT),
    asset!("wav.js", SCRIPT),
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

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/page");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        let mut served: Vec<&str> =
            ASSETS.iter().map(|asset| if asset.path == "/" { "index.html" } else { &asset.path[1..] }).collect();
        files.sort();
        served.sort_unstable();
        assert_eq!(served, files);
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
