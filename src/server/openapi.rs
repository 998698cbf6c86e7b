//! `GET /openapi.json`. The document is written by hand: unit tests compare it with the code, and
//! `tests/openapi/run` with the running program.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::engine::LEGAL_NOTICE;

/// The document, without the text of the legal notice.
const TEMPLATE: &str = include_str!("openapi.json");

fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> =
        LazyLock::new(|| TEMPLATE.replace("{{legal notice}}", &LEGAL_NOTICE.trim().replace('\n', " ")));
    &DOCUMENT
}

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], document()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::server::paths::PATHS;
    use crate::server::problem::REASONS;
    use crate::server::request_options::OPTIONS;

    fn parsed() -> Value {
        serde_json::from_str(document()).unwrap()
    }

    fn keys(object: &Value) -> BTreeSet<&str> {
        object.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn it_lists_exactly_the_paths_options_and_reasons() {
        let document = parsed();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(document["info"]["description"].as_str().unwrap().contains("AI Act"));
        assert_eq!(keys(&document["paths"]), PATHS.iter().copied().collect());
        let options: BTreeSet<&str> = OPTIONS.iter().copied().collect();
        assert_eq!(keys(&document["components"]["parameters"]), options);
        let form = &document["components"]["requestBodies"]["recording"]["content"]["multipart/form-data"]["schema"];
        let mut fields = keys(&form["properties"]);
        assert!(fields.remove("file"));
        assert_eq!(fields, options);
        let reasons = document["components"]["schemas"]["Problem"]["properties"]["reason"]["enum"].as_array().unwrap();
        let reasons: BTreeSet<&str> = reasons.iter().map(|reason| reason.as_str().unwrap()).collect();
        assert_eq!(reasons, REASONS.iter().copied().collect());
    }

    #[test]
    fn every_reference_resolves() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(object) => {
                    found.extend(object.get("$ref").and_then(Value::as_str));
                    object.values().for_each(|value| references(value, found));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = parsed();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 30);
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }
}
