//! `GET /openapi.json`: what the server answers, for programs. The document is written by hand; tests hold it against the code, and `tests/openapi/run`
//! holds the running program against it.

use axum::http::header;
use axum::response::{IntoResponse, Response};

const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], DOCUMENT).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::server::asked::OPTIONS;
    use crate::server::problem::REASONS;
    use crate::server::routes::PATHS;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    fn keys(object: &Value) -> BTreeSet<&str> {
        object.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn it_knows_every_address_option_and_reason_and_no_other() {
        let document = document();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
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

    /// A reference that points nowhere is what makes a document useless to programs.
    #[test]
    fn every_reference_points_somewhere() {
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
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 30);
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }
}
