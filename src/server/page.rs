//! Files of the web page, embedded in the program. Browsers revalidate them by `ETag`.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::engine::{LEGAL_NOTICE, reasons_json};

/// A file of the page, and the path it is served at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    kind: &'static str,
    body: Body,
}

/// The content of a file.
#[derive(Debug, Clone, Copy)]
enum Body {
    /// The file as it is in the repository.
    File(&'static str),
    /// The file with the legal notice in place of [`LEGAL_NOTICE_MARK`].
    WithLegalNotice(&'static str),
    /// Texts of the reasons for a missing prediction, as a JavaScript module.
    ReasonTexts,
}

impl Body {
    fn text(self) -> Cow<'static, str> {
        match self {
            Self::File(text) => text.into(),
            Self::WithLegalNotice(text) => text.replace(LEGAL_NOTICE_MARK, LEGAL_NOTICE.trim_end()).into(),
            Self::ReasonTexts => format!("export const REASONS = {};\n", reasons_json()).into(),
        }
    }
}

const LEGAL_NOTICE_MARK: &str = "{{legal notice}}";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// A file of the folder `page`, or of `../html`, which exported pages share.
macro_rules! asset {
    ($folder:literal, $file:literal, $kind:expr) => {
        Asset { path: concat!("/", $file), kind: $kind, body: Body::File(include_str!(concat!($folder, "/", $file))) }
    };
    ($file:literal, $kind:expr) => {
        asset!("page", $file, $kind)
    };
}

/// All files of the page.
pub(super) const ASSETS: &[Asset] = &[
    Asset { path: "/", kind: HTML, body: Body::WithLegalNotice(include_str!("page/index.html")) },
    asset!("icon.svg", "image/svg+xml"),
    asset!("../html", "tokens.css", STYLE),
    asset!("base.css", STYLE),
    asset!("intake.css", STYLE),
    asset!("files.css", STYLE),
    asset!("report.css", STYLE),
    asset!("about.css", STYLE),
    asset!("app.js", SCRIPT),
    asset!("about.js", SCRIPT),
    asset!("api.js", SCRIPT),
    asset!("decode.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("downloads.js", SCRIPT),
    asset!("file-row.js", SCRIPT),
    asset!("heads.js", SCRIPT),
    asset!("intake.js", SCRIPT),
    asset!("microphone-tap.js", SCRIPT),
    asset!("microphone.js", SCRIPT),
    asset!("queue.js", SCRIPT),
    asset!("refusals.js", SCRIPT),
    asset!("report.js", SCRIPT),
    asset!("token.js", SCRIPT),
    asset!("wav.js", SCRIPT),
    asset!("../html/timeline", "timeline.css", STYLE),
    asset!("../html/timeline", "elements.js", SCRIPT),
    asset!("../html/timeline", "format.js", SCRIPT),
    asset!("../html/timeline", "player.js", SCRIPT),
    asset!("../html/timeline", "reasons.js", SCRIPT),
    asset!("../html/timeline", "rows.js", SCRIPT),
    asset!("../html/timeline", "segments.js", SCRIPT),
    asset!("../html/timeline", "timeline.js", SCRIPT),
    asset!("../html/timeline", "turns.js", SCRIPT),
    asset!("../html/timeline", "waveform.js", SCRIPT),
    Asset { path: "/reason-texts.js", kind: SCRIPT, body: Body::ReasonTexts },
];

impl Asset {
    /// `ETag`: a quoted SHA-256 prefix of the body.
    fn etag(&self) -> String {
        let digest = Sha256::digest(self.body.text().as_bytes());
        let first = digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        format!("\"{first:016x}\"")
    }

    /// The file, or 304 if the browser has it.
    pub(super) fn response(&self, headers: &HeaderMap) -> Response {
        let etag = self.etag();
        let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(self.kind))];
        let mut response = if is_known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            (kind, self.body.text().into_owned()).into_response()
        };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_files_are_not_sent_again() {
        let page = ASSETS[0];
        let first = page.response(&HeaderMap::new());
        assert_eq!(
            (first.status(), &first.headers()["content-type"]),
            (StatusCode::OK, &HeaderValue::from_static("text/html; charset=utf-8"))
        );
        let known = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(page.response(&known).status(), StatusCode::NOT_MODIFIED);
        assert_ne!(ASSETS[1].response(&known).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn every_file_of_the_folders_is_served() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");
        let files = |folder: &str| -> Vec<String> {
            let entries = std::fs::read_dir(format!("{source}{folder}")).unwrap();
            entries.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
        };
        let mut files = [files("server/page"), files("html/timeline")].concat();
        files.extend(["tokens.css", "reason-texts.js"].map(String::from));
        let mut served: Vec<&str> =
            ASSETS.iter().map(|asset| if asset.path == "/" { "index.html" } else { &asset.path[1..] }).collect();
        files.sort();
        served.sort_unstable();
        assert_eq!(served, files);
    }

    /// The content security policy forbids inline code and other origins.
    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_has_no_inline_code() {
        for asset in ASSETS {
            for outside in ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "@import", "url(http", "url(//"] {
                assert!(!asset.body.text().contains(outside), "{}: {outside}", asset.path);
            }
        }
        let page = ASSETS[0].body.text();
        assert!(!page.contains("<style") && !page.contains("style=\"") && !page.contains(" onclick="));
        assert!(
            page.split("<script")
                .skip(1)
                .all(|script| script.trim_start().starts_with("src=") || script.contains(" src="))
        );
        assert!(page.contains("article 5(1)(f)") && !page.contains("{{"), "the legal notice is missing");
    }
}
